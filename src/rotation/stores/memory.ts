import { type KeyStore, type StoredRecord, storeFrom } from './store.ts';

/**
 * Creates an in-memory store for tests and experiments. Its records are lost when the process ends, but the keys still
 * exist in the account. Separate stores do not share records.
 *
 * @example
 * ```ts
 * import { memoryStore } from 'drun-sdk/rotation';
 *
 * const store = memoryStore();
 * await store.compareAndSwap('checkout', null, 'a record'); // { ok: true, version: … }
 * await store.compareAndSwap('checkout', null, 'another'); // { ok: false }: a record already exists
 * ```
 */
export function memoryStore(): KeyStore {
  const records = new Map<string, StoredRecord>();
  return storeFrom(
    {
      get: async (ring) => records.get(ring) ?? null,
      async swap(ring, expected, version, value) {
        if ((records.get(ring)?.version ?? null) !== expected) return false;
        records.set(ring, Object.freeze({ value, version }));
        return true;
      },
    },
    // The interval is short, because polling memory needs no request.
    100,
  );
}
