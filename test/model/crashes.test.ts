import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, it } from 'vitest';
import type { Protocol } from '../../src/rotation/key-ring.ts';
import { Revocation } from '../../src/rotation/revoke.ts';
import { CALM, settle } from './explore.ts';
import type { Random } from './random.ts';
import { WithoutClaim } from './without-claim.ts';
import { type Actor, type Circumstances, GRACE_MS, LEASE_MS, SECOND, World } from './world.ts';

/*
 * A crash at every await. Each operation runs in a world without chance, and its process ends before the first, second,
 * third, … request or response, until no such point is left. Then other processes continue.
 */

/** The first of several; nothing happens by chance. */
const certain: Random = {
  next: () => 0.5,
  below: () => 0,
  chance: (probability) => probability >= 1,
  pick: (items) => items[0] as never,
};

type Call = (ring: KeyRing) => Promise<unknown>;

interface Operation {
  readonly circumstances?: Partial<Circumstances>;
  /** What has happened before. */
  readonly prepare?: (world: World) => Promise<void>;
  readonly call: Call;
}

const reconcile: Call = (ring) => ring.reconcile();
const rotate: Call = (ring) => ring.rotate();
const alone = { standby: false };

async function ready(world: World): Promise<void> {
  await run(world, 'reconcile', reconcile);
  expect(world.invariants.record?.current).toBeDefined();
}

async function rotated(world: World): Promise<void> {
  await ready(world);
  await run(world, 'rotate', rotate);
}

const operations: Record<string, Operation> = {
  'the first reconciliation': { call: reconcile },
  'the first reconciliation without a standby': { circumstances: alone, call: reconcile },
  'the first reconciliation on a slow activation': {
    circumstances: { activationMs: 5 * SECOND },
    call: reconcile,
  },
  'an idle reconciliation': { prepare: ready, call: reconcile },
  'a rotation to the standby': { prepare: ready, call: rotate },
  'a rotation without a standby': { prepare: ready, circumstances: alone, call: rotate },
  'a rotation on a server that cannot show keys': {
    prepare: ready,
    circumstances: { ...alone, canShow: false },
    call: rotate,
  },
  'a second rotation within the grace period': { prepare: rotated, call: rotate },
  'the end of a grace period': {
    prepare: async (world) => {
      await rotated(world);
      await world.pass(GRACE_MS + 20 * SECOND);
    },
    call: reconcile,
  },
  'a reconciliation after the current key was deleted elsewhere': {
    prepare: async (world) => {
      await ready(world);
      const id = world.invariants.record?.current?.id ?? '';
      const key = world.keys.get(id);
      if (key) world.deleteForeign(key);
    },
    call: reconcile,
  },
  'a reconciliation after creates whose responses were lost': {
    circumstances: { ...alone, canShow: false },
    prepare: async (world) => {
      world.circumstances = { ...world.circumstances, faults: 1 };
      await run(world, 'reconcile', reconcile);
      world.circumstances = { ...world.circumstances, faults: 0 };
    },
    call: reconcile,
  },
  'a revocation with a standby': { prepare: ready, call: (ring) => ring.revoke('current') },
  'a revocation without a standby': {
    prepare: ready,
    circumstances: alone,
    call: (ring) => ring.revoke('current'),
  },
  'a revocation of all keys': { prepare: rotated, call: (ring) => ring.revoke('all') },
  'the first call of a new process': {
    prepare: async (world) => {
      await ready(world);
      world.kill(world.actors[0] as Actor);
    },
    call: async (ring) => ring.getKey(),
  },
};

/** Runs a call of the first process until it ends, or the process does. */
async function run(world: World, label: string, call: Call): Promise<Actor> {
  const actor = world.actors[0] as Actor;
  world.start(actor, label, (ring) => call(ring));
  while (actor.isAlive && actor.call !== undefined && (await world.step()));
  return actor;
}

/**
 * Runs an operation whose process crashes before one of its steps, and perhaps a reconciliation of the next process that
 * crashes too. Then others continue without crashes.
 *
 * @returns the violations, or undefined if the last of these has fewer steps.
 */
async function crash(
  { circumstances, prepare, call }: Operation,
  crashesAt: readonly number[],
  protocol?: Protocol,
): Promise<string[] | undefined> {
  const world = new World({ ...CALM, replicas: 1, ...circumstances }, certain, protocol);
  await prepare?.(world);
  for (const [index, crashAt] of crashesAt.entries()) {
    // Whoever continues finds the lease over.
    if (index > 0) await world.pass(2 * LEASE_MS);
    (world.actors[0] as Actor).stepsLeft = crashAt;
    const actor = await run(world, index === 0 ? 'revoke' : 'reconcile', index === 0 ? call : reconcile);
    if (actor.isAlive) return undefined;
  }
  await settle(world);
  return world.invariants.violations;
}

/** @param before - Crashes of the processes before. */
async function crashEverywhere(operation: Operation, protocol?: Protocol, before: readonly number[] = []) {
  const broken: string[] = [];
  for (let crashAt = 0; ; crashAt++) {
    const violations = await crash(operation, [...before, crashAt], protocol);
    if (violations === undefined) return { points: crashAt, broken };
    if (violations.length > 0) broken.push(`steps ${[...before, crashAt]}: ${violations[0]}`);
  }
}

describe('a crash at any await', () => {
  it.each(Object.entries(operations))(
    'of %s breaks no invariant',
    { timeout: 600_000 },
    async (_, operation) => {
      const { points, broken } = await crashEverywhere(operation);

      expect(broken).toEqual([]);
      // A request and its response at least.
      expect(points).toBeGreaterThanOrEqual(2);
    },
  );

  it.each([
    'the first reconciliation without a standby',
    'a rotation to the standby',
    'a rotation on a server that cannot show keys',
    'a revocation with a standby',
  ])(
    'of %s, and one of the process that continues, break no invariant',
    { timeout: 600_000 },
    async (name) => {
      const operation = operations[name] as Operation;
      const { points } = await crashEverywhere(operation);
      for (let first = 0; first < points; first++) {
        expect((await crashEverywhere(operation, undefined, [first])).broken).toEqual([]);
      }
    },
  );

  it('is found if keys are created without a claim', async () => {
    const operation = { circumstances: alone, call: reconcile };

    const { broken } = await crashEverywhere(operation, { Reconciliation: WithoutClaim, Revocation });

    expect(broken.join()).toMatch(/older state|I10/);
  });
});
