import { KeyRingError } from 'drun-sdk/errors';
import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import {
  eventsOf,
  isAccepted,
  keyOf,
  question,
  type RingBench,
  ringBench,
  SECOND,
} from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';

/** A ring whose store has gone back to what it held before a key was made. */
async function rolledBackBench(): Promise<RingBench & { ring: KeyRing; forgotten: string[] }> {
  const bench = ringBench({ maxKeys: 5 });
  const ring = bench.newRing({ gracePeriodMs: SECOND });
  await ring.reconcile();
  const { stored } = bench.store;
  const before = bench.ids();
  await ring.rotate();
  await bench.clock.advance(SECOND);
  await ring.reconcile();
  bench.store.stored = stored;
  return { ...bench, ring, forgotten: bench.ids().filter((id) => !before.includes(id)) };
}

describe('a store that has gone back to an older state', () => {
  test('stops who has seen nothing of the ring before, by the keys that the service lists', async () => {
    const bench = await rolledBackBench();
    const ids = bench.ids();
    const { stored } = bench.store;
    bench.asked();

    const error = await rejectionOf(KeyRingError, bench.newRing().reconcile());

    expect(error).toMatchObject({
      code: 'key_ring_rolled_back',
      ring: 'checkout',
      keyIds: bench.forgotten,
    });
    expect(error.message).toContain('recover()');
    expect(bench.ids()).toEqual(ids);
    expect(bench.store.stored).toBe(stored);
    expect(bench.asked()).toEqual(['list']);
  });

  test('stops every pass, until recover() goes on from what it has', async () => {
    const bench = await rolledBackBench();
    const ring = bench.newRing();
    for (let pass = 0; pass < 3; pass++) await rejectionOf(KeyRingError, ring.reconcile());

    const status = await ring.recover();

    expect(bench.ids()).toEqual([status.current?.id, status.standby?.id]);
    for (const id of bench.forgotten) expect(bench.ids()).not.toContain(id);
    expect(await bench.chat(ring).checkKey()).toEqual({ accepted: true });
    await ring.reconcile();
    expect(await ring.rotate()).toMatchObject({ ready: true, rotationRequested: false });
  });

  test('is told of in the background, where passes go on', async () => {
    const bench = await rolledBackBench();
    const ring = bench.newRing();
    const failed = eventsOf(ring, 'error');

    ring.start();
    await until(() => bench.clock.waits.length > 0);

    expect(failed()).toMatchObject([['error', { error: { code: 'key_ring_rolled_back' } }]]);
  });

  test('costs readers nothing: they keep their key, and take the record’s after recover()', async () => {
    const bench = await rolledBackBench();
    const reader = bench.newReader();
    const chat = bench.chat(reader);
    const { stored } = bench.store;
    await bench.ring.recover();
    await chat.complete(question);
    const epoch = reader.status().epoch;

    bench.store.stored = stored;
    await bench.clock.advance(30 * SECOND);
    await chat.complete(question);
    await bench.newRing().recover();
    await bench.clock.advance(30 * SECOND);
    await chat.complete(question);
    await until(() => reader.status().epoch > epoch);

    expect(await isAccepted(bench, await keyOf(reader))).toBe(true);
  });

  test('is gone on from once, also where several recover at the same time', async () => {
    const bench = await rolledBackBench();

    await Promise.allSettled([
      bench.newRing().recover(),
      bench.newRing().recover(),
      bench.newRing().recover(),
    ]);
    const status = await bench.newRing().reconcile();

    expect(status).toMatchObject({ ready: true });
    expect(bench.ids()).toHaveLength(2);
  });
});

describe('recover() where nothing is wrong', () => {
  test('is a pass', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const status = await ring.reconcile();
    const { stored } = bench.store;

    expect(await ring.recover()).toEqual(status);
    expect(bench.store.stored).toBe(stored);
  });

  test('makes the first keys of a ring that has none', async () => {
    const { newRing, ids } = ringBench();

    const status = await newRing().recover();

    expect(ids()).toEqual([status.current?.id, status.standby?.id]);
  });
});

test('a reader is told of the first key of a ring that begins again after its record was lost', async () => {
  const bench = ringBench({ maxKeys: 10 });
  const ring = bench.newRing();
  await ring.reconcile();
  await ring.rotate();
  const reader = bench.newReader();
  await keyOf(reader);
  const rotated = eventsOf(reader, 'rotated');
  bench.store.stored = null;

  const { current } = await ring.recover();
  await bench.clock.advance(30 * SECOND);
  await reader.getKey();
  await until(() => reader.status().current?.id === current?.id);

  expect(rotated()).toEqual([['rotated', { id: current?.id, maskedKey: current?.maskedKey, epoch: 1 }]]);
});

test('a record that another one changes at the same time is not recovered over', async () => {
  const bench = await rolledBackBench();
  const { store } = bench;
  const { compareAndSwap } = store;
  store.compareAndSwap = (...swap) => {
    store.compareAndSwap = compareAndSwap;
    store.edit(() => {});
    return compareAndSwap(...swap);
  };

  const error = await rejectionOf(KeyRingError, bench.newRing().recover());

  expect(error.code).toBe('key_ring_conflict');
});
