import { KeyRingError } from 'drun-sdk/errors';
import { expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import { ringBench, SECOND } from '../support/ring-bench.ts';

test('a store that never answers has failed after storeTimeoutMs', async () => {
  const { store, clock, newReader } = ringBench();
  store.holdReads();
  const error = rejectionOf(
    KeyRingError,
    Promise.resolve(newReader({ storeTimeoutMs: 5 * SECOND }).getKey()),
  );

  await clock.advance(5 * SECOND);

  expect(await error).toMatchObject({
    code: 'key_ring_store_failed',
    message: 'the store of the ring checkout failed: no answer within 5000 ms',
  });
});

test('a reader whose question is never over asks again', async () => {
  const { store, clock, newRing, newReader } = ringBench();
  const rotator = newRing();
  await rotator.reconcile();
  const reader = newReader({ storeTimeoutMs: 600 * SECOND });
  await reader.getKey();

  // As in a Worker whose request is over: what was under way in it just stops.
  store.holdReads(1);
  await clock.advance(30 * SECOND);
  await reader.getKey();

  const second = (await rotator.rotate()).current?.maskedKey;
  const rotated = new Promise((resolve) => reader.on('rotated', ({ maskedKey }) => resolve(maskedKey)));
  await clock.advance(30 * SECOND);
  await reader.getKey();
  expect(await rotated).toBe(second);
});

test('a reader keeps its key while a store is silent, and finds the next one when it speaks again', async () => {
  const { store, clock, newRing, newReader } = ringBench();
  const rotator = newRing();
  const first = (await rotator.reconcile()).current?.maskedKey;
  const reader = newReader();
  await reader.getKey();
  const failures: unknown[] = [];
  reader.on('error', ({ error }) => failures.push(error));

  const speak = store.holdReads();
  await clock.advance(30 * SECOND);
  expect((await reader.getKey()).masked).toBe(first);
  await clock.advance(15 * SECOND);
  expect(failures).toMatchObject([{ code: 'key_ring_store_failed' }]);

  speak();
  const second = (await rotator.rotate()).current?.maskedKey;
  const rotated = new Promise((resolve) => reader.on('rotated', ({ maskedKey }) => resolve(maskedKey)));
  await clock.advance(30 * SECOND);
  await reader.getKey();
  expect(await rotated).toBe(second);
  expect(second).not.toBe(first);
});
