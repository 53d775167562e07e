import { expect, it } from 'vitest';
import { explore, randomFaults } from './explore.ts';

/** CI sets `DRUN_STEPS=1000000`. */
const STEPS = Number(process.env.DRUN_STEPS ?? 60_000);

it('violates no invariant under any failure', { timeout: 3_600_000 }, async () => {
  const { steps, counterexample } = await explore(STEPS, randomFaults);

  expect(counterexample).toBeUndefined();
  expect(steps).toBeGreaterThanOrEqual(STEPS);
});
