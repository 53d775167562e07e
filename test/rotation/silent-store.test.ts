import { ApiKeys, ChatClient } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { KeyRingError } from 'drun-sdk/errors';
import { type Clock, KeyRing, type KeyStore, memoryStore } from 'drun-sdk/rotation';
import { expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';

const seal = new Uint8Array(32);

/** A store that answers until it is told to be silent. */
function storeOfMoods(): KeyStore & { isSilent: boolean } {
  const store = memoryStore();
  return {
    durability: 'strong',
    isSilent: false,
    get(ring) {
      return this.isSilent ? new Promise(() => {}) : store.get(ring);
    },
    compareAndSwap(ring, expected, value) {
      return this.isSilent ? new Promise(() => {}) : store.compareAndSwap(ring, expected, value);
    },
  };
}

/** A time that passes when it is told to. */
function handClock(): Clock & { pass: (ms: number) => void; stopWaits: () => void } {
  let now = Date.now();
  let isStopped = false;
  const waiting = new Set<{ readonly until: number; readonly end: () => void }>();
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const wait = { until: now + ms, end: resolve };
        waiting.add(wait);
        signal.addEventListener('abort', () => {
          waiting.delete(wait);
          reject(signal.reason);
        });
      }),
    stopWaits() {
      isStopped = true;
    },
    pass(ms) {
      now += ms;
      if (isStopped) return;
      for (const { until, end } of waiting) if (until <= now) end();
    },
  };
}

function ringOver(store: KeyStore, clock?: Clock): { ring: KeyRing; rotator: KeyRing } {
  const drun = createEmulator();
  const service = { baseUrl: 'https://drun.test', fetch: drun.fetch };
  const rotator = new KeyRing({
    name: 'checkout',
    issuer: new ApiKeys({ accessToken: drun.accessToken, ...service }),
    checker: new ChatClient({ apiKey: 'unused', ...service }),
    store,
    seal,
  });
  return { rotator, ring: new KeyRing({ name: 'checkout', store, seal, clock }) };
}

test('a store that never answers has failed after storeTimeoutMs', async () => {
  const store = storeOfMoods();
  store.isSilent = true;
  const ring = new KeyRing({ name: 'checkout', store, seal, storeTimeoutMs: 5 });

  const error = await rejectionOf(KeyRingError, Promise.resolve(ring.getKey()));

  expect(error.code).toBe('key_ring_store_failed');
  expect(error.message).toBe('the store of the ring checkout failed: no answer within 5 ms');
});

test('a reader whose question is never over asks again', async () => {
  const store = storeOfMoods();
  const clock = handClock();
  const { ring, rotator } = ringOver(store, clock);
  await rotator.reconcile();
  await ring.getKey();

  // As in a Worker, whose request is over: neither an answer comes, nor the end of the time for it.
  store.isSilent = true;
  clock.stopWaits();
  clock.pass(30_000);
  await ring.getKey();

  store.isSilent = false;
  const second = (await rotator.rotate()).current?.maskedKey;
  const rotated = new Promise((resolve) => ring.on('rotated', ({ maskedKey }) => resolve(maskedKey)));
  clock.pass(30_000);
  await ring.getKey();
  expect(await rotated).toBe(second);
});

test('a reader keeps its key while a store is silent, and finds the next one when it speaks again', async () => {
  const store = storeOfMoods();
  const clock = handClock();
  const { ring, rotator } = ringOver(store, clock);
  const first = (await rotator.reconcile()).current?.maskedKey;
  expect((await ring.getKey()).masked).toBe(first);

  store.isSilent = true;
  clock.pass(30_000);
  expect((await ring.getKey()).masked).toBe(first);
  const failure = new Promise((resolve) => ring.on('failed', ({ error }) => resolve(error)));
  clock.pass(15_000);
  expect(await failure).toMatchObject({ code: 'key_ring_store_failed' });

  store.isSilent = false;
  const second = (await rotator.rotate()).current?.maskedKey;
  const rotated = new Promise((resolve) => ring.on('rotated', ({ maskedKey }) => resolve(maskedKey)));
  clock.pass(30_000);
  await ring.getKey();
  expect(await rotated).toBe(second);
  expect(second).not.toBe(first);
});
