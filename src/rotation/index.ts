/**
 * {@link KeyRing} rotates an API key without downtime. This module also exports `memoryStore` and `KeyStore`.
 *
 * @module
 */

export type { PlatformAbortSignal } from '../internal/platform.ts';
export type {
  CustomEncryption,
  EncryptionContext,
  EncryptionKey,
  EncryptionKeyOption,
} from './encryption.ts';
export type { KeyRingEvent, KeyRingEvents } from './events.ts';
export type {
  Clock,
  CreatedRingKey,
  KeyList,
  KeyManager,
  KeyQuota,
  KeyVerification,
  KeyVerifier,
  ListedKey,
  RingRequestOptions,
} from './interfaces.ts';
export { KeyRing, type StartOptions } from './key-ring.ts';
export { openCurrentKey } from './open-current-key.ts';
export type { KeyRingOptions } from './options.ts';
export type { KeyRingCallOptions, RevokeOptions, RevokeTarget } from './revoke.ts';
export type { KeyRingStatus, RingKeyStatus } from './status.ts';
export { memoryStore } from './stores/memory.ts';
export type { KeyStore, StoredRecord, SwapResult } from './stores/store.ts';
