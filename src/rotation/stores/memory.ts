import type { KeyStore, StoredRecord } from '../key-store.ts';
import { checkFunction, checkRing, checkSwap } from './arguments.ts';

/**
 * Makes a store in the memory of this process: for tests, and to see how a ring works. Its records are gone with the
 * process, and the keys that they name stay behind; every call makes a store of its own.
 *
 * @example
 * ```ts
 * import { memoryStore } from 'drun-sdk/rotation';
 *
 * const store = memoryStore();
 * await store.compareAndSwap('checkout', null, 'a record'); // {ok: true, version: …}
 * await store.compareAndSwap('checkout', null, 'another'); // {ok: false}: there is one already
 * ```
 */
export function memoryStore(): KeyStore {
  const records = new Map<string, StoredRecord>();
  const watchers = new Set<{ readonly ring: string; readonly changed: () => void }>();
  let swaps = 0;

  return {
    // What a restart takes away is not kept for good.
    durability: 'weak',
    async get(ring) {
      checkRing(ring);
      return records.get(ring) ?? null;
    },
    async compareAndSwap(ring, expected, value) {
      checkSwap(ring, expected, value);
      if (expected !== (records.get(ring)?.version ?? null)) return { ok: false };
      const version = String(++swaps);
      records.set(ring, Object.freeze({ value, version }));
      for (const watcher of watchers) {
        if (watcher.ring !== ring) continue;
        // Later, so that what a watcher throws is no failure of the swap.
        queueMicrotask(() => {
          if (watchers.has(watcher)) watcher.changed();
        });
      }
      return { ok: true, version };
    },
    watch(ring, changed) {
      checkRing(ring);
      checkFunction(changed, 'changed');
      const watcher = { ring, changed };
      watchers.add(watcher);
      return () => {
        watchers.delete(watcher);
      };
    },
  };
}
