/**
 * {@link Secret} holds a credential without showing it, {@link redact} masks credentials in messages of servers and libraries.
 *
 * @module
 */
export type { AbortSignalLike, PlatformAbortSignal } from '../internal/platform.ts';
export type { Credential, CredentialContext, CredentialProvider } from './credential.ts';
export { redact } from './redact.ts';
export { Secret } from './secret.ts';
