/** What one run of some work took. */
export interface Sample {
  /** Time of the process on its processors, in microseconds. */
  readonly cpuUs: number;
  /** Time by the clock, in microseconds. */
  readonly wallUs: number;
}

/**
 * Runs some work and looks what it took. Garbage is not collected before: that would also throw away what the engine has
 * learned of the code.
 */
async function sample(work: () => Promise<void>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallUs = (performance.now() - start) * 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { cpuUs: user + system, wallUs };
}

/**
 * Runs all work in turn, round after round, so that what slows the machine down for a while slows all of it down. Every
 * round has an order of its own: nobody always runs after the same one.
 *
 * @returns the samples of each, in the order of the rounds.
 */
export async function interleave(
  work: ReadonlyMap<string, () => Promise<void>>,
  rounds: number,
): Promise<Map<string, Sample[]>> {
  const samples = new Map([...work.keys()].map((name): [string, Sample[]] => [name, []]));
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of shuffled([...work])) {
      const taken = await sample(run);
      if (round > 0) samples.get(name)?.push(taken);
    }
  }
  return samples;
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** The median of what one took in relation to the other in the same round. */
export function ratio(
  of: readonly Sample[],
  to: readonly Sample[],
  figure: (sample: Sample) => number,
): number {
  return median(of.map((sample, round) => figure(sample) / figure(to[round] as Sample)));
}
