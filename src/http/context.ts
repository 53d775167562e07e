import { check, invalid } from '../errors/invalid.ts';
import { isThenable } from '../internal/checks.ts';
import { isRecord } from '../internal/json.ts';
import { mask } from '../secret/mask.ts';
import { redactor as redactorFor } from '../secret/redact.ts';
import { type Credential, type CredentialContext, isSecret, Secret } from '../secret/secret.ts';
import type { RequestLogEntry } from './call.ts';
import type { Deadline } from './deadline.ts';
import { withoutInput } from './service-error.ts';
import type { TransportResponse } from './transport.ts';

interface CallDescription {
  /** Method and path without ids, such as `DELETE /apikeys/{id}`. Error messages start with this label. */
  readonly label: string;
  /** Origin and path of the request. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly deadline: Deadline;
  readonly provideCredential: ReadCredential;
  readonly credentialOption?: 'apiKey' | 'accessToken';
  /** The response to the latest request, if it has arrived. */
  response?: TransportResponse | undefined;
  /** The diagnostics message of the latest request, if there are subscribers. Contains no body, key id or credential. */
  diagnostics?: Partial<RequestLogEntry> & { readonly host: string; completion?: object };
}

/** The call that received a response, with functions that manage its credentials and redact text. */
export type ResponseContext = ReturnType<typeof responseContext<CallDescription>>;

/** Maximum number of further credentials that a call tries after its first credential has been rejected. */
const MAX_FURTHER_CREDENTIALS = 3;

/** Longer text is truncated before redaction, because servers may echo entire requests in their messages. */
const MAX_INPUT = 16_384;

export function responseContext<Call extends CallDescription>(call: Call) {
  const { deadline, provideCredential } = call;
  /** Every credential that the call has used. */
  const used: Secret[] = [];
  const rejected: Secret[] = [];
  /** Created on demand, because most calls need no redaction. */
  let redactor: ((text: string) => string) | undefined;
  const credential = (): Secret => used.at(-1) as Secret;
  /** Reads the next request's credential. If it has already been rejected, keeps the current one and returns false. */
  const readCredential = async (last?: Secret): Promise<boolean> => {
    const { signal } = deadline;
    const value = provideCredential(last === undefined ? { signal } : { rejected: last, signal });
    const next = isThenable(value) ? await deadline.race(value) : value;
    if (rejected.some((one) => one.equals(next))) return false;
    if (next !== credential()) used.push(next);
    redactor = undefined;
    return true;
  };
  /** Reads another credential after a rejection. Returns false if there is none, or if too many have been tried. */
  const replaceCredential = async (): Promise<boolean> => {
    rejected.push(credential());
    return rejected.length <= MAX_FURTHER_CREDENTIALS && readCredential(credential());
  };
  /** Masks every credential that the call has used. Applied to all text in errors. */
  const redact = (text: string): string => {
    redactor ??= redactorOf(used, call.headers);
    return redactor(text);
  };
  /** Masks credentials in every string of a JSON value, including field names. */
  const redactValue = <Value>(value: Value): Value => redactStrings(value, redact) as Value;
  /** Makes text from a server or library safe to show: masks credentials, removes echoed input, and truncates it. */
  const shown = <Text extends string | undefined>(text: Text, length = 500): Text => {
    const safe = text && redact(withoutInput(text.slice(0, MAX_INPUT)));
    return (safe && safe.length > length ? `${safe.slice(0, length)}…` : safe) as Text;
  };
  return Object.assign(call, { credential, readCredential, replaceCredential, redact, redactValue, shown });
}

function redactStrings(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactStrings(item, redact));
  if (!isRecord(value)) return value;
  return Object.fromEntries(redactStrings(Object.entries(value), redact) as [string, unknown][]);
}

/** Adds a period unless the text already ends with punctuation. */
export function sentence(text: string): string {
  return text.trimEnd().replace(/(?<![.!?。！？…])$/, '.');
}

export type ReadCredential = (context: CredentialContext) => Secret | Promise<Secret>;

/**
 * Returns a function that reads the credential before each attempt. Calls, even concurrent ones, never share a result,
 * because a provider may depend on the async context, for example to find the current tenant.
 */
export function credentialReader(credential: Credential, option: string): ReadCredential {
  const source = Object(credential) as { readonly getKey?: (context: CredentialContext) => unknown };
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

/** Anything that looks like a d.run API key. */
const API_KEY = /\bsk-[\w-]{16,}/g;
/** Any `Bearer` or `Basic` credential, and any password in a URL, such as that of a proxy. */
const ANY_CREDENTIAL = /(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}|(:\/\/[^\s/@:]*:)[^\s/@]+(?=@)/gi;

/** Names of headers whose values are credentials. */
const CREDENTIAL_HEADER =
  /^(?:.+-)?(?:auth|authorization|cookie|credentials?|jwt|(?:api-?)?key|password|secret|session(?:-?id)?|signature|token)$/i;

/** Shorter parts of a header value are not masked, because they may be ordinary words. */
const MIN_HEADER_PART = 8;

/** @param credentials - All credentials that a call has used: a server may echo one that it rejected earlier. */
function redactorOf(
  credentials: readonly Secret[],
  headers: Readonly<Record<string, string>>,
): (text: string) => string {
  const secretHeaders = Object.entries(headers).filter(([name]) => CREDENTIAL_HEADER.test(name));
  const redact = redactorFor([
    ...credentials.map((credential) => credential.reveal()),
    ...secretHeaders.flatMap(([, value]) => credentialsIn(value)),
  ]);
  return (text) => redact(text).replace(API_KEY, mask).replace(ANY_CREDENTIAL, '$1$2******');
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
