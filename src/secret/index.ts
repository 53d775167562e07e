/**
 * {@link Secret}, a credential that does not show itself, {@link redact}, which takes credentials out of what
 * others say, and the types of a source that gives them.
 *
 * @module
 */
export type { Credential, CredentialContext, CredentialProvider } from './credential.ts';
export { redact } from './redact.ts';
export { Secret } from './secret.ts';
