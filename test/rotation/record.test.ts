import { KeyRingError } from 'drun-sdk/errors';
import { describe, expect, test } from 'vitest';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { eventsOf, keyOf, ringBench, SECOND } from '../support/ring-bench.ts';
import type { StoredDocument } from '../support/test-store.ts';

const isObject = (value: unknown): value is StoredDocument => typeof value === 'object' && value !== null;

/** What stands in the store where a record should be, made of one. */
const unreadable: Record<string, (value: string) => string> = {
  'nothing at all': () => '',
  'no JSON': () => 'maintenance',
  'half of it': (value) => value.slice(0, value.length / 2),
  'JSON that is no object': () => '[]',
  null: () => 'null',
  'a record of a later version': (value) => changed(value, (record) => ({ ...record, format: 2 })),
  'a record without its ringId': (value) => changed(value, ({ ringId: _, ...record }) => record),
  'a record with a number that is none': (value) => changed(value, (record) => ({ ...record, seq: '7' })),
  'a record with a negative number': (value) => changed(value, (record) => ({ ...record, epoch: -1 })),
  'a record with a key without an id': (value) =>
    changed(value, (record) => ({ ...record, current: { ...record.current, id: undefined } })),
  'a record with a key without its secret': (value) =>
    changed(value, (record) => ({ ...record, standby: { ...record.standby, ciphertext: '' } })),
  'a record with a key in the making of another phase': (value) =>
    changed(value, (record) => ({
      ...record,
      pending: { name: 'kr1', seq: 3, owner: 'me', leaseUntil: 1, phase: 'lost' },
    })),
  'a record with retired keys that are none': (value) =>
    changed(value, (record) => ({ ...record, retired: ['key-1'] })),
};

function changed(value: string, change: (record: StoredDocument) => object): string {
  const record: unknown = JSON.parse(value);
  return isObject(record) ? JSON.stringify(change(record)) : value;
}

describe.each(Object.entries(unreadable))('a store that holds %s', (_, change) => {
  test('stops the rotation with an error that does not repeat it, and stays as it is', async () => {
    const bench = ringBench();
    await bench.newRing().reconcile();
    const ids = bench.ids();
    const value = change(bench.store.stored?.value ?? '');
    const stored = { value, version: 'edited' };
    bench.store.stored = stored;
    const ring = bench.newRing();

    for (const call of [ring.reconcile(), ring.rotate(), ring.revoke('current'), ring.recover()]) {
      const error = await rejectionOf(KeyRingError, call);
      expect(error).toMatchObject({ code: 'key_ring_record_invalid', ring: 'checkout' });
      if (value.length > 20) expect(everythingShownOf(error)).not.toContain(value.slice(0, 20));
    }

    expect(bench.store.stored).toBe(stored);
    expect(bench.ids()).toEqual(ids);
  });

  test('leaves a reader the key that it has, and tells it', async () => {
    const bench = ringBench();
    await bench.newRing().reconcile();
    const reader = bench.newReader();
    const key = await keyOf(reader);
    const failed = eventsOf(reader, 'error');

    bench.store.stored = { value: change(bench.store.stored?.value ?? ''), version: 'edited' };
    await bench.clock.advance(30 * SECOND);
    await reader.getKey();
    await bench.clock.advance(0);

    expect(await keyOf(reader)).toBe(key);
    expect(failed()).toMatchObject([['error', { error: { code: 'key_ring_record_invalid' } }]]);
  });
});

test('a field that this version does not know stays in the record', async () => {
  const bench = ringBench();
  const ring = bench.newRing();
  await ring.reconcile();
  bench.store.edit((record) => ({ ...record, note: 'of a later version' }));

  await ring.rotate();

  expect(bench.store.stored?.value).toContain('of a later version');
});

test('a record has the masked keys, the sealed secrets and no secret', async () => {
  const bench = ringBench();
  const ring = bench.newRing();
  const { current } = await ring.reconcile();
  const key = await keyOf(ring);

  for (const value of bench.store.values) expect(value).not.toContain(key.slice(3, 15));
  expect(JSON.parse(bench.store.stored?.value ?? '')).toMatchObject({
    format: 1,
    seq: 2,
    epoch: 1,
    current: { id: current?.id, maskedKey: current?.maskedKey, ciphertext: expect.stringMatching(/^gcm1\./) },
    retired: [],
  });
});

test('a record stays small, however long a ring lives', async () => {
  const bench = ringBench();
  const ring = bench.newRing();
  await ring.reconcile();
  const size = bench.store.stored?.value.length ?? 0;

  for (let rotation = 0; rotation < 20; rotation++) await ring.rotate();

  const largest = Math.max(...bench.store.values.map(({ length }) => length));
  expect(largest).toBeLessThan(size * 2);
});
