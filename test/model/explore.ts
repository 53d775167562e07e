import type { KeyRing } from 'drun-sdk/rotation';
import type { Protocol } from '../../src/rotation/key-ring.ts';
import { type Random, randomFrom } from './random.ts';
import { type Circumstances, LEASE_MS, SECOND, World } from './world.ts';

export const WITHOUT_FAULTS: Circumstances = {
  replicas: 2,
  standby: true,
  supportsGetSecret: true,
  reconciliations: 0.1,
  faults: 0,
  crashes: 0,
  aborts: 0,
  revocations: 0,
  rotations: 0.02,
  externalDeletions: 0,
  backwardJumps: 0,
  forwardJumps: 0,
  maxJumpMs: 120 * SECOND,
  suspensions: 0,
  stalls: 0,
  slowLists: 0,
  outages: 0,
  touches: 0,
  shortLived: false,
  activationMs: 0,
  clockOffsetsMs: [0],
};

/** Enables faults with probabilities that vary between walks. */
export function randomFaults(random: Random): Circumstances {
  const maybe = (probability: number): number => (random.chance(0.5) ? probability * random.next() * 2 : 0);
  return {
    replicas: 1 + random.below(3),
    standby: random.chance(0.6),
    supportsGetSecret: random.chance(0.5),
    reconciliations: random.pick([0.05, 0.1, 0.5]),
    faults: maybe(0.08),
    crashes: maybe(0.01),
    aborts: maybe(0.01),
    revocations: maybe(0.02),
    rotations: 0.02,
    externalDeletions: maybe(0.003),
    backwardJumps: maybe(0.004),
    forwardJumps: random.chance(0.1) ? 0.004 : 0,
    maxJumpMs: random.pick([120 * SECOND, 86_400 * SECOND]),
    suspensions: maybe(0.01),
    stalls: maybe(0.01),
    slowLists: maybe(0.01),
    outages: maybe(0.003),
    touches: maybe(0.01),
    shortLived: random.chance(0.3),
    activationMs: random.chance(0.3) ? 5 * SECOND : 0,
    clockOffsetsMs: random.pick([[0], [0, 86_400_000], [0, -86_400_000, 400 * 86_400_000]]),
  };
}

/** The result of an exploration. */
export interface Exploration {
  readonly steps: number;
  readonly walks: number;
  /** The first violations and the trace that led to them, or undefined if there were none. */
  readonly counterexample: string | undefined;
}

const STEPS_PER_WALK = 500;

/** Performs random walks until a number of steps is reached or an invariant is violated. */
export async function explore(
  steps: number,
  circumstancesOf: (random: Random) => Circumstances,
  {
    seed = 1,
    protocol,
    onWorld,
  }: { readonly seed?: number; readonly protocol?: Protocol; onWorld?: (w: World) => void } = {},
): Promise<Exploration> {
  let stepsTaken = 0;
  for (let walk = 0; ; walk++) {
    if (stepsTaken >= steps) return { steps: stepsTaken, walks: walk, counterexample: undefined };
    const random = randomFrom(seed * 1_000_003 + walk);
    const world = new World(circumstancesOf(random), random, protocol);
    await runWalk(world);
    onWorld?.(world);
    stepsTaken += world.steps;
    const { violations } = world.invariants;
    if (violations.length > 0) {
      const counterexample = [
        `walk ${walk} of seed ${seed}: ${[...new Set(violations)].slice(0, 5).join('; ')}`,
        JSON.stringify(world.circumstances),
        ...world.trace,
      ].join('\n');
      return { steps: stepsTaken, walks: walk + 1, counterexample };
    }
  }
}

async function runWalk(world: World): Promise<void> {
  world.invariants.checksGracePeriod = world.circumstances.forwardJumps === 0;
  for (let step = 0; step < STEPS_PER_WALK && world.invariants.violations.length === 0; step++) {
    injectEvents(world);
    if (world.random.chance(0.15)) await world.advance(world.random.below(10 * SECOND));
    if (!(await world.step())) await world.advance(world.random.below(40 * SECOND));
  }
  if (world.invariants.violations.length === 0) await quiesce(world);
}

/** Starts random calls and injects random faults. */
function injectEvents(world: World): void {
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
  if (random.chance(circumstances.backwardJumps))
    world.jumpServiceClock(-random.below(circumstances.maxJumpMs));
  if (random.chance(circumstances.forwardJumps))
    world.jumpServiceClock(random.below(circumstances.maxJumpMs));
  if (random.chance(circumstances.outages)) world.breakStore(random.below(90 * SECOND));
  if (random.chance(circumstances.touches)) world.touch();
  if (random.chance(circumstances.externalDeletions)) {
    const { liveKeys } = world.invariants;
    if (liveKeys.length > 0) world.deleteExternally(random.pick(liveKeys));
  }
  if (random.chance(circumstances.suspensions)) {
    world.freeze(actor, random.below(2 * LEASE_MS), random.chance(0.5));
  }
  if (random.chance(circumstances.stalls)) world.freeze(actor, random.below(2 * LEASE_MS), false);
}

/** Gets the key, and reports a rejected one. The reader must not return to an older key. */
async function callService(world: World, ring: KeyRing): Promise<void> {
  const first = await ring.getKey();
  if (world.accepts(world.keyOf(first))) return;
  const { epoch } = ring.status();
  await ring.getKey({ rejected: first });
  if (ring.status().epoch < epoch) world.invariants.report('a reader returned to an older key');
}

/** Ends all faults. Processes that run one reconciliation each must then bring the ring into a clean state. */
export async function quiesce(world: World): Promise<void> {
  const { standby, supportsGetSecret } = world.circumstances;
  world.circumstances = {
    ...WITHOUT_FAULTS,
    standby,
    supportsGetSecret,
    rotations: 0,
    shortLived: true,
  };
  world.breakStore(0);
  for (const actor of world.actors) {
    actor.stepsLeft = Number.POSITIVE_INFINITY;
    actor.frozenUntil = 0;
  }
  for (let run = 0; run < 30; run++) {
    const [actor] = world.actors;
    if (actor) world.start(actor, 'reconcile', (ring, signal) => ring.reconcile({ signal }));
    for (let step = 0; step < 400; step++) if (!(await world.step())) break;
    await world.advance(20 * SECOND);
    if (world.invariants.violations.length > 0) return;
  }
  world.invariants.checkQuiescent();
}
