import type { KeyRing } from 'drun-sdk/rotation';
import type { Protocol } from '../../src/rotation/key-ring.ts';
import { type Random, randomFrom } from './random.ts';
import { type Circumstances, LEASE_MS, SECOND, World } from './world.ts';

/** Nothing goes wrong. */
export const CALM: Circumstances = {
  replicas: 2,
  standby: true,
  canShow: true,
  reconciliations: 0.1,
  faults: 0,
  crashes: 0,
  aborts: 0,
  revocations: 0,
  rotations: 0.02,
  foreignDeletions: 0,
  jumpsBack: 0,
  jumpsForward: 0,
  jumpMs: 120 * SECOND,
  suspensions: 0,
  stalls: 0,
  slowLists: 0,
  outages: 0,
  touches: 0,
  shortLived: false,
  activationMs: 0,
  skewsMs: [0],
};

/** Everything goes wrong, in proportions that vary from walk to walk. */
export function stormy(random: Random): Circumstances {
  const maybe = (probability: number): number => (random.chance(0.5) ? probability * random.next() * 2 : 0);
  return {
    replicas: 1 + random.below(3),
    standby: random.chance(0.6),
    canShow: random.chance(0.5),
    reconciliations: random.pick([0.05, 0.1, 0.5]),
    faults: maybe(0.08),
    crashes: maybe(0.01),
    aborts: maybe(0.01),
    revocations: maybe(0.02),
    rotations: 0.02,
    foreignDeletions: maybe(0.003),
    jumpsBack: maybe(0.004),
    jumpsForward: random.chance(0.1) ? 0.004 : 0,
    jumpMs: random.pick([120 * SECOND, 86_400 * SECOND]),
    suspensions: maybe(0.01),
    stalls: maybe(0.01),
    slowLists: maybe(0.01),
    outages: maybe(0.003),
    touches: maybe(0.01),
    shortLived: random.chance(0.3),
    activationMs: random.chance(0.3) ? 5 * SECOND : 0,
    skewsMs: random.pick([[0], [0, 86_400_000], [0, -86_400_000, 400 * 86_400_000]]),
  };
}

/** How an exploration ended. */
export interface Exploration {
  readonly steps: number;
  readonly walks: number;
  /** The violations of the first walk that found any, and what had happened; undefined if there were none. */
  readonly counterexample: string | undefined;
}

const STEPS_PER_WALK = 500;

/** Takes random walks until a number of steps is reached or an invariant is violated. */
export async function explore(
  steps: number,
  circumstancesOf: (random: Random) => Circumstances,
  {
    seed = 1,
    protocol,
    onWorld,
  }: { readonly seed?: number; readonly protocol?: Protocol; onWorld?: (w: World) => void } = {},
): Promise<Exploration> {
  let taken = 0;
  for (let walk = 0; ; walk++) {
    if (taken >= steps) return { steps: taken, walks: walk, counterexample: undefined };
    const random = randomFrom(seed * 1_000_003 + walk);
    const world = new World(circumstancesOf(random), random, protocol);
    await walkThrough(world);
    onWorld?.(world);
    taken += world.steps;
    const { violations } = world.invariants;
    if (violations.length > 0) {
      const counterexample = [
        `walk ${walk} of seed ${seed}: ${[...new Set(violations)].slice(0, 5).join('; ')}`,
        JSON.stringify(world.circumstances),
        ...world.trace,
      ].join('\n');
      return { steps: taken, walks: walk + 1, counterexample };
    }
  }
}

async function walkThrough(world: World): Promise<void> {
  world.invariants.checksGrace = world.circumstances.jumpsForward === 0;
  for (let step = 0; step < STEPS_PER_WALK && world.invariants.violations.length === 0; step++) {
    disturb(world);
    if (world.random.chance(0.15)) await world.pass(world.random.below(10 * SECOND));
    if (!(await world.step())) await world.pass(world.random.below(40 * SECOND));
  }
  if (world.invariants.violations.length === 0) await settle(world);
}

/** What people, processes and bad luck do. */
function disturb(world: World): void {
  const { random, actors, circumstances } = world;
  const actor = random.pick(actors);
  const { record } = world.invariants;
  if (random.chance(circumstances.reconciliations))
    world.start(actor, 'reconcile', (ring, signal) => ring.reconcile({ signal }));
  if (random.chance(circumstances.rotations)) {
    world.start(actor, 'rotate', (ring, signal) => ring.rotate({ signal }));
  }
  if (random.chance(circumstances.rotations)) {
    world.start(actor, 'call', (ring) => callService(world, ring));
  }
  if (random.chance(circumstances.revocations)) {
    const target = random.pick(['current', 'current', 'all', record?.standby?.id ?? 'current']);
    world.start(actor, `revoke ${target}`, (ring, signal) => ring.revoke(target, { signal }));
  }
  if (random.chance(circumstances.crashes)) actor.stepsLeft = random.below(12);
  if (random.chance(circumstances.aborts)) actor.call?.abort.abort(new Error('aborted'));
  if (random.chance(circumstances.jumpsBack)) world.jumpServiceClock(-random.below(circumstances.jumpMs));
  if (random.chance(circumstances.jumpsForward)) world.jumpServiceClock(random.below(circumstances.jumpMs));
  if (random.chance(circumstances.outages)) world.breakStore(random.below(90 * SECOND));
  if (random.chance(circumstances.touches)) world.touch();
  if (random.chance(circumstances.foreignDeletions)) {
    const { living } = world.invariants;
    if (living.length > 0) world.deleteForeign(random.pick(living));
  }
  if (random.chance(circumstances.suspensions)) {
    world.freeze(actor, random.below(2 * LEASE_MS), random.chance(0.5));
  }
  if (random.chance(circumstances.stalls)) world.freeze(actor, random.below(2 * LEASE_MS), false);
}

/** A reader never returns to an older key. */
async function callService(world: World, ring: KeyRing): Promise<void> {
  const first = await ring.getKey();
  if (world.accepts(world.keyOf(first))) return;
  const { epoch } = ring.status();
  await ring.getKey({ rejected: first });
  if (ring.status().epoch < epoch) world.invariants.report('a reader returned to an older key');
}

/** Ends all faults; then processes that live for one reconciliation must bring the ring into a clean state. */
export async function settle(world: World): Promise<void> {
  const { standby, canShow } = world.circumstances;
  world.circumstances = { ...CALM, standby, canShow, rotations: 0, shortLived: true };
  world.breakStore(0);
  for (const actor of world.actors) {
    actor.stepsLeft = Number.POSITIVE_INFINITY;
    actor.frozenUntil = 0;
  }
  for (let run = 0; run < 30; run++) {
    const [actor] = world.actors;
    if (actor) world.start(actor, 'reconcile', (ring, signal) => ring.reconcile({ signal }));
    for (let step = 0; step < 400; step++) if (!(await world.step())) break;
    await world.pass(20 * SECOND);
    if (world.invariants.violations.length > 0) return;
  }
  world.invariants.checkSettled();
}
