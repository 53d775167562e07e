import type { PlatformAbortSignal } from '../internal/platform.ts';
import { mask } from './mask.ts';

/** A registered symbol, so that two copies of the package recognize each other's secrets. */
const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.secret');

const identity: unique symbol = /* @__PURE__ */ Symbol('identity');

/**
 * Holds a credential and exposes only its masked form.
 *
 * Printing, inspecting, concatenating or serializing a secret yields its masked form, such as `sk-******7ucU`. A clone
 * or proxy yields the masked form or only `******`. Only {@link Secret.reveal} returns the value.
 *
 * @example
 * ```ts
 * import { Secret } from 'drun-sdk/secret';
 *
 * const secret = new Secret('sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU');
 * `${secret}`; // 'sk-******7ucU'
 * JSON.stringify({ secret }); // '{"secret":"sk-******7ucU"}'
 * secret.reveal(); // the plain text
 * ```
 */
export class Secret {
  readonly #value: string;

  /**
   * Makes any two secrets unequal in deep comparisons, which cannot see the private value.
   *
   * @internal
   */
  readonly [identity]: symbol = Symbol();

  /** @throws {TypeError} If the value is not a string. The message does not contain the value. */
  constructor(value: string) {
    if (typeof value !== 'string')
      throw new TypeError(`A Secret requires a string (received ${typeof value}).`);
    this.#value = value;
  }

  get [marker](): true {
    return true;
  }

  /**
   * Returns the credential in plain text.
   *
   * @throws {TypeError} If this object is a clone or proxy of a secret, which has no value.
   */
  reveal(): string {
    if (#value in this) return this.#value;
    throw new TypeError('A clone or proxy of a Secret cannot reveal its value. Use the original.');
  }

  /** The masked form, such as `sk-******7ucU`: the prefix, six asterisks and at most the last four characters. */
  get masked(): string {
    return mask(#value in this ? this.#value : '');
  }

  /** Returns whether two secrets have the same value. The comparison takes constant time for values of equal length. */
  equals(other: Secret | string): boolean {
    const value = this.reveal();
    const theirs = isSecret(other) ? other.reveal() : other;
    if (typeof theirs !== 'string' || theirs.length !== value.length) return false;
    let difference = 0;
    for (let index = 0; index < theirs.length; index++) {
      difference |= theirs.charCodeAt(index) ^ value.charCodeAt(index);
    }
    return difference === 0;
  }

  toString(): string {
    return this.masked;
  }

  toJSON(): string {
    return this.masked;
  }

  [Symbol.toPrimitive](): string {
    return this.masked;
  }

  /** Returns a unique symbol. Without this method, some libraries would compare secrets by `toString()`. */
  valueOf(): symbol {
    return this[identity];
  }

  /** Used by `console.log` and `util.inspect` in Node, Bun and Deno. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Secret(${this.masked})`;
  }
}

/** Returns whether a value is a {@link Secret}, including a secret from another copy of the package. */
export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && marker in value;
}

/** The argument passed to a {@link CredentialProvider}. */
export interface CredentialContext {
  /** The credential that the service has just rejected, if any. */
  readonly rejected?: Secret | undefined;
  /** Aborts if the call that needs the credential is aborted or times out. */
  readonly signal?: PlatformAbortSignal | undefined;
}

/** Returns the credential for the next request. */
export type CredentialProvider = (context: CredentialContext) => string | Secret | Promise<string | Secret>;

/**
 * A credential, a function that provides one, or an object, such as a `KeyRing`, whose `getKey` method provides one.
 *
 * A provider is called before every request, in the async context of the call. Its results are neither cached nor
 * shared, so it may return the key of the current tenant. After a 401, it is called again with `rejected`. If it
 * returns a credential that the call has not tried yet, the request is resent immediately, up to three times.
 */
export type Credential = string | Secret | CredentialProvider | { readonly getKey: CredentialProvider };
