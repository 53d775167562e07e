import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { Account } from '../../src/emulator/account.ts';
import { chat, control, createKey } from './wire.ts';

interface Report {
  readonly totalUsage?: Record<string, string>;
  readonly dataPoints?: readonly Record<string, unknown>[];
}

/** Creates an emulator and makes calls at the given times. Each call uses 4 + 1 tokens. */
function clocked(): { drun: Emulator; at: (time: string) => void } {
  let now = Date.parse('2026-01-01T00:00:00Z');
  const drun = createEmulator({ now: () => now, reply: 'four', maxKeys: 10 });
  return {
    drun,
    at: (time) => {
      now = Date.parse(time);
    },
  };
}

const usage = async (drun: Emulator, query: object = {}, scope = ''): Promise<Report> =>
  (await control<Report>(drun, 'POST', `${scope}/apikeys-stats`, query)).body;

describe('usage', () => {
  it('is empty initially', async () => {
    const { drun } = clocked();
    expect(await usage(drun)).toEqual({ totalUsage: {} });
  });

  it('is reported by day and model, with counts as strings and without zeros', async () => {
    const { drun, at } = clocked();
    const { key } = await createKey(drun);
    at('2026-01-01T10:00:00Z');
    await chat(drun, key);
    at('2026-01-01T23:59:59.999Z');
    await chat(drun, key);
    at('2026-01-02T00:00:00Z');
    await chat(drun, key, { model: 'u-8105f7322477/test' });
    await chat(drun, key);
    const point = (timestamp: string, model: string, calls: number): object => ({
      timestamp,
      model,
      modelType: 'TEXT_GENERATION',
      usage: { input: String(4 * calls), output: String(calls), total: String(5 * calls) },
    });
    expect(await usage(drun)).toEqual({
      totalUsage: { input: '16', output: '4', total: '20' },
      dataPoints: [
        point('2026-01-01T00:00:00Z', 'public/deepseek-r1', 2),
        point('2026-01-02T00:00:00Z', 'public/deepseek-r1', 1),
        point('2026-01-02T00:00:00Z', 'u-8105f7322477/test', 1),
      ],
    });
  });

  it.each([
    ['TIME_PERIOD_HOUR', '2026-03-18T15:00:00Z'],
    ['TIME_PERIOD_DAY', '2026-03-18T00:00:00Z'],
    ['TIME_PERIOD_UNSPECIFIED', '2026-03-18T00:00:00Z'],
    ['TIME_PERIOD_WEEK', '2026-03-16T00:00:00Z'],
    ['TIME_PERIOD_MONTH', '2026-03-01T00:00:00Z'],
  ])('by %s starts at %s for a Wednesday afternoon', async (period, timestamp) => {
    const { drun, at } = clocked();
    const { key } = await createKey(drun);
    at('2026-03-18T15:42:10.500Z');
    await chat(drun, key);
    expect((await usage(drun, { period })).dataPoints).toMatchObject([{ timestamp }]);
  });

  it('assigns a Sunday to the week that started on Monday', async () => {
    const { drun, at } = clocked();
    const { key } = await createKey(drun);
    at('2026-03-22T23:00:00Z');
    await chat(drun, key);
    const { dataPoints } = await usage(drun, { period: 'TIME_PERIOD_WEEK' });
    expect(dataPoints).toMatchObject([{ timestamp: '2026-03-16T00:00:00Z' }]);
  });

  it('is limited by time, including the start and excluding the end', async () => {
    const { drun, at } = clocked();
    const { key } = await createKey(drun);
    for (const time of ['2026-01-01T08:00:00Z', '2026-01-01T09:00:00Z', '2026-01-01T10:00:00Z']) {
      at(time);
      await chat(drun, key);
    }
    const { totalUsage } = await usage(drun, {
      startTime: '2026-01-01T17:00:00+08:00',
      endTime: '2026-01-01T10:00:00Z',
    });
    expect(totalUsage).toMatchObject({ total: '5' });
  });

  it('is limited by key and model, for POST and GET', async () => {
    const { drun } = clocked();
    const first = await createKey(drun);
    const second = await createKey(drun);
    await chat(drun, first.key);
    await chat(drun, second.key);
    await chat(drun, second.key, { model: 'u-8105f7322477/test' });
    expect((await usage(drun, { ids: [second.id] })).totalUsage).toMatchObject({ total: '10' });
    expect((await usage(drun, { models: ['u-8105f7322477/test'] })).totalUsage).toMatchObject({ total: '5' });
    const query = `ids=${first.id}&ids=${second.id}&models=public%2Fdeepseek-r1&period=TIME_PERIOD_HOUR`;
    const response = await control<Report>(drun, 'GET', `/apikeys-stats?${query}`);
    expect(response.body.totalUsage).toMatchObject({ total: '10' });
  });

  it('remains when a key is deleted, and is removed by a reset', async () => {
    const { drun } = clocked();
    const { id, key } = await createKey(drun);
    await chat(drun, key);
    await control(drun, 'DELETE', `/apikeys/${id}`, {});
    expect((await usage(drun, { ids: [id] })).totalUsage).toMatchObject({ total: '5' });
    drun.reset();
    expect(await usage(drun)).toEqual({ totalUsage: {} });
  });

  it('is separate for each workspace and the account', async () => {
    const { drun } = clocked();
    const { key } = await createKey(drun, {}, '/workspaces/12');
    await chat(drun, key);
    expect((await usage(drun)).totalUsage).toEqual({});
    expect((await usage(drun, {}, '/workspaces/12')).totalUsage).toMatchObject({ total: '5' });
    expect((await usage(drun, {}, '/workspaces/13')).totalUsage).toEqual({});
  });

  it('matches what a completion reports, including cached tokens', async () => {
    const drun = createEmulator({
      reply: {
        choices: [{ message: { content: 'four' } }],
        usage: {
          prompt_tokens: 100,
          completion_tokens: 20,
          total_tokens: 120,
          prompt_tokens_details: { cached_tokens: 64 },
        },
      },
    });
    const { key } = await createKey(drun);
    await chat(drun, key);
    await (await chat(drun, key, { stream: true })).text();
    expect((await usage(drun)).totalUsage).toEqual({
      input: '200',
      output: '40',
      cached: '128',
      total: '240',
    });
  });

  it('includes a canceled stream up to its last chunk', async () => {
    const drun = createEmulator({
      async *reply() {
        for (;;) yield 'four';
      },
    });
    const { key } = await createKey(drun);
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    for (let count = 0; count < 4; count++) await reader?.read();
    await reader?.cancel();
    expect((await usage(drun)).totalUsage).toEqual({ input: '4', output: '3', total: '7' });
    expect([...drun.keys][0]?.quota.used).toBe(7);
  });

  it('includes a stream whose reply fails', async () => {
    const drun = createEmulator({
      async *reply() {
        yield 'four';
        throw new Error('out of memory');
      },
    });
    const { key } = await createKey(drun);
    await (await chat(drun, key, { stream: true })).text();
    expect((await usage(drun)).totalUsage).toEqual({ input: '4', output: '1', total: '5' });
  });

  it.each([
    { startTime: 'yesterday' },
    { endTime: 1798761600000 },
    { ids: 'one' },
    { models: [7] },
    { period: 'DAY' },
    { period: 2 },
    { startTime: '2026-01-02T00:00:00Z', endTime: '2026-01-01T00:00:00Z' },
  ])('rejects %o', async (query) => {
    const { drun } = clocked();
    const { status, body } = await control(drun, 'POST', '/apikeys-stats', query);
    expect(status).toBe(400);
    expect(body).toEqual({ id: expect.any(String), message: expect.any(String) });
  });

  it('requires a body for POST', async () => {
    const { drun } = clocked();
    expect((await control(drun, 'POST', '/apikeys-stats')).status).toBe(400);
  });
});

it('retains the latest usage when there are many requests', () => {
  let now = 0;
  const account = new Account({ accessToken: 'token', maxKeys: 1, now: () => now }, () => String(now));
  const key = account.create({ name: 'checkout', scope: 'account' });
  for (now = 0; now < 250_000; now++) account.spend(key, 'm', { input: 1, output: 0, cached: 0, total: 1 });
  expect(account.usage('account').length).toBeLessThanOrEqual(100_000);
  expect(account.usage('account').at(-1)?.time).toBe(249_999);
  expect(key.usedTokens).toBe(250_000n);
});
