import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, test, vi } from 'vitest';
import { rejection } from '../support/failures.ts';
import { eventsOf, keyOf, MINUTE, type RingBench, ringBench, SECOND } from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';

async function benchWithKeys(): Promise<RingBench & { ring: KeyRing }> {
  const bench = ringBench({ maxKeys: 10 });
  const ring = bench.newRing({ gracePeriodMs: MINUTE });
  await ring.reconcile();
  return { ...bench, ring };
}

describe('each event comes once', () => {
  test('for the first keys', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const events = eventsOf(ring);

    const { current, standby } = await ring.reconcile();

    expect(events()).toEqual([
      ['created', { id: current?.id, maskedKey: current?.maskedKey, seq: 1 }],
      ['rotated', { id: current?.id, maskedKey: current?.maskedKey, epoch: 1 }],
      ['created', { id: standby?.id, maskedKey: standby?.maskedKey, seq: 2 }],
    ]);
    await ring.reconcile();
    expect(events()).toEqual([]);
  });

  test('for a rotation, and for the end of the previous key', async () => {
    const { ring, clock } = await benchWithKeys();
    const { current: first, standby } = ring.status();
    const events = eventsOf(ring);

    await ring.rotate();
    expect(events()).toEqual([['rotated', { id: standby?.id, maskedKey: standby?.maskedKey, epoch: 2 }]]);

    await clock.advance(MINUTE);
    const { standby: next } = await ring.reconcile();
    expect(events()).toEqual([
      ['deleted', { id: first?.id, reason: 'replaced' }],
      ['created', { id: next?.id, maskedKey: next?.maskedKey, seq: 3 }],
    ]);
  });

  test('for a revocation', async () => {
    const { ring } = await benchWithKeys();
    const { current: first, standby } = ring.status();
    const events = eventsOf(ring);

    const { standby: next } = await ring.revoke('current', { reason: 'leaked' });

    expect(events()).toEqual([
      ['rotated', { id: standby?.id, maskedKey: standby?.maskedKey, epoch: 2 }],
      ['revoked', { id: first?.id, reason: 'leaked' }],
      ['deleted', { id: first?.id, reason: 'leaked' }],
      ['created', { id: next?.id, maskedKey: next?.maskedKey, seq: 3 }],
    ]);
  });

  test('for a key that was deleted by hand', async () => {
    const { ring, drun } = await benchWithKeys();
    const { current: first, standby } = ring.status();
    drun.keys.delete(first?.id ?? '');
    const events = eventsOf(ring);

    const { standby: next } = await ring.reconcile();

    expect(events()).toEqual([
      ['rotated', { id: standby?.id, maskedKey: standby?.maskedKey, epoch: 2 }],
      ['replaced', { id: first?.id }],
      ['deleted', { id: first?.id, reason: 'gone' }],
      ['created', { id: next?.id, maskedKey: next?.maskedKey, seq: 3 }],
    ]);
  });

  test('for an orphan', async () => {
    const { ring, drun, store } = await benchWithKeys();
    const { ringId } = JSON.parse(store.stored?.value ?? '') as { ringId: string };
    const { id, maskedKey } = drun.keys.create({ name: `kr1-checkout-${ringId}-1-orphan` });
    const events = eventsOf(ring);

    await ring.reconcile();

    expect(events()).toEqual([['orphan-deleted', { id, maskedKey }]]);
  });

  test('for another ring of the same name, in a pass', async () => {
    const { drun, newRing } = ringBench({ maxKeys: 10 });
    const ids = [2, 1].map((seq) => drun.keys.create({ name: `kr1-checkout-other-${seq}-abcdef` }).id);
    const ring = newRing();
    const events = eventsOf(ring, 'name-conflict');

    await ring.reconcile();

    expect(events()).toEqual([['name-conflict', { ringId: 'other', ids: ids.reverse() }]]);
  });

  test('for a pass in the background that fails', async () => {
    const { ring, drun, clock } = await benchWithKeys();
    const events = eventsOf(ring);
    drun.faults.next({ operation: 'list', status: 503 });

    ring.start();
    await until(() => clock.waits.length > 0);

    expect(events()).toEqual([['error', { error: expect.objectContaining({ code: 'server_error' }) }]]);
  });

  test('but not for a call that fails: that rejects', async () => {
    const { ring, drun } = await benchWithKeys();
    const events = eventsOf(ring);
    drun.faults.next({ operation: 'list', status: 503 });

    await rejection(ring.reconcile());

    expect(events()).toEqual([]);
  });
});

test('a rotation that another ring carried out is told by each one that sees it', async () => {
  const { ring, newReader, clock } = await benchWithKeys();
  const reader = newReader();
  await keyOf(reader);
  const events = eventsOf(reader);

  const { current } = await ring.rotate();
  await clock.advance(30 * SECOND);
  await reader.getKey();
  await until(() => reader.status().epoch === 2);

  expect(events()).toEqual([['rotated', { id: current?.id, maskedKey: current?.maskedKey, epoch: 2 }]]);
});

describe('a listener', () => {
  test('that throws disturbs neither the ring nor the other listeners', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    ring.on('created', () => {
      throw new Error('of a listener');
    });
    ring.on('rotated', () => {
      throw new Error('of a listener');
    });
    const events = eventsOf(ring);

    await ring.reconcile();
    await ring.rotate();

    expect(events().map(([event]) => event)).toEqual(['created', 'rotated', 'created', 'rotated']);
  });

  test('that rejects is no unhandled rejection', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    ring.on('rotated', async () => {
      throw new Error('of a listener');
    });

    await ring.reconcile();
    await bench.clock.advance(0);
    process.off('unhandledRejection', unhandled);

    expect(unhandled).not.toHaveBeenCalled();
  });

  test('hears nothing any more once it is taken off', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const listener = vi.fn();

    const off = ring.on('rotated', listener);
    await ring.reconcile();
    off();
    off();
    await ring.rotate();

    expect(listener).toHaveBeenCalledTimes(1);
  });

  test('added twice is called twice, and taken off one by one', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const listener = vi.fn();

    const off = ring.on('rotated', listener);
    ring.on('rotated', listener);
    await ring.reconcile();
    expect(listener).toHaveBeenCalledTimes(2);
    off();
    await ring.rotate();

    expect(listener).toHaveBeenCalledTimes(3);
  });

  test('can take itself off, and another one, while it is called', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const seen: string[] = [];
    const offs = ['first', 'second'].map((name) =>
      ring.on('rotated', () => {
        seen.push(name);
        for (const off of offs) off();
      }),
    );

    await ring.reconcile();
    await ring.rotate();

    expect(seen[0]).toBe('first');
    expect(seen.length).toBeLessThanOrEqual(2);
  });

  test('may call the ring', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const passes: Promise<unknown>[] = [];
    ring.on('created', () => passes.push(ring.reconcile()));

    await ring.reconcile();
    await Promise.all(passes);

    expect(bench.ids()).toHaveLength(2);
    expect(passes).toHaveLength(2);
  });
});
