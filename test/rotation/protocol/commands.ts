import { isDrunError } from 'drun-sdk/errors';
import { KeyRing } from 'drun-sdk/rotation';
import type { Secret } from 'drun-sdk/secret';
import fc from 'fast-check';
import { type Actor, type Fault, World, type WorldOptions } from './world.ts';

/*
 * What people, processes and bad luck do to a ring, in any order and at any time.
 */

const SECOND = 1_000;

/** A ring in a world, with its processes. */
export class Scene {
  readonly world: World;
  readonly replicas: Actor[];
  readonly #makeRing: typeof KeyRing;
  readonly #ringOptions: { readonly standby: boolean };
  /** What is under way, by whom. */
  readonly #running: { readonly actor: Actor; readonly ended: Promise<unknown> }[] = [];
  #names = 0;
  #seed = 1;

  constructor(
    scheduler: fc.Scheduler,
    options: WorldOptions & { readonly replicas?: number; readonly standby?: boolean } = {},
    /** The class under test; a broken one, where a test wants to see it found out. */
    makeRing: typeof KeyRing = KeyRing,
  ) {
    this.world = new World(scheduler, options);
    this.#makeRing = makeRing;
    this.#ringOptions = { standby: options.standby ?? true };
    this.replicas = Array.from({ length: options.replicas ?? 2 }, () => this.#spawn());
  }

  replica(index: number): Actor {
    return this.replicas[index % this.replicas.length] as Actor;
  }

  /** Begins something that goes on beside everything else. */
  begin(actor: Actor, work: (ring: KeyRing, actor: Actor) => Promise<unknown>): void {
    const ended = work(actor.ring, actor).catch((error: unknown) => {
      if (!isDrunError(error))
        this.world.invariants.violations.push(`not an error of this package: ${error}`);
    });
    this.#running.push({ actor, ended });
  }

  /** Kills a process, and starts another one in its place. */
  crash(index: number): void {
    const actor = this.replica(index);
    actor.isAlive = false;
    this.replicas[this.replicas.indexOf(actor)] = this.#spawn();
  }

  /** Lets everything that lives come to its end, with no more faults, and then runs passes until nothing is left to do. */
  async settle(): Promise<void> {
    const { world } = this;
    world.faults.length = 0;
    await Promise.all(this.#running.filter(({ actor }) => actor.isAlive).map(({ ended }) => ended));
    await world.settle();
    world.deleteForeign();
    const { ring } = this.replica(0);
    // Leases and graces may be in the way: a few passes, with the time in between.
    for (let pass = 0; pass < 12; pass++) {
      world.now += 200 * SECOND;
      await ring.reconcile().catch(() => {});
    }
    world.invariants.checkSettled();
  }

  #spawn(): Actor {
    const { world } = this;
    const actor = { name: `replica ${++this.#names}`, isAlive: true } as {
      -readonly [Field in keyof Actor]: Actor[Field];
    };
    const clock = world.clockFor(actor);
    actor.ring = new this.#makeRing({
      name: 'checkout',
      manager: world.managerFor(actor),
      verifier: world.verifierFor(actor),
      store: world.storeFor(actor),
      encryptionKey: World.encryptionKey,
      ...this.#ringOptions,
      gracePeriodMs: 60 * SECOND,
      leaseMs: 120 * SECOND,
      createTimeoutMs: 30 * SECOND,
      activationTimeoutMs: 60 * SECOND,
      clock,
      random: () => {
        this.#seed = (this.#seed * 48_271) % 2_147_483_647;
        return this.#seed / 2_147_483_647;
      },
    });
    return actor;
  }
}

type Model = Record<string, never>;
type Step = fc.AsyncCommand<Model, Scene>;

/** A command that may always run. */
function step(label: string, act: (scene: Scene) => void | Promise<void>): Step {
  return {
    check: () => true,
    run: async (_, scene) => act(scene),
    toString: () => label,
  };
}

const reconcile = (replica: number): Step =>
  step(`reconcile by ${replica}`, (scene) => scene.begin(scene.replica(replica), (ring) => ring.reconcile()));

const rotate = (replica: number): Step =>
  step(`rotate by ${replica}`, (scene) => scene.begin(scene.replica(replica), (ring) => ring.rotate()));

const revoke = ([replica, target]: [number, string]): Step =>
  step(`revoke ${target} by ${replica}`, (scene) =>
    scene.begin(scene.replica(replica), (ring, actor) => {
      actor.isRevoking = true;
      return ring.revoke(target);
    }),
  );

const crash = (replica: number): Step => step(`crash of ${replica}`, (scene) => scene.crash(replica));

const fault = (fault: Fault): Step => step(`fault: ${fault}`, ({ world }) => void world.faults.push(fault));

const pass = (ms: number): Step =>
  step(`${ms} ms pass`, ({ world }) => {
    world.now += ms;
  });

const foreign = (): Step => step('a foreign create', ({ world }) => world.createForeign('somebody else'));

const deleteByHand = (which: 'current' | 'standby' | 'previous'): Step =>
  step(`${which} is deleted by hand`, ({ world }) => {
    const id = world.invariants.record?.[which]?.id;
    if (id !== undefined) world.deleteByHand(id);
  });

/** A call, as a client makes it: with the key that the ring gives, and, where that is rejected, once more. */
const call = (replica: number): Step =>
  step(`a call by ${replica}`, (scene) =>
    scene.begin(scene.replica(replica), (ring) => callOnce(scene, ring)),
  );

async function callOnce({ world }: Scene, ring: KeyRing): Promise<void> {
  const isAccepted = (secret: Secret): boolean => {
    const key = world.keyOf(secret);
    return key !== undefined && world.accepts(key);
  };
  const first = await ring.getKey();
  if (isAccepted(first)) return;
  const { epoch } = ring.status();
  await ring.getKey({ rejected: first });
  // A reader never goes back, whatever the store answers.
  if (ring.status().epoch < epoch) world.invariants.violations.push('a reader went back to an older key');
}

const FAULTS: Fault[] = [
  'create lost',
  'create unanswered',
  'create late',
  'swap unanswered',
  'swap lost',
  'read lost',
  'list lost',
  'delete unanswered',
];

const replica = fc.nat(2);

/** Any course of events. */
export const courses: fc.Arbitrary<Iterable<Step>> = fc.commands(
  [
    replica.map(reconcile),
    replica.map(reconcile),
    replica.map(rotate),
    fc.tuple(replica, fc.constantFrom('current', 'all')).map(revoke),
    replica.map(crash),
    replica.map(call),
    fc.constantFrom(...FAULTS).map(fault),
    fc.constantFrom(1_000, 61_000, 121_000).map(pass),
    fc.constant(null).map(foreign),
    fc.constantFrom('current' as const, 'standby' as const, 'previous' as const).map(deleteByHand),
  ],
  { maxCommands: 60, size: 'max' },
);
