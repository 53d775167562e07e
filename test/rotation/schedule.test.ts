import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { DAY, eventsOf, HOUR, MINUTE, type RingBench, ringBench, SECOND } from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';

/** The waits between passes: those for the store are over at once. */
const waitsOf = ({ clock }: RingBench): readonly number[] => clock.waits.filter((ms) => ms !== 15 * SECOND);

/** Resolves once a ring waits for its next pass. */
const asleep = (bench: RingBench): Promise<void> => until(() => waitsOf(bench).length > 0);

const listsOf = (bench: RingBench): number =>
  bench.asked().filter((operation) => operation === 'list').length;

describe('start()', () => {
  test('runs a pass at once, and then one in every interval', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ random: () => 0.5 });

    ring.start({ intervalMs: 10 * MINUTE });
    await asleep(bench);
    expect(bench.ids()).toHaveLength(2);
    listsOf(bench);

    for (let pass = 0; pass < 5; pass++) {
      await bench.clock.advance(10 * MINUTE - 1);
      expect(listsOf(bench)).toBe(0);
      await bench.clock.advance(1);
      await asleep(bench);
      expect(listsOf(bench)).toBe(1);
    }
  });

  test('waits up to a quarter less or more, so that replicas do not run in step', async () => {
    const waited = async (random: number): Promise<number | undefined> => {
      const bench = ringBench();
      bench.newRing({ random: () => random }).start({ intervalMs: MINUTE });
      await asleep(bench);
      return waitsOf(bench)[0];
    };

    expect(await waited(0)).toBe(45 * SECOND);
    expect(await waited(0.5)).toBe(MINUTE);
    expect(await waited(0.999)).toBeCloseTo(75 * SECOND, -2);
  });

  test('runs a pass sooner where there is something to do sooner', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ random: () => 0.5, gracePeriodMs: 5 * MINUTE });
    const deleted = eventsOf(ring, 'deleted');
    await ring.reconcile();
    await ring.rotate();

    ring.start({ intervalMs: DAY });
    await asleep(bench);
    expect(waitsOf(bench)).toEqual([5 * MINUTE]);
    await bench.clock.advance(5 * MINUTE);
    await until(() => deleted().length > 0);
  });

  test('rotates by age all by itself', async () => {
    const bench = ringBench({ maxKeys: 2 });
    const ring = bench.newRing({ random: () => 0.5, maxAgeMs: DAY, gracePeriodMs: HOUR });

    ring.start({ intervalMs: HOUR });
    for (let hour = 0; hour < 5 * 24; hour++) {
      await asleep(bench);
      await bench.clock.advance(HOUR);
    }
    await asleep(bench);

    expect(ring.status().epoch).toBeGreaterThanOrEqual(5);
    expect(bench.ids().length).toBeLessThanOrEqual(2);
  });

  test('tells of a pass that fails, and goes on', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ random: () => 0.5 });
    const failed = eventsOf(ring, 'error');
    bench.drun.faults.next({ operation: 'list', status: 503 });

    ring.start();
    await asleep(bench);
    expect(failed()).toMatchObject([['error', { error: { code: 'server_error', status: 503 } }]]);

    await bench.clock.advance(MINUTE);
    await asleep(bench);
    expect(failed()).toEqual([]);
    expect(ring.status().ready).toBe(true);
  });

  test('called again changes nothing: there is one pass at a time', async () => {
    const bench = ringBench();
    const ring = bench.newRing();

    ring.start();
    ring.start({ intervalMs: SECOND });
    await asleep(bench);
    for (let turn = 0; turn < 3; turn++) await bench.clock.advance(0);

    expect(waitsOf(bench)).toHaveLength(1);
    expect(waitsOf(bench)[0]).toBeGreaterThan(40 * SECOND);
  });

  test('shares its ring with the calls: no two passes at once', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    let running = 0;
    let most = 0;
    const { list } = bench.manager;
    bench.manager.list = ((...query: Parameters<typeof list>) => {
      running++;
      most = Math.max(most, running);
      return (async function* () {
        yield* list.apply(bench.manager, query);
        running--;
      })();
    }) as unknown as typeof list;

    ring.start();
    await Promise.all([ring.reconcile(), ring.rotate(), ring.reconcile()]);
    await asleep(bench);

    expect(most).toBe(1);
  });

  test('on several replicas makes two keys, not two each', async () => {
    const bench = ringBench();
    const rings = [bench.newRing(), bench.newRing(), bench.newRing()];

    for (const ring of rings) ring.start();
    await until(() => waitsOf(bench).length === 3);
    await bench.clock.advance(2 * MINUTE);
    await until(() => waitsOf(bench).length === 3);

    expect(bench.ids()).toHaveLength(2);
  });
});

describe('stop()', () => {
  test('ends what waits for the next pass', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    ring.start();
    await asleep(bench);
    bench.asked();

    await ring.stop();
    await bench.clock.advance(DAY);

    expect(bench.clock.waits).toEqual([]);
    expect(bench.asked()).toEqual([]);
  });

  test('ends a pass, which is no failure', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    const failed = eventsOf(ring, 'error');
    bench.drun.faults.next({ operation: 'list', delayMs: HOUR });
    bench.clock.isByHand = true;
    ring.start();
    await until(() => bench.clock.waits.includes(HOUR));

    await ring.stop();

    expect(failed()).toEqual([]);
    expect(bench.ids()).toEqual([]);
  });

  test('waits for a key in the making, and for that to be stored', async () => {
    const bench = ringBench({ version: '0.15' });
    const ring = bench.newRing({ standby: false });
    bench.drun.faults.next({ operation: 'create', delayMs: MINUTE });
    bench.clock.isByHand = true;
    ring.start();
    await until(() => bench.clock.waits.includes(MINUTE));
    let isStopped = false;

    const stopped = ring.stop().then(() => {
      isStopped = true;
    });
    await bench.clock.advance(MINUTE - 1);
    expect(isStopped).toBe(false);
    await bench.clock.advance(1);
    await stopped;

    expect(ring.status().pending).toBe('created');
    const [made] = bench.ids();
    expect((await ring.reconcile()).current?.id).toBe(made);
  });

  test('called twice resolves both times once nothing is under way any more', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    bench.drun.faults.next({ operation: 'create', delayMs: MINUTE });
    bench.clock.isByHand = true;
    ring.start();
    await until(() => bench.clock.waits.includes(MINUTE));
    const stopped: string[] = [];

    const stops = [
      ring.stop().then(() => stopped.push('first')),
      ring.stop().then(() => stopped.push('second')),
    ];
    await bench.clock.advance(MINUTE - 1);
    expect(stopped).toEqual([]);
    await bench.clock.advance(1);
    await Promise.all(stops);
  });

  test('without a start does nothing, and so does the end of a block', async () => {
    const bench = ringBench();
    const ring = bench.newRing();

    await ring.stop();
    {
      await using used = bench.newRing();
      used.start();
      await asleep(bench);
    }

    expect(bench.clock.waits).toEqual([]);
  });

  test('leaves the ring in use: calls get keys, and passes can be asked for', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    ring.start();
    await asleep(bench);
    await ring.stop();

    expect(await bench.chat(ring).checkKey()).toEqual({ accepted: true });
    expect(await ring.rotate()).toMatchObject({ epoch: 2 });
  });

  test('can be followed by another start', async () => {
    const bench = ringBench();
    const ring = bench.newRing();
    ring.start();
    await asleep(bench);
    await ring.stop();
    bench.asked();

    ring.start();
    await asleep(bench);
    expect(bench.asked()).toEqual(['list']);
    await ring.stop();
    expect(bench.clock.waits).toEqual([]);
  });

  test('can be followed by another start before the last pass is over', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ standby: false });
    bench.drun.faults.next({ operation: 'create', delayMs: MINUTE });
    bench.clock.isByHand = true;
    ring.start();
    await until(() => bench.clock.waits.includes(MINUTE));

    const stopped = ring.stop();
    ring.start();
    await bench.clock.advance(MINUTE);
    await stopped;
    await until(() => ring.status().current !== undefined);

    expect(bench.ids()).toHaveLength(1);
    await asleep(bench);
    expect(waitsOf(bench)).toHaveLength(1);
  });
});

test('what runs in the background keeps no process alive', async () => {
  const program = `
    import { ApiKeys } from 'drun-sdk';
    import { createEmulator } from 'drun-sdk/emulator';
    import { KeyRing, memoryStore } from 'drun-sdk/rotation';
    const drun = createEmulator();
    const service = { baseUrl: 'https://drun.test', fetch: drun.fetch };
    const ring = new KeyRing({
      name: 'checkout',
      manager: new ApiKeys({ accessToken: drun.accessToken, ...service }),
      verifier: { verify: async () => ({ accepted: true, models: [] }) },
      store: memoryStore(),
      encryptionKey: new Uint8Array(32),
    });
    ring.on('rotated', ({ epoch }) => console.log('rotated', epoch));
    ring.start();
    await ring.getKey();
  `;

  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    timeout: 20_000,
  });

  expect(stdout).toBe('rotated 1\n');
});
