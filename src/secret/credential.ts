import type { PlatformAbortSignal } from '../internal/platform.ts';
import type { Secret } from './secret.ts';

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
