import { checkFunction, checkRing, type KeyStore, type StoredRecord, storeFrom } from './store.ts';

/**
 * Creates a store in the memory of this process, for tests and experiments. Its records end with the process, and the keys in
 * them stay behind. Two stores share nothing.
 *
 * @example
 * ```ts
 * import { memoryStore } from 'drun-sdk/rotation';
 *
 * const store = memoryStore();
 * await store.compareAndSwap('checkout', null, 'a record'); // { ok: true, version: … }
 * await store.compareAndSwap('checkout', null, 'another'); // { ok: false }: there is one already
 * ```
 */
export function memoryStore(): KeyStore {
  const records = new Map<string, StoredRecord>();
  const watchers = new Set<{ readonly ring: string; readonly changed: () => void }>();

  const swap = async (ring: string, expected: string | undefined, record: StoredRecord): Promise<boolean> => {
    if (records.get(ring)?.version !== expected) return false;
    records.set(ring, Object.freeze(record));
    for (const watcher of watchers) {
      if (watcher.ring !== ring) continue;
      // Later, so that an error of a watcher does not fail the swap.
      queueMicrotask(() => {
        if (watchers.has(watcher)) watcher.changed();
      });
    }
    return true;
  };
  const store = storeFrom(
    {
      get: async (ring) => records.get(ring) ?? null,
      create: (ring, version, value) => swap(ring, undefined, { value, version }),
      replace: (ring, expected, version, value) => swap(ring, expected, { value, version }),
    },
    undefined,
    1,
  );
  return {
    ...store,
    watch(ring, changed) {
      checkRing(ring);
      checkFunction(changed, 'changed');
      const watcher = { ring, changed };
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
  };
}
