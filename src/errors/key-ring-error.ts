import { DrunError } from './drun-error.ts';

/** What can be wrong with a key ring. */
export type KeyRingErrorCode =
  /** The store could not be asked, or did not keep what it was told; a swap may have been carried out all the same. */
  | 'key_ring_store_failed'
  /** The store holds something that is no record of a ring. */
  | 'key_ring_record_invalid'
  /** The store has gone back to an older state: rotation stops, and deletes nothing, until `recover()` is called. */
  | 'key_ring_rolled_back'
  /**
   * A secret in the record cannot be opened: it was sealed with another key, or tampered with. Or a new one cannot be
   * sealed, by a way of one's own.
   */
  | 'key_ring_decryption_failed'
  /** There is no key to give out: none was made yet, or all were revoked. */
  | 'key_ring_no_active_key'
  /** The service did not accept a new key in time, or it may call less than the current one. */
  | 'key_ring_key_rejected'
  /** A revoked key is deleted, but the service has not confirmed that in time. */
  | 'key_ring_revocation_unconfirmed'
  /** No key of this ring has the id. */
  | 'key_ring_unknown_key'
  /** Others changed the record over and over; the next pass goes on. */
  | 'key_ring_conflict';

/** Something is wrong with a ring of keys, and its `code` says what. Ids and masked keys only. */
export class KeyRingError extends DrunError {
  override get name(): 'KeyRingError' {
    return 'KeyRingError';
  }
  readonly code: KeyRingErrorCode;

  /** The ring. */
  readonly ring: string;

  /** The ids of the keys that it is about. */
  readonly keyIds: readonly string[];

  constructor(
    message: string,
    init: {
      readonly code: KeyRingErrorCode;
      readonly ring: string;
      readonly keyIds?: readonly string[] | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.ring = init.ring;
    this.keyIds = init.keyIds ?? [];
  }
}
