/** A record as a {@link KeyStore} holds it. */
export interface StoredRecord {
  /** What was stored, as it was given. */
  readonly value: string;
  /** Names this state of the record; what it looks like is the store's business. */
  readonly version: string;
}

/** What became of a {@link KeyStore.compareAndSwap}. */
export type SwapResult = { readonly ok: true; readonly version: string } | { readonly ok: false };

/**
 * Keeps one small text for each ring, and swaps it for another only where nobody else has in between.
 *
 * A method rejects where it cannot know: a swap that rejects may have been carried out all the same.
 */
export interface KeyStore {
  /** The record of a ring, or null where there is none. Linearizable: it sees every swap that was answered before. */
  get(ring: string): Promise<StoredRecord | null>;
  /**
   * Stores `value` if the record still has the version that is expected; `{ok: false}` where it has another.
   *
   * @param expected - The version that was read, or null to create a record where there is none.
   */
  compareAndSwap(ring: string, expected: string | null, value: string): Promise<SwapResult>;
  /** Calls `changed` soon after a record has changed, perhaps without need; answers what ends that. */
  watch?(ring: string, changed: () => void): () => void;
  /**
   * `strong` where a swap that was answered is never lost; `weak` where a restart or a failover can take it back, so
   * that the ring has to be on its guard.
   */
  readonly durability: 'strong' | 'weak';
}
