import { type ApiKeys, InvalidResponseError, NotFoundError, WorkspaceApiKeys } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import type { Version } from '../support/contract.ts';
import { mockContract } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { apiKeys } from './requests.ts';

const contract = mockContract();

function workspaceKeys(): WorkspaceApiKeys {
  return new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12 });
}

interface Scope {
  readonly name: string;
  readonly scope: 'account' | 12;
  readonly prefix: string;
  readonly open: () => ApiKeys | WorkspaceApiKeys;
}

const scopes: Scope[] = [
  { name: 'an account', scope: 'account', prefix: '', open: apiKeys },
  { name: 'a workspace', scope: 12, prefix: '/workspaces/12', open: workspaceKeys },
];

const versions: Version[] = ['0.15', '0.17'];

const cases = scopes.flatMap((scope) => versions.map((version) => ({ ...scope, version })));

describe.each(cases)('the keys of $name, on a server of version $version', (one) => {
  const { scope, prefix, open, version } = one;
  const listPath = version === '0.17' ? 'masked list' : 'list';

  test('are created', async () => {
    const server = contract.serve({ version });

    const created = await open().create({ name: 'checkout', expiresAt: new Date('2027-01-01T00:00:00Z') });

    expect(server.requests).toEqual([
      {
        operation: 'create',
        scope,
        path: `${prefix}/apikeys`,
        query: {},
        body: { name: 'checkout', expireTime: '2027-01-01T00:00:00.000Z' },
      },
    ]);
    const [stored] = server.keys;
    expect(created.secret.reveal()).toBe(stored?.key);
    expect(created).toMatchObject({
      id: stored?.id,
      name: 'checkout',
      createdAt: new Date('2026-03-01T08:00:00Z'),
      expiresAt: new Date('2027-01-01T00:00:00Z'),
      expired: false,
      disabled: false,
    });
  });

  test('are listed by pages, in the order and of the kind that is asked for', async () => {
    const server = contract.serve({ version });
    for (const name of ['b', '+a', '+c', '+b']) server.add({ scope, name });
    const keys = open();

    const page = await keys.list({ page: 2, pageSize: 2, search: '+', sort: 'name' });

    expect(page).toMatchObject({ page: 2, pageSize: 2, total: 3 });
    expect(page.items.map(({ name }) => name)).toEqual(['+c']);
    expect(server.requests).toEqual([
      {
        operation: listPath,
        scope,
        path: version === '0.17' ? `${prefix}/masked-apikeys` : `${prefix}/apikeys`,
        query: { 'page.page': '2', 'page.pageSize': '2', 'page.search': '+', 'page.sort': 'name' },
        body: undefined,
      },
    ]);
  });

  test('are walked to the end', async () => {
    const server = contract.serve({ version });
    for (let number = 0; number < 25; number++) server.add({ scope });

    const walked = await Array.fromAsync(open().list({ pageSize: 10 }));

    expect(walked.map(({ id }) => id)).toEqual(server.keys.map(({ id }) => id).reverse());
    expect(server.operations).toEqual(Array(3).fill(listPath));
  });

  test('come masked, all of them', async () => {
    const server = contract.serve({ version });
    const stored = server.add({ scope });

    const page = await open().list();

    expect(page.items[0]?.maskedKey).toBe(`sk-******${stored.key.slice(-4)}`);
    expect(everythingShownOf(page)).not.toContain(stored.key);
  });

  test('are deleted, with a body', async () => {
    const server = contract.serve({ version });
    const { id, name } = server.add({ scope });

    expect(await open().delete(id)).toMatchObject({ id, name });

    expect(server.keys).toEqual([]);
    expect(server.requests).toEqual([
      { operation: 'delete', scope, path: `${prefix}/apikeys/${id}`, query: {}, body: {} },
    ]);
  });

  test('are not found once they are gone', async () => {
    contract.serve({ version });

    await rejectionOf(NotFoundError, open().delete('key-1'));
  });

  test('have their use counted', async () => {
    const server = contract.serve({ version });
    server.statistics = { totalUsage: { input: '7', total: '9' } };

    const usage = await open().usage({
      from: new Date('2026-02-01T00:00:00Z'),
      to: new Date('2026-03-01T00:00:00Z'),
      period: 'week',
      ids: ['key-1', 'key-2'],
      models: ['public/deepseek-r1'],
    });

    expect(usage.totals.tokens).toEqual({ input: 7, output: 0, cached: 0, total: 9 });
    expect(server.requests).toEqual([
      {
        operation: 'statistics',
        scope,
        path: `${prefix}/apikeys-stats`,
        query: {},
        body: {
          startTime: '2026-02-01T00:00:00.000Z',
          endTime: '2026-03-01T00:00:00.000Z',
          period: 'TIME_PERIOD_WEEK',
          ids: ['key-1', 'key-2'],
          models: ['public/deepseek-r1'],
        },
      },
    ]);
  });

  test('are replaced: deleted, and then made anew', async () => {
    const server = contract.serve({ version });
    const old = server.add({ scope, name: 'checkout', expireTime: '2027-01-01T00:00:00Z' });

    const created = await open().replace(old.id);

    expect(server.operations).toEqual(['delete', 'create']);
    expect(server.keys.map(({ id }) => id)).toEqual([created.id]);
    expect(created).toMatchObject({ name: 'checkout', expiresAt: new Date('2027-01-01T00:00:00Z') });
    expect(created.secret.reveal()).not.toBe(old.key);
  });

  test('are pruned', async () => {
    const server = contract.serve({ version });
    const old = server.add({ scope, createdAt: Date.parse('2025-01-01T00:00:00Z') });
    const fresh = server.add({ scope });

    const pruned = await open().prune({ olderThanMs: 30 * 86_400_000 });

    expect(pruned).toMatchObject([{ key: { id: old.id }, outcome: 'deleted' }]);
    expect(server.keys).toEqual([fresh]);
  });

  test('give their response on request', async () => {
    const server = contract.serve({ version });
    const keys = open();

    const { data, response } = await keys.create({ name: 'a' }).withResponse();

    expect(response).toMatchObject({ status: 200, attempts: 1 });
    expect(response.headers.get('date')).toBe('Sun, 01 Mar 2026 08:00:00 GMT');
    expect((await keys.list().withResponse()).data.items[0]?.id).toBe(data.id);
    expect((await keys.usage().withResponse()).response.status).toBe(200);
    expect((await keys.delete(data.id).withResponse()).response.status).toBe(200);
    expect(server.keys).toEqual([]);
  });
});

describe.each(scopes)('on a server from 0.17 on, the keys of $name', ({ scope, prefix, open }) => {
  test('are shown again', async () => {
    const server = contract.serve();
    const { id, key } = server.add({ scope });

    expect((await open().reveal(id)).reveal()).toBe(key);

    expect(server.requests).toEqual([
      { operation: 'secret', scope, path: `${prefix}/apikeys/${id}/secret`, query: {}, body: undefined },
    ]);
  });

  test('that are not there are not found, and nothing is said of old servers once it is known to be none', async () => {
    contract.serve();
    const keys = open();
    await keys.list();

    const error = await rejectionOf(NotFoundError, keys.reveal('key-1'));

    expect(error).toMatchObject({ status: 404, serviceCode: 'APIKeyNotFound' });
    expect(error.message).not.toContain('0.17');
  });
});

describe.each(scopes)('on a server before 0.17, the keys of $name', ({ scope, prefix, open }) => {
  test('cannot be shown again: a NotFoundError says since when they can', async () => {
    const server = contract.serve({ version: '0.15' });
    const { id } = server.add({ scope });

    const error = await rejectionOf(NotFoundError, open().reveal(id));

    expect(error.message).toContain('0.17');
    expect(error.status).toBe(404);
  });

  test('are listed by one question in vain, and then no more', async () => {
    const server = contract.serve({ version: '0.15' });
    const keys = open();

    await keys.list();
    await keys.list();
    await Array.fromAsync(keys.list());

    expect(server.missed).toEqual([`GET ${prefix}/masked-apikeys`]);
    expect(server.operations).toEqual(['list', 'list', 'list']);
  });
});

describe('a workspace', () => {
  test.each(versions)('limits new keys in tokens, on a server of version %s', async (version) => {
    const server = contract.serve({ version });
    const keys = workspaceKeys();

    const limited = await keys.create({ name: 'a', quota: 1_000 });
    const unlimited = await keys.create({ name: 'b', quota: 'unlimited' });
    const without = await keys.create({ name: 'c', quota: 0 });

    expect(server.requests.map(({ body }) => body)).toEqual([
      { name: 'a', quota: '1000' },
      { name: 'b', unlimitedQuota: true },
      { name: 'c', quota: '0' },
    ]);
    expect(limited.quota).toEqual({ limit: 1_000, used: 0, remaining: 1_000 });
    expect(unlimited.quota).toEqual({ limit: 'unlimited', used: 0, remaining: 'unlimited' });
    expect(without.quota).toEqual({ limit: 0, used: 0, remaining: 0 });
  });

  test.each(versions)('sets quotas, on a server of version %s', async (version) => {
    const server = contract.serve({ version });
    const { id } = server.add({ scope: 12, usedQuota: 12n });
    const keys = workspaceKeys();

    expect((await keys.setQuota(id, 1_000)).quota).toEqual({ limit: 1_000, used: 12, remaining: 988 });
    expect((await keys.setQuota(id, 'unlimited')).quota?.limit).toBe('unlimited');
    expect((await keys.setQuota(id, 0)).quota).toEqual({ limit: 0, used: 12, remaining: 0 });

    expect(server.requests.map(({ path, body }) => [path, body])).toEqual([
      [`/workspaces/12/apikeys/${id}/quota`, { quota: '1000', unlimitedQuota: false }],
      [`/workspaces/12/apikeys/${id}/quota`, { quota: '0', unlimitedQuota: true }],
      [`/workspaces/12/apikeys/${id}/quota`, { quota: '0', unlimitedQuota: false }],
    ]);
  });

  test.each(versions)('switches keys off and on, on a server of version %s', async (version) => {
    const server = contract.serve({ version });
    const { id } = server.add({ scope: 12 });
    const keys = workspaceKeys();

    expect(await keys.disable(id)).toMatchObject({ id, disabled: true });
    expect(await keys.enable(id)).toMatchObject({ id, disabled: false });

    expect(server.requests.map(({ path, body }) => [path, body])).toEqual([
      [`/workspaces/12/apikeys/${id}/status`, { disabled: true }],
      [`/workspaces/12/apikeys/${id}/status`, { disabled: false }],
    ]);
  });

  test.each(versions)("lists one's own keys, masked, on a server of version %s", async (version) => {
    const server = contract.serve({ version });
    server.add({ scope: 12, owner: 'colleague' });
    const mine = server.add({ scope: 12 });
    const keys = workspaceKeys();

    const page = await keys.listMine({ pageSize: 5 });

    expect(page.items.map(({ id }) => id)).toEqual([mine.id]);
    expect(everythingShownOf(page)).not.toContain(mine.key);
    expect((await Array.fromAsync(keys.listMine())).map(({ id }) => id)).toEqual([mine.id]);
    expect(server.requests[0]).toMatchObject({
      path: '/workspaces/12/my-apikeys',
      query: { 'page.page': '1', 'page.pageSize': '5' },
    });
  });

  test("prunes one's own keys alone where that is asked for", async () => {
    const server = contract.serve();
    const old = { scope: 12, createdAt: Date.parse('2025-01-01T00:00:00Z') } as const;
    const theirs = server.add({ ...old, owner: 'colleague' });
    server.add(old);

    await workspaceKeys().prune({ olderThanMs: 1_000, onlyMine: true });

    expect(server.keys).toEqual([theirs]);
  });

  test('hands the quota of a key on to the one that takes its place', async () => {
    const server = contract.serve();
    const { id } = server.add({ scope: 12, name: 'batch', quota: 500n });

    const created = await workspaceKeys().replace(id, { name: 'batch-2' });

    expect(created).toMatchObject({ name: 'batch-2', quota: { limit: 500 } });
  });

  test("does not see an account's keys, nor those of other workspaces", async () => {
    const server = contract.serve();
    server.add();
    server.add({ scope: 13 });

    expect((await workspaceKeys().list()).items).toEqual([]);
  });

  test('rejects an update that is answered about another key', async () => {
    const server = contract.serve();
    const { id } = server.add({ scope: 12 });
    const fetch = async (input: string, init: RequestInit): Promise<Response> => {
      const answer = await server.fetch(input, init);
      return Response.json({ ...((await answer.json()) as object), id: 'key-other' });
    };
    const keys = new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12, fetch });

    const error = await rejectionOf(InvalidResponseError, keys.disable(id));

    expect(error.issues[0]?.path).toEqual(['id']);
  });
});

describe('an account', () => {
  test.each(versions)(
    'tells whether one more key may be made, on a server of version %s',
    async (version) => {
      const server = contract.serve({ version, maxKeys: 1 });
      const keys = apiKeys();

      expect(await keys.canCreate()).toEqual({ allowed: true });
      await keys.create({ name: 'a' });
      expect(await keys.canCreate()).toEqual({ allowed: false, reason: 'at most 1' });

      expect(server.requests[0]).toMatchObject({ path: '/apikeys/check-creation', body: {} });
    },
  );
});
