import { ConfigurationError } from '../../errors/index.ts';
import { isTimerMs } from '../../internal/checks.ts';
import { sleep } from '../../internal/wait.ts';

/** A record in a {@link KeyStore}. */
export interface StoredRecord {
  /** The stored value. */
  readonly value: string;
  /** Identifies this state of the record, in any format. */
  readonly version: string;
}

/** Result of {@link KeyStore.compareAndSwap}. */
export type SwapResult = { readonly ok: true; readonly version: string } | { readonly ok: false };

/**
 * Holds one small string per ring, and replaces it only if it has not changed since it was read.
 *
 * A method rejects if the outcome is unknown; an update that rejects may have been applied. `keyStoreContract` of
 * `drun-sdk/rotation/testing` provides the test cases that every store must pass.
 */
export interface KeyStore {
  /** Returns the record of a ring, or null. Linearizable: the result reflects every update that has resolved. */
  get(ring: string): Promise<StoredRecord | null>;
  /**
   * Stores `value` if the record still has the expected version.
   *
   * @param expected - The version that was read, or null to create the record.
   * @returns `{ ok: false }` if the record has another version.
   */
  compareAndSwap(ring: string, expected: string | null, value: string): Promise<SwapResult>;
  /**
   * Calls `changed` soon after a record has changed; may also call it without a change. Must not keep the process alive.
   *
   * @returns A function that stops watching.
   */
  watch?(ring: string, changed: () => void): () => void;
  /** Finds server settings that can lose records. A ring calls it once and emits an `error` event for each. */
  check?(): Promise<readonly Error[]>;
}

const RING_NAME = /^[a-z\d-]{1,32}$/;

export const RING_NAME_RULE = '1 to 32 characters of `a` to `z`, `0` to `9` and `-`';

/** Records take a few kilobytes; every store supports values of this size. */
const MAX_VALUE_BYTES = 65_536;

/** Whether a value is a valid ring name. It needs no escaping in columns, file names and entries. */
export function isRingName(value: unknown): value is string {
  return typeof value === 'string' && RING_NAME.test(value);
}

/** The implementation of a store, without the checks that all stores share. */
export interface StoreDriver {
  readonly get: (ring: string) => Promise<StoredRecord | null>;
  /**
   * @param expected - The version to replace, or null to create the record.
   * @param version - The version of the new record.
   */
  readonly swap: (ring: string, expected: string | null, version: string, value: string) => Promise<boolean>;
  readonly check?: () => Promise<readonly Error[]>;
}

/**
 * Creates a {@link KeyStore} from a driver: checks the arguments, generates versions and polls for changes.
 *
 * Versions are random UUIDs, so that none is reused, not even after a backup is restored. They are generated before
 * the update is sent, so that a client that repeats a statement after a lost connection recognizes its own success.
 *
 * @param pollMs - Interval at which `watch` reads the record. Without it the store has no `watch`.
 */
export function storeFrom({ get, swap, check }: StoreDriver, pollMs?: number): KeyStore {
  if (pollMs !== undefined && !isTimerMs(pollMs)) {
    throw invalid('pollMs', 'must be a positive number of milliseconds');
  }
  return {
    async get(ring) {
      checkRing(ring);
      return get(ring);
    },
    async compareAndSwap(ring, expected, value) {
      checkRing(ring);
      checkValue(value);
      if (expected !== null && typeof expected !== 'string') {
        throw invalid('expected', 'must be the version that was read, or null');
      }
      if (expected !== null && !isVersion(expected)) return { ok: false };
      const version = crypto.randomUUID();
      return (await swap(ring, expected, version, value)) ? { ok: true, version } : { ok: false };
    },
    ...(pollMs !== undefined && {
      watch(ring: string, changed: () => void) {
        checkRing(ring);
        checkFunction(changed, 'changed');
        return pollForChange(async () => (await get(ring))?.version, pollMs, changed);
      },
    }),
    ...(check && { check }),
  };
}

/**
 * Polls a value and reports changes, including changes since the caller read it. Failed polls are ignored. Does not
 * keep the process alive.
 *
 * @returns A function that stops watching.
 */
function pollForChange(read: () => Promise<unknown>, intervalMs: number, changed: () => void): () => void {
  const stopped = new AbortController();
  const poll = async (): Promise<void> => {
    for (let known: unknown; ; ) {
      await sleep(intervalMs, stopped.signal, { background: true });
      const value = await read().catch(() => known);
      stopped.signal.throwIfAborted();
      // An error of the caller's function does not stop polling.
      if (value !== known) queueMicrotask(changed);
      known = value;
    }
  };
  poll().catch(() => {});
  return () => stopped.abort();
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Whether a value is a version of {@link storeFrom}. */
export function isVersion(value: string): boolean {
  return UUID.test(value);
}

/** @throws {ConfigurationError} If no ring can have this name. */
function checkRing(ring: string): void {
  if (!isRingName(ring)) throw invalid('ring', `must have ${RING_NAME_RULE}`);
}

/** Checks that every store can preserve the value exactly. The message does not repeat the value. */
function checkValue(value: string): void {
  // UTF-8 cannot encode half a surrogate pair, and PostgreSQL cannot store U+0000.
  if (typeof value !== 'string' || !value.isWellFormed() || value.includes('\0')) {
    throw invalid('value', 'must be a well-formed string without U+0000');
  }
  if (new TextEncoder().encode(value).length > MAX_VALUE_BYTES) {
    throw invalid('value', `must have at most ${MAX_VALUE_BYTES} bytes as UTF-8`);
  }
}

export function checkFunction(value: unknown, option: string): void {
  if (typeof value !== 'function') throw invalid(option, 'must be a function');
}

export function invalid(option: string, rule: string): ConfigurationError {
  return new ConfigurationError(`\`${option}\` ${rule}.`, { option });
}
