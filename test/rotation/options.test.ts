import { ApiKeys, ConfigurationError } from 'drun-sdk';
import { KeyRing, type KeyRingOptions, memoryStore } from 'drun-sdk/rotation';
import { describe, expect, test } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { DAY, HOUR, MINUTE, ringBench, SECOND } from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';
import { verifierFor } from '../support/ring-verifier.ts';

const encryptionKey = Buffer.alloc(32, 7).toString('base64');
const good = (): KeyRingOptions => ({ name: 'checkout', store: memoryStore(), encryptionKey });

type Wrong = readonly [option: string, what: string, options: Record<string, unknown>];

const durations = [
  'maxAgeMs',
  'gracePeriodMs',
  'refreshMs',
  'keyTimeoutMs',
  'leaseMs',
  'createTimeoutMs',
  'activationTimeoutMs',
  'storeTimeoutMs',
];

const wrong: readonly Wrong[] = [
  ['name', 'missing', { name: undefined }],
  ['name', 'empty', { name: '' }],
  ['name', 'longer than 10 characters', { name: 'checkout-eu' }],
  ['name', 'in capitals', { name: 'Checkout' }],
  ['name', 'with something that is no letter', { name: 'check_out' }],
  ['name', 'a key', { name: KEY }],
  ['manager', 'without its methods', { manager: { create: () => {}, list: () => {} } }],
  ['manager', 'a token', { manager: KEY }],
  ['manager', 'null', { manager: null }],
  ['verifier', 'without its method', { verifier: {} }],
  ['verifier', 'a key', { verifier: KEY }],
  ['store', 'missing', { store: undefined }],
  ['store', 'without its methods', { store: { get: () => {} } }],
  ['store', 'the address of one', { store: `redis://user:${KEY}@localhost` }],
  ['store', 'with something to watch that is no function', { store: { ...memoryStore(), watch: true } }],
  ['encryptionKey', 'missing', { encryptionKey: undefined }],
  ['encryptionKey', 'a passphrase', { encryptionKey: KEY }],
  ['encryptionKey', 'too short', { encryptionKey: new Uint8Array(31) }],
  ['encryptionKey', 'too long', { encryptionKey: Buffer.alloc(33, 7).toString('base64') }],
  ['encryptionKey', 'an empty list', { encryptionKey: [] }],
  ['encryptionKey', 'a list with something else in it', { encryptionKey: [encryptionKey, KEY] }],
  ['encryptionKey', 'without a way to open', { encryptionKey: { encryptionKey: () => KEY } }],
  ['deleteBeforeCreate', 'with a standby', { deleteBeforeCreate: true, standby: true }],
  ['deleteBeforeCreate', 'no boolean', { deleteBeforeCreate: 'no' }],
  ['standby', 'no boolean', { standby: 'no' }],
  ['createTimeoutMs', 'not less than leaseMs', { leaseMs: 1_000, createTimeoutMs: 1_000 }],
  ['maxAgeMs', 'more than 100 years', { maxAgeMs: 101 * 365 * DAY }],
  ['clock', 'without a way to wait', { clock: { now: () => 0 } }],
  ['random', 'no function', { random: 0.5 }],
  ...durations.flatMap((option): Wrong[] =>
    [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '60000'].map((value) => [
      option,
      typeof value === 'string' ? 'a text' : String(value),
      { [option]: value },
    ]),
  ),
];

describe('an option that cannot be used is named, and no credential repeated', () => {
  test.each(wrong)('%s: %s', (option, _, options) => {
    const error = thrownBy(
      ConfigurationError,
      () => new KeyRing({ ...good(), ...options } as KeyRingOptions),
    );

    expect(error).toMatchObject({ code: 'invalid_configuration', option });
    expect(error.message).toContain(option);
    expect(everythingShownOf(error)).not.toContain(KEY);
    expect(everythingShownOf(error)).not.toContain(encryptionKey);
  });

  test('no options at all', () => {
    const error = thrownBy(ConfigurationError, () => new KeyRing(undefined as unknown as KeyRingOptions));

    expect(error.option).toBe('name');
  });
});

describe('a ring that lacks what is needed to change anything', () => {
  const whole = { manager: new ApiKeys({ accessToken: 'token' }), verifier: verifierFor({}) };
  const calls: Record<string, (ring: KeyRing) => Promise<unknown>> = {
    reconcile: (ring) => ring.reconcile(),
    rotate: (ring) => ring.rotate(),
    revoke: (ring) => ring.revoke('current'),
    recover: (ring) => ring.recover(),
    start: async (ring) => ring.start(),
  };
  const cases = Object.keys(calls).flatMap((call) => [
    [call, 'manager'] as const,
    [call, 'verifier'] as const,
  ]);

  test.each(cases)('says at %s that %s is missing, and changes nothing', async (call, missing) => {
    const store = memoryStore();
    const ring = new KeyRing({ ...good(), ...whole, store, [missing]: undefined });

    const error = await rejectionOf(
      ConfigurationError,
      (calls[call] as (ring: KeyRing) => Promise<unknown>)(ring),
    );

    expect(error.option).toBe(missing);
    expect(await store.get('checkout')).toBeNull();
  });
});

describe('arguments that cannot be used are named', () => {
  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])('an interval of %s', (intervalMs) => {
    const error = thrownBy(ConfigurationError, () => ringBench().newRing().start({ intervalMs }));

    expect(error.option).toBe('intervalMs');
  });

  test.each([
    ['timeoutMs', { timeoutMs: 0 }],
    ['timeoutMs', { timeoutMs: Number.NaN }],
    ['reason', { reason: '' }],
    ['reason', { reason: 'x'.repeat(1_001) }],
    ['reason', { reason: 7 as unknown as string }],
  ])('a revocation with a wrong %s, which revokes nothing', async (option, options) => {
    const bench = ringBench();
    const ring = bench.newRing();
    await ring.reconcile();
    const before = bench.store.stored;

    const error = await rejectionOf(ConfigurationError, ring.revoke('current', options));

    expect(error.option).toBe(option);
    expect(bench.store.stored).toBe(before);
    expect(bench.ids()).toHaveLength(2);
  });
});

describe('by default', () => {
  test('a key is used for 30 days, and works for 10 minutes after', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const first = (await ring.reconcile()).current;

    await bench.clock.advance(30 * DAY - MINUTE);
    expect((await ring.reconcile()).current?.id).toBe(first?.id);
    await bench.clock.advance(MINUTE);
    const { current, previous } = await ring.reconcile();

    expect(current?.id).not.toBe(first?.id);
    expect(previous?.id).toBe(first?.id);
    expect(Number(previous?.retireAt) - bench.clock.now()).toBe(10 * MINUTE);
  });

  test('a ring keeps a standby, unless it deletes first', async () => {
    const [withStandby, without] = [ringBench(), ringBench()];

    expect(await withStandby.newRing().reconcile()).toHaveProperty('standby');
    expect(await without.newRing({ deleteBeforeCreate: true }).reconcile()).not.toHaveProperty('standby');
  });

  test('a reader looks again after 30 seconds', async () => {
    const bench = ringBench();
    await bench.newRing().reconcile();
    const reader = bench.newReader();
    await reader.getKey();
    const { counts } = bench.store;
    const before = counts.reads;

    await bench.clock.advance(30 * SECOND - 1);
    await reader.getKey();
    expect(counts.reads).toBe(before);

    await bench.clock.advance(1);
    await reader.getKey();
    expect(counts.reads).toBe(before + 1);
  });

  test('a call waits for 30 seconds where there is no key', async () => {
    const bench = ringBench();
    const before = bench.clock.now();

    await expect(bench.newReader().getKey()).rejects.toMatchObject({ code: 'key_ring_no_active_key' });

    const waited = bench.clock.now() - before;
    expect(waited).toBeGreaterThan(27 * SECOND);
    expect(waited).toBeLessThanOrEqual(30 * SECOND);
  });

  test('a create whose answer was lost is waited for during 30 seconds', async () => {
    const bench = ringBench({ version: '0.15' });
    bench.drun.faults.next({ operation: 'create', dropConnection: true });
    const start = bench.clock.now();

    await bench.newRing({ standby: false }).reconcile();

    expect(bench.clock.now() - start).toBe(30 * SECOND);
  });

  test('a new key that is not accepted is given up after 5 minutes', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    bench.drun.faults.next({ operation: 'create', acceptedAfterMs: HOUR });
    const start = bench.clock.now();
    await ring.reconcile();
    await ring.reconcile();

    await expect(ring.reconcile()).rejects.toMatchObject({ code: 'key_ring_key_rejected' });

    const passed = bench.clock.now() - start;
    expect(passed).toBeGreaterThanOrEqual(5 * MINUTE);
    expect(passed).toBeLessThan(5 * MINUTE + 10 * SECOND);
  });

  test('others take over after 2 minutes', async () => {
    const bench = ringBench();
    const maker = bench.newRing();
    bench.drun.faults.next({ operation: 'create', acceptedAfterMs: HOUR });
    const controller = new AbortController();
    maker.on('created', () => controller.abort());
    await maker.reconcile({ signal: controller.signal }).catch(() => {});
    const other = bench.newRing();

    await bench.clock.advance(2 * MINUTE - 1);
    await other.reconcile();
    expect(other.status().pending).toBe('created');
    const taken = bench.store.counts.writes;
    await bench.clock.advance(1);
    await other.reconcile().catch(() => {});

    expect(bench.store.counts.writes).toBeGreaterThan(taken);
  });

  test('a store may take 15 seconds to answer', async () => {
    const bench = ringBench();
    const reader = bench.newReader();
    bench.store.holdReads();

    const asked = Promise.resolve(reader.getKey()).catch((error: unknown) => error);
    await bench.clock.advance(15 * SECOND - 1);
    expect(bench.clock.waits).toEqual([15 * SECOND]);
    await bench.clock.advance(1);

    expect(await asked).toMatchObject({ code: 'key_ring_store_failed' });
  });

  test('passes in the background are a minute apart', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ random: () => 0.5 });

    ring.start();
    await until(() => bench.clock.waits.includes(MINUTE));

    expect(ring.status().standby).toBeDefined();
  });
});

test('what becomes of the options afterwards changes nothing', async () => {
  const bench = ringBench();
  const key = Uint8Array.from({ length: 32 }, () => 1);
  const options = { encryptionKey: key, standby: false };
  const ring = bench.newRing(options);

  key.fill(2);
  options.standby = true;
  const status = await ring.reconcile();

  expect(status).not.toHaveProperty('standby');
  const reader = bench.newReader({ encryptionKey: Uint8Array.from({ length: 32 }, () => 1) });
  expect((await reader.getKey()).masked).toBe(status.current?.maskedKey);
});
