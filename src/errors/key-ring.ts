import { DrunError, type FieldsOf } from './base.ts';

/** The codes of {@link KeyRingError}. */
export type KeyRingErrorCode =
  /** The store failed or did not preserve the written value. A failed write may still have been applied. */
  | 'key_ring_store_failed'
  /** The stored value is not a valid key ring record. */
  | 'key_ring_record_invalid'
  /** The store returned an older record. The ring does not create or delete keys until `recover()` is called. */
  | 'key_ring_rolled_back'
  /** A secret could not be decrypted (wrong key or modified ciphertext), or custom encryption failed. */
  | 'key_ring_decryption_failed'
  /** The ring has no key to return: none has been created yet, or all have been revoked. */
  | 'key_ring_no_active_key'
  /** The service did not accept a new key in time, or the key has insufficient access. */
  | 'key_ring_key_rejected'
  /** When `revoke()` timed out, the service still listed or accepted the revoked key. */
  | 'key_ring_revocation_unconfirmed'
  /** The ring has no key with the given id. */
  | 'key_ring_unknown_key'
  /** Gave up because other processes kept updating the record. The next reconciliation continues the work. */
  | 'key_ring_conflict';

/** A key ring operation failed for the reason given by `code`. Contains ids and masked keys, but no secrets. */
export class KeyRingError extends DrunError<'KeyRingError', KeyRingErrorCode> {
  /** Name of the ring. */
  declare readonly ring: string;

  /** Ids of the affected keys. */
  declare readonly keyIds: readonly string[];

  constructor(message: string, { code, ...fields }: KeyRingErrorFields) {
    super('KeyRingError', code, message, { ...fields, keyIds: fields.keyIds ?? [] });
  }
}

type KeyRingErrorFields = FieldsOf<KeyRingError, 'keyIds'> & Pick<KeyRingError, 'code'>;

/**
 * A key store failed or contains an invalid value. A failed write may still have been applied.
 *
 * Errors from the caller's database client are not wrapped in this class; they are passed on unchanged.
 */
export class KeyStoreError extends DrunError<'KeyStoreError', 'key_store_failed'> {
  /** HTTP status of the Kubernetes API response, if one arrived. */
  declare readonly status?: number | undefined;

  constructor(message: string, fields: FieldsOf<KeyStoreError> = {}) {
    super('KeyStoreError', 'key_store_failed', message, fields);
  }
}
