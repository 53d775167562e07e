import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, it } from 'vitest';
import type { Protocol } from '../../src/rotation/key-ring.ts';
import { Revocation } from '../../src/rotation/revoke.ts';
import { quiesce, WITHOUT_FAULTS } from './explore.ts';
import type { Random } from './random.ts';
import { WithoutClaim } from './without-claim.ts';
import { type Actor, type Circumstances, GRACE_MS, LEASE_MS, SECOND, World } from './world.ts';

/*
 * Crashes at every await. Each operation runs in a deterministic world. Its process crashes before the first request or
 * response, in the next run before the second one, and so on. Then other processes continue.
 */

/** Picks the first item, and ignores probabilities below 1. */
const deterministic: Random = {
  next: () => 0.5,
  below: () => 0,
  chance: (probability) => probability >= 1,
  pick: (items) => items[0] as never,
};

type Call = (ring: KeyRing) => Promise<unknown>;

interface Operation {
  readonly circumstances?: Partial<Circumstances>;
  /** Brings the world into the state before the operation. */
  readonly prepare?: (world: World) => Promise<void>;
  readonly call: Call;
}

const reconcile: Call = (ring) => ring.reconcile();
const rotate: Call = (ring) => ring.rotate();
const withoutStandby = { standby: false };

async function reconciled(world: World): Promise<void> {
  await run(world, 'reconcile', reconcile);
  expect(world.invariants.record?.current).toBeDefined();
}

async function rotated(world: World): Promise<void> {
  await reconciled(world);
  await run(world, 'rotate', rotate);
}

const operations: Record<string, Operation> = {
  'the first reconciliation': { call: reconcile },
  'the first reconciliation without a standby': { circumstances: withoutStandby, call: reconcile },
  'the first reconciliation with a slow activation': {
    circumstances: { activationMs: 5 * SECOND },
    call: reconcile,
  },
  'an idle reconciliation': { prepare: reconciled, call: reconcile },
  'a rotation to the standby': { prepare: reconciled, call: rotate },
  'a rotation without a standby': { prepare: reconciled, circumstances: withoutStandby, call: rotate },
  'a rotation on a server without getSecret()': {
    prepare: reconciled,
    circumstances: { ...withoutStandby, supportsGetSecret: false },
    call: rotate,
  },
  'a second rotation within the grace period': { prepare: rotated, call: rotate },
  'the end of a grace period': {
    prepare: async (world) => {
      await rotated(world);
      await world.advance(GRACE_MS + 20 * SECOND);
    },
    call: reconcile,
  },
  'a reconciliation after the current key was deleted elsewhere': {
    prepare: async (world) => {
      await reconciled(world);
      const id = world.invariants.record?.current?.id ?? '';
      const key = world.keys.get(id);
      if (key) world.deleteExternally(key);
    },
    call: reconcile,
  },
  'a reconciliation after creates whose responses were lost': {
    circumstances: { ...withoutStandby, supportsGetSecret: false },
    prepare: async (world) => {
      world.circumstances = { ...world.circumstances, faults: 1 };
      await run(world, 'reconcile', reconcile);
      world.circumstances = { ...world.circumstances, faults: 0 };
    },
    call: reconcile,
  },
  'a revocation with a standby': { prepare: reconciled, call: (ring) => ring.revoke('current') },
  'a revocation without a standby': {
    prepare: reconciled,
    circumstances: withoutStandby,
    call: (ring) => ring.revoke('current'),
  },
  'a revocation of all keys': { prepare: rotated, call: (ring) => ring.revoke('all') },
  'the first call of a new process': {
    prepare: async (world) => {
      await reconciled(world);
      world.kill(world.actors[0] as Actor);
    },
    call: async (ring) => ring.getKey(),
  },
};

/** Runs a call of the first process until the call ends or the process crashes. */
async function run(world: World, label: string, call: Call): Promise<Actor> {
  const actor = world.actors[0] as Actor;
  world.start(actor, label, (ring) => call(ring));
  while (actor.isAlive && actor.call !== undefined && (await world.step()));
  return actor;
}

/**
 * Runs an operation whose process crashes before one of its steps. If several crashes are given, the next processes
 * reconcile and crash too. Then other processes continue without crashes.
 *
 * @returns The violations, or undefined if the last process completes before it crashes.
 */
async function runWithCrashes(
  { circumstances, prepare, call }: Operation,
  crashesAt: readonly number[],
  protocol?: Protocol,
): Promise<string[] | undefined> {
  const world = new World({ ...WITHOUT_FAULTS, replicas: 1, ...circumstances }, deterministic, protocol);
  await prepare?.(world);
  for (const [index, crashAt] of crashesAt.entries()) {
    // The next process finds an expired lease.
    if (index > 0) await world.advance(2 * LEASE_MS);
    (world.actors[0] as Actor).stepsLeft = crashAt;
    const actor = await run(world, index === 0 ? 'revoke' : 'reconcile', index === 0 ? call : reconcile);
    if (actor.isAlive) return undefined;
  }
  await quiesce(world);
  return world.invariants.violations;
}

/** @param before - Steps at which the earlier processes crash. */
async function crashEverywhere(operation: Operation, protocol?: Protocol, before: readonly number[] = []) {
  const allViolations: string[] = [];
  for (let crashAt = 0; ; crashAt++) {
    const violations = await runWithCrashes(operation, [...before, crashAt], protocol);
    if (violations === undefined) return { points: crashAt, violations: allViolations };
    if (violations.length > 0) allViolations.push(`steps ${[...before, crashAt]}: ${violations[0]}`);
  }
}

describe('a crash at any await', () => {
  it.each(Object.entries(operations))(
    'of %s breaks no invariant',
    { timeout: 600_000 },
    async (_, operation) => {
      const { points, violations } = await crashEverywhere(operation);

      expect(violations).toEqual([]);
      // At least a request and its response.
      expect(points).toBeGreaterThanOrEqual(2);
    },
  );

  it.each([
    'the first reconciliation without a standby',
    'a rotation to the standby',
    'a rotation on a server without getSecret()',
    'a revocation with a standby',
  ])(
    'of %s, followed by a crash of the next process, breaks no invariant',
    { timeout: 600_000 },
    async (name) => {
      const operation = operations[name] as Operation;
      const { points } = await crashEverywhere(operation);
      for (let first = 0; first < points; first++) {
        expect((await crashEverywhere(operation, undefined, [first])).violations).toEqual([]);
      }
    },
  );

  it('breaks an invariant if keys are created without a claim', async () => {
    const operation = { circumstances: withoutStandby, call: reconcile };

    const { violations } = await crashEverywhere(operation, { Reconciliation: WithoutClaim, Revocation });

    expect(violations.join()).toMatch(/older state|I10/);
  });
});
