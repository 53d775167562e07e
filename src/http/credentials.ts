import { check, invalid } from '../errors/invalid.ts';
import { isThenable } from '../internal/checks.ts';
import type { Credential, CredentialContext, CredentialProvider } from '../secret/credential.ts';
import { maskKeys } from '../secret/mask.ts';
import { redactor } from '../secret/redact.ts';
import { isSecret, Secret } from '../secret/secret.ts';

export type ReadCredential = (context: CredentialContext) => Secret | Promise<Secret>;

/**
 * Returns a function that reads the credential before each attempt. Calls, even concurrent ones, never share a result,
 * because a provider may depend on the async context, for example to find the current tenant.
 */
export function credentialReader(credential: Credential, option: string): ReadCredential {
  const source = Object(credential) as { readonly getKey?: CredentialProvider };
  if (typeof credential !== 'function' && typeof source.getKey !== 'function') {
    const secret = toSecret(credential, option);
    return () => secret;
  }
  return (context) => {
    const value = typeof credential === 'function' ? credential(context) : source.getKey?.(context);
    if (!isThenable(value)) return toSecret(value, option);
    return Promise.resolve(value).then((resolved) => toSecret(resolved, option));
  };
}

function toSecret(value: unknown, option: string): Secret {
  const text = isSecret(value) ? reveal(value, option) : value;
  const kinds = 'a string, a Secret, a function, or an object with a `getKey` method';
  if (typeof text !== 'string') throw invalid(option, `must be ${kinds}`);
  // Credentials from files or from `echo` may end with a newline.
  const trimmed = text.replace(/(?<![\r\n])[\r\n]+$/, '');
  const refuse = (pattern: RegExp, rule: string): void => check(!pattern.test(trimmed), option, rule);
  refuse(/^$/, 'must not be empty');
  refuse(/^(["'`]).*\1$|\*{3}/, 'is quoted or masked. Pass the plain text');
  refuse(/^bearer(?:\s|$)/i, 'must be the credential alone, without "Bearer"');
  refuse(/[^!-~]/, 'contains white space or a non-ASCII character. Was it copied correctly?');
  if (option === 'accessToken')
    refuse(/^sk-[\w-]{16,}$/, 'looks like an API key. Use an access token from the Personal Center');
  return isSecret(value) && trimmed === text ? value : new Secret(trimmed);
}

function reveal(secret: Secret, option: string): string {
  try {
    return secret.reveal();
  } catch {
    throw invalid(option, 'is a clone of a Secret and has no value');
  }
}

/** Any `Bearer` or `Basic` credential, and any password in a URL, such as that of a proxy. */
const ANY_CREDENTIAL = /(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}|(:\/\/[^\s/@:]*:)[^\s/@]+(?=@)/gi;

/** Names of headers whose values are credentials. */
const CREDENTIAL_HEADER =
  /^(?:.+-)?(?:auth|authorization|cookie|credentials?|jwt|(?:api-?)?key|password|secret|session(?:-?id)?|signature|token)$/i;

/** Shorter parts of a header value are not masked, because they may be ordinary words. */
const MIN_HEADER_PART = 8;

/** @param credentials - All credentials that a call has used: a server may echo one that it rejected earlier. */
export function redactorFor(
  credentials: readonly Secret[],
  headers: Readonly<Record<string, string>>,
): (text: string) => string {
  const secretHeaders = Object.entries(headers).filter(([name]) => CREDENTIAL_HEADER.test(name));
  const redact = redactor([
    ...credentials.map((credential) => credential.reveal()),
    ...secretHeaders.flatMap(([, value]) => credentialsIn(value)),
  ]);
  return (text) => maskKeys(redact(text)).replace(ANY_CREDENTIAL, '$1$2******');
}

/** Returns a header value and its parts: cookie values, the text after a scheme, and a base64-encoded password. */
function credentialsIn(value: string): string[] {
  const parts = value
    .split(/[\s;,]+/)
    .flatMap((part) => [part, part.slice(part.indexOf('=') + 1), passwordIn(part)]);
  return [value, ...parts].filter(({ length }) => length >= MIN_HEADER_PART);
}

function passwordIn(part: string): string {
  try {
    return /^[^:]*:(.*)$/.exec(atob(part))?.[1] ?? '';
  } catch {
    return '';
  }
}
