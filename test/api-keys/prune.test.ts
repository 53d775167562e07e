import { ConfigurationError } from 'drun-sdk';
import { describe, expect, it, vi } from 'vitest';
import { ContractServer } from '../support/contract-server.ts';
import { rejection, rejectionOf } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { type Fetch, newClients, responding, serve } from './clients.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-03-01T08:00:00Z');

/** Days since the creation and the last use of each key. */
const AGES: Record<string, [created: number, used?: number]> = {
  'new, unused': [1],
  'new, used': [1, 0],
  'old, unused': [90],
  'old, used long ago': [90, 60],
  'old, used just now': [90, 0],
};

function serveAges(server = new ContractServer({ now: () => NOW, order: 'oldest first' })): ContractServer {
  for (const [name, [created, used]] of Object.entries(AGES)) {
    const lastUsedAt = used === undefined ? undefined : NOW - used * DAY_MS;
    server.add({ name, createdAt: NOW - created * DAY_MS, lastUsedAt });
  }
  return server;
}

describe('prune', () => {
  it.each([
    [{ olderThanMs: 30 * DAY_MS }, ['old, unused', 'old, used long ago', 'old, used just now']],
    [{ unusedForMs: 30 * DAY_MS }, ['old, unused', 'old, used long ago']],
    [{ olderThanMs: 30 * DAY_MS, unusedForMs: 70 * DAY_MS }, ['old, unused']],
    [{ olderThanMs: 300 * DAY_MS }, []],
  ])('deletes the keys that match %j', async (query, names) => {
    const server = serveAges();

    const pruned = await newClients(server.fetch).keys.prune(query);

    expect(pruned.map(({ key, outcome }) => [key.name, outcome])).toEqual(
      names.map((name) => [name, 'deleted']),
    );
    const left = server.keys.map(({ name }) => name);
    expect(left).toEqual(Object.keys(AGES).filter((name) => !names.includes(name)));
  });

  it('deletes nothing in a dry run, and reports the same keys', async () => {
    const server = serveAges();

    const pruned = await newClients(server.fetch).keys.prune({ olderThanMs: 30 * DAY_MS }, { dryRun: true });

    expect(pruned.map(({ outcome }) => outcome)).toEqual(Array(3).fill('would_delete'));
    expect(server.operations).toEqual(['masked list']);
  });

  it('reports keys that could not be deleted and continues', async () => {
    const server = serveAges();
    const [, , failing, missing] = server.keys.map(({ id }) => id);
    const fetch: Fetch = async (input, init) => {
      if (init.method === 'DELETE' && input.endsWith(`/${failing}`)) return html(500);
      if (init.method === 'DELETE' && missing && input.endsWith(`/${missing}`)) server.remove(missing);
      return server.fetch(input, init);
    };

    const pruned = await newClients(fetch, { maxRetries: 0 }).keys.prune({ olderThanMs: 30 * DAY_MS });

    expect(pruned).toMatchObject([
      { key: { id: failing }, outcome: 'failed', error: { code: 'server_error' } },
      { key: { id: missing }, outcome: 'failed', error: { code: 'not_found' } },
      { outcome: 'deleted' },
    ]);
  });

  it('deletes nothing if part of the list cannot be read', async () => {
    const server = new ContractServer({ now: () => NOW });
    for (let number = 0; number < 150; number++) server.add({ createdAt: 1 });
    const fetch: Fetch = async (input, init) => {
      if (input.includes('=-1')) return json({ message: 'invalid page size' }, 400);
      return input.includes('page.page=2') ? html(500) : server.fetch(input, init);
    };

    const pruning = newClients(fetch, { maxRetries: 0 }).keys.prune({ olderThanMs: DAY_MS });

    expect(await rejection(pruning)).toMatchObject({ code: 'server_error' });
    expect(server.operations).not.toContain('delete');
  });

  it('uses the clock of the service', async () => {
    vi.useFakeTimers({ now: NOW + 365 * DAY_MS, toFake: ['Date'] });
    const server = serveAges();

    await newClients(server.fetch).keys.prune({ olderThanMs: 300 * DAY_MS });

    expect(server.keys).toHaveLength(5);
    vi.useRealTimers();
  });

  it.each([undefined, '', 'yesterday', 1_772_352_000, '0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z'])(
    'never deletes a key with the creation time %j',
    async (creationTimestamp) => {
      const item = { id: 'key-1', creationTimestamp, lastUsedTime: '2020-01-01T00:00:00Z' };
      const { fetch } = responding(json({ items: [item] }));

      expect(await newClients(fetch).keys.prune({ olderThanMs: 1, unusedForMs: 1 })).toEqual([]);
    },
  );

  it.each([undefined, '0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z'])(
    'measures from the creation if the time of the last use is %j',
    async (lastUsedTime) => {
      const creationTimestamp = new Date(NOW - DAY_MS).toISOString();
      const date = new Date(NOW).toUTCString();
      const { fetch } = responding(
        json({ items: [{ id: 'key-1', creationTimestamp, lastUsedTime }] }, 200, { date }),
      );
      const { keys } = newClients(fetch);

      expect(await keys.prune({ unusedForMs: 2 * DAY_MS }, { dryRun: true })).toEqual([]);
      expect(await keys.prune({ unusedForMs: DAY_MS / 2 }, { dryRun: true })).toHaveLength(1);
    },
  );

  it('does not treat a key as unused if its last use cannot be parsed', async () => {
    const items = [
      { id: 'key-1', creationTimestamp: '2025-01-01T00:00:00Z', lastUsedTime: NOW },
      { id: 'key-2', creationTimestamp: '2025-01-01T00:00:00Z', lastUsedTime: '2026-03-01 07:59:00' },
      { id: 'key-3', creationTimestamp: '2025-01-01T00:00:00Z', lastUsedTime: null },
    ];
    const { keys } = newClients(responding(json({ items })).fetch);

    const unused = await keys.prune({ unusedForMs: DAY_MS }, { dryRun: true });
    const old = await keys.prune({ olderThanMs: DAY_MS }, { dryRun: true });

    expect(unused.map(({ key }) => key.id)).toEqual(['key-3']);
    expect(old.map(({ key }) => key.id)).toEqual(['key-1', 'key-2', 'key-3']);
  });

  it("deletes only the caller's own keys of a workspace with onlyMine", async () => {
    const { server, workspaceKeys } = serve({ now: () => NOW });
    const old = { scope: 12, createdAt: NOW - 90 * DAY_MS } as const;
    const theirs = server.add({ ...old, owner: 'colleague' });
    server.add(old);

    await workspaceKeys.prune({ olderThanMs: DAY_MS, onlyMine: true });

    expect(server.keys).toEqual([theirs]);
  });

  it("rejects with the signal's reason and stops when it is aborted", async () => {
    const server = serveAges();
    const controller = new AbortController();
    const reason = new Error('no longer needed');
    const fetch: Fetch = async (input, init) => {
      const response = await server.fetch(input, init);
      if (init.method === 'DELETE') controller.abort(reason);
      return response;
    };

    const pruning = newClients(fetch).keys.prune({ olderThanMs: DAY_MS / 2 }, { signal: controller.signal });

    expect(await rejection(pruning)).toBe(reason);
    expect(server.keys).toHaveLength(4);
  });

  it.each<[string, unknown, string]>([
    ['no duration', {}, 'olderThanMs'],
    ['no query', undefined, 'options'],
    ['a misspelled option in the query', { olderThanMs: 1, dryrun: true }, 'dryrun'],
    ['an option in the query', { olderThanMs: 1, dryRun: true }, 'dryRun'],
    ['onlyMine in an account', { olderThanMs: 1, onlyMine: true }, 'onlyMine'],
    ['0, which every key would match', { olderThanMs: 0 }, 'olderThanMs'],
    ['a negative duration', { unusedForMs: -1 }, 'unusedForMs'],
    ['NaN', { olderThanMs: Number.NaN }, 'olderThanMs'],
    ['Infinity', { unusedForMs: Number.POSITIVE_INFINITY }, 'unusedForMs'],
    ['a string', { olderThanMs: '30' }, 'olderThanMs'],
    ['null', { olderThanMs: null, unusedForMs: 1 }, 'olderThanMs'],
  ])('rejects %s and sends nothing', async (_, query, option) => {
    const { fetch, requests } = responding(json({}));

    const error = await rejectionOf(ConfigurationError, newClients(fetch).keys.prune(query as object));

    expect(error.option).toBe(option);
    expect(requests).toEqual([]);
  });

  it.each(['false', 0, 1])('rejects %j as `dryRun` and sends nothing', async (dryRun) => {
    const { fetch, requests } = responding(json({}));
    const options = { dryRun: dryRun as unknown as boolean };

    const pruning = newClients(fetch).keys.prune({ olderThanMs: 1 }, options);

    expect((await rejectionOf(ConfigurationError, pruning)).option).toBe('dryRun');
    expect(requests).toEqual([]);
  });
});
