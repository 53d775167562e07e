import type { Secret } from './secret.ts';

/** What a {@link Credential} is told when it is asked. */
export interface CredentialContext {
  /** The credential that the service has just rejected, where that is why the source is asked again. */
  readonly rejected?: Secret | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** A function that gives the credential to use now. */
export type CredentialProvider = (context: CredentialContext) => string | Secret | Promise<string | Secret>;

/**
 * Where a credential comes from: the credential itself, a function that gives it, or an object with such a
 * function as its `getKey` method.
 *
 * A function is asked before every attempt; askings at the same time become one. When the service refuses what
 * it gave, it is asked once more, with `rejected` set; a different answer is tried at once.
 */
export type Credential = string | Secret | CredentialProvider | { readonly getKey: CredentialProvider };
