import { readFileSync } from 'node:fs';
import { ConfigurationError, isDrunError, KeyRingError } from 'drun-sdk/errors';
import {
  type KeyList,
  KeyRing,
  type KeyRingOptions,
  type ListedKey,
  memoryStore,
  openCurrentKey,
  type StoredRecord,
} from 'drun-sdk/rotation';
import { describe, expect, it, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf, thrownBy } from '../support/failures.ts';
import { waitUntil } from '../support/ring-clock.ts';
import { rejected, responseLost } from '../support/ring-service.ts';
import {
  DAY,
  ENCRYPTION_KEY,
  keyOf,
  MINUTE,
  namesOf,
  type RingSetup,
  ringSetup,
  SECOND,
} from '../support/ring-setup.ts';

describe('an invalid option', () => {
  const durations = [
    'maxAgeMs',
    'gracePeriodMs',
    'refreshMs',
    'keyTimeoutMs',
    'storeTimeoutMs',
    'leaseMs',
    'createTimeoutMs',
    'activationTimeoutMs',
  ];
  const invalid: readonly (readonly [option: string, value: unknown])[] = [
    ...['', 'Checkout', 'a b', 'a_b', 'é', 'x'.repeat(33), 7, undefined, KEY].map(
      (name) => ['name', name] as const,
    ),
    ...[{}, { create() {} }, null, KEY].map((manager) => ['manager', manager] as const),
    ...[{}, null, KEY].map((verifier) => ['verifier', verifier] as const),
    ...[undefined, {}, null, { get() {} }, { ...memoryStore(), watch: true }].map(
      (store) => ['store', store] as const,
    ),
    ...[undefined, KEY, new Uint8Array(31), [], [KEY], { encrypt() {} }].map(
      (key) => ['encryptionKey', key] as const,
    ),
    ...durations.flatMap((option) =>
      [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5s', null].map((value) => [option, value] as const),
    ),
    ['leaseMs', 30_000],
    ['standby', 'false'],
    ['standby', null],
    ['deleteBeforeCreate', 1],
    ['quota', -1],
    ['quota', 1.5],
    ['quota', 'none'],
    ['quota', null],
    ['clock', {}],
    ['random', 4],
    ['issuer', {}],
    ['maxAge', 5],
  ];

  it.each(invalid)('`%s`: %s throws a ConfigurationError that does not show the value', (option, value) => {
    const options = {
      name: 'checkout',
      store: memoryStore(),
      encryptionKey: ENCRYPTION_KEY,
      [option]: value,
    };

    const error = thrownBy(ConfigurationError, () => new KeyRing(options as never));

    expect(error.option).toBe(option);
    expect(error.message).toContain(`\`${option}\``);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  it('combination of `standby` and `deleteBeforeCreate` throws', () => {
    const options = { name: 'checkout', store: memoryStore(), encryptionKey: ENCRYPTION_KEY };
    expect(() => new KeyRing({ ...options, standby: true, deleteBeforeCreate: true })).toThrow(
      'cannot be combined with `standby`',
    );
  });

  it('of a method throws', async () => {
    const { newRing } = ringSetup();
    const ring = newRing();
    await ring.reconcile();

    expect(() => ring.start({ intervalMs: 0 })).toThrow(ConfigurationError);
    expect(() => ring.start({ interval: 5 } as never)).toThrow(
      'start() has no option `interval`. Did you mean `intervalMs`?',
    );
    await rejectionOf(ConfigurationError, ring.revoke(''));
    await rejectionOf(ConfigurationError, ring.revoke('current', { timeoutMs: 0 }));
    await rejectionOf(ConfigurationError, ring.revoke('current', { reason: '' }));
    await rejectionOf(ConfigurationError, ring.revoke('current', { why: 'leak' } as never));
    await rejectionOf(ConfigurationError, ring.reconcile({ timeoutMs: 5 } as never));
  });
});

it('accepts the signal of a polyfill', async () => {
  const { newRing } = ringSetup();
  const ring = newRing();
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    reason: undefined as unknown,
    addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
    removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
  };
  const options = { signal: signal as AbortSignal };

  await ring.reconcile(options);
  await ring.rotate(options);
  await ring.revoke('current', options);
  await ring.getKey(options);
  expect(listeners.size).toBe(0);
  signal.aborted = true;
  signal.reason = new Error('stopped');
  await expect(ring.reconcile(options)).rejects.toThrow('stopped');
});

describe('a result that is not as documented', () => {
  const garbage: readonly unknown[] = [undefined, null, 'x', 5, [], {}];
  type Options = Partial<KeyRingOptions>;
  const broken: readonly (readonly [
    method: string,
    option: string,
    (result: never, setup: RingSetup) => Options,
  ])[] = [
    [
      'list',
      'manager',
      (result, { service }) => ({ manager: { ...service.manager(), list: async () => result } }),
    ],
    [
      'create',
      'manager',
      (result, { service }) => ({ manager: { ...service.manager(), create: async () => result } }),
    ],
    ['verify', 'verifier', (result) => ({ verifier: { verify: async () => result } })],
    [
      'compareAndSwap',
      'store',
      (result, { store }) => ({ store: { ...store, compareAndSwap: async () => result } }),
    ],
    ['get', 'store', (result, { store }) => ({ store: { ...store, get: async () => result } })],
  ];
  const calls = broken.flatMap(([method, option, replace]) =>
    garbage
      .filter((result) => method !== 'get' || result != null)
      .map((result) => [method, result, option, replace] as const),
  );

  it.each(calls)('of `%s`: %j rejects and names the option', async (_, result, option, replace) => {
    const setup = ringSetup();
    const ring = setup.newRing(replace(result as never, setup));

    const error = await rejection(ring.reconcile());

    expect(isDrunError(error)).toBe(true);
    expect((error as Error).message).toContain(`\`${option}\` must return`);
  });

  it.each<[string, Partial<ListedKey & KeyList>]>([
    ['no `id`', { items: [{ name: 'checkout' }] as never }],
    ['null as an item', { items: [null] as never }],
    ['a string as the time', { items: [], servedAt: '2026-01-01T00:00:00Z' as never }],
  ])('of `list` with %s rejects', async (_, list) => {
    const { newRing, service } = ringSetup();
    const ring = newRing({ manager: { ...service.manager(), list: async () => list as KeyList } });

    expect((await rejectionOf(ConfigurationError, ring.reconcile())).option).toBe('manager');
  });

  it('of a store without a version rejects before anything is created', async () => {
    const { newRing, service, store } = ringSetup();
    await newRing().reconcile();
    const { value } = await store.get('checkout').then((read) => read as StoredRecord);
    service.newRequests();

    const ring = newRing({ store: { ...store, get: async () => ({ value }) as never } });

    expect((await rejectionOf(KeyRingError, ring.reconcile())).code).toBe('key_ring_store_failed');
    expect(service.newRequests()).toEqual(['list']);
  });

  it.each(garbage)('of `getSecret`: %j never becomes a key', async (result) => {
    const { newRing, service } = ringSetup();
    service.fail('create', responseLost);
    const ring = newRing({ manager: { ...service.manager(), getSecret: async () => result as never } });

    const error = await ring.reconcile().catch((thrown: unknown) => thrown);

    expect(error instanceof Error ? isDrunError(error) : ring.status().ready === false).toBe(true);
  });

  it.each([...garbage, 'throws', 'rejects'])(
    'of `watch` or `check`: %j does not stop the ring',
    async (result) => {
      const { newRing, store } = ringSetup();
      const watch = (): never => {
        if (result === 'throws') throw new Error(`no connection to ${KEY}`);
        if (result === 'rejects') return Promise.reject(new Error(`no connection to ${KEY}`)) as never;
        return result as never;
      };
      const ring = newRing({ store: { ...store, watch, check: async () => result as never } });

      await ring.reconcile();
      await ring.getKey();
      ring.start();
      await ring.stop();

      expect(ring.status().ready).toBe(true);
      const events = JSON.stringify(ring.events);
      expect(events.includes('cannot be watched')).toBe(/^(?:throws|rejects)$/.test(String(result)));
      expect(events).not.toContain(KEY);
    },
  );

  it.each([null, 'x', 5, {}, new AbortController()])('`signal`: %s rejects', async (signal) => {
    const ring = ringSetup().newRing();
    const options = { signal: signal as unknown as AbortSignal };

    for (const call of [
      ring.reconcile(options),
      ring.rotate(options),
      ring.revoke('all', options),
      Promise.resolve(ring.getKey(options)),
    ]) {
      expect((await rejectionOf(ConfigurationError, call)).option).toBe('signal');
    }
    for (const other of [null, 'x', new AbortController().signal]) {
      expect((await rejectionOf(ConfigurationError, ring.reconcile(other as never))).option).toBe('options');
    }
  });

  it('of `verify` that never decides is an error event, and the key stays unused', async () => {
    const { newRing } = ringSetup();
    const verify = async (): Promise<never> => {
      throw new Error(`cannot resolve the host, with ${KEY}`);
    };
    const ring = newRing({ verifier: { verify } });

    await ring.reconcile();

    expect(ring.status()).toMatchObject({ ready: false, pending: 'created' });
    expect(String(ring.status().lastError)).toContain(
      'it is unknown whether the service accepts the new key k1',
    );
    expect(everythingShownOf(ring.status().lastError)).not.toContain(KEY);
  });
});

describe('a read-only ring', () => {
  const calls: Record<string, (ring: KeyRing) => unknown> = {
    reconcile: (ring) => ring.reconcile(),
    rotate: (ring) => ring.rotate(),
    revoke: (ring) => ring.revoke('current'),
    recover: (ring) => ring.recover(),
    start: (ring) => ring.start(),
  };

  it.each(Object.entries(calls))('rejects %s with ConfigurationError', async (_, call) => {
    const { newReader, service } = ringSetup();
    const manager = service.manager();

    expect((await rejectionOf(ConfigurationError, (async () => call(newReader()))())).option).toBe('manager');
    expect((await rejectionOf(ConfigurationError, (async () => call(newReader({ manager })))())).option).toBe(
      'verifier',
    );
  });
});

describe('an aborted call', () => {
  const unresponsive = async (): Promise<never> => new Promise(() => {});
  const read = ({ store }: RingSetup) => ({ store: { ...store, get: unresponsive } });
  const update = ({ store }: RingSetup) => ({
    store: { get: store.get, compareAndSwap: unresponsive },
  });
  const check = ({ store }: RingSetup) => ({ store: { ...store, check: unresponsive } });
  const list = ({ service }: RingSetup) => ({ manager: { ...service.manager(), list: unresponsive } });
  const remove = ({ service }: RingSetup) => ({ manager: { ...service.manager(), delete: unresponsive } });
  const decrypt = () => ({ encryptionKey: { encrypt: unresponsive, decrypt: unresponsive } });

  it.each<[method: string, (ring: KeyRing, signal: AbortSignal) => unknown, (setup: RingSetup) => object]>([
    ['getKey', (ring, signal) => ring.getKey({ signal }), read],
    ['getKey', (ring, signal) => ring.getKey({ signal }), decrypt],
    ['reconcile', (ring, signal) => ring.reconcile({ signal }), read],
    ['reconcile', (ring, signal) => ring.reconcile({ signal }), check],
    ['reconcile', (ring, signal) => ring.reconcile({ signal }), list],
    ['reconcile', (ring, signal) => ring.reconcile({ signal }), decrypt],
    ['rotate', (ring, signal) => ring.rotate({ signal }), update],
    ['rotate', (ring, signal) => ring.rotate({ signal }), list],
    ['revoke', (ring, signal) => ring.revoke('current', { signal }), read],
    ['revoke', (ring, signal) => ring.revoke('current', { signal }), remove],
    ['recover', (ring, signal) => ring.recover({ signal }), read],
  ])('of `%s` rejects at once, whatever does not respond', async (_, call, without) => {
    const setup = ringSetup();
    await setup.newRing().reconcile();
    setup.clock.isManual = true;
    const ring = setup.newRing(without(setup));
    const controller = new AbortController();

    const called = rejection(Promise.resolve(call(ring, controller.signal)));
    await setup.clock.advance(0);
    controller.abort(new Error('impatient'));

    expect(await called).toEqual(new Error('impatient'));
  });
});

describe('rotate', () => {
  it('does not count a request for an earlier epoch, which `recover()` has kept, as fulfilled', async () => {
    const { newRing, store } = ringSetup();
    const ring = newRing();
    await ring.rotate();
    await ring.rotate();
    store.edit((record) => {
      record.rotateEpoch = record.epoch - 1;
    });
    const { epoch } = ring.status();

    expect((await ring.rotate()).epoch).toBe(epoch + 1);
  });

  it('can be aborted while every update conflicts', async () => {
    const { newRing, store, clock } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    let updates = 0;
    store.compareAndSwap = async () => {
      updates++;
      return { ok: false };
    };
    const controller = new AbortController();

    const rotated = rejection(ring.rotate({ signal: controller.signal }));
    await clock.advance(SECOND);
    controller.abort(new Error('impatient'));

    expect(await rotated).toEqual(new Error('impatient'));
    expect(updates).toBeLessThan(5);
  });
});

describe('start', () => {
  it('reconciles at once and in every interval, varied by a quarter', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing({ random: () => 0.5 });
    ring.start({ intervalMs: MINUTE });
    await waitUntil(() => ring.status().standby !== undefined && clock.waits.length > 0);
    service.newRequests();

    await clock.advance(MINUTE);
    await waitUntil(() => service.requests.length === 1);
    await clock.advance(0);
    await clock.advance(MINUTE);
    await waitUntil(() => service.requests.length === 2);
  });

  it('does not exceed the maximum delay of a timer', async () => {
    const { newRing, clock } = ringSetup();
    newRing({ random: () => 0.99 }).start({ intervalMs: 2 ** 31 - 1 });
    await waitUntil(() => clock.waits.length > 0);

    expect(clock.waits).toEqual([2 ** 31 - 1]);
  });

  it('rotates by age and deletes old keys without further calls', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing({ maxAgeMs: DAY, gracePeriodMs: MINUTE });
    ring.start({ intervalMs: 10 * MINUTE });
    await waitUntil(() => ring.status().ready);

    for (let step = 0; step < 24 * 7; step++) {
      await clock.advance(10 * MINUTE);
      await waitUntil(() => clock.waits.length > 0);
    }

    expect(ring.status().epoch).toBe(2);
    expect(service.ids).toEqual(['k2', 'k3']);
  });

  it('emits an error event for a failure, and continues', async () => {
    const { newRing, service, clock } = ringSetup();
    service.fail('list', rejected(new Error('socket hang up')));
    const ring = newRing();
    ring.start({ intervalMs: MINUTE });
    await waitUntil(() => namesOf(ring.events).includes('error'));
    expect(ring.status().lastError).toMatchObject({ message: 'socket hang up' });

    await waitUntil(() => clock.waits.length > 0);
    await clock.advance(2 * MINUTE);
    await waitUntil(() => ring.status().ready);
    await waitUntil(() => ring.status().lastError === undefined);
  });

  it('reports an error without a listener as one process warning, without credentials', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { service, clock, store } = ringSetup();
    const failure = new Error(`cannot use ${KEY}`);
    service.fail('list', rejected(failure), rejected(failure));
    const ring = new KeyRing({
      name: 'checkout',
      store,
      clock,
      encryptionKey: ENCRYPTION_KEY,
      manager: service.manager(),
      verifier: service.verifier,
    });
    ring.start({ intervalMs: SECOND });
    await waitUntil(() => emitWarning.mock.calls.length > 0 && clock.waits.length > 0);
    await clock.advance(2 * SECOND);
    await waitUntil(() => service.requests.length >= 2);
    await ring.stop();

    expect(emitWarning).toHaveBeenCalledTimes(1);
    const [message, options] = emitWarning.mock.calls[0] ?? [];
    expect(message).toMatch(/^Key ring `checkout`: cannot use \*+\. Later errors /);
    expect(options).toMatchObject({ code: 'DRUN_KEY_RING' });
  });

  it('keeps its interval while a due rotation waits for the grace period', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing({ maxAgeMs: MINUTE, gracePeriodMs: 10 * MINUTE, random: () => 0.5 });
    await ring.reconcile();
    await ring.rotate();
    await clock.advance(2 * MINUTE);
    service.newRequests();
    ring.start({ intervalMs: MINUTE });
    for (let second = 0; second < 120; second++) await clock.advance(SECOND);

    expect(service.newRequests().length).toBeLessThanOrEqual(3);
  });

  it('has no effect if the ring is running already', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing();
    ring.start();
    ring.start();
    await waitUntil(() => ring.status().standby !== undefined && clock.waits.length > 0);

    expect(service.requests.filter((request) => request === 'create')).toHaveLength(2);
  });

  it('can be called again after `stop()`', async () => {
    const { newRing } = ringSetup();
    const ring = newRing();
    ring.start();
    await ring.stop();
    ring.start();

    await waitUntil(() => ring.status().ready);
  });
});

describe('stop', () => {
  it('stores a key that is being created before it resolves', async () => {
    const { newRing, service, record } = ringSetup();
    let respond = (): void => {};
    service.fail('create', async (perform) => {
      const created = await perform();
      await new Promise<void>((resolve) => {
        respond = resolve;
      });
      return created;
    });
    const ring = newRing();
    ring.start();
    await waitUntil(() => service.ids.length === 1);
    const stopped = ring.stop();
    respond();
    await stopped;

    expect(record().pending?.key?.id).toBe('k1');
    expect(ring.events.filter(([name]) => name === 'error')).toEqual([]);
  });

  it('is called at the end of an `await using` block, after which the ring can still be used', async () => {
    const { newRing } = ringSetup();
    const ring = newRing();
    {
      await using block = ring;
      await block.reconcile();
    }
    expect(await keyOf(ring)).toMatch(/^sk-/);
  });
});

describe('a listener', () => {
  it.each([
    ['of an unknown event', 'errors', () => {}, 'event'],
    ['of no event', undefined, () => {}, 'event'],
    ['that is not a function', 'error', undefined, 'listener'],
  ])('%s is rejected', (_, event, listener, option) => {
    const ring = ringSetup().newRing();

    expect(thrownBy(ConfigurationError, () => ring.on(event as never, listener as never)).option).toBe(
      option,
    );
  });

  it('that throws or rejects affects neither the ring nor other listeners', async () => {
    const { newRing } = ringSetup();
    const ring = newRing();
    ring.on('created', () => {
      throw new Error('mine');
    });
    ring.on('created', async () => Promise.reject(new Error('mine')));

    await ring.reconcile();

    expect(namesOf(ring.events)).toEqual(['created', 'rotated', 'created']);
  });

  it('is called until it is removed, separately for each registration', async () => {
    const { newRing } = ringSetup();
    const ring = newRing();
    const listener = vi.fn();
    const removers = [ring.on('created', listener), ring.on('created', listener)];
    removers[0]?.();
    await ring.reconcile();

    expect(listener).toHaveBeenCalledTimes(2);
  });

  it('is notified of a rotation by another replica', async () => {
    const { newRing, newReader, clock } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    const reader = newReader({ refreshMs: SECOND });
    await reader.getKey();
    await ring.rotate();
    await clock.advance(SECOND);
    await reader.getKey();
    await waitUntil(() => reader.events.length === 2);

    expect(reader.events.at(-1)).toEqual(['rotated', { id: 'k2', maskedKey: expect.any(String), epoch: 2 }]);
  });
});

describe('the record', () => {
  const fixture = readFileSync(new URL('fixtures/record-1.0.json', import.meta.url), 'utf8');
  const encryptionKey = Uint8Array.from({ length: 32 }, (_, index) => index);

  it('of format 1.0 is read by this version', async () => {
    const { newReader, store } = ringSetup();
    store.stored = { value: fixture, version: '1' };
    const reader = newReader({ encryptionKey });

    expect(await keyOf(reader)).toBe('sk-k2-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0000000002');
    expect(reader.status()).toMatchObject({
      epoch: 2,
      current: { id: 'k2' },
      previous: { id: 'k1' },
      pending: 'claimed',
      retiredIds: ['k0'],
      rotationRequested: true,
    });
  });

  it('of a newer minor version is used, and keeps its unknown fields', async () => {
    const { newRing, store, record, service } = ringSetup();
    const old = newRing();
    await old.reconcile();
    store.edit((document) => ({ ...document, format: '1.7', rotationPolicy: { from: 'the future' } }));

    await old.rotate();

    expect(record()).toMatchObject({ epoch: 2, format: '1.7', rotationPolicy: { from: 'the future' } });
    expect(service.accepts(await old.getKey())).toBe(true);
  });

  it('of a newer major version stops the ring, and the error explains what to do', async () => {
    const { newRing, store } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    store.edit((document) => ({ ...document, format: '2.0' }));

    const error = await rejectionOf(KeyRingError, ring.reconcile());

    expect(error.code).toBe('key_ring_record_invalid');
    expect(error.message).toContain('Update drun-sdk in this process.');
  });

  const broken: Record<string, (document: Record<string, unknown>) => unknown> = {
    'invalid JSON': () => 'not JSON',
    'an array': () => [],
    'no `ringId`': (document) => ({ ...document, ringId: undefined }),
    'a negative `seq`': (document) => ({ ...document, seq: -1 }),
    'a current key without a secret': (document) => ({ ...document, current: { id: 'k1' } }),
    'an unknown phase': (document) => ({
      ...document,
      pending: { name: 'n', seq: 1, owner: 'o', leaseMs: 1, phase: 'x' },
    }),
    'no array of retired keys': (document) => ({ ...document, retired: {} }),
    'another format': (document) => ({ ...document, format: 1 }),
  };

  it.each(Object.entries(broken))(
    'with %s stops the ring, and is neither changed nor shown',
    async (_, corrupt) => {
      const { newRing, store, service } = ringSetup();
      const ring = newRing();
      await ring.reconcile();
      const value = JSON.stringify(corrupt(JSON.parse(store.stored?.value ?? '')));
      store.stored = { value, version: 'corrupt' };
      const { writes } = store.counts;

      const error = await rejectionOf(KeyRingError, ring.reconcile());

      expect(error.code).toBe('key_ring_record_invalid');
      expect(error.message).not.toContain('ciphertext');
      expect(store.counts.writes).toBe(writes);
      expect(service.ids).toHaveLength(2);
    },
  );

  it('contains no secret, and stays below 4 kB', async () => {
    const { newRing, store, service, clock } = ringSetup();
    const ring = newRing({ gracePeriodMs: SECOND });
    const secrets = new Set<string>();
    for (let rotation = 0; rotation < 10; rotation++) {
      await ring.reconcile();
      for (const { secret } of service.keys.values()) secrets.add(secret.reveal());
      await ring.rotate();
      await clock.advance(MINUTE);
    }

    for (const value of store.values) {
      expect(value.length).toBeLessThan(4_096);
      for (const secret of secrets) expect(value).not.toContain(secret.slice(3, 20));
    }
  });
});

describe('openCurrentKey', () => {
  it('decrypts the current key of a stored record', async () => {
    const { newRing, store } = ringSetup();
    const ring = newRing();
    expect(
      await openCurrentKey('checkout', '{"format":"1.0","ringId":"a","seq":0,"epoch":0,"retired":[]}', {
        encryptionKey: ENCRYPTION_KEY,
      }),
    ).toBeUndefined();
    await ring.reconcile();

    const key = await openCurrentKey('checkout', store.stored?.value ?? '', {
      encryptionKey: ENCRYPTION_KEY,
    });

    expect(key?.reveal()).toBe(await keyOf(ring));
  });

  it.each([
    ['another key', 'checkout', new Uint8Array(32), 'key_ring_decryption_failed'],
    ['another ring', 'search', ENCRYPTION_KEY, 'key_ring_decryption_failed'],
  ])('rejects with %s', async (_, name, encryptionKey, code) => {
    const { newRing, store } = ringSetup();
    await newRing().reconcile();

    const error = await rejectionOf(
      KeyRingError,
      openCurrentKey(name, store.stored?.value ?? '', { encryptionKey }),
    );

    expect(error.code).toBe(code);
  });

  it('rejects with an invalid name', async () => {
    const opened = openCurrentKey('Checkout', '{}', { encryptionKey: ENCRYPTION_KEY });

    expect((await rejectionOf(ConfigurationError, opened)).option).toBe('ring');
  });
});

describe('a store that can check its server', () => {
  it('is checked once, and each problem causes an error event', async () => {
    const { newRing, store } = ringSetup();
    let checks = 0;
    const check = async (): Promise<readonly Error[]> => {
      checks++;
      return [new Error('Redis evicts records.')];
    };
    const ring = newRing({ store: { ...store, check } });

    await ring.reconcile();
    await ring.reconcile();

    expect(checks).toBe(1);
    expect(ring.events[0]).toEqual([
      'error',
      { error: expect.objectContaining({ message: 'Redis evicts records.' }) },
    ]);
  });

  it('may lack the permission to check it', async () => {
    const { newRing, store } = ringSetup();
    const ring = newRing({ store: { ...store, check: async () => Promise.reject(new Error('NOPERM')) } });

    expect((await ring.reconcile()).ready).toBe(true);
  });
});
