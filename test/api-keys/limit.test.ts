import { ApiKeyLimitError, ApiKeys, InvalidRequestError, RateLimitError, WorkspaceApiKeys } from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { ContractServer, mockContract } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html } from '../support/network.ts';
import { apiKeys } from './requests.ts';

const contract = mockContract();

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-03-01T08:00:00Z');
const now = (): number => NOW;

describe('an account that is full', () => {
  test('refuses a key with the reason, how many there are, and which look unused, the surest first', async () => {
    const server = contract.serve({ now, maxKeys: 6 });
    const created = { createdAt: NOW - 100 * DAY_MS };
    const idle = server.add({ ...created, name: 'idle', lastUsedAt: NOW - 31 * DAY_MS });
    server.add({ ...created, name: 'busy', lastUsedAt: NOW - 29 * DAY_MS });
    const never = server.add({ ...created, name: 'never used' });
    const expired = server.add({
      ...created,
      name: 'expired',
      expireTime: '2026-02-01T00:00:00Z',
      lastUsedAt: NOW - DAY_MS,
    });
    const older = server.add({ name: 'older', createdAt: NOW - 101 * DAY_MS });
    const idlest = server.add({ ...created, name: 'idlest', lastUsedAt: NOW - 90 * DAY_MS });

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'one more' }));

    expect(error).toMatchObject({ reason: 'at most 6', keyCount: 6, status: 400 });
    expect(error.unusedKeys.map(({ id, why }) => [id, why])).toEqual([
      [expired.id, 'expired'],
      [older.id, 'never_used'],
      [never.id, 'never_used'],
      [idlest.id, 'not_used_lately'],
      [idle.id, 'not_used_lately'],
    ]);
    expect(error.unusedKeys[4]).toEqual({
      id: idle.id,
      name: 'idle',
      maskedKey: `sk-******${idle.key.slice(-4)}`,
      why: 'not_used_lately',
      createdAt: new Date(created.createdAt),
      lastUsedAt: new Date(NOW - 31 * DAY_MS),
    });
    expect(error.message).toContain('5 look unused');
  });

  test('takes a key for never used whose last use is said to be in the year 1970', async () => {
    const server = contract.serve({ now, maxKeys: 1 });
    server.add({ createdAt: NOW - DAY_MS, lastUsedAt: 0 });

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'one more' }));

    expect(error.unusedKeys).toMatchObject([{ why: 'never_used' }]);
    expect(error.unusedKeys[0]).not.toHaveProperty('lastUsedAt');
  });

  test('is looked through to its end', async () => {
    const server = contract.serve({ now, maxKeys: 250 });
    for (let number = 0; number < 250; number++) server.add({ createdAt: NOW - DAY_MS });

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'one more' }));

    expect(error.keyCount).toBe(250);
    expect(error.unusedKeys).toHaveLength(250);
  });

  test('is looked through up to a thousand keys, and counted by the service', async () => {
    const server = contract.serve({ now, maxKeys: 3_000 });
    for (let number = 0; number < 3_000; number++) server.add({ createdAt: NOW - DAY_MS });

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'one more' }));

    expect(error.keyCount).toBe(3_000);
    expect(error.unusedKeys.length).toBeLessThan(1_100);
  });

  test("goes by the service's clock, not the caller's", async () => {
    vi.useFakeTimers({ now: NOW + 365 * DAY_MS, toFake: ['Date'] });
    const server = contract.serve({ now, maxKeys: 1 });
    server.add({ lastUsedAt: NOW - DAY_MS });

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'one more' }));

    expect(error.unusedKeys).toEqual([]);
    vi.useRealTimers();
  });

  test('shows no whole key of an old list', async () => {
    const server = contract.serve({ now, maxKeys: 1, version: '0.15' });
    const { key } = server.add();

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'one more' }));

    expect(error.unusedKeys).toHaveLength(1);
    expect(everythingShownOf(error)).not.toContain(key);
  });

  test('stays an ApiKeyLimitError where its list cannot be read', async () => {
    const server = new ContractServer({ maxKeys: 0 });
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async (input, init) => (init.method === 'GET' ? html(503) : server.fetch(input, init)),
    });

    const error = await rejectionOf(ApiKeyLimitError, keys.create({ name: 'one more' }));

    expect(error).toMatchObject({ reason: 'at most 0', unusedKeys: [] });
    expect(error).not.toHaveProperty('keyCount');
  });

  test('stays an ApiKeyLimitError where there is no time left to read its list', async () => {
    const server = new ContractServer({ maxKeys: 0 });
    const keys = new ApiKeys({
      accessToken: TOKEN,
      timeoutMs: 50,
      fetch: (input, init) => (init.method === 'GET' ? new Promise(() => {}) : server.fetch(input, init)),
    });

    await rejectionOf(ApiKeyLimitError, keys.create({ name: 'one more' }));
  });

  test("rejects with the signal's own reason when it is aborted while its list is read", async () => {
    const server = new ContractServer({ maxKeys: 0 });
    const controller = new AbortController();
    const reason = new Error('not any more');
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: (input, init) => {
        if (init.method !== 'GET') return server.fetch(input, init);
        controller.abort(reason);
        return new Promise(() => {});
      },
    });

    expect(await rejection(keys.create({ name: 'one more' }, { signal: controller.signal }))).toBe(reason);
  });
});

describe('a workspace', () => {
  const refusing = (status: number) => {
    const server = new ContractServer();
    const seen: string[] = [];
    const keys = new WorkspaceApiKeys({
      accessToken: TOKEN,
      workspace: 12,
      maxRetries: 0,
      fetch: async (input, init) => {
        seen.push(`${init.method} ${input}`);
        return init.method === 'POST'
          ? Response.json({ id: 'api_key_limit_reached', message: 'limit reached' }, { status })
          : server.fetch(input, init);
      },
    });
    return { keys, seen };
  };

  test.each([
    [400, InvalidRequestError],
    [429, RateLimitError],
  ] as const)('has no check to ask: a %i stays what it is, whatever its words', async (status, type) => {
    const { keys, seen } = refusing(status);

    const error = await rejectionOf(type, keys.create({ name: 'one more' }));

    expect(error).toMatchObject({ status, serviceCode: 'api_key_limit_reached' });
    expect(seen).toHaveLength(1);
  });
});
