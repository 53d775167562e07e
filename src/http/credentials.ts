import { ConfigurationError } from '../errors/index.ts';
import { isPrintableAscii, isThenable } from '../internal/checks.ts';
import type { Credential, CredentialContext, CredentialProvider } from '../secret/credential.ts';
import { maskKeys } from '../secret/mask.ts';
import { Redactor } from '../secret/redact.ts';
import { isSecret, Secret } from '../secret/secret.ts';

/** How many credentials a call tries after the one that was rejected first. */
export const MAX_FURTHER_CREDENTIALS = 3;

/**
 * Reads a credential for each attempt of each call.
 *
 * Results are never shared between calls, not even concurrent ones: a provider may depend on its caller's async
 * context, for example on the tenant of a web request.
 */
export class CredentialReader {
  readonly #option: string;
  readonly #provide: CredentialProvider | undefined;
  readonly #fixed: Secret | undefined;

  /**
   * @param option - What the caller calls it: `apiKey`, `accessToken`.
   * @throws {ConfigurationError} If it is malformed; the message does not repeat it.
   */
  constructor(credential: Credential, option: string) {
    this.#option = option;
    if (typeof credential === 'function') this.#provide = credential;
    else if (hasGetKey(credential)) this.#provide = (context) => credential.getKey(context);
    else this.#fixed = toSecret(credential, option);
  }

  /** Returns the current credential, synchronously if the provider does. Passes on what the provider throws. */
  read(context: CredentialContext): Secret | Promise<Secret> {
    if (this.#fixed !== undefined) return this.#fixed;
    const value = this.#provide?.(context);
    if (!isThenable(value)) return toSecret(value, this.#option);
    return Promise.resolve(value).then((resolved) => toSecret(resolved, this.#option));
  }
}

function hasGetKey(value: unknown): value is { readonly getKey: CredentialProvider } {
  return (
    typeof value === 'object' && value !== null && 'getKey' in value && typeof value.getKey === 'function'
  );
}

function toSecret(value: unknown, option: string): Secret {
  const fail = (why: string): never => {
    throw new ConfigurationError(`\`${option}\` ${why}.`, { option });
  };
  const text = isSecret(value) ? reveal(value) : value;
  if (text === undefined && isSecret(value)) return fail('is a copy of a Secret, which has no value');
  if (typeof text !== 'string') {
    return fail(
      'must be a string, a Secret, a function that returns one, or an object with a `getKey` method',
    );
  }
  // Files and `echo` end with a newline.
  const trimmed = text.replace(/[\r\n]+$/, '');
  if (trimmed === '') return fail('must not be empty');
  if (/^bearer\s/i.test(trimmed)) return fail('must be the credential alone, without "Bearer"');
  if (!isPrintableAscii(trimmed)) {
    return fail('contains white space or a character that is not printable ASCII; was it copied completely?');
  }
  if (option === 'accessToken' && /^sk-[\w-]{16,}$/.test(trimmed)) {
    return fail('looks like an API key; the console needs an access token from its Personal Center');
  }
  return isSecret(value) && trimmed === text ? value : new Secret(trimmed);
}

/** The value of a secret, or `undefined` for a clone or a proxy of one. */
function reveal(secret: Secret): string | undefined {
  try {
    return secret.reveal();
  } catch {
    return undefined;
  }
}

/** Bearer and Basic credentials of any kind. */
const ANY_BEARER = /\b(Bearer|Basic)(\s+)[\w.~+/=-]{8,}/gi;

/** Names of headers whose values are credentials. */
const CREDENTIAL_HEADER =
  /^(?:.+-)?(?:auth|authorization|cookie|credentials?|(?:api-?)?key|password|secret|signature|token)$/i;

/** Shorter parts of a header are words, not credentials. */
const MIN_HEADER_PART = 8;

/** Masks every credential of a call in what servers and libraries say. */
export class CallRedactor {
  readonly #redactor: Redactor;

  /** @param credentials - All that the call has used: a server may repeat one that it rejected before. */
  constructor(credentials: readonly Secret[], headers: Readonly<Record<string, string>>) {
    const values = credentials.map((credential) => credential.reveal());
    for (const [name, value] of Object.entries(headers)) {
      if (CREDENTIAL_HEADER.test(name)) values.push(...credentialsIn(value));
    }
    this.#redactor = new Redactor(values);
  }

  /** Masks the credentials of the call, and everything that looks like another one. */
  redact(text: string): string {
    return maskKeys(this.#redactor.redact(text)).replace(
      ANY_BEARER,
      (_, scheme: string, space: string) => `${scheme}${space}******`,
    );
  }

  /** Does the same in every string of a JSON value, names of fields included. */
  redactValue<T>(value: T): T;
  redactValue(value: unknown): unknown {
    if (typeof value === 'string') return this.redact(value);
    if (Array.isArray(value)) return value.map((item) => this.redactValue(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [this.redact(name), this.redactValue(item)]),
    );
  }
}

/** A header's value and its parts: values of cookies, what follows a scheme, a password in it. */
function credentialsIn(value: string): string[] {
  const parts = value
    .split(/[\s;,]+/)
    .flatMap((part) => [part, part.slice(part.indexOf('=') + 1), passwordIn(part)]);
  return [...new Set([value, ...parts])].filter(({ length }) => length >= MIN_HEADER_PART);
}

/** The password of `Basic` authentication, or an empty string. */
function passwordIn(part: string): string {
  try {
    return /^[^:]*:(.*)$/.exec(atob(part))?.[1] ?? '';
  } catch {
    return '';
  }
}
