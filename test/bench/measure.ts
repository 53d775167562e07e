/** What one run took. */
export interface Sample {
  readonly cpuUs: number;
  readonly wallUs: number;
}

/** Does not collect garbage first: that would also discard optimized code. */
export async function sample(work: () => Promise<void>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallUs = (performance.now() - start) * 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { cpuUs: user + system, wallUs };
}

/**
 * Measures all candidates in every round, in changing order, so that a slow phase of the machine affects all of them.
 * The first round is not counted.
 *
 * @returns One result per round for each candidate.
 */
export async function interleave<T>(
  candidates: ReadonlyMap<string, () => Promise<T>>,
  rounds: number,
): Promise<Map<string, T[]>> {
  const results = new Map([...candidates.keys()].map((name): [string, T[]] => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of shuffled([...candidates])) {
      const result = await measure();
      if (round > 0) results.get(name)?.push(result);
    }
  }
  return results;
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** The median of the ratios to another candidate's values in the same rounds. */
export function ratio(values: readonly number[], baseline: readonly number[]): number {
  return median(values.map((value, round) => value / (baseline[round] ?? Number.NaN)));
}
