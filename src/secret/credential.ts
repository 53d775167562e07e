import type { PlatformAbortSignal } from '../internal/platform.ts';
import type { Secret } from './secret.ts';

/** The argument of a {@link CredentialProvider}. */
export interface CredentialContext {
  /** The credential that the service just rejected; absent before the first request. */
  readonly rejected?: Secret | undefined;
  /** Aborts when the call that needs the credential ends. */
  readonly signal?: PlatformAbortSignal | undefined;
}

/** Returns the credential to use now. */
export type CredentialProvider = (context: CredentialContext) => string | Secret | Promise<string | Secret>;

/**
 * A credential, a function that returns one, or an object with such a function as its `getKey` method, such as a `KeyRing`.
 *
 * Functions are called before every request, in the async context of the call. Results are neither cached nor shared, so a
 * provider may return the key of the current tenant. After a 401, the provider is called again with `rejected`. If it
 * returns a credential that the call has not tried yet, the request is repeated immediately, up to three times.
 */
export type Credential = string | Secret | CredentialProvider | { readonly getKey: CredentialProvider };
