import { ApiKeyLimitError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import { HOUR, isAccepted, keyOf, ringBench } from '../support/ring-bench.ts';

/** An account that others fill up to its limit. */
function fullBench(room: number): ReturnType<typeof ringBench> & { free: () => void } {
  const bench = ringBench({ maxKeys: 5 });
  const foreign: string[] = [];
  for (let key = room; key < 5; key++) foreign.push(bench.drun.keys.create({ name: `of others ${key}` }).id);
  return { ...bench, free: () => bench.drun.keys.delete(foreign.pop() ?? '') };
}

describe('an account without room', () => {
  test('for the first key is an error with the service’s reason; the ring itself has none', async () => {
    const bench = fullBench(0);
    const before = bench.ids();

    const error = await rejectionOf(ApiKeyLimitError, bench.newRing().reconcile());

    expect(error).toMatchObject({ code: 'api_key_limit_reached', ringKeyIds: [], keyCount: 5 });
    expect(error.reason).not.toBe('');
    expect(error.message).toContain('The ring itself has none of them');
    expect(error.stack, 'what consoles print').toContain('The ring itself has none of them');
    expect(bench.ids()).toEqual(before);
  });

  test('for a standby is an error that lists the ring’s own key, which stays in use', async () => {
    const bench = fullBench(1);
    const ring = bench.newRing();

    const error = await rejectionOf(ApiKeyLimitError, ring.reconcile());

    const { current } = ring.status();
    expect(error.ringKeyIds).toEqual([current?.id]);
    expect(error.message).toContain('The ring itself has 1 of them');
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ ringKeyIds: [current?.id] });
    expect(await isAccepted(bench, await keyOf(ring))).toBe(true);
  });

  test('leaves no claim behind: every pass tries again, and a slot that gets free heals it', async () => {
    const bench = fullBench(1);
    const ring = bench.newRing();
    for (let pass = 0; pass < 3; pass++) {
      await rejectionOf(ApiKeyLimitError, ring.reconcile());
      expect(ring.status()).not.toHaveProperty('pending');
    }

    bench.free();
    const status = await ring.reconcile();

    expect(status.standby).toBeDefined();
    expect(bench.ids()).toHaveLength(5);
  });

  test('fails a rotation that would need it, and keeps the wish for when there is', async () => {
    const bench = fullBench(1);
    const ring = bench.newRing({ standby: false });
    await ring.reconcile();
    const key = await keyOf(ring);

    const error = await rejectionOf(ApiKeyLimitError, ring.rotate());

    expect(error.ringKeyIds).toEqual([ring.status().current?.id]);
    expect(await isAccepted(bench, key)).toBe(true);
    bench.free();
    expect(await ring.reconcile()).toMatchObject({ epoch: 2, rotationRequested: false });
  });

  test('keeps no ring with a standby from rotating: it holds its two slots', async () => {
    const bench = fullBench(2);
    const ring = bench.newRing({ gracePeriodMs: HOUR });
    await ring.reconcile();

    for (let rotation = 0; rotation < 3; rotation++) await ring.rotate();

    expect(ring.status().epoch).toBe(4);
    expect(bench.ids()).toHaveLength(5);
  });

  test('is helped by the ring’s own orphans, which are swept first', async () => {
    const bench = fullBench(3);
    const ring = bench.newRing();
    await ring.reconcile();
    const { ringId } = JSON.parse(bench.store.stored?.value ?? '') as { ringId: string };
    bench.drun.keys.delete(ring.status().standby?.id ?? '');
    for (const nonce of ['orpha1', 'orpha2']) {
      bench.drun.keys.create({ name: `kr1-checkout-${ringId}-1-${nonce}` });
    }
    expect(bench.ids()).toHaveLength(5);

    const status = await ring.reconcile();

    expect(bench.ids().slice(-2)).toEqual([status.current?.id, status.standby?.id]);
    expect(bench.ids()).toHaveLength(4);
  });
});

test('more than three orphans are not swept in one pass', async () => {
  const bench = ringBench({ maxKeys: 20 });
  const ring = bench.newRing();
  await ring.reconcile();
  const { ringId } = JSON.parse(bench.store.stored?.value ?? '') as { ringId: string };
  for (let orphan = 0; orphan < 7; orphan++) {
    bench.drun.keys.create({ name: `kr1-checkout-${ringId}-1-orpha${orphan}` });
  }
  const left: number[] = [];

  for (let pass = 0; pass < 3; pass++) {
    await ring.reconcile();
    left.push(bench.ids().length - 2);
  }

  expect(left).toEqual([4, 1, 0]);
});
