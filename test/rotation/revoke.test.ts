import { ApiKeyLimitError, NotFoundError } from 'drun-sdk';
import { KeyRingError } from 'drun-sdk/errors';
import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, test } from 'vitest';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import {
  eventsOf,
  HOUR,
  isAccepted,
  keyOf,
  MINUTE,
  question,
  type RingBench,
  type RingBenchOptions,
  ringBench,
} from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';

interface Bench extends RingBench {
  readonly ring: KeyRing;
  /** The current key, in clear. */
  readonly leaked: string;
  readonly leakedId: string;
}

async function leakedBench({
  standby = true,
  ...options
}: RingBenchOptions & { standby?: boolean } = {}): Promise<Bench> {
  const bench = ringBench(options);
  const ring = bench.newRing({ standby });
  const { current } = await ring.reconcile();
  return { ...bench, ring, leaked: await keyOf(ring), leakedId: current?.id ?? '' };
}

describe('the current key', () => {
  test('is replaced by the standby, refused by the service, and another standby made', async () => {
    const bench = await leakedBench();
    const { ring, leaked, leakedId } = bench;
    const { standby } = ring.status();

    const status = await ring.revoke('current', { reason: 'leaked' });

    expect(status).toMatchObject({ epoch: 2, current: { id: standby?.id }, retiredIds: [] });
    expect(bench.ids()).toEqual([standby?.id, status.standby?.id]);
    expect(bench.ids()).not.toContain(leakedId);
    expect(await isAccepted(bench, leaked)).toBe(false);
    expect(await bench.chat(ring).checkKey()).toEqual({ accepted: true });
  });

  test('and the standby change places in one swap, with the reason kept in the record', async () => {
    const { ring, store, leakedId } = await leakedBench();
    const { standby } = ring.status();
    const before = store.values.length;

    await ring.revoke('current', { reason: 'found on GitHub' });

    expect(JSON.parse(store.values[before] ?? '')).toMatchObject({
      epoch: 2,
      current: { id: standby?.id },
      retired: [{ id: leakedId, reason: 'found on GitHub' }],
    });
  });

  test('is told of with its reason', async () => {
    const { ring, leakedId } = await leakedBench();
    const events = eventsOf(ring, 'revoked', 'deleted');

    await ring.revoke('current', { reason: 'leaked' });
    await ring.revoke('current');

    const [first, , second] = events();
    expect(first).toEqual(['revoked', { id: leakedId, reason: 'leaked' }]);
    expect(second?.[1]).toMatchObject({ reason: 'revoked' });
  });

  test('leaves the ring locked without a standby: calls wait until there is another one', async () => {
    const { ring, chat, drun, newReader, leaked, ...bench } = await leakedBench({ standby: false });
    const client = chat(newReader());
    await client.models();
    drun.faults.next({ operation: 'create', delayMs: MINUTE });

    const revocation = ring.revoke('current');
    await until(() => ring.status().locked);
    const answer = client.complete(question);
    const status = await revocation;

    expect((await answer).choices).toHaveLength(1);
    expect(bench.ids()).toEqual([status.current?.id]);
    expect(await keyOf(ring)).not.toBe(leaked);
  });

  test.each([true, false])(
    'is replaced at once also after a rotation a moment ago (standby: %s)',
    async (standby) => {
      const bench = await leakedBench({ standby, maxKeys: 2 });
      const { ring, clock, leakedId: previousId } = bench;
      await ring.rotate();
      const start = clock.now();
      const leaked = await keyOf(ring);

      const status = await ring.revoke('current');

      expect(status).toMatchObject({ locked: false, previous: { id: previousId } });
      expect(clock.now() - start).toBeLessThan(MINUTE);
      expect(await isAccepted(bench, leaked)).toBe(false);
      expect(await bench.chat(ring).checkKey()).toEqual({ accepted: true });
      expect(bench.ids()).toHaveLength(2);
    },
  );

  test('cannot be revoked where there is none', async () => {
    const ring = ringBench().newRing();

    const error = await rejectionOf(KeyRingError, ring.revoke('current'));

    expect(error).toMatchObject({ code: 'key_ring_no_active_key', ring: 'checkout' });
  });

  test('is gone also where the next pass fails: that is what is thrown', async () => {
    const bench = await leakedBench({ standby: false, maxKeys: 1 });
    const { ring, leaked, drun } = bench;
    ring.on('deleted', () => drun.keys.create({ name: 'of somebody else' }));
    ring.on('revoked', () => drun.keys.create({ name: 'of somebody else' }));

    await rejectionOf(ApiKeyLimitError, ring.revoke('current'));

    expect(await isAccepted(bench, leaked)).toBe(false);
  });
});

describe('a key by its id', () => {
  test('can be the standby: the current one stays', async () => {
    const { ring, ids, leakedId } = await leakedBench();
    const { standby } = ring.status();

    const status = await ring.revoke(standby?.id ?? '');

    expect(status).toMatchObject({ epoch: 1, current: { id: leakedId } });
    expect(status.standby?.id).not.toBe(standby?.id);
    expect(ids()).toEqual([leakedId, status.standby?.id]);
  });

  test('can be the previous one, which loses what it has left of its grace', async () => {
    const bench = await leakedBench();
    const { ring, leaked, leakedId } = bench;
    const { current } = await ring.rotate();

    const status = await ring.revoke(leakedId);

    expect(status).toMatchObject({ epoch: 2, current: { id: current?.id } });
    expect(status).not.toHaveProperty('previous');
    expect(await isAccepted(bench, leaked)).toBe(false);
  });

  test('can be one in the making', async () => {
    const { ring, drun, clock, newRing, ids } = await leakedBench({ standby: false });
    drun.faults.next({ operation: 'create', acceptedAfterMs: HOUR });
    const controller = new AbortController();
    ring.on('minted', () => controller.abort());
    await rejection(ring.rotate({ signal: controller.signal }));
    const id = ids()[1] ?? '';
    const start = clock.now();

    const status = await newRing({ standby: false }).revoke(id);

    expect(ids()).not.toContain(id);
    expect(status.epoch).toBe(2);
    expect(clock.now() - start).toBeLessThan(HOUR);
  });

  test('can be an orphan of the ring, that no record names', async () => {
    const { ring, drun, store, ids } = await leakedBench();
    const { ringId } = JSON.parse(store.stored?.value ?? '') as { ringId: string };
    const { id } = drun.keys.create({ name: `kr1-checkout-${ringId}-1-orphan` });
    const before = ring.status();
    const events = eventsOf(ring, 'revoked', 'orphan-swept');

    const status = await ring.revoke(id, { reason: 'leaked' });

    expect(status).toEqual(before);
    expect(ids()).not.toContain(id);
    expect(events()).toEqual([['revoked', { id, reason: 'leaked' }]]);
  });

  test('that is no key of the ring is not touched, and an error that does not repeat it', async () => {
    const { ring, drun, ids, store } = await leakedBench();
    const foreign = drun.keys.create({ name: 'checkout' });
    const other = drun.keys.create({ name: 'kr1-checkout-other-1-abcdef' });
    const before = [ids(), store.stored];

    for (const id of [foreign.id, other.id, 'unknown', foreign.secret.reveal()]) {
      const error = await rejectionOf(KeyRingError, ring.revoke(id));
      expect(error).toMatchObject({ code: 'key_ring_unknown_key', ring: 'checkout' });
      expect(everythingShownOf(error)).not.toContain(foreign.secret.reveal());
    }

    expect([ids(), store.stored]).toEqual(before);
  });

  test('that is deleted already is no failure', async () => {
    const { ring, drun, leakedId } = await leakedBench();
    drun.keys.delete(leakedId);

    const status = await ring.revoke(leakedId);

    expect(status).toMatchObject({ epoch: 2, retiredIds: [] });
  });
});

test('all keys can be revoked at once, and there are new ones', async () => {
  const bench = await leakedBench();
  const { ring, leaked } = bench;
  const standby = await bench.issuer.getSecret(ring.status().standby?.id ?? '');
  const before = bench.ids();
  const events = eventsOf(ring, 'revoked');

  const status = await ring.revoke('all', { reason: 'the store leaked' });

  expect(events().map(([, details]) => details)).toEqual(
    before.map((id) => ({ id, reason: 'the store leaked' })),
  );
  expect(bench.ids()).toEqual([status.current?.id, status.standby?.id]);
  for (const id of before) expect(bench.ids()).not.toContain(id);
  for (const secret of [leaked, standby.reveal()]) expect(await isAccepted(bench, secret)).toBe(false);
  expect(await bench.chat(ring).checkKey()).toEqual({ accepted: true });
});

test('all keys of a ring that has none is nothing to revoke: it gets its first', async () => {
  const { newRing, ids } = ringBench();

  const status = await newRing().revoke('all');

  expect(ids()).toEqual([status.current?.id, status.standby?.id]);
});

describe('where the store fails', () => {
  test('the key is deleted all the same, and the failure thrown afterwards', async () => {
    const bench = await leakedBench();
    const { ring, leaked, leakedId, store } = bench;
    const revoked = eventsOf(ring, 'revoked');
    store.failure = new Error('down');

    const error = await rejectionOf(KeyRingError, ring.revoke('current'));

    expect(error.code).toBe('key_ring_store_failed');
    expect(await isAccepted(bench, leaked)).toBe(false);
    expect(revoked()).toEqual([['revoked', { id: leakedId, reason: 'revoked' }]]);
  });

  test('the record is set right by the first pass once the store works again', async () => {
    const bench = await leakedBench();
    const { ring, leakedId, store } = bench;
    store.failure = new Error('down');
    await rejection(ring.revoke('current'));
    store.failure = undefined;

    const status = await bench.newRing().reconcile();

    expect(status).toMatchObject({ epoch: 2, locked: false });
    expect(bench.ids()).toEqual([status.current?.id, status.standby?.id]);
    expect(bench.ids()).not.toContain(leakedId);
  });

  test.each(['lost', 'unanswered'] as const)(
    'only when it comes to storing (%s), the key is deleted by who has just read it for the first time',
    async (fault) => {
      const bench = await leakedBench();
      bench.store.swapFaults.push(fault);

      const error = await rejectionOf(KeyRingError, bench.newRing().revoke('current'));

      expect(error.code).toBe('key_ring_store_failed');
      expect(await isAccepted(bench, bench.leaked)).toBe(false);
      expect(await bench.newRing().reconcile()).toMatchObject({ epoch: 2, locked: false });
    },
  );

  test.each([
    ['has gone back to an older state', false],
    ['has lost the record', true],
  ])('because it %s, the key is deleted all the same, and that is thrown', async (_, isLost) => {
    const bench = await leakedBench();
    const { ring, store } = bench;
    const { stored } = store;
    await ring.rotate();
    const leaked = await keyOf(ring);
    store.stored = isLost ? null : stored;

    const error = await rejectionOf(KeyRingError, ring.revoke('current'));

    expect(error.code).toBe('key_ring_rolled_back');
    expect(await isAccepted(bench, leaked)).toBe(false);
    expect(await isAccepted(bench, bench.leaked)).toBe(true);
    expect(store.stored).toBe(isLost ? null : stored);
    await ring.recover();
    expect(await bench.chat(ring).checkKey()).toEqual({ accepted: true });
  });

  test('who knows of no key deletes none', async () => {
    const { newRing, store, ids } = await leakedBench();
    store.failure = new Error('down');

    await expect(newRing().revoke('current')).rejects.toMatchObject({ code: 'key_ring_store_failed' });

    expect(ids()).toHaveLength(2);
  });
});

describe('a service that does not confirm', () => {
  test('because it still accepts the key is waited for', async () => {
    const { ring, drun, clock, leakedId } = await leakedBench();
    drun.faults.next({ operation: 'delete', key: leakedId, acceptedForMs: 20_000 });
    const start = clock.now();

    await ring.revoke('current');

    expect(clock.now() - start).toBeGreaterThanOrEqual(20_000);
    expect(clock.now() - start).toBeLessThan(30_000);
  });

  test('because it still lists the key is waited for', async () => {
    const { ring, drun, clock } = await leakedBench();
    await clock.advance(MINUTE);
    const start = clock.now();
    const lag = drun.faults.always({ operation: 'list', listLagMs: 20_000 });

    await ring.revoke('current');
    lag.remove();

    expect(clock.now() - start).toBeGreaterThanOrEqual(20_000);
  });

  test.each([
    ['still accepts', { operation: 'delete', acceptedForMs: HOUR }, 'accepted'],
    ['still lists', { operation: 'list', listLagMs: HOUR }, 'listed'],
    ['cannot say whether it accepts', { operation: 'models', status: 503 }, 'accepted'],
  ] as const)('within timeoutMs, but %s the key, is an error that says so', async (_, fault, word) => {
    const bench = await leakedBench();
    const { ring, drun, leakedId, clock } = bench;
    await clock.advance(2 * HOUR);
    const revoked = eventsOf(ring, 'revoked');
    const start = clock.now();
    drun.faults.always(fault);

    const error = await rejectionOf(KeyRingError, ring.revoke('current', { timeoutMs: 10_000 }));

    expect(error).toMatchObject({ code: 'key_ring_revocation_unconfirmed', keyIds: [leakedId] });
    expect(error.message).toContain(word);
    expect(clock.now() - start).toBeLessThanOrEqual(10_000);
    expect(revoked()).toEqual([]);
    expect(ring.status().current?.id).not.toBe(leakedId);
  });

  test('because it refuses the delete is an error, and the next pass deletes', async () => {
    const { ring, drun, ids, leakedId } = await leakedBench();
    drun.faults.next({ operation: 'delete', status: 503 });

    await expect(ring.revoke('current')).rejects.toMatchObject({ code: 'server_error' });

    expect(ids()).toContain(leakedId);
    expect(ring.status()).toMatchObject({ epoch: 2, retiredIds: [leakedId] });
    await ring.reconcile();
    expect(ids()).not.toContain(leakedId);
  });
});

test('a signal ends the wait for the confirmation; the key is gone from the ring', async () => {
  const { ring, drun, clock, leakedId } = await leakedBench();
  drun.faults.next({ operation: 'delete', acceptedForMs: HOUR });
  clock.isByHand = true;
  const controller = new AbortController();

  const revocation = rejection(ring.revoke('current', { signal: controller.signal }));
  await until(() => clock.waits.includes(200));
  controller.abort(new Error('enough'));

  expect(await revocation).toBe(controller.signal.reason);
  expect(ring.status().current?.id).not.toBe(leakedId);
});

test('a key that cannot be opened any more is deleted all the same', async () => {
  const bench = await leakedBench();
  const other = bench.newRing({ seal: new Uint8Array(32).fill(9) });

  const error = await rejectionOf(KeyRingError, other.revoke('current'));

  expect(error.code).toBe('key_ring_decryption_failed');
  expect(bench.ids()).not.toContain(bench.leakedId);
  await expect(Promise.resolve(bench.issuer.getSecret(bench.leakedId))).rejects.toBeInstanceOf(NotFoundError);
});

test('a revocation beside passes of others is carried out once', async () => {
  const bench = await leakedBench();
  const others = [bench.newRing(), bench.newRing()];
  const revoked = eventsOf(bench.ring, 'revoked');

  await Promise.all([bench.ring.revoke('current'), ...others.map((other) => other.reconcile())]);

  expect(revoked()).toHaveLength(1);
  const status = await bench.ring.reconcile();
  expect(status).toMatchObject({ epoch: 2, retiredIds: [] });
  expect(bench.ids()).toHaveLength(2);
});
