import { AsyncLocalStorage } from 'node:async_hooks';
import { KeyRingError } from 'drun-sdk/errors';
import { Secret } from 'drun-sdk/secret';
import { describe, expect, it, vi } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import { waitUntil } from '../support/ring-clock.ts';
import { requestLost } from '../support/ring-service.ts';
import { ENCRYPTION_KEY, keyOf, MINUTE, namesOf, ringSetup, SECOND } from '../support/ring-setup.ts';
import { testStore } from '../support/test-store.ts';

async function readySetup(options: Parameters<typeof ringSetup>[0] = {}) {
  const setup = ringSetup(options);
  const ring = setup.newRing();
  await ring.reconcile();
  setup.store.counts.reads = 0;
  return { ...setup, ring };
}

describe('a reader', () => {
  it('returns a known key without a promise, and reads the store once', async () => {
    const { newReader, store } = await readySetup();
    const reader = newReader();
    await reader.getKey();

    for (let call = 0; call < 100; call++) expect(reader.getKey()).toBeInstanceOf(Secret);

    expect(store.counts.reads).toBe(1);
  });

  it('shares one read and one decryption among 10,000 concurrent first calls', async () => {
    const decrypt = vi.fn((ciphertext: string) => ciphertext.slice(1));
    const encryptionKey = { encrypt: (secret: string) => `#${secret}`, decrypt };
    const { newRing, newReader, store } = ringSetup();
    await newRing({ encryptionKey }).reconcile();
    const reader = newReader({ encryptionKey });
    store.counts.reads = 0;
    decrypt.mockClear();

    const keys = await Promise.all(Array.from({ length: 10_000 }, () => reader.getKey()));

    expect(new Set(keys).size).toBe(1);
    expect(store.counts.reads).toBe(1);
    expect(decrypt).toHaveBeenCalledTimes(1);
  });

  it('never writes, and sends no request to the service', async () => {
    const { newReader, service, store, clock } = await readySetup();
    service.newRequests();
    const { writes } = store.counts;
    const reader = newReader();
    for (let minute = 0; minute < 5; minute++) {
      await reader.getKey();
      await clock.advance(MINUTE);
    }

    expect(service.newRequests()).toEqual([]);
    expect(store.counts.writes).toBe(writes);
  });

  it('reads again in the background after `refreshMs`, and returns the next key', async () => {
    const { newReader, ring, clock } = await readySetup();
    const reader = newReader({ refreshMs: 10 * SECOND });
    const first = await keyOf(reader);
    await ring.rotate();
    expect(await keyOf(reader)).toBe(first);

    await clock.advance(10 * SECOND);
    expect(await keyOf(reader)).toBe(first);
    await waitUntil(() => namesOf(reader.events).filter((name) => name === 'rotated').length === 2);

    expect(await keyOf(reader)).toBe(await keyOf(ring));
  });

  it('reads again in the background if its first call comes long after a reconciliation', async () => {
    const { newRing, ring, clock } = await readySetup();
    const idle = newRing();
    await idle.reconcile();
    await ring.rotate();
    await clock.advance(MINUTE);
    await idle.getKey();

    await waitUntil(() => idle.status().epoch === ring.status().epoch);
  });

  it('does not share a read that began before its key was rejected', async () => {
    const { newReader, ring, store } = await readySetup();
    const reader = newReader();
    const first = await reader.getKey();
    const release = store.holdReads(1);
    const early = newReader();
    const reading = Promise.resolve(early.getKey());
    await ring.revoke('current');
    const next = Promise.resolve(early.getKey({ rejected: first }));
    expect((await next).reveal()).toBe(await keyOf(ring));
    release();
    await reading;
    expect(await keyOf(early)).toBe(await keyOf(ring));
  });

  it('joins the read of another call for at most two seconds', async () => {
    const { newReader, store, clock } = await readySetup();
    const reader = newReader();
    store.holdReads(1);
    void Promise.resolve(reader.getKey());
    const joined = Promise.resolve(reader.getKey());
    await clock.advance(2 * SECOND);

    expect(await joined).toBeInstanceOf(Secret);
  });

  it('keeps its key while the store fails, and emits at most one error event per second', async () => {
    const { newReader, store, clock } = await readySetup();
    const reader = newReader({ refreshMs: 10 * SECOND });
    const key = await keyOf(reader);
    store.failure = new Error('connect ECONNREFUSED');
    await clock.advance(10 * SECOND);
    store.counts.reads = 0;

    for (let call = 0; call < 100; call++) expect(await keyOf(reader)).toBe(key);
    await clock.advance(SECOND);
    for (let call = 0; call < 100; call++) expect(await keyOf(reader)).toBe(key);
    await waitUntil(() => reader.events.length >= 3);

    expect(store.counts.reads).toBe(2);
    expect(namesOf(reader.events)).toEqual(['rotated', 'error', 'error']);
  });

  it('clears its own error, but no other, with the next successful read', async () => {
    const { newReader, ring, store, service, clock } = await readySetup();
    const reader = newReader({ refreshMs: 10 * SECOND });
    await reader.getKey();
    store.failure = new Error('connect ECONNREFUSED');
    await clock.advance(10 * SECOND);
    await reader.getKey();
    await waitUntil(() => reader.status().lastError !== undefined);
    store.failure = undefined;

    await clock.advance(SECOND);
    await reader.getKey();
    await waitUntil(() => reader.status().lastError === undefined);

    await ring.getKey();
    service.fail('list', requestLost);
    ring.start();
    await waitUntil(() => ring.status().lastError !== undefined);
    const { reads } = store.counts;
    await clock.advance(30 * SECOND);
    await ring.getKey();
    await waitUntil(() => store.counts.reads > reads);
    await clock.advance(0);
    expect(ring.status().lastError).toMatchObject({ message: 'socket hang up' });
  });

  it('retries a failing store until `keyTimeoutMs` if no key is known', async () => {
    const { newReader, store, clock } = await readySetup();
    store.failure = new Error('password authentication failed for postgres://user:secret@db/app');
    const before = clock.now();

    const error = await rejectionOf(
      KeyRingError,
      Promise.resolve(newReader({ keyTimeoutMs: MINUTE }).getKey()),
    );

    expect(error.code).toBe('key_ring_store_failed');
    expect(error.message).not.toContain('secret');
    expect(clock.now() - before).toBeGreaterThan(50 * SECOND);
    store.failure = undefined;
  });

  it('waits for the first key, until `keyTimeoutMs`', async () => {
    const { newReader, newRing } = ringSetup();
    const early = newReader({ keyTimeoutMs: 3 * SECOND });

    const error = await rejectionOf(KeyRingError, Promise.resolve(early.getKey()));

    expect(error.code).toBe('key_ring_no_active_key');
    expect(error.message).toContain('none has been created yet');
    await newRing().reconcile();
    expect(await early.getKey()).toBeInstanceOf(Secret);
  });

  it('waits at most `keyTimeoutMs` for a store that does not respond', async () => {
    const { newReader, store, clock } = await readySetup();
    const reader = newReader({ keyTimeoutMs: SECOND });
    clock.isManual = true;
    const release = store.holdReads();

    const waiting = rejectionOf(KeyRingError, Promise.resolve(reader.getKey()));
    await clock.advance(SECOND);

    expect((await waiting).code).toBe('key_ring_store_failed');
    const next = reader.getKey();
    release();
    expect(await next).toBeInstanceOf(Secret);
    expect(store.counts.reads).toBe(1);
  });

  it('waits longer than `keyTimeoutMs` for a store if it has a key', async () => {
    const { newReader, ring, store, clock } = await readySetup();
    const reader = newReader({ keyTimeoutMs: SECOND });
    await reader.getKey();
    await ring.rotate();
    clock.isManual = true;
    await clock.advance(MINUTE);
    const release = store.holdReads();
    await reader.getKey();
    await clock.advance(2 * SECOND);
    release();
    await waitUntil(() => reader.events.length > 1);

    expect(namesOf(reader.events)).toEqual(['rotated', 'rotated']);
  });

  it('shares a second read among all calls if the first takes too long', async () => {
    const { newReader, store, clock } = await readySetup();
    const reader = newReader();
    clock.isManual = true;
    const release = store.holdReads();

    const calls = Array.from({ length: 100 }, () => reader.getKey());
    await clock.advance(3 * SECOND);
    release();
    await Promise.all(calls);

    expect(store.counts.reads).toBe(2);
  });

  it('reports a lost record as stale, and keeps its key', async () => {
    const { newReader, store, clock } = await readySetup();
    const reader = newReader();
    const key = await keyOf(reader);
    store.stored = null;
    await clock.advance(MINUTE);

    expect(await keyOf(reader)).toBe(key);
    await waitUntil(() => reader.events.length > 1);

    expect(reader.events.at(-1)).toEqual(['stale-read', { epoch: 0 }]);
  });

  it('stops waiting when its call is aborted', async () => {
    const { newReader, clock } = ringSetup();
    clock.isManual = true;
    const abort = new AbortController();
    const waiting = Promise.resolve(newReader().getKey({ signal: abort.signal }));
    await waitUntil(() => clock.waits.includes(100));

    abort.abort(new Error('gave up'));

    await expect(waiting).rejects.toThrow('gave up');
  });

  it('ages its record by a monotonic clock', async () => {
    const { newReader, store, clock } = await readySetup();
    const jumping = { ...clock, now: () => clock.now() + 1e12, sleep: clock.sleep.bind(clock) };
    const reader = newReader({ clock: jumping });
    await reader.getKey();
    store.counts.reads = 0;

    await reader.getKey();

    expect(store.counts.reads).toBe(0);
  });
});

describe('a store with `watch`', () => {
  it('lets a reader return the next key before `refreshMs`', async () => {
    const { newReader, ring } = await readySetup({ store: testStore({ canWatch: true }) });
    const reader = newReader();
    await reader.getKey();
    await ring.rotate();
    await waitUntil(() => namesOf(reader.events).length >= 2);

    expect(await keyOf(reader)).toBe(await keyOf(ring));
  });

  it('is watched once, and no longer after `stop()`', async () => {
    const { newReader, store } = await readySetup({ store: testStore({ canWatch: true }) });
    const watchers = store.watchers.size;
    const reader = newReader();
    for (let call = 0; call < 5; call++) await reader.getKey();
    expect(store.watchers.size).toBe(watchers + 1);

    await reader.stop();
    await reader.getKey();

    expect(store.watchers.size).toBe(watchers);
  });

  it('is read after each change, even while a decryption does not respond', async () => {
    const { newReader, ring } = await readySetup({ store: testStore({ canWatch: true }) });
    const late = Promise.withResolvers<string>();
    const decrypt = vi.fn((): string | Promise<string> => late.promise).mockReturnValueOnce('first');
    const reader = newReader({ encryptionKey: { encrypt: String, decrypt } });
    await reader.getKey();
    await ring.rotate();
    await waitUntil(() => decrypt.mock.calls.length === 2);
    await ring.rotate();
    await waitUntil(() => namesOf(reader.events).length === 3);
    late.resolve('late');

    expect(namesOf(reader.events)).toEqual(['rotated', 'rotated', 'rotated']);
  });

  it('causes one read at a time, and none after `stop()`, however often it reports a change', async () => {
    const { newReader, store } = await readySetup({ store: testStore({ canWatch: true }) });
    const reader = newReader();
    await reader.getKey();
    const [changed] = [...store.watchers].slice(-1);
    const reportOften = (): void => {
      for (let change = 0; change < 1_000; change++) changed?.();
    };
    store.counts.reads = 0;
    const release = store.holdReads();
    reportOften();
    await waitUntil(() => store.counts.reads > 0);
    expect(store.counts.reads).toBe(1);
    release();
    await waitUntil(() => store.counts.reads > 1);

    await reader.stop();
    reportOften();
    await reader.stop();

    expect(store.counts.reads).toBe(2);
  });
});

describe('background work', () => {
  const requests = new AsyncLocalStorage<string>();

  it('of a reader runs outside the async context of the call that started it', async () => {
    const contexts: (string | undefined)[] = [];
    const watches = testStore({ canWatch: true });
    const { newReader, clock, ring } = await readySetup({ store: watches });
    const { get, watch } = watches;
    const store = {
      ...watches,
      compareAndSwap: watches.compareAndSwap,
      get: async (name: string) => {
        contexts.push(requests.getStore());
        return get(name);
      },
      watch: (name: string, changed: () => void) => {
        contexts.push(requests.getStore());
        return watch?.(name, changed) ?? (() => {});
      },
    };
    const reader = newReader({ store, refreshMs: SECOND });

    await requests.run('first request', async () => {
      await reader.getKey();
      await clock.advance(SECOND);
      await reader.getKey();
      await ring.rotate();
    });
    await waitUntil(() => contexts.length >= 4);

    expect(contexts.filter((context) => context !== undefined)).toEqual([]);
  });

  it('of `start()` runs outside the async context of its caller', async () => {
    const { newRing, service } = ringSetup();
    const contexts: (string | undefined)[] = [];
    const manager = service.manager();
    const { list } = manager;
    manager.list = (...input) => {
      contexts.push(requests.getStore());
      return list(...input);
    };
    const ring = newRing({ manager });

    requests.run('request', () => ring.start());
    await waitUntil(() => ring.status().ready);
    await ring.stop();

    expect(contexts.length).toBeGreaterThan(0);
    expect(contexts.filter((context) => context !== undefined)).toEqual([]);
  });
});

describe('encryption', () => {
  const other = (first: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, index) => first + index);
  const base64 = (key: Uint8Array): string => Buffer.from(key).toString('base64');

  it.each([
    ['bytes', ENCRYPTION_KEY],
    ['a Buffer', Buffer.from(ENCRYPTION_KEY)],
    ['base64 with a newline', `${base64(ENCRYPTION_KEY)}\n`],
    ['base64url', Buffer.from(ENCRYPTION_KEY).toString('base64url')],
    ['an array', [other(9), ENCRYPTION_KEY]],
    ['an array of base64', [base64(ENCRYPTION_KEY)]],
  ])('accepts a key as %s', async (_, encryptionKey) => {
    const { newReader, ring } = await readySetup();

    expect(await keyOf(newReader({ encryptionKey }))).toBe(await keyOf(ring));
  });

  it('fails with another key, and names the key that cannot be decrypted', async () => {
    const { newReader } = await readySetup();

    const error = await rejectionOf(
      KeyRingError,
      Promise.resolve(newReader({ encryptionKey: other(9) }).getKey()),
    );

    expect(error).toMatchObject({ code: 'key_ring_decryption_failed', keyIds: ['k1'] });
  });

  it('is updated by the next reconciliation after the first key of the array has changed', async () => {
    const { newRing, newReader, ring } = await readySetup();

    await newRing({ encryptionKey: [other(9), ENCRYPTION_KEY] }).reconcile();

    expect(await keyOf(newReader({ encryptionKey: other(9) }))).toBe(await keyOf(ring));
  });

  it('is updated once per key and process, even if replicas have the keys in different orders', async () => {
    const { newRing, store } = await readySetup();
    const one = newRing({ encryptionKey: [ENCRYPTION_KEY, other(9)] });
    const two = newRing({ encryptionKey: [other(9), ENCRYPTION_KEY] });
    const { writes } = store.counts;

    for (let round = 0; round < 10; round++) {
      await one.reconcile();
      await two.reconcile();
    }

    expect(store.counts.writes - writes).toBeLessThanOrEqual(4);
  });

  it('is not updated while a claim is pending', async () => {
    const { newRing, service, store, record, clock } = ringSetup();
    await newRing({ standby: false }).reconcile();
    service.fail('create', () => new Promise(() => {}));
    void newRing().reconcile();
    while (service.requests.filter((request) => request === 'create').length < 2) await clock.advance(0);
    expect(record().pending?.phase).toBe('claimed');
    const { writes } = store.counts;

    await newRing({ encryptionKey: [other(9), ENCRYPTION_KEY] }).reconcile();

    expect(store.counts.writes).toBe(writes);
  });

  it('can be an object whose methods use `this`', async () => {
    class Vault {
      readonly #prefix = '#';
      encrypt(secret: string): string {
        return this.#prefix + secret;
      }
      decrypt(ciphertext: string): string {
        return ciphertext.slice(this.#prefix.length);
      }
    }
    const { newRing, newReader } = ringSetup();
    await newRing({ encryptionKey: new Vault() }).reconcile();

    expect(await keyOf(newReader({ encryptionKey: new Vault() }))).toContain('sk-k1');
  });

  it('binds a ciphertext to its ring, `ringId` and number', async () => {
    const contexts: unknown[] = [];
    const { newRing, record } = ringSetup();
    await newRing({
      encryptionKey: {
        encrypt: async (secret, context) => {
          contexts.push(context);
          return `#${secret}`;
        },
        decrypt: async (ciphertext) => ciphertext.slice(1),
      },
    }).reconcile();

    const { ringId } = record();
    expect(contexts).toEqual([1, 2].map((seq) => ({ ring: 'checkout', ringId, seq })));
  });

  type Tamper = (record: ReturnType<ReturnType<typeof ringSetup>['record']>) => void;
  const tampers: Record<string, Tamper> = {
    'changes a ciphertext': ({ current }) => {
      if (current) current.ciphertext = current.ciphertext.replace(/.{6}$/, 'AAAAAA');
    },
    'truncates a ciphertext': ({ current }) => {
      if (current) current.ciphertext = current.ciphertext.slice(0, -10);
    },
    'writes plain text': ({ current }) => {
      if (current) current.ciphertext = 'sk-plain-text';
    },
    'swaps ciphertexts': ({ current, standby }) => {
      if (current && standby) current.ciphertext = standby.ciphertext;
    },
    'changes `ringId`': (record) => {
      record.ringId = 'other';
    },
    'changes a sequence number': ({ current }) => {
      if (current) current.seq = 2;
    },
  };

  it.each(Object.entries(tampers))('stops readers and rotations if another process %s', async (_, tamper) => {
    const { newRing, newReader, store, service } = await readySetup();
    store.edit(tamper);
    const before = service.ids;

    const reading = await rejectionOf(KeyRingError, Promise.resolve(newReader().getKey()));
    const rotating = await rejectionOf(KeyRingError, newRing().reconcile());

    expect([reading.code, rotating.code]).toEqual([
      'key_ring_decryption_failed',
      'key_ring_decryption_failed',
    ]);
    expect(service.ids).toEqual(before);
  });

  it('keeps the key of a reader that cannot decrypt the next one', async () => {
    const { newReader, ring, store, clock } = await readySetup();
    const reader = newReader({ refreshMs: SECOND });
    const key = await keyOf(reader);
    await ring.rotate();
    store.edit(tampers['writes plain text'] as Tamper);

    await clock.advance(SECOND);
    await reader.getKey();
    await waitUntil(() => namesOf(reader.events).includes('error'));

    expect(await keyOf(reader)).toBe(key);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('KMS: cannot encrypt sk-very-secret-text.');
      },
    ],
    ['returns nothing', () => undefined as unknown as string],
    ['returns bytes', () => new Uint8Array(8) as unknown as string],
  ])('that %s causes an error without the secret, and nothing is stored', async (_, encrypt) => {
    const { newRing, record } = ringSetup();
    const encryptionKey = { encrypt, decrypt: (ciphertext: string) => ciphertext };

    const error = await rejectionOf(KeyRingError, newRing({ encryptionKey }).reconcile());

    expect(error.code).toBe('key_ring_decryption_failed');
    expect(error.message).toMatch(/^(?!.*very-secret).*[^.]\.$/);
    expect(record().pending?.phase).toBe('claimed');
  });
});
