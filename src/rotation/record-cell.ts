import { KeyRingError } from '../errors/index.ts';
import { failureCause } from './failure-cause.ts';
import type { KeyStore, StoredRecord, SwapResult } from './key-store.ts';
import { parseRecord, type RingRecord, writeRecord } from './record.ts';

/** A record, and the state of the store that it was read in. */
export interface ReadRecord {
  readonly record: RingRecord;
  readonly version: string;
}

/** The cell of a store in which the record of a ring is. */
export class RecordCell {
  readonly #ring: string;
  readonly #store: KeyStore;

  constructor(ring: string, store: KeyStore) {
    this.#ring = ring;
    this.#store = store;
  }

  /** Null where there is none. @throws KeyRingError */
  async read(): Promise<ReadRecord | null> {
    const stored = await this.#ask(() => this.#store.get(this.#ring));
    return stored === null ? null : { record: this.#parse(stored), version: stored.version };
  }

  /**
   * Puts a record in the place of one that was read; null: where there is none.
   *
   * @returns undefined where somebody else came first.
   * @throws KeyRingError where that is not known: it may have been carried out.
   */
  async swap(before: ReadRecord | null, record: RingRecord): Promise<ReadRecord | undefined> {
    const result = await this.#ask(
      (): Promise<SwapResult> =>
        this.#store.compareAndSwap(this.#ring, before?.version ?? null, writeRecord(record)),
    );
    return result.ok ? { record, version: result.version } : undefined;
  }

  #parse({ value }: StoredRecord): RingRecord {
    return parseRecord(this.#ring, value);
  }

  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    try {
      return await question();
    } catch (thrown) {
      const cause = failureCause(thrown);
      throw new KeyRingError(`the store of the ring ${this.#ring} failed: ${cause.message}`, {
        code: 'key_ring_store_failed',
        ring: this.#ring,
        cause,
      });
    }
  }
}
