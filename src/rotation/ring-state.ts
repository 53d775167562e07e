import type { KeyRingError } from '../errors/index.ts';
import { withTimeout } from '../internal/wait.ts';
import type { Clock } from './interfaces.ts';
import { codeOf, isRejectionStatus } from './key-names.ts';
import { isOlder, keysOf, parseRecord, type RingKey, type RingRecord } from './record.ts';
import { ringError, type SafeCause, safeCause } from './safe-cause.ts';
import type { KeyStore } from './stores/store.ts';

/** A record, and the version of the store that it was read from. */
export interface VersionedRecord {
  readonly record: RingRecord;
  readonly version: string;
}

/** What a {@link RingState} works with. */
export interface RingStateContext {
  readonly ring: string;
  readonly store: KeyStore;
  readonly clock: Clock;
  /** Timeout of one store operation. */
  readonly timeoutMs: number;
  /** Called with each record that is newer than the latest one. */
  readonly onChange: (record: RingRecord, before: RingRecord | undefined) => void;
}

/** The record of a ring: the latest known state, and the state in the store. */
export class RingState {
  readonly #context: RingStateContext;
  #latest: RingRecord | undefined;

  constructor(context: RingStateContext) {
    this.#context = context;
  }

  /** The latest record that was read or written. Never goes back. */
  get latest(): RingRecord | undefined {
    return this.#latest;
  }

  /**
   * Reads the record.
   *
   * @param timeoutMs - If shorter than the store's own timeout.
   * @returns null if there is none.
   * @throws KeyRingError
   */
  async read(timeoutMs?: number): Promise<VersionedRecord | null> {
    const { ring, store } = this.#context;
    const stored = await this.#run(() => store.get(ring), timeoutMs);
    if (stored === null) return null;
    const record = parseRecord(ring, stored.value);
    this.#observe(record);
    return { record, version: stored.version };
  }

  /** Reads the record. @throws KeyRingError of code `key_ring_rolled_back` if it is older than the latest one. */
  async readLatest(timeoutMs?: number): Promise<VersionedRecord | null> {
    // Other reads and updates of this process may overtake this one.
    const known = this.#latest;
    const read = await this.read(timeoutMs);
    if (known !== undefined && (read === null || isOlder(read.record, known))) {
      const kept = new Set(read === null ? [] : keysOf(read.record).map(({ id }) => id));
      throw rolledBack(
        this.#context.ring,
        keysOf(known).filter(({ id }) => !kept.has(id)),
      );
    }
    return read;
  }

  /**
   * Replaces the record by compare-and-swap.
   *
   * @param before - The record that was read, or null if there was none.
   * @returns undefined if the record has changed since.
   * @throws KeyRingError if the store failed. The update may have been applied.
   */
  async update(
    before: VersionedRecord | null,
    record: RingRecord,
    timeoutMs?: number,
  ): Promise<VersionedRecord | undefined> {
    const { ring, store } = this.#context;
    const value = JSON.stringify(record);
    const result = await this.#run(
      () => store.compareAndSwap(ring, before?.version ?? null, value),
      timeoutMs,
    );
    if (!result.ok) return undefined;
    this.#observe(record);
    return { record, version: result.version };
  }

  #observe(record: RingRecord): void {
    const before = this.#latest;
    // Responses may overtake each other.
    if (before !== undefined && isOlder(record, before)) return;
    this.#latest = record;
    this.#context.onChange(record, before);
  }

  async #run<Result>(task: () => Promise<Result>, timeoutMs = Number.POSITIVE_INFINITY): Promise<Result> {
    const { ring, clock, timeoutMs: storeTimeoutMs } = this.#context;
    const limitMs = Math.min(timeoutMs, storeTimeoutMs);
    try {
      return await withTimeout((...wait) => clock.sleep(...wait), limitMs, task);
    } catch (thrown) {
      const cause = safeCause(thrown);
      const error = ringError(ring, 'key_ring_store_failed', `the store failed: ${cause.message}`, [], cause);
      if (isPermanent(cause)) permanentFailures.add(error);
      throw error;
    }
  }
}

const permanentFailures = new WeakSet<object>();

/** Codes of errors that a retry cannot help: file permissions, SQL and rights of PostgreSQL, rights of Redis. */
const PERMANENT_CODE =
  /^(?:E(?:ACCES|PERM|ROFS|NOENT|NOTDIR|ISDIR|XDEV|NAMETOOLONG)|(?!25006)[23]\w{4}|42\w{3}|0[A-F]\w{3})$/;
const PERMANENT_MESSAGE = /^(?:NOPERM|NOAUTH|WRONGPASS|WRONGTYPE|OOM|MISCONF)\b/;
/** `fetch` reports lost connections as TypeError, so that is not among them. */
const PERMANENT_NAMES = [
  'ConfigurationError',
  'ReferenceError',
  'AccessDeniedException',
  'ResourceNotFoundException',
  'ValidationException',
];

function isPermanent(cause: SafeCause): boolean {
  const { code = '', status } = cause;
  if (status !== undefined) return isRejectionStatus(status);
  return (
    PERMANENT_CODE.test(code) || PERMANENT_MESSAGE.test(cause.message) || PERMANENT_NAMES.includes(cause.name)
  );
}

/** Whether an error is a failure of the store that may pass: a lost connection, a timeout, 429, 5xx. */
export function isTransientStoreFailure(error: unknown): boolean {
  return codeOf(error) === 'key_ring_store_failed' && !permanentFailures.has(error as object);
}

/** @param lost - The keys that the store no longer knows. */
export function rolledBack(ring: string, lost: readonly Pick<RingKey, 'id'>[]): KeyRingError {
  const message =
    'the store has returned to an older state or lost its record. Nothing is created or deleted until `recover()` is called.';
  const ids = lost.map(({ id }) => id);
  return ringError(ring, 'key_ring_rolled_back', message, ids);
}
