import { inspect } from 'node:util';
import { ApiKeys, ChatClient, isDrunError } from 'drun-sdk';
import { createEmulator, type EmulatedRequest, seededRandom } from 'drun-sdk/emulator';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';

/*
 * Everything that can go wrong, at random, under a load of calls at once. Time is virtual: a run that waits for
 * minutes takes milliseconds, and one that hangs is found out.
 */

const RUNS = 1000;
const RUNS_AT_ONCE = 50;
const TIMEOUT_MS = 20_000;
const IDLE_TIMEOUT_MS = 5_000;
/** A stream of the emulator's has 8 chunks, each of which may take its time after the first one has come. */
const LONGEST_CALL_MS = TIMEOUT_MS + 9 * IDLE_TIMEOUT_MS;

interface Outcome {
  readonly call: string;
  readonly tookMs: number;
  readonly value?: unknown;
  readonly error?: unknown;
}

/** Something that looks like a key in clear. Masked ones have asterisks. */
const KEY_IN_CLEAR = /sk-[\w-]{12}/;

interface Run {
  readonly seed: number;
  readonly token: string;
  readonly requests: Iterable<EmulatedRequest>;
  readonly outcomes: Outcome[];
  readonly done: Promise<void>;
}

const model = 'public/deepseek-r1';
const request = { model, messages: [{ role: 'user', content: 'Hello!' }] } as const;

/** Three users of one account, each with a handful of calls one after the other. */
function start(seed: number): Run {
  const random = seededRandom(seed);
  const drun = createEmulator({ random: seededRandom(seed), reply: 'abcd', maxKeys: 4 });
  drun.faults.random({ seed, probability: 0.35, maxDelayMs: 30_000 });
  const { secret } = drun.keys.create({ name: 'first' });
  const service = { baseUrl: 'https://drun.test', fetch: drun.fetch, timeoutMs: TIMEOUT_MS };
  const keys = new ApiKeys({ ...service, accessToken: drun.accessToken });
  const chat = new ChatClient({ ...service, apiKey: secret, idleTimeoutMs: IDLE_TIMEOUT_MS });

  const calls: Record<string, () => PromiseLike<unknown>> = {
    create: () => keys.create({ name: `key ${random()}` }),
    list: () => keys.list(),
    walk: () => Array.fromAsync(keys.list({ pageSize: 2 })),
    delete: async () => keys.delete([...drun.keys].at(-1)?.id ?? 'none'),
    canCreate: () => keys.canCreate(),
    complete: () => chat.complete(request),
    text: async () => (await Array.fromAsync(chat.stream(request).textStream)).join(''),
    completion: () => chat.stream(request).completion(),
    models: () => chat.models(),
    checkKey: () => chat.checkKey(),
  };
  const names = Object.keys(calls);
  const outcomes: Outcome[] = [];
  const user = async (): Promise<void> => {
    for (let count = 0; count < 4; count++) {
      const name = names[Math.floor(random() * names.length)] ?? '';
      const startedAt = Date.now();
      const outcome = await Promise.resolve(calls[name]?.()).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      outcomes.push({ call: name, tookMs: Date.now() - startedAt, ...outcome });
    }
  };
  const done = Promise.all([user(), user(), user()]).then(() => {});
  return { seed, token: drun.accessToken.reveal(), requests: drun.requests, outcomes, done };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it.each(Array.from({ length: RUNS / RUNS_AT_ONCE }, (_, batch) => batch * RUNS_AT_ONCE))(
  'every call ends with a result or a typed error without credentials: seeds from %d',
  { timeout: 60_000 },
  async (firstSeed) => {
    const runs = Array.from({ length: RUNS_AT_ONCE }, (_, index) => start(firstSeed + index));
    let areDone = false;
    void Promise.all(runs.map(({ done }) => done)).then(() => {
      areDone = true;
    });
    // Each of three users makes four calls one after the other.
    for (let passedMs = 0; !areDone && passedMs < 4 * LONGEST_CALL_MS; passedMs += 1_000) {
      await vi.advanceTimersByTimeAsync(1_000);
    }

    for (const { seed, token, requests, outcomes } of runs) {
      const where = `seed ${seed}`;
      expect(outcomes, where).toHaveLength(12);
      for (const { call, tookMs, value, error } of outcomes) {
        const what = `${where}, ${call}`;
        expect(tookMs, what).toBeLessThanOrEqual(LONGEST_CALL_MS);
        if (error === undefined) expect(value, what).toBeDefined();
        else if (!isDrunError(error)) expect.unreachable(`${what}: ${String(error)}`);
        // Errors are looked at from all sides, hidden fields included.
        const shown = error === undefined ? plainlyShownOf(value) : everythingShownOf(error);
        expect(shown, what).not.toMatch(KEY_IN_CLEAR);
        expect(shown, what).not.toContain(token);
        if (call === 'text' && error === undefined) expect(value, what).toBe('abcd');
      }
      expect(plainlyShownOf([...requests]), where).not.toMatch(KEY_IN_CLEAR);
    }

    const outcomes = runs.flatMap((run) => run.outcomes);
    const codes = outcomes.flatMap(({ error }) => (isDrunError(error) ? [error.code] : []));
    expect(outcomes.length - codes.length, 'answers').toBeGreaterThan(100);
    expect(new Set(codes).size, 'kinds of errors').toBeGreaterThan(4);
  },
);

function plainlyShownOf(value: unknown): string {
  return JSON.stringify(value) + inspect(value, { depth: Number.POSITIVE_INFINITY });
}
