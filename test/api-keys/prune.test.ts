import { ApiKeys, ConfigurationError, NotFoundError, ServerError } from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { ContractServer, mockContract } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';
import { rejection, rejectionOf } from '../support/failures.ts';
import { html } from '../support/network.ts';
import { apiKeys } from './requests.ts';

const contract = mockContract();

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-03-01T08:00:00Z');
const now = (): number => NOW;

/** Keys by how long ago they were made and used, in days. */
const ages: Record<string, [createdDays: number, usedDays?: number]> = {
  'new, unused': [1],
  'new, used': [1, 0],
  'old, unused': [90],
  'old, used long ago': [90, 60],
  'old, used just now': [90, 0],
};

function serveAges(): ContractServer {
  const server = contract.serve({ now, maxKeys: 100, order: 'oldest first' });
  for (const [name, [createdDays, usedDays]] of Object.entries(ages)) {
    server.add({
      name,
      createdAt: NOW - createdDays * DAY_MS,
      lastUsedAt: usedDays === undefined ? undefined : NOW - usedDays * DAY_MS,
    });
  }
  return server;
}

describe('prune', () => {
  test.each([
    [{ olderThanMs: 30 * DAY_MS }, ['old, unused', 'old, used long ago', 'old, used just now']],
    [{ unusedForMs: 30 * DAY_MS }, ['old, unused', 'old, used long ago']],
    [{ olderThanMs: 30 * DAY_MS, unusedForMs: 70 * DAY_MS }, ['old, unused']],
    [{ olderThanMs: 100 * DAY_MS, unusedForMs: DAY_MS / 2 }, []],
    // Not older than that, but just as old.
    [{ olderThanMs: 90 * DAY_MS }, []],
  ])('deletes what matches %j, and nothing else', async (query, names) => {
    const server = serveAges();

    const pruned = await apiKeys().prune(query);

    expect(pruned.map(({ key, outcome }) => [key.name, outcome])).toEqual(
      names.map((name) => [name, 'deleted']),
    );
    expect(server.keys.map(({ name }) => name)).toEqual(
      Object.keys(ages).filter((name) => !names.includes(name)),
    );
  });

  test('only tells what it would delete in a dry run', async () => {
    const server = serveAges();

    const pruned = await apiKeys().prune({ olderThanMs: 30 * DAY_MS, dryRun: true });

    expect(pruned.map(({ outcome }) => outcome)).toEqual(Array(3).fill('would_delete'));
    expect(server.operations).toEqual(['masked list']);
  });

  test('goes on past a key that cannot be deleted, and reports it', async () => {
    const server = serveAges();
    const [, , first, second] = server.keys;
    const keys = new ApiKeys({
      accessToken: TOKEN,
      maxRetries: 0,
      fetch: async (input, init) => {
        if (init.method === 'DELETE' && input.endsWith(`/${first?.id}`)) return html(500);
        if (init.method === 'DELETE' && input.endsWith(`/${second?.id}`)) server.remove(second?.id ?? '');
        return server.fetch(input, init);
      },
    });

    const pruned = await keys.prune({ olderThanMs: 30 * DAY_MS });

    expect(pruned).toMatchObject([
      { key: { id: first?.id }, outcome: 'failed', error: expect.any(ServerError) },
      { key: { id: second?.id }, outcome: 'failed', error: expect.any(NotFoundError) },
      { outcome: 'deleted' },
    ]);
  });

  test('deletes nothing where the list cannot be read to its end', async () => {
    const server = new ContractServer({ now });
    for (let number = 0; number < 150; number++) server.add({ createdAt: 0 });
    const keys = new ApiKeys({
      accessToken: TOKEN,
      maxRetries: 0,
      fetch: async (input, init) => (input.includes('page.page=2') ? html(500) : server.fetch(input, init)),
    });

    await rejectionOf(ServerError, keys.prune({ olderThanMs: DAY_MS }));

    expect(server.operations).not.toContain('delete');
  });

  test('leaves a key alone whose time of creation is not told', async () => {
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async () => Response.json({ items: [{ id: 'key-1', lastUsedTime: '2020-01-01T00:00:00Z' }] }),
    });

    expect(await keys.prune({ olderThanMs: DAY_MS, dryRun: true })).toEqual([]);
    expect(await keys.prune({ unusedForMs: DAY_MS, dryRun: true })).toEqual([]);
  });

  test.each(['0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z'])(
    'counts a new key from when it was made where its last use is given as %s, the zero of some servers',
    async (lastUsedTime) => {
      const creationTimestamp = new Date(NOW - DAY_MS).toISOString();
      const keys = new ApiKeys({
        accessToken: TOKEN,
        fetch: async () =>
          Response.json(
            { items: [{ id: 'key-1', creationTimestamp, lastUsedTime }], page: { total: 1 } },
            { headers: { date: new Date(NOW).toUTCString() } },
          ),
      });

      expect(await keys.prune({ unusedForMs: 30 * DAY_MS, dryRun: true })).toEqual([]);
      expect(await keys.prune({ unusedForMs: DAY_MS / 2, dryRun: true })).toHaveLength(1);
    },
  );

  test.each(['0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z'])(
    'leaves a key alone that was made at %s, the zero of some servers',
    async (creationTimestamp) => {
      const keys = new ApiKeys({
        accessToken: TOKEN,
        fetch: async () => Response.json({ items: [{ id: 'key-1', creationTimestamp }], page: { total: 1 } }),
      });

      expect(await keys.prune({ olderThanMs: DAY_MS, dryRun: true })).toEqual([]);
    },
  );

  test("goes by the service's clock, not the caller's", async () => {
    vi.useFakeTimers({ now: NOW + 365 * DAY_MS, toFake: ['Date'] });
    const server = serveAges();

    await apiKeys().prune({ olderThanMs: 300 * DAY_MS });

    expect(server.keys).toHaveLength(5);
    vi.useRealTimers();
  });

  test('deletes the keys of all pages', async () => {
    const server = new ContractServer({ now, maxKeys: 1_000 });
    for (let number = 0; number < 120; number++) server.add({ createdAt: NOW - 2 * DAY_MS });
    const fresh = server.add();
    const keys = new ApiKeys({ accessToken: TOKEN, fetch: server.fetch });

    expect(await keys.prune({ olderThanMs: DAY_MS })).toHaveLength(120);

    expect(server.keys).toEqual([fresh]);
  });

  test("rejects with the signal's own reason when it is aborted, and deletes no more", async () => {
    const server = serveAges();
    const controller = new AbortController();
    const reason = new Error('not any more');
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async (input, init) => {
        const answer = await server.fetch(input, init);
        if (init.method === 'DELETE') controller.abort(reason);
        return answer;
      },
    });

    expect(await rejection(keys.prune({ olderThanMs: DAY_MS / 2 }, { signal: controller.signal }))).toBe(
      reason,
    );
    expect(server.keys).toHaveLength(4);
  });

  test.each<[string, object, string]>([
    ['no time at all', {}, 'olderThanMs'],
    ['a time of 0, which would match everything', { olderThanMs: 0 }, 'olderThanMs'],
    ['a negative time', { unusedForMs: -1 }, 'unusedForMs'],
    ['a time that is none', { olderThanMs: Number.NaN }, 'olderThanMs'],
    ['an endless time', { unusedForMs: Number.POSITIVE_INFINITY }, 'unusedForMs'],
    ['a time as a text', { olderThanMs: '30' }, 'olderThanMs'],
    ['nothing', undefined as unknown as object, 'olderThanMs'],
  ])('refuses %s and sends nothing', async (_, query, option) => {
    const server = contract.serve();

    const error = await rejectionOf(ConfigurationError, apiKeys().prune(query));

    expect(error.option).toBe(option);
    expect(server.requests).toEqual([]);
  });
});
