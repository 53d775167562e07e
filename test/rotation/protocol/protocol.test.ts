import { expect, test } from 'vitest';
import { explore } from './explore.ts';

/** How many steps are explored in all: a million with `DRUN_STEPS=1000000 npx vitest run …`, as the docs say. */
const STEPS = Number(process.env.DRUN_STEPS ?? 120_000);

const settings = [
  { replicas: 1, standby: true },
  { replicas: 2, standby: true },
  { replicas: 3, standby: true },
  { replicas: 2, standby: false },
  { replicas: 3, standby: false },
];

test.each(settings)(
  'the invariants hold for $replicas replicas, with standby: $standby',
  { timeout: 3_600_000 },
  async (setting) => {
    const { steps, counterexample } = await explore(setting, STEPS / settings.length);

    expect(counterexample).toBeUndefined();
    expect(steps).toBeGreaterThanOrEqual(STEPS / settings.length);
  },
);
