import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KeyRing } from 'drun-sdk/rotation';
import type fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { HandScheduler } from './by-hand.ts';
import { Scene } from './commands.ts';
import { explore } from './explore.ts';
import type { Actor } from './world.ts';

/*
 * The protocol without one of the things that it is careful about. Each of these has to be found out: an exploration that
 * finds nothing wrong with a broken protocol says nothing of the right one either.
 */

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, '.cache/mutants');

interface Mutation {
  readonly name: string;
  /** What stands in the loop, and what stands there instead. */
  readonly changes: readonly (readonly [from: string, to: string])[];
  readonly breaks: RegExp;
}

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'makes a key without having said so',
    changes: [
      [
        'return this.#swapped(read, to.claim(record, { name, owner, leaseUntil: clock.now() + policy.leaseMs }));',
        'return { ...read, record: to.claim(record, { name, owner, leaseUntil: clock.now() + policy.leaseMs }) };',
      ],
    ],
    breaks: /I4|I6|I7/,
  },
  {
    name: 'creates again where the answer was lost',
    changes: [
      [
        'key = await manager.create(',
        'key = await ((...input: Parameters<KeyManager["create"]>) => manager.create(...input).then(undefined, () => manager.create(...input)))(',
      ],
    ],
    breaks: /I4|I7/,
  },
  {
    name: 'uses a key before it is stored',
    changes: [
      [
        'const stored = await this.#swapped(read, to.minted(record, mine, key, now));',
        'const stored = { ...read, record: to.minted(record, mine, key, now) };',
      ],
    ],
    breaks: /I2/,
  },
  {
    name: 'uses a key before it was tried',
    changes: [
      [
        'return this.#verify(stored);\n  }\n\n  // Steps 9 and 10',
        "return this.#putToUse(stored, stored.record.pending as Extract<Pending, { phase: 'created' }>);\n  }\n\n  // Steps 9 and 10",
      ],
    ],
    breaks: /I1|I2/,
  },
  {
    name: 'claims while an old key is still there',
    changes: [['!isWanted || (record.previous && record.current) || !isClean', '!isWanted || !isClean']],
    breaks: /I8/,
  },
  {
    name: 'retires a key before its time',
    changes: [['record.previous.retireAt <= clock.now()', 'record.previous.retireAt > 0']],
    breaks: /I3/,
  },
  {
    name: 'sweeps what another replica is making',
    changes: [['record.pending?.name === name ||', '']],
    breaks: /I5|I10|I6/,
  },
];

async function mutant({ name, changes }: Pick<Mutation, 'name' | 'changes'>): Promise<typeof KeyRing> {
  const copy = join(folder, name.replaceAll(' ', '-'));
  mkdirSync(copy, { recursive: true });
  for (const part of ['rotation', 'errors', 'secret']) {
    cpSync(join(root, 'src', part), join(copy, part), { recursive: true });
  }
  const file = join(copy, 'rotation/loop.ts');
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of changes) {
    expect(text.split(from), `the loop has once: ${from}`).toHaveLength(2);
    text = text.replace(from, to);
  }
  writeFileSync(file, text);
  const module = (await import(join(copy, 'rotation/index.ts'))) as { KeyRing: typeof KeyRing };
  return module.KeyRing;
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a protocol is found out that', () => {
  test.each(MUTATIONS)('$name', { timeout: 300_000 }, async (mutation) => {
    const { counterexample } = await explore({ replicas: 2, standby: true }, 500_000, await mutant(mutation));

    expect(counterexample).toMatch(mutation.breaks);
  });

  test('counts before it claims', async () => {
    const changes = [
      ['const own = (await this.#list()).filter(', 'const own = ([] as OwnKey[]).filter('],
    ] as const;
    const broken = await mutant({ name: 'counts before it claims', changes });

    expect(await violationsOf(broken, staleCount)).toEqual(['I4: 3 keys at once']);
    expect(await violationsOf(KeyRing, staleCount), 'the protocol as it is').toEqual([]);
  });

  test('reads the record before it lists', async () => {
    const [list, read] = ['const listed = await this.#list();', 'const read = await this.#read();'];
    const changes = [[`${list}\n    ${read}`, `${read}\n    ${list}`]] as const;
    const broken = await mutant({ name: 'reads before it lists', changes });

    expect(await violationsOf(broken, staleRead)).toContainEqual(expect.stringMatching(/^I5/));
    expect(await violationsOf(KeyRing, staleRead), 'the protocol as it is').toEqual([]);
  });
});

/* Courses that chance finds rarely: a replica stands still for a long time between two calls. */

type Course = (scene: Scene, scheduler: HandScheduler) => Promise<void>;

async function violationsOf(makeRing: typeof KeyRing, course: Course): Promise<string[]> {
  const scheduler = new HandScheduler();
  const scene = new Scene(
    scheduler as unknown as fc.Scheduler,
    { standby: false, canReveal: false },
    makeRing,
  );
  await scheduler.settle(scene.replica(0).ring.reconcile());
  await course(scene, scheduler);
  await scheduler.settle(scene.settle());
  return [...new Set(scene.world.invariants.violations)];
}

/** One replica has listed; another makes a key, does not hear of it, gives it up and dies; then the first goes on. */
const staleCount: Course = async (scene, scheduler) => {
  const [first, second] = scene.replicas as [Actor, Actor];
  scene.begin(first, (ring) => ring.rotate());
  await scheduler.run(first.name, 'answer to swap');
  await scheduler.run(first.name, 'answer to list');
  scene.world.faults.push('create unanswered');
  scene.begin(second, (ring) => ring.reconcile());
  await scheduler.run(second.name, 'answer to create');
  // With its next swap it drops its claim.
  await scheduler.run(second.name, 'answer to swap');
  scene.crash(1);
};

/**
 * One replica has claimed and stands still before its create; another gives the claim up, and has made the first of the
 * two calls of its next round when the key is made after all.
 */
const staleRead: Course = async (scene, scheduler) => {
  const [first, second] = scene.replicas as [Actor, Actor];
  scene.begin(second, (ring) => ring.rotate());
  await scheduler.run(second.name, 'answer to swap');
  await scheduler.run(second.name, 'answer to swap');
  await scheduler.run(second.name, 'answer to list');
  scene.world.now += 121_000;
  scene.begin(first, (ring) => ring.reconcile());
  await scheduler.run(first.name, 'answer to swap');
  await scheduler.runCall(first.name);
  await scheduler.run(second.name, 'create');
};
