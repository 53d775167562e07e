import type { KeyStore, StoredRecord, SwapResult } from 'drun-sdk/rotation';
import fc from 'fast-check';

/** What one client does next. */
export interface Step {
  readonly action: 'get' | 'swap';
  /** The version that a swap expects: the last or the first that this client has seen, or none. */
  readonly expects: 'latest' | 'first' | 'nothing';
  /** There are only two values, so that records come back to one that they had before. */
  readonly value: 'a' | 'b';
}

/** A call and what it answered, with its place in the order of all calls and answers. */
export type Event = {
  readonly calledAt: number;
  readonly answeredAt: number;
} & (
  | { readonly action: 'get'; readonly answer: StoredRecord | null }
  | {
      readonly action: 'swap';
      readonly expected: string | null;
      readonly value: string;
      readonly answer: SwapResult;
    }
);

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.constantFrom('get', 'swap', 'swap'),
  expects: fc.constantFrom('latest', 'latest', 'latest', 'first', 'nothing'),
  value: fc.constantFrom('a', 'b'),
});

/** What each of a few clients does, one step after the other. */
export function programs(clients: number): fc.Arbitrary<Step[][]> {
  return fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: clients, maxLength: clients });
}

/** Runs one program per store, all at the same time on the same ring, and says what was called and answered when. */
export async function runTogether(
  stores: readonly KeyStore[],
  ring: string,
  steps: readonly (readonly Step[])[],
): Promise<Event[]> {
  const events: Event[] = [];
  let clock = 0;
  await Promise.all(
    steps.map(async (program, client) => {
      const store = stores[client] as KeyStore;
      const seen: string[] = [];
      for (const { action, expects, value } of program) {
        const calledAt = clock++;
        if (action === 'get') {
          const answer = await store.get(ring);
          events.push({ action, answer, calledAt, answeredAt: clock++ });
          if (answer) seen.push(answer.version);
        } else {
          const expected = { latest: seen.at(-1), first: seen[0], nothing: null }[expects] ?? null;
          const answer = await store.compareAndSwap(ring, expected, value);
          events.push({ action, expected, value, answer, calledAt, answeredAt: clock++ });
          if (answer.ok) seen.push(answer.version);
        }
      }
    }),
  );
  return events;
}

/**
 * Whether there is an order of the calls, each at some moment between its call and its answer, in which a single
 * record that is read and swapped by one client at a time gives these very answers.
 */
export function isLinearizable(events: readonly Event[]): boolean {
  const deadEnds = new Set<string>();

  const canFinish = (left: readonly Event[], record: StoredRecord | null): boolean => {
    if (left.length === 0) return true;
    const position = `${left.map(({ calledAt }) => calledAt)}/${record?.version}`;
    if (deadEnds.has(position)) return false;
    // The next one cannot have been called after another one had been answered already.
    const firstAnswer = Math.min(...left.map(({ answeredAt }) => answeredAt));
    const found = left.some((event) => {
      if (event.calledAt > firstAnswer) return false;
      const next = after(record, event);
      return (
        next !== undefined &&
        canFinish(
          left.filter((other) => other !== event),
          next,
        )
      );
    });
    if (!found) deadEnds.add(position);
    return found;
  };
  return canFinish(events, null);
}

/** The record after a call, or undefined where the call cannot have been answered so. */
function after(record: StoredRecord | null, event: Event): StoredRecord | null | undefined {
  if (event.action === 'get') {
    const isSame = record?.version === event.answer?.version && record?.value === event.answer?.value;
    return isSame ? record : undefined;
  }
  const { expected, value, answer } = event;
  const isExpected = expected === (record?.version ?? null);
  if (isExpected !== answer.ok) return undefined;
  return answer.ok ? { value, version: answer.version } : record;
}
