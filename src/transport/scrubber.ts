import { mask } from '../secret/mask.ts';
import { Redactor } from '../secret/redactor.ts';
import type { Secret } from '../secret/secret.ts';

/** What looks like a key of d.run although it is not the one in use, and what looks like any bearer. */
const ANY_KEY = /\bsk-[\w-]{16,}/g;
const ANY_BEARER = /\b(Bearer|Basic)(\s+)[\w.~+/=-]{8,}/gi;

/** Names of headers whose values are credentials. */
const CREDENTIAL_HEADER = /auth|cookie|credential|key|password|secret|signature|token/i;

/** Texts of servers and libraries longer than this are cut, after they were redacted. */
const LONGEST_TEXT = 500;

/** Takes the credentials of one call out of everything that a server or a library says. */
export class Scrubber {
  readonly #redactor: Redactor;

  constructor(credential: Secret, headers: Readonly<Record<string, string>>) {
    const others = Object.entries(headers).filter(([name]) => CREDENTIAL_HEADER.test(name));
    this.#redactor = new Redactor([credential.reveal(), ...others.map(([, value]) => value)]);
  }

  /** A text that is going into an error: the call's credentials, and all that looks like one, masked. */
  text(text: string): string {
    const clean = this.#redactor
      .redact(text)
      .replace(ANY_KEY, mask)
      .replace(ANY_BEARER, (_, scheme: string, space: string) => `${scheme}${space}******`);
    return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean;
  }

  /**
   * An answer that is handed to the caller: the call's own credentials are masked wherever a server repeats
   * them, in keys of objects too. What is clean, which is nearly everything, is passed on as it is.
   *
   * @param text - The text that `value` was parsed from.
   */
  answer(text: string, value: unknown): unknown {
    return this.#redactor.isClean(text) ? value : this.#deep(value);
  }

  #deep(value: unknown): unknown {
    if (typeof value === 'string') return this.#redactor.redact(value);
    if (Array.isArray(value)) return value.map((item) => this.#deep(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.#redactor.redact(key), this.#deep(item)]),
    );
  }
}
