import { describe, expect, test } from 'vitest';
import { eventsOf, isAccepted, keyOf, ringBench } from '../support/ring-bench.ts';

const namesOf = ({ drun }: ReturnType<typeof ringBench>): string[] =>
  Array.from(drun.keys, ({ name }) => name);

describe('the name of a key', () => {
  test.each(['a', 'checkout', 'checkout-1', '0123456789', '-'])(
    'says which ring it is of: %s',
    async (name) => {
      const bench = ringBench();

      await bench.newRing({ name }).reconcile();

      const { ringId } = JSON.parse(bench.store.stored?.value ?? '') as { ringId: string };
      const [first, second] = namesOf(bench);
      expect(first).toMatch(new RegExp(`^kr1-${name}-${ringId}-1-[a-z0-9]{6}$`));
      expect(second).toMatch(new RegExp(`^kr1-${name}-${ringId}-2-[a-z0-9]{6}$`));
    },
  );

  test('has at most 32 characters, also after more than a million rotations', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ name: '0123456789' });
    await ring.reconcile();
    bench.store.edit((record) => ({ ...record, seq: 36 ** 4 - 2 }));

    await ring.rotate();
    await ring.rotate();

    for (const name of namesOf(bench)) expect(name.length).toBeLessThanOrEqual(32);
    expect(Math.max(...namesOf(bench).map(({ length }) => length))).toBe(32);
  });

  test('is another one for every key, whatever the random numbers are', async () => {
    const bench = ringBench();
    const ring = bench.newRing({ random: () => 0 });
    const seen = new Set<string>();
    const collect = (): void => {
      for (const name of namesOf(bench)) seen.add(name);
    };
    await ring.reconcile();
    collect();
    ring.on('created', collect);

    for (let rotation = 0; rotation < 4; rotation++) await ring.rotate();
    collect();

    expect(seen.size).toBeGreaterThanOrEqual(5);
  });
});

describe('keys that are not the ring’s', () => {
  const names = [
    'checkout',
    'kr1-checkout',
    'kr1-checkout-abcde-1-abcdef-2',
    'kr2-checkout-abcde-1-abcdef',
    'KR1-checkout-abcde-1-abcdef',
    'my kr1-checkout-abcde-1-abcdef',
    'kr1-checkout-abcde-1-ABCDEF',
    'kr1-check-abcde-1-abcdef',
    'kr1-checkout2-abcde-1-abcdef',
    'kr1-checkout-eu-abcde-1-abcdef',
  ];

  test.each(names)('(%s) are never touched, nor told of as another ring’s', async (name) => {
    const bench = ringBench({ maxKeys: 10 });
    const foreign = bench.drun.keys.create({ name });
    const ring = bench.newRing();
    const others = eventsOf(ring, 'name-conflict', 'orphan-deleted');

    await ring.reconcile();
    for (let rotation = 0; rotation < 3; rotation++) await ring.rotate();
    await ring.revoke('all');

    expect(bench.ids()).toContain(foreign.id);
    expect(await isAccepted(bench, foreign.secret.reveal())).toBe(true);
    expect(others()).toEqual([]);
  });

  test('and whose ring’s name begins like another’s stay apart', async () => {
    const bench = ringBench({ maxKeys: 10 });
    const [store, drun] = [bench.store, bench.drun];
    const ring = bench.newRing({ name: 'a' });
    await ring.reconcile();
    const key = await keyOf(ring);
    store.stored = null;
    const other = bench.newRing({ name: 'a-b' });

    await other.reconcile();
    await other.revoke('all');

    expect(await isAccepted(bench, key)).toBe(true);
    expect(Array.from(drun.keys)).toHaveLength(4);
  });
});
