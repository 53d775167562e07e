import { check } from '../../errors/invalid.ts';
import { isTimerMs } from '../../internal/checks.ts';
import { sleep } from '../../internal/wait.ts';

/** A record in a {@link KeyStore}. */
export interface StoredRecord {
  /** The stored value. */
  readonly value: string;
  /** Version of the record: an opaque string that changes with every update. */
  readonly version: string;
}

/** Result of {@link KeyStore.compareAndSwap}. */
export type SwapResult = { readonly ok: true; readonly version: string } | { readonly ok: false };

/**
 * Stores one small string per ring, and replaces it only if it has not changed since it was read.
 *
 * A method rejects if the outcome is unknown; a rejected update may still have been applied. `keyStoreContract` from
 * `drun-sdk/rotation/testing` provides the test cases that every store must pass.
 */
export interface KeyStore {
  /** Returns the record of a ring, or null if none exists. Must be linearizable (reflect every resolved update). */
  get(ring: string): Promise<StoredRecord | null>;
  /** Stores `value` if the record has the `expected` version (null if no record exists). Otherwise, `ok` is false. */
  compareAndSwap(ring: string, expected: string | null, value: string): Promise<SwapResult>;
  /** Calls `changed` soon after each change until the returned function is called. Must not keep the process alive. */
  watch?(ring: string, changed: () => void): () => void;
  /** Finds server settings that can cause data loss. A ring calls this once and emits the errors as events. */
  check?(): Promise<readonly Error[]>;
}

/** Valid ring names, which need no escaping in file names, Redis keys and Secret entries. */
export const RING_NAME = /^[a-z\d-]{1,32}$/;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Maximum size of a record. Every store must support records of this size; most records take only a few kilobytes. */
const MAX_VALUE_BYTES = 65_536;

/** The part of a store that depends on the storage. */
export interface StoreDriver {
  readonly get: (ring: string) => Promise<StoredRecord | null>;
  /** @param version - The version of the new record. */
  readonly swap: (ring: string, expected: string | null, version: string, value: string) => Promise<boolean>;
  readonly check?: () => Promise<readonly Error[]>;
}

/**
 * Creates a store, which polls for changes if `pollMs` is given. Versions are random and never reused, even after a
 * backup is restored. They are generated before an update is sent, so that a retry recognizes its own version.
 */
export function storeFrom({ get, swap, ...others }: StoreDriver, pollMs?: number): KeyStore {
  if (pollMs !== undefined) checkMs(pollMs, 'pollMs');
  return {
    async get(ring) {
      checkRing(ring);
      return get(ring);
    },
    async compareAndSwap(ring, expected, value) {
      checkRing(ring);
      checkValue(value);
      const isKnown = expected === null || typeof expected === 'string';
      check(isKnown, 'expected', 'must be the version that was read, or null');
      if (expected !== null && !UUID.test(expected)) return { ok: false };
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
    ...others,
  };
}

/** Polls a value and reports changes. The first value is reported too: the caller may have read an older value. */
function pollForChange(read: () => Promise<unknown>, intervalMs: number, changed: () => void): () => void {
  const stopped = new AbortController();
  const poll = async (): Promise<void> => {
    for (let known: unknown; ; ) {
      await sleep(intervalMs, stopped.signal, { background: true });
      const value = await read().catch(() => known);
      stopped.signal.throwIfAborted();
      // Called in a microtask, so that errors thrown by the caller's function do not stop polling.
      if (value !== known) queueMicrotask(changed);
      known = value;
    }
  };
  poll().catch(() => {});
  return () => stopped.abort();
}

/** Checks that a value is valid for every store. */
function checkValue(value: string): void {
  // UTF-8 cannot encode lone surrogates, and PostgreSQL cannot store U+0000.
  const isStorable = typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
  check(isStorable, 'value', 'must be a well-formed string without U+0000');
  const { length } = new TextEncoder().encode(value);
  check(length <= MAX_VALUE_BYTES, 'value', `must be at most ${MAX_VALUE_BYTES} bytes long in UTF-8`);
}

/** Checks a ring name. @throws {ConfigurationError} If the name is invalid. */
export function checkRing(ring: unknown, option = 'ring'): void {
  const isName = typeof ring === 'string' && RING_NAME.test(ring);
  check(isName, option, 'must consist of 1 to 32 characters: `a` to `z`, `0` to `9` and `-`');
}

export function checkMs(value: unknown, option: string): void {
  check(isTimerMs(value), option, 'must be a positive number of milliseconds');
}

export function checkFunction(value: unknown, option: string): void {
  check(typeof value === 'function', option, 'must be a function');
}
