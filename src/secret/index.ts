/**
 * {@link Secret} holds a credential without exposing it; {@link redact} masks credentials in text.
 *
 * @module
 */
export type { AbortSignalLike, PlatformAbortSignal } from '../internal/platform.ts';
export type { Credential, CredentialContext, CredentialProvider } from './credential.ts';
export { redact } from './redact.ts';
export { Secret } from './secret.ts';
