import { describe, expect, it } from 'vitest';
import type { Version } from '../support/contract.ts';
import { serve } from './clients.ts';

const versions: Version[] = ['0.15', '0.17'];
const scopes = [
  { name: 'an account', scope: 'account', prefix: '' },
  { name: 'a workspace', scope: 12, prefix: '/workspaces/12' },
] as const;
const cases = scopes.flatMap((scope) => versions.map((version) => ({ ...scope, version })));

/* Calls every method with a server that rejects requests which violate the contract. */
describe.each(cases)(
  'the client of $name, with a server of version $version',
  ({ scope, prefix, version }) => {
    const open = () => {
      const { server, keys, workspaceKeys } = serve({ version });
      return { server, keys: scope === 'account' ? keys : workspaceKeys };
    };

    it('creates, lists and deletes a key', async () => {
      const { server, keys } = open();

      const created = await keys.create({ name: 'checkout', expiresAt: new Date('2027-01-01T00:00:00Z') });
      const page = await keys.list({ page: 1, pageSize: 2, search: 'check', sort: 'name' });
      const everything = await keys.list();
      const deleted = await keys.delete(created.id);

      expect(created.secret.reveal()).toMatch(/^sk-/);
      expect(page.items).toMatchObject([{ id: created.id, name: 'checkout', maskedKey: created.maskedKey }]);
      expect(everything.items).toEqual(page.items);
      expect(deleted).toMatchObject({ id: created.id, name: 'checkout' });
      expect(server.keys).toEqual([]);
      const list = version === '0.17' ? 'masked-apikeys' : 'apikeys';
      expect(server.requests).toEqual([
        {
          operation: 'create',
          scope,
          path: `${prefix}/apikeys`,
          query: {},
          body: { name: 'checkout', expireTime: '2027-01-01T00:00:00.000Z' },
        },
        {
          operation: version === '0.17' ? 'masked list' : 'list',
          scope,
          path: `${prefix}/${list}`,
          query: { 'page.page': '1', 'page.pageSize': '2', 'page.search': 'check', 'page.sort': 'name' },
          body: undefined,
        },
        expect.objectContaining({ path: `${prefix}/${list}`, query: { 'page.pageSize': '-1' } }),
        { operation: 'delete', scope, path: `${prefix}/apikeys/${created.id}`, query: {}, body: {} },
      ]);
      expect(server.missingPaths).toEqual(version === '0.17' ? [] : [`GET ${prefix}/masked-apikeys`]);
    });

    it('requests usage', async () => {
      const { server, keys } = open();
      server.statistics = { totalUsage: { input: '7', total: '9' } };

      const usage = await keys.usage({
        from: new Date('2026-02-01T00:00:00Z'),
        to: new Date('2026-03-01T00:00:00Z'),
        period: 'week',
        ids: ['key-1', 'key-2'],
        models: ['public/deepseek-r1'],
      });

      expect(usage.totals.tokens).toEqual({ input: 7, output: 0, cached: 0, total: 9 });
      expect(server.requests).toMatchObject([
        {
          path: `${prefix}/apikeys-stats`,
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

    it(
      version === '0.17' ? 'retrieves the full key again' : 'cannot retrieve the full key again',
      async () => {
        const { server, keys } = open();
        const { id, key } = server.add({ scope });

        const secret = await keys.getSecret(id).catch((error: Error) => error);

        if (version === '0.17') expect(secret).toMatchObject({ reveal: expect.any(Function) });
        if ('reveal' in secret) expect(secret.reveal()).toBe(key);
        else expect(secret.message).toContain('0.17');
      },
    );

    it('prunes and replaces keys', async () => {
      const { server, keys } = open();
      const old = server.add({ scope, createdAt: Date.parse('2025-01-01T00:00:00Z') });
      const recent = server.add({ scope });

      expect(await keys.prune({ olderThanMs: 30 * 86_400_000 })).toMatchObject([
        { key: { id: old.id }, outcome: 'deleted' },
      ]);
      const created = await keys.replace(recent.id);

      expect(server.keys.map(({ id }) => id)).toEqual([created.id]);
    });

    it('gives access to responses', async () => {
      const { keys } = open();

      const { data, response } = await keys.create({ name: 'a' }).withResponse();

      expect(response).toMatchObject({ status: 200, attempts: 1 });
      expect(response.headers.get('date')).toBe('Sun, 01 Mar 2026 08:00:00 GMT');
      expect((await keys.list().withResponse()).data.items[0]?.id).toBe(data.id);
      expect((await keys.usage().withResponse()).response.status).toBe(200);
      expect((await keys.delete(data.id).withResponse()).response.status).toBe(200);
    });
  },
);

it('the client of an account reports whether a key can be created', async () => {
  const { server, keys } = serve({ maxKeys: 1 });

  expect(await keys.canCreate()).toEqual({ allowed: true });
  await keys.create({ name: 'a' });
  expect(await keys.canCreate()).toEqual({ allowed: false, reason: 'at most 1' });

  expect(server.requests[0]).toMatchObject({ path: '/apikeys/check-creation', body: {} });
});

describe('the client of a workspace', () => {
  it('creates keys with a quota, and changes it', async () => {
    const { server, workspaceKeys } = serve();

    const limited = await workspaceKeys.create({ name: 'a', quota: 1_000 });
    const unlimited = await workspaceKeys.create({ name: 'b', quota: 'unlimited' });
    const empty = await workspaceKeys.create({ name: 'c', quota: 0 });
    const raised = await workspaceKeys.setQuota(limited.id, 2_000);
    const lifted = await workspaceKeys.setQuota(limited.id, 'unlimited');

    expect(limited.quota).toEqual({ limit: 1_000, used: 0, remaining: 1_000 });
    expect(unlimited.quota).toEqual({ limit: 'unlimited', used: 0, remaining: 'unlimited' });
    expect(empty.quota).toEqual({ limit: 0, used: 0, remaining: 0 });
    expect(raised.quota?.limit).toBe(2_000);
    expect(lifted.quota?.limit).toBe('unlimited');
    expect(server.requests.map(({ path, body }) => [path, body])).toEqual([
      ['/workspaces/12/apikeys', { name: 'a', quota: '1000' }],
      ['/workspaces/12/apikeys', { name: 'b', unlimitedQuota: true }],
      ['/workspaces/12/apikeys', { name: 'c', quota: '0' }],
      [`/workspaces/12/apikeys/${limited.id}/quota`, { quota: '2000', unlimitedQuota: false }],
      [`/workspaces/12/apikeys/${limited.id}/quota`, { quota: '0', unlimitedQuota: true }],
    ]);
  });

  it('disables and enables keys', async () => {
    const { server, workspaceKeys } = serve();
    const { id } = server.add({ scope: 12 });

    expect(await workspaceKeys.disable(id)).toMatchObject({ id, disabled: true });
    expect(await workspaceKeys.enable(id)).toMatchObject({ id, disabled: false });

    expect(server.requests.map(({ path, body }) => [path, body])).toEqual([
      [`/workspaces/12/apikeys/${id}/status`, { disabled: true }],
      [`/workspaces/12/apikeys/${id}/status`, { disabled: false }],
    ]);
  });

  it('lists no keys of the account or of other workspaces', async () => {
    const { server, workspaceKeys } = serve();
    server.add();
    server.add({ scope: 13 });

    expect((await workspaceKeys.list()).items).toEqual([]);
  });
});
