import type { KeyStore, StoredRecord } from 'drun-sdk/rotation';

/** What a store does with the next swaps: carries them out and loses the answer, or fails before. */
type SwapFault = 'unanswered' | 'lost';

/** A store in memory that can be looked into, changed behind everybody's back, and fail. */
export interface TestStore extends KeyStore {
  /** What it holds; undo a swap by putting something older here. */
  stored: StoredRecord | null;
  /** Thrown by every call while it is there. */
  failure: unknown;
  /** What becomes of the next swaps, in order. */
  readonly swapFaults: SwapFault[];
  /** How often it was read, and how often something was stored. */
  readonly counts: { reads: number; writes: number };
  /** Everything that was ever stored. */
  readonly values: readonly string[];
  /** Who is told of changes. */
  readonly watchers: ReadonlySet<() => void>;
  /** Holds back the answers to the next reads, or to as many, until what it gives is called. */
  readonly holdReads: (count?: number) => () => void;
  /** Puts a changed record in the place of what is there. */
  readonly edit: (change: (record: StoredDocument) => unknown) => void;
}

interface StoredKey {
  id: string;
  seq: number;
  ciphertext: string;
  createdAt: number;
  expiresAt: number;
}

/** As much of a record as tests look at, or tamper with. */
export interface StoredDocument {
  format: string;
  ringId: string;
  seq: number;
  epoch: number;
  rotateEpoch?: number;
  current?: StoredKey & { since: number };
  standby?: StoredKey;
  previous?: StoredKey & { gracePeriodMs: number; retireAt?: number };
  pending?: {
    phase: string;
    name: string;
    seq: number;
    owner: string;
    leaseMs: number;
    leaseUntil?: number;
    key?: StoredKey;
  };
  retired: { id: string; reason: string }[];
}

export function testStore({ watches = false }: { readonly watches?: boolean } = {}): TestStore {
  let versions = 0;
  let held: Promise<void> | undefined;
  let toHold = 0;
  const values: string[] = [];
  const watchers = new Set<() => void>();

  const store: TestStore = {
    stored: null,
    failure: undefined,
    swapFaults: [],
    counts: { reads: 0, writes: 0 },
    values,
    watchers,
    async get() {
      store.counts.reads++;
      if (store.failure !== undefined) throw store.failure;
      const { stored } = store;
      if (toHold-- > 0) await held;
      return stored;
    },
    async compareAndSwap(_, expected, value) {
      if (store.failure !== undefined) throw store.failure;
      const fault = store.swapFaults.shift();
      if (fault === 'lost') throw new Error('the connection was lost');
      if ((store.stored?.version ?? null) !== expected) return { ok: false };
      put(value);
      if (fault === 'unanswered') throw new Error('the connection was lost');
      return { ok: true, version: String(versions) };
    },
    ...(watches && {
      watch(_: string, changed: () => void) {
        watchers.add(changed);
        return () => void watchers.delete(changed);
      },
    }),
    holdReads(count = Number.POSITIVE_INFINITY) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      toHold = count;
      return () => {
        toHold = 0;
        resolve();
      };
    },
    edit(change) {
      const record = JSON.parse(store.stored?.value ?? '') as StoredDocument;
      put(JSON.stringify(change(record) ?? record));
    },
  };

  const put = (value: string): void => {
    store.counts.writes++;
    store.stored = { value, version: String(++versions) };
    values.push(value);
    for (const changed of watchers) queueMicrotask(changed);
  };
  return store;
}
