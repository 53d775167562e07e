import type { KeyStore, StoredRecord, SwapResult } from 'drun-sdk/rotation';
import fc from 'fast-check';

/** A step of a client's program. */
export interface Step {
  readonly action: 'get' | 'update';
  /** The version that an update expects: the latest or the first one that this client has read, or none. */
  readonly expects: 'latest' | 'first' | 'nothing';
  /** With only two values, records often return to an earlier value. */
  readonly value: 'a' | 'b';
}

/** A call with its result, and with logical times of its start and its return. */
export type Event = {
  readonly calledAt: number;
  readonly returnedAt: number;
} & (
  | { readonly action: 'get'; readonly result: StoredRecord | null }
  | {
      readonly action: 'update';
      readonly expected: string | null;
      readonly value: string;
      readonly result: SwapResult;
    }
);

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.constantFrom('get', 'update', 'update'),
  expects: fc.constantFrom('latest', 'latest', 'latest', 'first', 'nothing'),
  value: fc.constantFrom('a', 'b'),
});

/** Generates a sequence of steps for each client. */
export function programs(clients: number): fc.Arbitrary<Step[][]> {
  return fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: clients, maxLength: clients });
}

/** Runs one program per store concurrently on the same ring. Returns the calls. */
export async function runConcurrently(
  stores: readonly KeyStore[],
  ring: string,
  steps: readonly (readonly Step[])[],
): Promise<Event[]> {
  const events: Event[] = [];
  let clock = 0;
  await Promise.all(
    steps.map(async (program, client) => {
      const store = stores[client] as KeyStore;
      const versions: string[] = [];
      for (const { action, expects, value } of program) {
        const calledAt = clock++;
        if (action === 'get') {
          const result = await store.get(ring);
          events.push({ action, result, calledAt, returnedAt: clock++ });
          if (result) versions.push(result.version);
        } else {
          const expected = { latest: versions.at(-1), first: versions[0], nothing: null }[expects] ?? null;
          const result = await store.compareAndSwap(ring, expected, value);
          events.push({ action, expected, value, result, calledAt, returnedAt: clock++ });
          if (result.ok) versions.push(result.version);
        }
      }
    }),
  );
  return events;
}

/**
 * Returns whether the calls are linearizable: some sequential order, in which each call takes effect between its start and
 * its return, explains all results.
 */
export function isLinearizable(events: readonly Event[]): boolean {
  const deadEnds = new Set<string>();

  const canFinish = (remaining: readonly Event[], record: StoredRecord | null): boolean => {
    if (remaining.length === 0) return true;
    const state = `${remaining.map(({ calledAt }) => calledAt)}/${record?.version}`;
    if (deadEnds.has(state)) return false;
    // The next call in the order must have started before any of the others returned.
    const firstReturn = Math.min(...remaining.map(({ returnedAt }) => returnedAt));
    const found = remaining.some((event) => {
      if (event.calledAt > firstReturn) return false;
      const next = apply(record, event);
      return (
        next !== undefined &&
        canFinish(
          remaining.filter((other) => other !== event),
          next,
        )
      );
    });
    if (!found) deadEnds.add(state);
    return found;
  };
  return canFinish(events, null);
}

/** Returns the record after a call, or `undefined` if the call cannot have this result. */
function apply(record: StoredRecord | null, event: Event): StoredRecord | null | undefined {
  if (event.action === 'get') {
    const isSame = record?.version === event.result?.version && record?.value === event.result?.value;
    return isSame ? record : undefined;
  }
  const { expected, value, result } = event;
  const isExpected = expected === (record?.version ?? null);
  if (isExpected !== result.ok) return undefined;
  return result.ok ? { value, version: result.version } : record;
}
