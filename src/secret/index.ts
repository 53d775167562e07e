/**
 * {@link Secret} holds a credential without exposing it; {@link redact} masks credentials in text.
 *
 * @module
 */
export type { AbortSignalLike, PlatformAbortSignal } from '../internal/platform.ts';
export { redact } from './redact.ts';
export { type Credential, type CredentialContext, type CredentialProvider, Secret } from './secret.ts';
