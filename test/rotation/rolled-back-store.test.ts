import { KeyRingError } from 'drun-sdk/errors';
import { expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import { ringBench } from '../support/ring-bench.ts';

test('a promotion that the store forgets stops the rotation, until recover() goes on from what it has', async () => {
  const { store, newRing, newReader, chat, ids } = ringBench();
  const ring = newRing();
  await ring.reconcile();
  const before = store.stored;
  await ring.rotate();
  const known = ids();
  const reader = newReader();
  const promoted = await reader.getKey();

  // Its number is no lower than that of any key: only who has seen more can tell.
  store.stored = before;
  const error = await rejectionOf(KeyRingError, ring.reconcile());

  expect(error.code).toBe('key_ring_rolled_back');
  expect(ids()).toEqual(known);
  expect((await ring.getKey()).equals(promoted)).toBe(true);

  await ring.recover();
  const { current, epoch } = await ring.rotate();
  expect(epoch).toBeGreaterThan(2);
  expect(await chat(reader).checkKey()).toMatchObject({ accepted: true });
  expect(ids()).toContain(current?.id);
});

test('a record that the store loses is no reason to begin again, until recover() does', async () => {
  const { store, newRing, ids } = ringBench();
  const ring = newRing();
  const { current, standby } = await ring.reconcile();
  const known = [current?.id, standby?.id];

  store.stored = null;
  const error = await rejectionOf(KeyRingError, ring.reconcile());

  expect(error.code).toBe('key_ring_rolled_back');
  expect(new Set(error.keyIds)).toEqual(new Set(known));
  expect(new Set(ids())).toEqual(new Set(known));

  const recovered = await ring.recover();
  expect(known).not.toContain(recovered.current?.id);
  expect(ids()).toEqual(expect.arrayContaining([...known, recovered.current?.id]));
});

test('who has seen nothing yet begins a ring where the store has none', async () => {
  const { store, newRing, ids } = ringBench();
  const old = await newRing().reconcile();

  store.stored = null;
  const next = await newRing().reconcile();

  expect(next.current?.id).not.toBe(old.current?.id);
  expect(ids()).toContain(old.current?.id);
});
