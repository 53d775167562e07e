import { mask } from './mask.ts';

/** Registered in the global symbol table, so that two copies of the package recognise each other's secrets. */
const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.secret');

/**
 * A credential that does not show itself.
 *
 * Printed, inspected, put into a template literal or serialised, it gives its masked form; cloned with
 * `structuredClone`, nothing at all. {@link Secret.reveal} is the only way out.
 *
 * @example
 * ```ts
 * import { Secret } from 'drun-sdk/secret';
 *
 * const secret = new Secret('sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU');
 * `${secret}`; // 'sk-******7ucU'
 * JSON.stringify({ secret }); // '{"secret":"sk-******7ucU"}'
 * secret.reveal(); // the whole credential
 * ```
 */
export class Secret {
  readonly #value: string;

  /** @throws TypeError if the value is not a string; the message does not repeat it. */
  constructor(value: string) {
    if (typeof value !== 'string') throw new TypeError('Secret: the value must be a string');
    this.#value = value;
  }

  get [marker](): true {
    return true;
  }

  /** The whole credential, in clear. */
  reveal(): string {
    return this.#value;
  }

  /**
   * The credential as it may be shown: `sk-******7ucU`. The prefix up to the first `-`, six asterisks and the
   * last four characters; shorter credentials show less.
   */
  get masked(): string {
    return mask(this.#value);
  }

  /** Whether both are the same credential. Takes the same time wherever two of one length differ. */
  equals(other: Secret | string): boolean {
    const theirs = isSecret(other) ? other.reveal() : other;
    if (typeof theirs !== 'string' || theirs.length !== this.#value.length) return false;
    let difference = 0;
    for (let index = 0; index < theirs.length; index++) {
      difference |= theirs.charCodeAt(index) ^ this.#value.charCodeAt(index);
    }
    return difference === 0;
  }

  /** The masked form. */
  toString(): string {
    return this.masked;
  }

  /** The masked form. */
  toJSON(): string {
    return this.masked;
  }

  /** What `console.log` and `util.inspect` of Node, Bun and Deno show: the masked form. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Secret(${this.masked})`;
  }
}

/** Whether a value is a {@link Secret}, also one of another copy of the package. */
export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && marker in value;
}
