import { inspect } from 'node:util';
import { ApiKeys, ChatClient, isDrunError } from 'drun-sdk';
import { createEmulator, type EmulatedRequest, seededRandom } from 'drun-sdk/emulator';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { everythingShownOf } from '../support/failures.ts';

/*
 * Sends concurrent calls to an emulator with random faults. Timers are fake, so that delays take no time and calls that
 * hang are detected.
 */

const RUNS = 1000;
const CONCURRENT_RUNS = 50;
const TIMEOUT_MS = 20_000;
const IDLE_TIMEOUT_MS = 5_000;
/** A stream of the emulator has 8 chunks. After the first one, each may be delayed by up to the idle timeout. */
const MAX_CALL_MS = TIMEOUT_MS + 9 * IDLE_TIMEOUT_MS;

interface Outcome {
  readonly call: string;
  readonly durationMs: number;
  readonly value?: unknown;
  readonly error?: unknown;
}

/** Matches full keys, but not masked ones. */
const FULL_KEY = /sk-[\w-]{12}/;

interface Run {
  readonly seed: number;
  readonly token: string;
  readonly requests: Iterable<EmulatedRequest>;
  readonly outcomes: Outcome[];
  readonly done: Promise<void>;
}

const model = 'public/deepseek-r1';
const request = { model, messages: [{ role: 'user', content: 'Hello!' }] } as const;

/** Starts a run in which three users of one account each make four consecutive calls. */
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
    iterate: () => Array.fromAsync(keys.list({ pageSize: 2 })),
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
      outcomes.push({ call: name, durationMs: Date.now() - startedAt, ...outcome });
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

it.each(Array.from({ length: RUNS / CONCURRENT_RUNS }, (_, batch) => batch * CONCURRENT_RUNS))(
  'every call ends with a result or a typed error without credentials: seeds from %d',
  { timeout: 60_000 },
  async (firstSeed) => {
    const runs = Array.from({ length: CONCURRENT_RUNS }, (_, index) => start(firstSeed + index));
    let isDone = false;
    void Promise.all(runs.map(({ done }) => done)).then(() => {
      isDone = true;
    });
    // Each user makes four consecutive calls.
    for (let passedMs = 0; !isDone && passedMs < 4 * MAX_CALL_MS; passedMs += 1_000) {
      await vi.advanceTimersByTimeAsync(1_000);
    }

    for (const { seed, token, requests, outcomes } of runs) {
      const runLabel = `seed ${seed}`;
      expect(outcomes, runLabel).toHaveLength(12);
      for (const { call, durationMs, value, error } of outcomes) {
        const callLabel = `${runLabel}, ${call}`;
        expect(durationMs, callLabel).toBeLessThanOrEqual(MAX_CALL_MS);
        if (error === undefined) expect(value, callLabel).toBeDefined();
        else if (!isDrunError(error)) expect.unreachable(`${callLabel}: ${String(error)}`);
        // Errors must not show credentials even in hidden fields.
        const output = error === undefined ? plainOutputOf(value) : everythingShownOf(error);
        expect(output, callLabel).not.toMatch(FULL_KEY);
        expect(output, callLabel).not.toContain(token);
        if (call === 'text' && error === undefined) expect(value, callLabel).toBe('abcd');
      }
      expect(plainOutputOf([...requests]), runLabel).not.toMatch(FULL_KEY);
    }

    const outcomes = runs.flatMap((run) => run.outcomes);
    const codes = outcomes.flatMap(({ error }) => (isDrunError(error) ? [error.code] : []));
    expect(outcomes.length - codes.length, 'successful calls').toBeGreaterThan(100);
    expect(new Set(codes).size, 'kinds of errors').toBeGreaterThan(4);
  },
);

function plainOutputOf(value: unknown): string {
  return JSON.stringify(value) + inspect(value, { depth: Number.POSITIVE_INFINITY });
}
