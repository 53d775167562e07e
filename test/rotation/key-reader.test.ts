import { AuthenticationError, Secret } from 'drun-sdk';
import { KeyRingError } from 'drun-sdk/errors';
import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, test } from 'vitest';
import { rejection, rejectionOf } from '../support/failures.ts';
import {
  eventsOf,
  keyOf,
  MINUTE,
  question,
  type RingBench,
  type RingBenchOptions,
  ringBench,
  SECOND,
} from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';
import { testStore } from '../support/test-store.ts';

/** A ring with keys, and a reader that has given out the current one. */
async function readingBench(
  options: RingBenchOptions = {},
): Promise<RingBench & { rotator: KeyRing; reader: KeyRing; key: string }> {
  const bench = ringBench(options);
  const rotator = bench.newRing();
  await rotator.reconcile();
  const reader = bench.newReader();
  return { ...bench, rotator, reader, key: await keyOf(reader) };
}

describe('a reader that knows the key', () => {
  test('gives it out at once, without a promise, and asks nobody', async () => {
    const { reader, store, key, asked } = await readingBench();
    asked();
    const { reads } = store.counts;

    for (let call = 0; call < 1_000; call++) {
      const given = reader.getKey();
      expect(given).toBeInstanceOf(Secret);
      expect((given as Secret).equals(key)).toBe(true);
    }

    expect(store.counts.reads).toBe(reads);
    expect(asked()).toEqual([]);
  });

  test('looks again beside the calls, however slow the store is', async () => {
    const { reader, rotator, store, clock, key } = await readingBench();
    const rotated = eventsOf(reader, 'rotated');
    await rotator.rotate();
    await clock.advance(30 * SECOND);
    const release = store.holdReads();
    const { reads } = store.counts;

    for (let call = 0; call < 10; call++) expect((reader.getKey() as Secret).equals(key)).toBe(true);
    expect(store.counts.reads).toBe(reads + 1);
    // One wait for the store, and none for each call.
    expect(clock.waits).toEqual([15 * SECOND]);

    release();
    await until(() => rotated().length === 1);
    expect(await keyOf(reader)).toBe(await keyOf(rotator));
    expect(reader.getKey()).toBeInstanceOf(Secret);
  });

  test('never makes, changes or deletes one, and asks the service for nothing', async () => {
    const { reader, store, clock, asked } = await readingBench();
    const { writes } = store.counts;
    asked();

    for (let minute = 0; minute < 60; minute++) {
      await clock.advance(MINUTE);
      await reader.getKey();
    }

    expect(store.counts.writes).toBe(writes);
    expect(asked()).toEqual([]);
  });

  test('needs neither manager nor verifier', async () => {
    const { reader, chat } = await readingBench();

    expect(await chat(reader).complete(question)).toHaveProperty('choices');
  });
});

describe('askings at the same time', () => {
  test('are one read, the first time', async () => {
    const bench = ringBench();
    await bench.newRing().reconcile();
    const reader = bench.newReader();
    const { reads } = bench.store.counts;

    const keys = await Promise.all(Array.from({ length: 50 }, () => keyOf(reader)));

    expect(new Set(keys).size).toBe(1);
    expect(bench.store.counts.reads).toBe(reads + 1);
  });

  test('are one read, with a refused key', async () => {
    const { reader, rotator, store, key } = await readingBench();
    await rotator.rotate();
    const { reads } = store.counts;
    const rejected = new Secret(key);

    const keys = await Promise.all(Array.from({ length: 50 }, () => reader.getKey({ rejected })));

    expect(new Set(keys.map((secret) => secret.reveal()))).toEqual(new Set([await keyOf(rotator)]));
    expect(store.counts.reads).toBe(reads + 1);
  });

  test('with a refused key do not share a read that was begun before', async () => {
    const { reader, rotator, store, clock, key } = await readingBench();
    await clock.advance(30 * SECOND);
    const release = store.holdReads(1);
    await reader.getKey();
    await rotator.rotate();

    const next = await reader.getKey({ rejected: new Secret(key) });

    expect(next.equals(key)).toBe(false);
    release();
  });

  test('wait no longer than a moment for a read that another call began and never ended', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    await ring.reconcile();
    const reader = bench.newReader();
    bench.store.holdReads(1);
    void rejection(Promise.resolve(reader.getKey()));

    const keys = Promise.all([keyOf(reader), keyOf(reader)]);
    await bench.clock.advance(2 * SECOND);

    expect(new Set(await keys)).toEqual(new Set([await keyOf(ring)]));
  });

  test('do not wait for a read that was begun long ago', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    await ring.reconcile();
    const reader = bench.newReader();
    bench.store.holdReads(1);
    void rejection(Promise.resolve(reader.getKey()));
    await bench.clock.advance(2 * SECOND);
    const start = bench.clock.now();

    expect(await keyOf(reader)).toBe(await keyOf(ring));
    expect(bench.clock.now()).toBe(start);
  });
});

describe('a store that fails', () => {
  test('slows nobody down who knows a key, and is told of', async () => {
    const { reader, store, clock, key } = await readingBench();
    const failed = eventsOf(reader, 'error');
    store.failure = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

    await clock.advance(30 * SECOND);
    expect((reader.getKey() as Secret).equals(key)).toBe(true);
    await clock.advance(0);

    expect(failed()).toEqual([
      ['error', { error: expect.objectContaining({ code: 'key_ring_store_failed', ring: 'checkout' }) }],
    ]);
    expect(reader.getKey()).toBeInstanceOf(Secret);
  });

  test('is not asked at every call', async () => {
    const { reader, store, clock } = await readingBench();
    store.failure = new Error('down');
    await clock.advance(30 * SECOND);
    const { reads } = store.counts;

    for (let call = 0; call < 100; call++) {
      await reader.getKey();
      await clock.advance(10);
    }

    expect(store.counts.reads - reads).toBeLessThanOrEqual(2);
  });

  test('is found to work again', async () => {
    const { reader, rotator, store, clock } = await readingBench();
    const rotated = eventsOf(reader, 'rotated');
    store.failure = new Error('down');
    await clock.advance(30 * SECOND);
    await reader.getKey();
    await clock.advance(0);
    store.failure = undefined;
    await rotator.rotate();

    await clock.advance(SECOND);
    await reader.getKey();
    await until(() => rotated().length === 1);

    expect(await keyOf(reader)).toBe(await keyOf(rotator));
  });

  test('is an error for who knows nothing yet, with its code and without its query', async () => {
    const { newReader, store } = ringBench();
    store.failure = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), {
      code: 'ECONNREFUSED',
      query: 'select 1',
    });

    const error = await rejectionOf(KeyRingError, Promise.resolve(newReader().getKey()));

    expect(error).toMatchObject({
      code: 'key_ring_store_failed',
      ring: 'checkout',
      cause: { code: 'ECONNREFUSED' },
    });
    expect(error.message).toBe('the store of the ring checkout failed: connect ECONNREFUSED 127.0.0.1:5432');
    expect(error.cause).not.toHaveProperty('query');
  });
});

test('a record that is older than one that was seen is told of, and not believed', async () => {
  const { reader, rotator, store, clock } = await readingBench();
  const before = store.stored;
  await rotator.rotate();
  await clock.advance(30 * SECOND);
  await reader.getKey();
  await until(() => reader.status().epoch === 2);
  const key = await keyOf(reader);
  const events = eventsOf(reader);

  store.stored = before;
  await clock.advance(30 * SECOND);
  await reader.getKey();
  await clock.advance(0);

  expect(events()).toEqual([['stale-read', { epoch: 1 }]]);
  expect(await keyOf(reader)).toBe(key);
  expect(reader.status().epoch).toBe(2);
});

describe('a key that the service refuses', () => {
  test('is looked up again: a call survives a key that is deleted under it', async () => {
    const { reader, rotator, chat, drun, key } = await readingBench();
    const client = chat(reader);
    const { current } = rotator.status();
    await rotator.rotate();
    drun.keys.delete(current?.id ?? '');

    expect((await client.complete(question)).choices[0]?.message.content).toBe('Hello, model!');

    expect(await keyOf(reader)).not.toBe(key);
    expect(Array.from(drun.requests, ({ status }) => status).slice(-2)).toEqual([401, 200]);
  });

  test('is not given out for another one where the ring has no other: the call is refused', async () => {
    const { reader, chat, drun, store } = await readingBench();
    for (const { id } of drun.keys) drun.keys.delete(id);
    const { reads } = store.counts;

    await rejectionOf(AuthenticationError, chat(reader).complete(question));

    expect(store.counts.reads).toBe(reads + 1);
  });

  test('is all that there is while the store fails: the call is rejected, and the failure told', async () => {
    const { reader, chat, drun, store } = await readingBench();
    const failed = eventsOf(reader, 'error');
    for (const { id } of drun.keys) drun.keys.delete(id);
    store.failure = new Error('down');

    await rejectionOf(AuthenticationError, chat(reader).complete(question));

    expect(failed()).toHaveLength(1);
  });

  test('is known not to be the current one by who has seen the next already', async () => {
    const { reader, rotator, store, clock, key } = await readingBench();
    await rotator.rotate();
    await clock.advance(30 * SECOND);
    await reader.getKey();
    await until(() => reader.status().epoch === 2);
    await keyOf(reader);
    const { reads } = store.counts;

    const next = await reader.getKey({ rejected: new Secret(key) });

    expect(next.equals(key)).toBe(false);
    expect(store.counts.reads).toBe(reads);
  });
});

describe('a ring without a key', () => {
  test('has a call wait until there is one', async () => {
    const bench = ringBench();
    bench.clock.isByHand = true;
    const key = keyOf(bench.newReader());
    await bench.clock.advance(5 * SECOND);
    const ring = bench.newRing();
    await ring.reconcile();

    await bench.clock.advance(2 * SECOND);

    expect(await key).toBe(await keyOf(ring));
  });

  test('has a call wait no longer than keyTimeoutMs', async () => {
    const { newReader, clock } = ringBench();
    const start = clock.now();

    const error = await rejectionOf(
      KeyRingError,
      Promise.resolve(newReader({ keyTimeoutMs: 3 * SECOND }).getKey()),
    );

    expect(error).toMatchObject({ code: 'key_ring_no_active_key', ring: 'checkout' });
    expect(error.message).toContain('nobody has made one yet');
    expect(clock.now() - start).toBeLessThanOrEqual(3 * SECOND);
  });

  test('says that its key was revoked where it was', async () => {
    const bench = ringBench({ maxKeys: 1 });
    const ring = bench.newRing({ standby: false });
    await ring.reconcile();
    bench.drun.faults.always({ operation: 'create', status: 503 });
    await rejection(ring.revoke('current'));

    const error = await rejectionOf(KeyRingError, Promise.resolve(bench.newReader().getKey()));

    expect(error.code).toBe('key_ring_no_active_key');
    expect(error.message).toContain('it was revoked');
  });

  test('lets a call go that is given up', async () => {
    const bench = ringBench();
    bench.clock.isByHand = true;
    const controller = new AbortController();
    const reason = new Error('enough');

    const key = rejection(Promise.resolve(bench.newReader().getKey({ signal: controller.signal })));
    await until(() => bench.clock.waits.includes(100));
    controller.abort(reason);

    expect(await key).toBe(reason);
    expect(bench.clock.waits).toEqual([]);
  });
});

describe('a store that tells of changes', () => {
  test('has a reader know the next key before it would look again', async () => {
    const { reader, rotator, clock } = await readingBench({ store: testStore({ watches: true }) });
    const start = clock.now();

    await rotator.rotate();
    await until(() => reader.status().epoch === 2);

    expect(clock.now()).toBe(start);
    expect(await keyOf(reader)).toBe(await keyOf(rotator));
    expect(reader.getKey()).toBeInstanceOf(Secret);
  });

  test('is listened to once, however many calls there are', async () => {
    const { reader, store, chat } = await readingBench({ store: testStore({ watches: true }) });

    await Promise.all(Array.from({ length: 20 }, () => chat(reader).models()));

    expect(store.watchers.size).toBe(1);
  });

  test('is heard also where the change comes in the middle of a look', async () => {
    const { reader, rotator, store, clock } = await readingBench({ store: testStore({ watches: true }) });
    await clock.advance(30 * SECOND);
    const release = store.holdReads(1);
    await reader.getKey();
    const events = eventsOf(reader);

    await rotator.rotate();
    await until(() => reader.status().epoch === 2);
    release();
    await clock.advance(0);

    // The answer that comes too late is no sign of a store that has gone back.
    expect(events().map(([event]) => event)).toEqual(['rotated']);
  });

  test('is heard also where a refused key is being looked up', async () => {
    const { reader, rotator, store, key } = await readingBench({ store: testStore({ watches: true }) });
    const release = store.holdReads(1);
    const next = reader.getKey({ rejected: new Secret(key) });

    await rotator.rotate();
    release();
    await next;

    await until(() => reader.status().epoch === 2);
  });

  test('is listened to no longer after stop(), also where calls go on', async () => {
    const { reader, rotator, store, chat, clock } = await readingBench({
      store: testStore({ watches: true }),
    });

    await reader.stop();
    expect(store.watchers.size).toBe(0);

    await rotator.rotate();
    await clock.advance(30 * SECOND);
    const rejected = (await reader.getKey()) as Secret;
    await reader.getKey({ rejected });
    expect((await chat(reader).complete(question)).choices).toHaveLength(1);
    expect(store.watchers.size).toBe(0);
  });

  test('is listened to again by a ring that starts again', async () => {
    const { rotator, store } = await readingBench({ store: testStore({ watches: true }) });
    await keyOf(rotator);
    const listening = store.watchers.size;

    await rotator.stop();
    expect(store.watchers.size).toBe(listening - 1);
    rotator.start();

    expect(store.watchers.size).toBe(listening);
  });
});

test('what a reader is doing beside the calls is over once stop() has resolved', async () => {
  const { reader, store, clock } = await readingBench();
  await clock.advance(30 * SECOND);
  const release = store.holdReads();
  await reader.getKey();
  let isStopped = false;

  const stopped = reader.stop().then(() => {
    isStopped = true;
  });
  await clock.advance(0);
  expect(isStopped).toBe(false);

  release();
  await stopped;
});
