import type { KeyRing } from 'drun-sdk/rotation';
import type fc from 'fast-check';
import { expect, test } from 'vitest';
import { HandScheduler } from './by-hand.ts';
import { Scene } from './commands.ts';
import type { Actor } from './world.ts';

/*
 * A process is killed at every await of the loop, one after the other: before a request has left, and after it was
 * carried out and before its answer came. Then another one goes on.
 */

const MINUTE = 60_000;

/** From nothing to a ring that has been rotated, and has its next standby. */
async function life(ring: KeyRing, passTime: (ms: number) => void): Promise<void> {
  await ring.reconcile();
  await ring.rotate();
  passTime(2 * MINUTE);
  await ring.reconcile();
}

interface Outcome {
  /** Whether the life was lived to its end. */
  readonly isOver: boolean;
  readonly violations: readonly string[];
  readonly refusals: number;
}

async function livedFor(turns: number, options: { standby: boolean; canReveal: boolean }): Promise<Outcome> {
  const scheduler = new HandScheduler();
  const scene = new Scene(scheduler as unknown as fc.Scheduler, { ...options, maxKeys: 2 });
  const { world } = scene;
  const [first, second] = scene.replicas as [Actor, Actor];
  first.turnsToLive = turns;
  let isOver = false;
  void life(first.ring, (ms) => {
    world.now += ms;
  }).then(() => {
    isOver = true;
  });
  await scheduler.runAll();
  if (isOver) delete first.turnsToLive;
  else scene.crash(0);

  // Whatever the process was in the middle of: who has a key to use goes on using it.
  let refusals = 0;
  if (world.invariants.record?.current !== undefined) {
    const key = world.keyOf(await scheduler.settle(second.ring.getKey()));
    if (key === undefined || !world.accepts(key)) refusals++;
  }
  await scheduler.settle(scene.settle());
  return { isOver, violations: world.invariants.violations, refusals };
}

test.each([
  { standby: true, canReveal: true },
  { standby: true, canReveal: false },
  { standby: false, canReveal: true },
  { standby: false, canReveal: false },
])('whenever a process is killed, nothing is lost: %j', { timeout: 120_000 }, async (options) => {
  const wrong: unknown[] = [];
  let turns = 0;
  for (;;) {
    const { isOver, violations, refusals } = await livedFor(turns, options);
    if (violations.length > 0 || refusals > 0) wrong.push({ turns, violations, refusals });
    if (isOver) break;
    turns++;
  }

  expect(wrong).toEqual([]);
  expect(turns, 'a life has many turns').toBeGreaterThan(40);
});
