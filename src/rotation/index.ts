/**
 * {@link KeyRing}: an API key that is replaced regularly without a call that fails, the interface of the stores that it
 * is kept in, a store in memory, and {@link openCurrentKey} for stores that hold the key in clear too.
 *
 * @module
 */

export type { KeyRingEvent, KeyRingEvents } from './events.ts';
export { KeyRing, type KeyRingCallOptions, type RevokeOptions } from './key-ring.ts';
export type { KeyStore, StoredRecord, SwapResult } from './key-store.ts';
export { openCurrentKey } from './open-current-key.ts';
export type { KeyRingOptions } from './options.ts';
export type {
  Clock,
  CreatedKey,
  KeyManager,
  KeyVerification,
  KeyVerifier,
  ListedKey,
  PortCallOptions,
} from './ports.ts';
export type { RevokeTarget } from './revoke.ts';
export type { StartOptions } from './schedule.ts';
export type { Encryption, EncryptionContext, EncryptionKey, EncryptionKeyOption } from './seal.ts';
export type { KeyRingStatus, RingKeyStatus } from './status.ts';
export { memoryStore } from './stores/memory.ts';
