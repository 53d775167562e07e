import { ConfigurationError } from 'drun-sdk/errors';
import type { KeyStore, SwapResult } from 'drun-sdk/rotation';
import { keyStoreContract } from 'drun-sdk/rotation/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import { isLinearizable, programs, runConcurrently } from './linearizability.ts';

/** A store under test. */
export interface StoreSetup {
  /** Opens another client of the same store, as another process does. */
  open(): KeyStore | Promise<KeyStore>;
  /** The server of the store, if it has one. */
  readonly server?: StoreServer;
  close?(): Promise<void>;
}

/** A store's server, reached through a proxy that can fail. */
export interface StoreServer {
  /** Kills the server and starts it again. */
  restart(): Promise<void>;
  /** Drops all open connections. */
  dropConnections(): void;
  /** Drops all connections and refuses new ones. */
  goOffline(): Promise<void>;
  goOnline(): Promise<void>;
  /** Drops the connection of the next update before it reaches the server. */
  dropNextUpdate(): void;
  /** Drops the connection of the next update after the server has applied it. */
  dropNextResponse(): void;
}

export interface ContractOptions {
  /** Number of runs of each property. */
  readonly runs: number;
}

/** Starting a server is slow on a busy machine. */
const timeout = 60_000;

/** Defines the tests that every store must pass. */
export function testStoreContract(createSetup: () => Promise<StoreSetup>, options: ContractOptions): void {
  let setup: StoreSetup;
  beforeAll(async () => {
    setup = await createSetup();
  }, timeout);
  afterAll(() => setup?.close?.(), timeout);

  describe('get', { timeout }, () => {
    test('returns null for a ring without a record', async () => {
      const store = await setup.open();

      expect(await store.get(newRing())).toBeNull();
    });

    test('returns the stored record with the version that the update returned', async () => {
      const store = await setup.open();
      const ring = newRing();

      const version = await updated(store.compareAndSwap(ring, null, 'a record'));

      expect(await store.get(ring)).toEqual({ value: 'a record', version });
    });

    test('returns the update of another client at once', async () => {
      const [writer, reader] = [await setup.open(), await setup.open()];
      const ring = newRing();
      let version: string | null = null;

      for (const value of ['first', 'second', 'third']) {
        version = await updated(writer.compareAndSwap(ring, version, value));
        expect(await reader.get(ring)).toEqual({ value, version });
      }
    });

    test.each([
      ['an empty string', ''],
      ['JSON', '{"seq": 1, "key": "\\"\\\\u0041\\n", "list": [null, 1e9]}'],
      ['special characters', 'a\t\r\n \'"`\\$1 %s {} -- ; é 中文 🔑 \u{10ffff} \ufeff \u2028'],
      ['64 kB of characters', '€'.repeat(21_845)],
    ])('returns %s unchanged', async (_, value) => {
      const store = await setup.open();
      const ring = newRing();

      await updated(store.compareAndSwap(ring, null, value));

      expect((await store.get(ring))?.value).toBe(value);
    });

    test('returns any string unchanged', async () => {
      const store = await setup.open();
      const ring = newRing();
      let version: string | null = null;
      const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));

      await fc.assert(
        fc.asyncProperty(text, async (value) => {
          version = await updated(store.compareAndSwap(ring, version, value));
          expect(await store.get(ring)).toEqual({ value, version });
        }),
        { numRuns: options.runs },
      );
    });
  });

  describe('compareAndSwap', { timeout }, () => {
    test('creates a record only if there is none', async () => {
      const store = await setup.open();
      const ring = newRing();
      const version = await updated(store.compareAndSwap(ring, null, 'first'));

      expect(await store.compareAndSwap(ring, null, 'second')).toEqual({ ok: false });
      expect(await store.get(ring)).toEqual({ value: 'first', version });
    });

    test('rejects an outdated version', async () => {
      const store = await setup.open();
      const ring = newRing();
      const stale = await updated(store.compareAndSwap(ring, null, 'first'));
      const version = await updated(store.compareAndSwap(ring, stale, 'second'));

      expect(await store.compareAndSwap(ring, stale, 'third')).toEqual({ ok: false });
      expect(await store.get(ring)).toEqual({ value: 'second', version });
    });

    test('rejects an outdated version of an equal record', async () => {
      const store = await setup.open();
      const ring = newRing();
      const first = await updated(store.compareAndSwap(ring, null, 'a'));
      const second = await updated(store.compareAndSwap(ring, first, 'b'));
      const third = await updated(store.compareAndSwap(ring, second, 'a'));

      expect(new Set([first, second, third]).size).toBe(3);
      expect(await store.compareAndSwap(ring, first, 'c')).toEqual({ ok: false });
    });

    test('rejects any version if there is no record, and creates none', async () => {
      const store = await setup.open();
      const [ring, other] = [newRing(), newRing()];
      const version = await updated(store.compareAndSwap(other, null, 'a record'));

      expect(await store.compareAndSwap(ring, version, 'a record')).toEqual({ ok: false });
      expect(await store.get(ring)).toBeNull();
    });

    test.each([
      '',
      '0',
      '1',
      '-1',
      'null',
      '.',
      '..',
      '../..',
      "' OR ''='",
      'ff',
      'x'.repeat(5_000),
      '\0',
      '\ud800',
    ])('rejects %j, which is not one of its versions', async (version) => {
      const store = await setup.open();
      const ring = newRing();
      await updated(store.compareAndSwap(ring, null, 'a record'));

      expect(await store.compareAndSwap(ring, version, 'another')).toEqual({ ok: false });
      expect((await store.get(ring))?.value).toBe('a record');
    });

    test('is independent of other rings', async () => {
      const store = await setup.open();
      const [ring, other] = [newRing(), newRing()];
      const version = await updated(store.compareAndSwap(ring, null, 'mine'));

      const otherVersion = await updated(store.compareAndSwap(other, null, 'yours'));
      await updated(store.compareAndSwap(other, otherVersion, 'yours, later'));

      expect(await store.get(ring)).toEqual({ value: 'mine', version });
      await updated(store.compareAndSwap(ring, version, 'mine, later'));
      expect((await store.get(other))?.value).toBe('yours, later');
    });

    test('lets exactly one of many clients create a record', async () => {
      const stores = await openAll(6);
      const ring = newRing();

      const results = await Promise.all(
        stores.map((store, index) => store.compareAndSwap(ring, null, `of client ${index}`)),
      );

      const winners = results.flatMap((result, index) => (result.ok ? [{ result, index }] : []));
      expect(winners).toHaveLength(1);
      expect(await stores[0]?.get(ring)).toEqual({
        value: `of client ${winners[0]?.index}`,
        version: winners[0]?.result.version,
      });
    });

    test('lets exactly one of many clients replace a version', async () => {
      const stores = await openAll(6);
      const ring = newRing();
      let version = await updated((await setup.open()).compareAndSwap(ring, null, 'start'));

      for (let round = 0; round < 5; round++) {
        const results = await Promise.all(
          stores.map((store, index) => store.compareAndSwap(ring, version, `${round}, client ${index}`)),
        );
        const winners = results.flatMap((result, index) => (result.ok ? [{ result, index }] : []));
        expect(winners).toHaveLength(1);
        const record = await stores[0]?.get(ring);
        expect(record?.value).toBe(`${round}, client ${winners[0]?.index}`);
        version = record?.version ?? '';
      }
    });

    test('loses no update of concurrent clients', async () => {
      const stores = await openAll(4);
      const ring = newRing();

      await Promise.all(
        stores.map(async (store) => {
          for (let counted = 0; counted < 10; ) {
            const record = await store.get(ring);
            const count = String(Number(record?.value ?? 0) + 1);
            if ((await store.compareAndSwap(ring, record?.version ?? null, count)).ok) counted++;
          }
        }),
      );

      expect((await stores[0]?.get(ring))?.value).toBe('40');
    });

    test('is linearizable for concurrent calls', async () => {
      const stores = await openAll(3);

      await fc.assert(
        fc.asyncProperty(programs(3), async (steps) => {
          const events = await runConcurrently(stores, newRing(), steps);
          expect(isLinearizable(events), JSON.stringify(events)).toBe(true);
        }),
        { numRuns: options.runs },
      );
    });
  });

  describe('an invalid argument', { timeout }, () => {
    test.each([
      '',
      'Checkout',
      'check_out',
      'x'.repeat(33),
      '..',
      'a/b',
      'ä',
      'a ',
      "a'",
      null,
      undefined,
      1,
    ])('such as the ring %j is a ConfigurationError', async (ring) => {
      const store = await setup.open();
      const name = ring as string;

      const errors = [
        await rejectionOf(ConfigurationError, store.get(name)),
        await rejectionOf(ConfigurationError, store.compareAndSwap(name, null, 'a record')),
        thrownBy(ConfigurationError, () => store.watch?.(name, () => {})),
      ];
      expect(errors.map(({ option }) => option)).toEqual(['ring', 'ring', 'ring']);
    });

    test.each([
      ['a value that is not a string', 'value', [null, { seq: 1 }]],
      ['a value with a lone surrogate', 'value', [null, 'a\ud83d']],
      ['a value with U+0000', 'value', [null, 'a\0b']],
      ['a value of more than 64 kB', 'value', [null, 'x'.repeat(65_537)]],
      ['a value of fewer characters but more than 64 kB', 'value', [null, '€'.repeat(21_846)]],
      ['an expected version that is not a string', 'expected', [1, 'a record']],
      ['no expected version', 'expected', [undefined, 'a record']],
    ])('such as %s is a ConfigurationError, and nothing is stored', async (_, option, [expected, value]) => {
      const store = await setup.open();
      const ring = newRing();

      const update = store.compareAndSwap(ring, expected as string, value as string);

      expect(await rejectionOf(ConfigurationError, update)).toMatchObject({ option });
      expect(await store.get(ring)).toBeNull();
    });

    test('such as a watcher that is not a function throws ConfigurationError', async () => {
      const store = await setup.open();
      const changed = undefined as unknown as () => void;

      expect(thrownBy(ConfigurationError, () => store.watch?.(newRing(), changed)).option).toBe('changed');
    });
  });

  describe('watch', { timeout }, () => {
    test('reports a record that another client creates, and every later update', async () => {
      const [watcher, writer] = [await setup.open(), await setup.open()];
      const ring = newRing();
      const recordWatcher = watch(watcher, ring);
      let version: string | null = null;

      for (const value of ['first', 'second', 'third']) {
        version = await updated(writer.compareAndSwap(ring, version, value));
        await recordWatcher.waitFor(value);
      }
      recordWatcher.stop();
    });

    test('reports to each of several watchers until it is stopped', async () => {
      const store = await setup.open();
      const ring = newRing();
      const [stopped, first, second] = [watch(store, ring), watch(store, ring), watch(store, ring)];
      const version = await updated(store.compareAndSwap(ring, null, 'first'));
      await Promise.all([stopped, first, second].map((watcher) => watcher.waitFor('first')));

      stopped.stop();
      stopped.stop();
      const { calls } = stopped;
      await updated(store.compareAndSwap(ring, version, 'second'));
      await Promise.all([first, second].map((watcher) => watcher.waitFor('second')));

      expect(stopped.calls).toBe(calls);
      first.stop();
      second.stop();
    });
  });

  describe('the contract for custom stores', { timeout }, () => {
    const cases = keyStoreContract(() => setup.open());
    test.each(cases.map(({ name, run }) => [name, run] as const))('%s', async (_, run) => run());
  });

  async function openAll(count: number): Promise<KeyStore[]> {
    const stores: KeyStore[] = [];
    for (let opened = 0; opened < count; opened++) stores.push(await setup.open());
    return stores;
  }
}

/** Defines the additional tests that a store with a server must pass. */
export function testServerFailures(
  createSetup: () => Promise<StoreSetup & { readonly server: StoreServer }>,
): void {
  let setup: StoreSetup & { readonly server: StoreServer };
  beforeAll(async () => {
    setup = await createSetup();
  }, timeout);
  afterAll(() => setup?.close?.(), timeout);

  /** Creates or replaces a record while the connection loses a message. */
  async function updateWith(loseMessage: () => void, kind: string) {
    const store = await setup.open();
    const ring = newRing();
    const version = kind === 'creates' ? null : await updated(store.compareAndSwap(ring, null, 'before'));
    await store.get(ring);
    loseMessage();
    const outcome = await store.compareAndSwap(ring, version, 'after').catch(() => 'not known' as const);
    return { ring, version, outcome };
  }

  test('keeps a record when the server is killed and restarted', async () => {
    const store = await setup.open();
    const ring = newRing();
    const version = await updated(store.compareAndSwap(ring, null, 'before'));

    await setup.server.restart();

    await vi.waitFor(async () => expect(await store.get(ring)).toEqual({ value: 'before', version }), 20_000);
    await updated(store.compareAndSwap(ring, version, 'after'));
  });

  test('reconnects after a lost connection', async () => {
    const store = await setup.open();
    const ring = newRing();
    const version = await updated(store.compareAndSwap(ring, null, 'before'));

    setup.server.dropConnections();

    await vi.waitFor(async () => expect(await store.get(ring)).toEqual({ value: 'before', version }), 20_000);
    await updated(store.compareAndSwap(ring, version, 'after'));
  });

  test('rejects while the server is down, and continues afterwards', async () => {
    const store = await setup.open();
    const ring = newRing();
    const version = await updated(store.compareAndSwap(ring, null, 'before'));

    await setup.server.goOffline();
    await rejection(store.get(ring));
    await rejection(store.compareAndSwap(ring, version, 'lost'));
    await rejection(store.compareAndSwap(newRing(), null, 'lost'));
    await setup.server.goOnline();

    await vi.waitFor(async () => expect(await store.get(ring)).toEqual({ value: 'before', version }), 20_000);
    await updated(store.compareAndSwap(ring, version, 'after'));
  });

  test.each(['creates', 'replaces'])(
    'does not report success if an update that %s a record does not arrive',
    async (kind) => {
      const { ring, version, outcome } = await updateWith(() => setup.server.dropNextUpdate(), kind);
      const reader = await setup.open();
      const record = await reader.get(ring);
      // The client may have retried the update on a new connection.
      if (outcome === 'not known') expect(record?.version ?? null).toBe(version);
      else expect(outcome).toEqual({ ok: true, version: record?.version });
    },
  );

  test.each(['creates', 'replaces'])(
    'does not report a conflict if the response to an update that %s a record is lost',
    async (kind) => {
      const { ring, version, outcome } = await updateWith(() => setup.server.dropNextResponse(), kind);
      const reader = await setup.open();
      const record = await reader.get(ring);
      expect(record?.value).toBe('after');
      if (outcome !== 'not known') expect(outcome).toEqual({ ok: true, version: record?.version });
      expect(await reader.compareAndSwap(ring, version, 'again')).toEqual({ ok: false });
    },
  );

  test('reports changes made while the server was down to a watcher', async () => {
    const [watcher, writer] = [await setup.open(), await setup.open()];
    const ring = newRing();
    const version = await updated(writer.compareAndSwap(ring, null, 'before'));
    const recordWatcher = watch(watcher, ring);
    await recordWatcher.waitFor('before');

    await setup.server.goOffline();
    await setup.server.goOnline();
    await vi.waitFor(async () => updated(writer.compareAndSwap(ring, version, 'after')), 20_000);

    await recordWatcher.waitFor('after');
    recordWatcher.stop();
  });
}

/** Returns the name of a new ring. */
export function newRing(): string {
  return `r-${Math.random().toString(36).slice(2, 10)}`;
}

/** Returns the version of an update. Fails if the update was rejected. */
export async function updated(update: Promise<SwapResult>): Promise<string> {
  const result = await update;
  if (!result.ok) throw new Error('the update was rejected');
  return result.version;
}

interface RecordWatcher {
  readonly calls: number;
  /** Resolves when this value has been read after a notification. */
  waitFor(value: string): Promise<void>;
  stop(): void;
}

function watch(store: KeyStore, ring: string): RecordWatcher {
  let calls = 0;
  const entries = new Map<string, PromiseWithResolvers<void>>();
  const entryOf = (value: string): PromiseWithResolvers<void> => {
    const entry = entries.get(value) ?? Promise.withResolvers<void>();
    entries.set(value, entry);
    return entry;
  };
  const stop = store.watch?.(ring, async () => {
    calls++;
    const record = await store.get(ring).catch(() => null);
    if (record) entryOf(record.value).resolve();
  });
  if (!stop) throw new Error('the store has no watch');
  return {
    get calls() {
      return calls;
    },
    waitFor: (value) => entryOf(value).promise,
    stop,
  };
}
