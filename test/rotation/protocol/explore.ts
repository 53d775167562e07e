import type { KeyRing } from 'drun-sdk/rotation';
import fc from 'fast-check';
import { courses, Scene } from './commands.ts';

/** How many replicas there are, and whether they keep a standby. */
export interface Setting {
  readonly replicas: number;
  readonly standby: boolean;
}

/** What an exploration came to. */
export interface Exploration {
  /** How many steps it took. */
  readonly steps: number;
  /** The shortest course that breaks an invariant, in words; undefined where none was found. */
  readonly counterexample: string | undefined;
}

/** A process that stands still for a while finds the others far ahead: rarer by chance than in life. */
const pauses = fc
  .array(fc.tuple(fc.nat(150), fc.integer({ min: 5, max: 40 })), { maxLength: 4 })
  .map((pairs) => new Map(pairs));

/** Lets any course of events happen in any order, until so many steps were explored or an invariant breaks. */
export async function explore(
  { replicas, standby }: Setting,
  steps: number,
  makeRing?: typeof KeyRing,
): Promise<Exploration> {
  let explored = 0;
  const property = fc.asyncProperty(
    fc.scheduler(),
    courses,
    fc.record({ canReveal: fc.boolean(), activationLagMs: fc.constantFrom(0, 5_000), pauses }),
    async (scheduler, course, circumstances) => {
      const scene = new Scene(scheduler, { replicas, standby, ...circumstances }, makeRing);
      await fc.scheduledModelRun(scheduler, () => ({ model: {}, real: scene }), course);
      await scheduler.waitFor(scene.settle());
      explored += scene.world.steps;
      const { violations } = scene.world.invariants;
      if (violations.length > 0) throw new Error([...new Set(violations)].join('; '));
    },
  );
  while (explored < steps) {
    const { failed, errorInstance, counterexample } = await fc.check(property, {
      numRuns: 50,
      endOnFailure: false,
    });
    if (failed) return { steps: explored, counterexample: `${errorInstance}\n${counterexample?.[1]}` };
  }
  return { steps: explored, counterexample: undefined };
}
