import {
  createEmulator,
  type EmulatedRequest,
  type Emulator,
  type RandomFaults,
  seededRandom,
} from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { CHAT, chat, control } from '../wire.ts';

const immediately = async (): Promise<void> => {};

/** Sends requests of every kind repeatedly, and ignores failures. */
async function sendRequests(drun: Emulator, rounds: number): Promise<void> {
  const { id, secret } = drun.keys.create({ name: 'checkout' });
  const key = secret.reveal();
  const calls = [
    () => control(drun, 'POST', '/apikeys', { name: 'more' }),
    () => control(drun, 'GET', '/apikeys'),
    () => control(drun, 'DELETE', `/apikeys/${id}`, {}),
    async () => (await chat(drun, key)).text(),
    async () => (await chat(drun, key, { stream: true })).text(),
    () => drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } }),
  ];
  for (let round = 0; round < rounds; round++) {
    for (const call of calls) await call().catch(() => {});
  }
}

const faultsOf = (drun: Emulator): EmulatedRequest['faults'][] =>
  Array.from(drun.requests, ({ faults }) => faults);

async function run(faults: RandomFaults, rounds = 20): Promise<Emulator> {
  const drun = createEmulator({ sleep: immediately, now: () => 0, maxKeys: Number.POSITIVE_INFINITY });
  drun.faults.random(faults);
  await sendRequests(drun, rounds);
  return drun;
}

describe('random faults', () => {
  it('are the same for the same seed and the same requests', async () => {
    const first = faultsOf(await run({ seed: 7, probability: 0.5 }));
    expect(first.filter((faults) => faults !== undefined).length).toBeGreaterThan(30);
    expect(faultsOf(await run({ seed: 7, probability: 0.5 }))).toEqual(first);
    expect(faultsOf(await run({ seed: 8, probability: 0.5 }))).not.toEqual(first);
  });

  it('return their seed', async () => {
    const drun = createEmulator({ sleep: immediately, now: () => 0, maxKeys: Number.POSITIVE_INFINITY });
    const { seed } = drun.faults.random({ probability: 0.5 });
    await sendRequests(drun, 10);
    expect(faultsOf(await run({ seed, probability: 0.5 }, 10))).toEqual(faultsOf(drun));
  });

  it('apply to 10% of the requests by default', async () => {
    const faults = faultsOf(await run({ seed: 1 }, 150));
    const ratio = faults.filter((names) => names !== undefined).length / faults.length;
    expect(ratio).toBeGreaterThan(0.06);
    expect(ratio).toBeLessThan(0.14);
  });

  it('are of every kind, and apply only to operations that support the kind', async () => {
    const drun = await run({ seed: 3, probability: 1 }, 240);
    const seen = new Map<string, Set<string>>();
    for (const { operation = '', faults = [] } of drun.requests) {
      for (const name of faults) seen.set(name, (seen.get(name) ?? new Set()).add(operation));
    }
    const names = [...seen.keys()];
    expect(names).toHaveLength(21);
    expect(names).toEqual(expect.arrayContaining(['crlf', 'comments', 'writeBytes', 'stallAfterChunks']));
    expect(seen.get('acceptedAfterMs')).toEqual(new Set(['create']));
    expect(seen.get('acceptedForMs')).toEqual(new Set(['delete']));
    expect(seen.get('omitDone')).toEqual(new Set(['chat']));
  });

  it('apply to matching requests only, from the nth on', async () => {
    const drun = await run({ seed: 3, probability: 1, plane: 'data', nth: 4 }, 2);
    const matches = Array.from(drun.requests, ({ plane, faults }) => [plane, faults !== undefined]);
    expect(matches.filter(([plane]) => plane === 'control').every(([, isMatched]) => !isMatched)).toBe(true);
    expect(matches.filter(([plane]) => plane === 'data').map(([, isMatched]) => isMatched)).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
    ]);
  });

  it('delay for at most `maxDelayMs`', async () => {
    const waits: number[] = [];
    const drun = createEmulator({ sleep: async (milliseconds) => void waits.push(milliseconds) });
    const faults = drun.faults.random({ seed: 5, probability: 1, maxDelayMs: 50 });
    await sendRequests(drun, 10);
    expect(faults.hits).toBe(60);
    expect(Math.max(...waits)).toBeLessThan(50);
    expect(Math.max(...waits)).toBeGreaterThan(30);
  });
});

describe('seededRandom', () => {
  it('returns the same, evenly distributed numbers from 0 to below 1 for the same seed', () => {
    for (const seed of [0, 1, -1, 2 ** 31, 0.5, 123456789]) {
      const [a, b] = [seededRandom(seed), seededRandom(seed)];
      const numbers = Array.from({ length: 2000 }, () => a());
      expect(Array.from({ length: 2000 }, () => b())).toEqual(numbers);
      expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
      const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    }
  });

  it('returns unrelated numbers for adjacent seeds', () => {
    const firsts = Array.from({ length: 200 }, (_, seed) => seededRandom(seed)());
    expect(new Set(firsts).size).toBe(200);
    const below = firsts.filter((number) => number < 0.5).length;
    expect(below).toBeGreaterThan(70);
    expect(below).toBeLessThan(130);
  });

  it('makes a run repeatable', async () => {
    const run = async (): Promise<unknown> => {
      const drun = createEmulator({ random: seededRandom(7), now: () => 0 });
      const { body } = await control(drun, 'POST', '/apikeys', { name: 'checkout' });
      return [drun.accessToken.reveal(), body];
    };
    expect(await run()).toEqual(await run());
  });
});
