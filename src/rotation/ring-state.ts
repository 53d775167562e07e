import type { KeyRingError } from '../errors/index.ts';
import { invalid } from '../errors/invalid.ts';
import { withTimeout } from '../internal/wait.ts';
import type { RingEvents } from './events.ts';
import type { KeyManager, KeyVerifier } from './interfaces.ts';
import type { KeyRingSettings } from './options.ts';
import { isOlder, keysOf, parseRecord, type RingKey, type RingRecord } from './record.ts';
import { codeOf, isRejectionStatus, ringError, type SafeCause, safeCause } from './safe-cause.ts';
import type { StoredRecord, SwapResult } from './stores/store.ts';

/** Number of attempts per store operation, and the delay after the first. The delay doubles after each attempt. */
const MAX_ATTEMPTS = 4;
const RETRY_MS = 500;

/** The settings, state and events that all parts of a ring share. */
export interface RingContext extends KeyRingSettings {
  readonly state: RingState;
  readonly events: RingEvents;
}

/** A ring with a key manager and a key verifier. */
export interface ManagedRing extends RingContext {
  readonly manager: KeyManager;
  readonly verifier: KeyVerifier;
}

/** A record and its version in the store. */
export interface VersionedRecord {
  readonly record: RingRecord;
  readonly version: string;
}

/** The time limit for a store operation, and whether the operation is retried after transient failures. */
export interface StoreOptions {
  /** Time limit for each attempt, if shorter than `storeTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Retries transient failures unless this signal is aborted. If absent, there is only one attempt. */
  readonly retry?: AbortSignal;
}

/** Reads and updates the record of a ring, and keeps its latest known state. */
export class RingState {
  readonly #settings: KeyRingSettings;
  /** The latest record that was read or written. Never replaced by an older record. */
  latest: RingRecord | undefined;
  /** Called with each record that is not older than the latest one. */
  onChange: (record: RingRecord, before: RingRecord | undefined) => void = () => {};

  constructor(settings: KeyRingSettings) {
    this.#settings = settings;
  }

  /** Reads the record. Returns null if no record exists. */
  async read(options?: StoreOptions): Promise<VersionedRecord | null> {
    const { name, store } = this.#settings;
    const stored = await this.#run(async () => checkStored(await store.get(name)), options);
    if (stored === null) return null;
    const record = parseRecord(name, stored.value);
    this.#observe(record);
    return { record, version: stored.version };
  }

  /** Reads the record. @throws {KeyRingError} With code `key_ring_rolled_back` if it is older than the latest one. */
  async readLatest(options?: StoreOptions): Promise<VersionedRecord | null> {
    // Saved before the request, because other reads and updates may replace `latest` in the meantime.
    const known = this.latest;
    const read = await this.read(options);
    if (known !== undefined && isOlder(read?.record, known)) {
      const kept = read === null ? [] : keysOf(read.record).map(({ id }) => id);
      const lost = keysOf(known).filter(({ id }) => !kept.includes(id));
      throw rolledBack(this.#settings.name, lost);
    }
    return read;
  }

  /**
   * Replaces the record by compare-and-swap. If this method rejects, the update may still have been applied.
   *
   * @returns Undefined if the record has changed since it was read.
   */
  async update(
    before: VersionedRecord | null,
    record: RingRecord,
    options?: StoreOptions,
  ): Promise<VersionedRecord | undefined> {
    const { name, store } = this.#settings;
    const expected = before?.version ?? null;
    const value = JSON.stringify(record);
    // Storing an unreadable record would disable the ring.
    parseRecord(name, value);
    const swap = async () => checkResult(await store.compareAndSwap(name, expected, value));
    const result = await this.#run(swap, options);
    if (!result.ok) return undefined;
    this.#observe(record);
    return { record, version: result.version };
  }

  #observe(record: RingRecord): void {
    const before = this.latest;
    // Responses may arrive out of order.
    if (isOlder(record, before)) return;
    this.latest = record;
    this.onChange(record, before);
  }

  async #run<Result>(task: () => Promise<Result>, options: StoreOptions = {}): Promise<Result> {
    const { name, clock, storeTimeoutMs } = this.#settings;
    const { timeoutMs = storeTimeoutMs, retry } = options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await withTimeout(clock, Math.min(timeoutMs, storeTimeoutMs), task);
      } catch (thrown) {
        const error = storeFailed(name, thrown);
        if (retry === undefined || attempt === MAX_ATTEMPTS || !isTransientStoreFailure(error)) throw error;
        await clock.sleep(RETRY_MS * 2 ** (attempt - 1), retry);
      }
    }
  }
}

function checkStored(stored: StoredRecord | null | undefined): StoredRecord | null {
  if (stored == null) return null;
  if (typeof stored.value === 'string' && typeof stored.version === 'string') return stored;
  throw invalid('store', 'must return `{ value, version }` or null from `get`');
}

function checkResult(result: SwapResult | undefined): SwapResult {
  if (result?.ok === false || (result?.ok === true && typeof result.version === 'string')) return result;
  throw invalid('store', 'must return `{ ok: true, version }` or `{ ok: false }` from `compareAndSwap`');
}

/** Error codes for permanent file-system and SQL errors. 25006 is excluded, because it occurs during failovers. */
const PERMANENT_CODE =
  /^(?:E(?:ACCES|PERM|ROFS|NOENT|NOTDIR|ISDIR|XDEV|NAMETOOLONG)|(?!25006)[23]\w{4}|42\w{3}|0[A-F]\w{3})$/;
/** Redis codes and names of permanent errors. TypeError is excluded, because `fetch` uses it for lost connections. */
const PERMANENT_ERROR =
  /^(?:NOPERM|NOAUTH|WRONGPASS|WRONGTYPE|OOM|MISCONF|(?:Configuration|Reference)Error|(?:AccessDenied|ResourceNotFound|Validation)Exception)\b/;

/** Returns whether an error is a transient store failure, such as a lost connection, a timeout, a 429 or a 5xx. */
export function isTransientStoreFailure(error: unknown): boolean {
  if (codeOf(error) !== 'key_ring_store_failed') return false;
  const { code = '', status, name, message } = (error as KeyRingError).cause as SafeCause;
  if (status !== undefined) return !isRejectionStatus(status);
  return !PERMANENT_CODE.test(code) && ![name, message].some((text) => PERMANENT_ERROR.test(text));
}

export function storeFailed(ring: string, thrown: unknown, message = 'the store failed'): KeyRingError {
  const cause = safeCause(thrown);
  return ringError(ring, 'key_ring_store_failed', `${message}: ${cause.message}.`, [], cause);
}

export function rolledBack(ring: string, lost: readonly Pick<RingKey, 'id'>[]): KeyRingError {
  const message =
    'the store returned an older state or lost the record. Until you call `recover()`, the ring creates and deletes nothing.';
  const ids = lost.map(({ id }) => id);
  return ringError(ring, 'key_ring_rolled_back', message, ids);
}
