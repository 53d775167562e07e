import type { KeyStore, StoredRecord } from 'drun-sdk/rotation';

/** How an update fails: before it is applied, or after. */
type UpdateFault = 'request lost' | 'response lost';

/** An in-memory store that a test can inspect, modify and make fail. */
export interface TestStore extends KeyStore {
  /** The stored record. Assign an earlier one to undo an update. */
  stored: StoredRecord | null;
  /** Thrown by every call, unless it is `undefined`. */
  failure: unknown;
  /** Faults for the next updates, in order. */
  readonly updateFaults: UpdateFault[];

  readonly counts: { reads: number; writes: number };
  /** All values that were ever stored. */
  readonly values: readonly string[];

  readonly watchers: ReadonlySet<() => void>;
  /** Delays the next `count` reads (default: all) until the returned function is called. */
  readonly holdReads: (count?: number) => () => void;
  /** Changes the stored record. */
  readonly edit: (change: (record: StoredDocument) => unknown) => void;
}

interface StoredKey {
  id: string;
  seq: number;
  ciphertext: string;
  createdAt: number;
  expiresAt: number;
}

/** The fields of a record that tests read or change. */
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

export function testStore({ canWatch = false }: { readonly canWatch?: boolean } = {}): TestStore {
  let versions = 0;
  let heldReads: Promise<void> | undefined;
  let readsToHold = 0;
  const values: string[] = [];
  const watchers = new Set<() => void>();

  const store: TestStore = {
    stored: null,
    failure: undefined,
    updateFaults: [],
    counts: { reads: 0, writes: 0 },
    values,
    watchers,
    async get() {
      store.counts.reads++;
      if (store.failure !== undefined) throw store.failure;
      const { stored } = store;
      if (readsToHold-- > 0) await heldReads;
      return stored;
    },
    async compareAndSwap(_, expected, value) {
      if (store.failure !== undefined) throw store.failure;
      const fault = store.updateFaults.shift();
      if (fault === 'request lost') throw new Error('the connection was lost');
      if ((store.stored?.version ?? null) !== expected) return { ok: false };
      put(value);
      if (fault === 'response lost') throw new Error('the connection was lost');
      return { ok: true, version: String(versions) };
    },
    ...(canWatch && {
      watch(_: string, changed: () => void) {
        watchers.add(changed);
        return () => void watchers.delete(changed);
      },
    }),
    holdReads(count = Number.POSITIVE_INFINITY) {
      const { promise, resolve } = Promise.withResolvers<void>();
      heldReads = promise;
      readsToHold = count;
      return () => {
        readsToHold = 0;
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
