import { memoryStore } from 'drun-sdk/rotation';
import { keyStoreContract } from 'drun-sdk/rotation/testing';
import { describe, expect, it } from 'vitest';
import { testStore } from '../../support/test-store.ts';

describe('memoryStore', () => {
  const store = memoryStore();

  it.each(keyStoreContract(() => store).map(({ name, run }) => [name, run] as const))('%s', (_, run) =>
    run(),
  );

  it('shares no records with another store', async () => {
    await store.compareAndSwap('checkout', null, 'a record');

    expect(await memoryStore().get('checkout')).toBeNull();
  });
});

describe('keyStoreContract', () => {
  it('rejects an unknown option', () => {
    const options: object = { timeoutMs: 20 };

    expect(() => keyStoreContract(() => memoryStore(), options)).toThrow('watchTimeoutMs');
  });

  const faults: Record<
    string,
    (store: ReturnType<typeof memoryStore>) => Partial<ReturnType<typeof memoryStore>>
  > = {
    'ignores the expected version': (store) => ({
      compareAndSwap: async (ring, _, value) =>
        store.compareAndSwap(ring, (await store.get(ring))?.version ?? null, value),
    }),
    'trims values': (store) => ({
      compareAndSwap: (ring, expected, value) => store.compareAndSwap(ring, expected, value.trim()),
    }),
    'shortens names of rings': (store) => ({
      get: (ring) => store.get(ring.slice(0, 10)),
      compareAndSwap: (ring, expected, value) => store.compareAndSwap(ring.slice(0, 10), expected, value),
    }),
    'reads from a lagging replica': (store) => {
      const known = new Map<string, Awaited<ReturnType<typeof store.get>>>();
      return {
        get: async (ring) => {
          const before = known.get(ring) ?? null;
          known.set(ring, await store.get(ring));
          return before;
        },
      };
    },
    'never reports a change': () => ({ watch: () => () => {} }),
  };

  it.each(Object.entries(faults))('detects a store that %s', async (_, fault) => {
    const store = memoryStore();
    const faulty = { ...store, ...fault(store) };
    const results = await Promise.allSettled(
      keyStoreContract(() => faulty, { watchTimeoutMs: 20 }).map(({ run }) => run()),
    );

    expect(results.some(({ status }) => status === 'rejected')).toBe(true);
  });

  it('detects a store that returns the same version twice', async () => {
    const counting = testStore();
    const { compareAndSwap } = counting;
    const faulty = {
      ...counting,
      get: async () => counting.stored && { ...counting.stored, version: '1' },
      compareAndSwap: async (ring: string, expected: string | null, value: string) => {
        const version = expected === '1' ? (counting.stored?.version ?? null) : expected;
        const result = await compareAndSwap(ring, version, value);
        return result.ok ? { ok: true as const, version: '1' } : result;
      },
    };
    const [found] = keyStoreContract(() => faulty).filter(({ name }) => name.startsWith('never repeats'));

    await expect(found?.run()).rejects.toThrow();
  });
});
