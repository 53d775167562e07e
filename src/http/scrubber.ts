import { maskKeys, prefixOf } from '../secret/mask.ts';
import { Redactor } from '../secret/redactor.ts';
import type { Secret } from '../secret/secret.ts';

/** What looks like any bearer. */
const ANY_BEARER = /\b(Bearer|Basic)(\s+)[\w.~+/=-]{8,}/gi;

/** Names of headers whose values are credentials. */
const CREDENTIAL_HEADER =
  /^(?:.+-)?(?:auth|authorization|cookie|credentials?|(?:api-?)?key|password|secret|signature|token)$/i;

/** Shorter parts of a header are words, not credentials. */
const SHORTEST_PART = 8;

/** Shorter credentials (`EMPTY`, where a server wants none) stand in good answers as words do. */
const SHORTEST_IN_ANSWERS = 8;

/** Texts of servers and libraries longer than this are cut, after they were redacted. */
const LONGEST_TEXT = 500;

/** Takes the credentials of one call out of everything that a server or a library says. */
export class Scrubber {
  readonly #texts: Redactor;
  readonly #answers: Redactor;
  readonly #long: readonly string[];

  /** @param credentials - All that this call has used: an answer may repeat one that was refused before. */
  constructor(credentials: readonly Secret[], headers: Readonly<Record<string, string>>) {
    const values = credentials.map((credential) => credential.reveal());
    for (const [name, value] of Object.entries(headers)) {
      if (CREDENTIAL_HEADER.test(name)) values.push(...credentialsIn(value));
    }
    this.#texts = new Redactor(values);
    this.#long = values.filter(({ length }) => length >= SHORTEST_IN_ANSWERS);
    this.#answers = this.#long.length === values.length ? this.#texts : new Redactor(this.#long);
  }

  /** A text that is going into an error: the call's credentials, and all that looks like one, masked. */
  text(text: string): string {
    const clean = this.wholeText(text);
    return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean;
  }

  /** The same, however long it is. */
  wholeText(text: string): string {
    // Keys of d.run that are not the one in use are masked, too.
    return maskKeys(this.#texts.redact(text)).replace(
      ANY_BEARER,
      (_, scheme: string, space: string) => `${scheme}${space}******`,
    );
  }

  /** An answer's headers, which a server can write credentials into as well. */
  headers(headers: Headers): Headers {
    return new Headers([...headers].map(([name, value]): [string, string] => [name, this.wholeText(value)]));
  }

  /**
   * An answer that is handed to the caller: the call's own credentials are masked wherever a server repeats
   * them, in keys of objects too. What is clean, which is nearly everything, is passed on as it is.
   *
   * @param text - The text that `value` was parsed from.
   */
  answer(text: string, value: unknown): unknown {
    return this.#answers.isClean(text) ? value : this.#deep(value);
  }

  /**
   * For an answer that comes in thousands of pieces, which are looked through for whole credentials in clear only: more
   * would cost as much as reading them.
   */
  pieces(): PieceScrubber {
    return new PieceScrubber(this.#long, (value) => this.#deep(value));
  }

  #deep(value: unknown): unknown {
    if (typeof value === 'string') return this.#answers.redact(value);
    if (Array.isArray(value)) return value.map((item) => this.#deep(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.#answers.redact(key), this.#deep(item)]),
    );
  }
}

/** Takes the credentials of a call out of the pieces of an answer. */
export class PieceScrubber {
  readonly #credentials: readonly string[];
  readonly #redact: (value: unknown) => unknown;
  /** Without their prefixes: a search goes from one first letter to the next, and there is many an `s` in an answer. */
  readonly #bodies: readonly string[];
  readonly #overlap: number;
  #tail = '';
  #isClean = true;

  /** @param redact - Masks the credentials in a value. */
  constructor(credentials: readonly string[], redact: (value: unknown) => unknown) {
    this.#credentials = credentials;
    this.#redact = redact;
    this.#bodies = credentials.map((credential) => credential.slice(prefixOf(credential).length));
    this.#overlap = Math.max(...this.#bodies.map(({ length }) => length)) - 1;
  }

  /** Has to be told of all that comes, in order and before it is taken to pieces. */
  see(text: string): void {
    if (!this.#isClean || this.#credentials.length === 0) return;
    const seen = this.#tail + text;
    this.#isClean = !this.#bodies.some((body) => seen.includes(body));
    this.#tail = seen.slice(-this.#overlap);
  }

  /** @param text - The text that `value` was parsed from. */
  piece(text: string, value: unknown): unknown {
    // Nearly every answer is clean, and looking once through a lot of text is quicker than often through a little.
    if (this.#isClean) return value;
    return this.#credentials.some((credential) => text.includes(credential)) ? this.#redact(value) : value;
  }
}

/** A header's value and its parts: cookies' values, what follows a scheme, a password in it. */
function credentialsIn(value: string): string[] {
  const parts = value
    .split(/[\s;,]+/)
    .flatMap((part) => [part, part.slice(part.indexOf('=') + 1), passwordIn(part)]);
  return [...new Set([value, ...parts])].filter(({ length }) => length >= SHORTEST_PART);
}

/** The password of `Basic` authentication, or nothing. */
function passwordIn(part: string): string {
  try {
    return /^[^:]*:(.*)$/.exec(atob(part))?.[1] ?? '';
  } catch {
    return '';
  }
}
