import { checkOptions } from '../../errors/invalid.ts';
import { sleep } from '../../internal/wait.ts';
import type { KeyStore } from './store.ts';

/** A test case. `run` rejects if the store does not pass. */
export interface KeyStoreCase {
  /** The expected behavior, as a phrase whose subject is the store. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Options for {@link keyStoreContract}. */
export interface KeyStoreContractOptions {
  /** Time within which `watch` must report a change, in milliseconds. @defaultValue 10_000 */
  readonly watchTimeoutMs?: number | undefined;
}

/**
 * Returns the test cases that every key store must pass, for any test framework.
 *
 * @param open - Opens another client for the same storage, as another process would. Each test uses a random ring name.
 *
 * @example
 * ```ts
 * import { memoryStore } from 'drun-sdk/rotation';
 * import { keyStoreContract } from 'drun-sdk/rotation/testing';
 *
 * const store = memoryStore();
 * for (const { run } of keyStoreContract(() => store)) await run(); // or: test(name, run)
 * ```
 */
export function keyStoreContract(
  open: () => KeyStore | Promise<KeyStore>,
  options: KeyStoreContractOptions = {},
): readonly KeyStoreCase[] {
  checkOptions(options, ['watchTimeoutMs'], 'keyStoreContract()');
  const { watchTimeoutMs = 10_000 } = options;
  const cases: Readonly<Record<string, (store: KeyStore, ring: string) => Promise<void>>> = {
    async 'returns null for an unknown ring'(store, ring) {
      equal(await store.get(ring), null);
    },
    async 'returns a record exactly as it was stored, with its version'(store, ring) {
      let version: string | null = null;
      for (const value of VALUES) {
        version = await swap(store, ring, version, value);
        equal(await store.get(ring), { value, version });
      }
    },
    async 'makes an update visible to other clients immediately'(store, ring) {
      const other = await open();
      const version = await swap(store, ring, null, 'first');
      equal(await other.get(ring), { value: 'first', version });
      const next = await swap(other, ring, version, 'second');
      equal(await store.get(ring), { value: 'second', version: next });
    },
    async 'creates a record only if none exists'(store, ring) {
      const version = await swap(store, ring, null, 'first');
      await swap(store, ring, null, 'second', false);
      equal(await store.get(ring), { value: 'first', version });
    },
    async 'rejects an update whose version is old, unknown or from another ring'(store, ring) {
      const old = await swap(store, ring, null, 'first');
      const version = await swap(store, ring, old, 'second');
      const foreign = await swap(store, newRing(), null, 'other');
      for (const expected of [old, foreign, '', '0', 'none', crypto.randomUUID()]) {
        await swap(store, ring, expected, 'third', false);
      }
      equal(await store.get(ring), { value: 'second', version });
    },
    async 'rejects an update of a record that does not exist'(store, ring) {
      await swap(store, ring, crypto.randomUUID(), 'first', false);
      equal(await store.get(ring), null);
    },
    async 'never repeats a version, even for equal values'(store, ring) {
      const versions = new Set<string>();
      let version: string | null = null;
      for (let update = 0; update < 5; update++) {
        version = await swap(store, ring, version, 'same');
        versions.add(version);
      }
      equal(versions.size, 5);
    },
    async 'keeps rings with names of up to 32 characters separate'(store, ring) {
      const long = `${ring}-`.padEnd(32, '0');
      const versions = [await swap(store, ring, null, 'short'), await swap(store, long, null, 'long')];
      equal(await store.get(ring), { value: 'short', version: versions[0] });
      equal(await store.get(long), { value: 'long', version: versions[1] });
    },
    async 'lets one of many concurrent creates win'(store, ring) {
      const clients = await Promise.all(Array.from({ length: 8 }, () => open()));
      const results = await Promise.all(
        clients.map((client, index) => client.compareAndSwap(ring, null, String(index))),
      );
      const winners = results.flatMap(({ ok }, index) => (ok ? [String(index)] : []));
      equal(winners.length, 1);
      equal((await store.get(ring))?.value, winners[0]);
    },
    async 'does not lose updates by concurrent clients'(store, ring) {
      await swap(store, ring, null, '0');
      const clients = await Promise.all(Array.from({ length: 4 }, () => open()));
      await Promise.all(clients.map((client) => increment(client, ring, 5)));
      equal((await store.get(ring))?.value, '20');
    },
    async 'reports changes by other clients to `watch` until it is stopped'(store, ring) {
      if (store.watch === undefined) return;
      const version = await swap(store, ring, null, 'first');
      const changed = Promise.withResolvers<void>();
      const ended = new AbortController();
      const stop = store.watch(ring, () => changed.resolve());
      try {
        await swap(await open(), ring, version, 'second');
        const late = sleep(watchTimeoutMs, ended.signal).then(() => {
          throw new Error(`no change within ${watchTimeoutMs} ms`);
        });
        await Promise.race([changed.promise, late]);
      } finally {
        stop();
        ended.abort();
      }
    },
  };
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async () => run(await open(), newRing()),
  }));
}

const VALUES = [
  '',
  '{"seq": 1, "key": "\\"\\\\u0041\\n", "list": [null, 1e9]}',
  'a\t\r\n \'"`\\$1 %s {} -- ; é 中文 🔑 \u{10ffff} \ufeff \u2028',
  '€'.repeat(21_845),
];

function newRing(): string {
  return `ring-${crypto.randomUUID().slice(0, 12)}`;
}

/** Updates a record, and checks that the store accepts the expected version. */
async function swap(
  store: KeyStore,
  ring: string,
  expected: string | null,
  value: string,
  isCurrent = true,
): Promise<string> {
  const result = await store.compareAndSwap(ring, expected, value);
  if (result.ok === isCurrent) return result.ok ? result.version : '';
  const outcome = result.ok ? 'succeeded, but that version is not' : 'was rejected, but that version is';
  throw new Error(`an update of version ${expected} ${outcome} current`);
}

async function increment(store: KeyStore, ring: string, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const record = await store.get(ring);
    if (record === null) throw new Error('the record has disappeared');
    const { ok } = await store.compareAndSwap(ring, record.version, String(Number(record.value) + 1));
    if (ok) done++;
  }
}

function equal(actual: unknown, expected: unknown): void {
  const toText = (value: unknown): string => JSON.stringify(value, ['value', 'version']) ?? String(value);
  const [received, wanted] = [toText(actual), toText(expected)];
  if (received === wanted) return;
  throw new Error(`the store returned ${received.slice(0, 100)} instead of ${wanted.slice(0, 100)}`);
}
