import { KeyRingError } from '../errors/index.ts';
import { failureCause } from './failure-cause.ts';
import type { KeyStore, SwapResult } from './key-store.ts';
import type { Clock } from './ports.ts';
import { parseRecord, type RingRecord, writeRecord } from './record.ts';

/** A record, and the state of the store that it was read in. */
export interface ReadRecord {
  readonly record: RingRecord;
  readonly version: string;
}

/** What a {@link RecordCell} works with. */
export interface CellContext {
  readonly ring: string;
  readonly store: KeyStore;
  readonly clock: Clock;
  /** How long the store may take to answer. */
  readonly timeoutMs: number;
}

/** The cell of a store in which the record of a ring is. */
export class RecordCell {
  readonly #context: CellContext;

  constructor(context: CellContext) {
    this.#context = context;
  }

  /** Null where there is none. @throws KeyRingError */
  async read(): Promise<ReadRecord | null> {
    const { ring, store } = this.#context;
    const stored = await this.#ask(() => store.get(ring));
    return stored === null ? null : { record: parseRecord(ring, stored.value), version: stored.version };
  }

  /**
   * Puts a record in the place of one that was read; null: where there is none.
   *
   * @returns undefined where somebody else came first.
   * @throws KeyRingError where that is not known: it may have been carried out.
   */
  async swap(before: ReadRecord | null, record: RingRecord): Promise<ReadRecord | undefined> {
    const { ring, store } = this.#context;
    const result: SwapResult = await this.#ask(() =>
      store.compareAndSwap(ring, before?.version ?? null, writeRecord(record)),
    );
    return result.ok ? { record, version: result.version } : undefined;
  }

  /** Whoever waits for a store that never answers would wait for ever, and so would all that comes after. */
  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    const { ring, clock, timeoutMs } = this.#context;
    const answered = new AbortController();
    const silence = async (): Promise<never> => {
      await clock.sleep(timeoutMs, answered.signal, { background: true });
      throw new Error(`no answer within ${timeoutMs} ms`);
    };
    try {
      return await Promise.race([question(), silence()]);
    } catch (thrown) {
      const cause = failureCause(thrown);
      throw new KeyRingError(`the store of the ring ${ring} failed: ${cause.message}`, {
        code: 'key_ring_store_failed',
        ring,
        cause,
      });
    } finally {
      answered.abort();
    }
  }
}
