import { ConfigurationError, ReplacementFailedError, UnknownOutcomeError } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { ContractServer, type StoredKey } from '../support/contract-server.ts';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { connectionReset, type Fetch, newClients, responding, serve, wireKey } from './clients.ts';

describe('replace', () => {
  it('deletes the key, then creates one with the same name and expiry', async () => {
    const { server, keys } = serve({ maxKeys: 2 });
    const other = server.add({ name: 'checkout' });
    const old = server.add({ name: 'checkout', expireTime: '2027-01-01T00:00:00Z' });

    const created = await keys.replace(old.id);

    expect(server.operations.slice(-2)).toEqual(['delete', 'create']);
    expect(server.keys.map(({ id }) => id)).toEqual([other.id, created.id]);
    expect(created).toMatchObject({ name: 'checkout', expiresAt: new Date('2027-01-01T00:00:00Z') });
    expect(created.replaced).toMatchObject({ id: old.id, name: 'checkout' });
    for (const secret of [old.key, created.secret.reveal()]) {
      expect(everythingShownOf(created)).not.toContain(secret);
    }
  });

  it('prefers the given settings', async () => {
    const { server, keys } = serve();
    const { id } = server.add({ name: 'checkout', expireTime: '2027-01-01T00:00:00Z' });
    const expiresAt = new Date('2028-01-01T00:00:00Z');

    expect(await keys.replace(id, { name: 'checkout-2', expiresAt })).toMatchObject({
      name: 'checkout-2',
      expiresAt,
    });
  });

  it.each(['2026-02-01T00:00:00Z', '0001-01-01T00:00:00Z'])(
    'does not keep the expiry %s',
    async (expireTime) => {
      const { fetch, requests } = responding(json(wireKey({ expireTime, expired: true, key: KEY })));

      await newClients(fetch).keys.replace('key-1');

      expect(requests.slice(1).map(({ body }) => body)).toEqual([{}, { name: 'checkout' }]);
    },
  );

  it.each<[string, Partial<StoredKey>, object]>([
    ['the rest of its quota', { quota: 500n, usedQuota: 120n }, { limit: 380, used: 0, remaining: 380 }],
    ['no quota if it is used up', { quota: 500n, usedQuota: 700n }, { limit: 0, used: 0, remaining: 0 }],
    [
      'an unlimited quota',
      { unlimitedQuota: true, usedQuota: 7n },
      { limit: 'unlimited', used: 0, remaining: 'unlimited' },
    ],
  ])('creates the replacement in a workspace with %s', async (_, quota, expected) => {
    const { server, workspaceKeys } = serve();
    const { id } = server.add({ scope: 12, name: 'batch', ...quota });

    const created = await workspaceKeys.replace(id);

    expect(created.quota).toEqual(expected);
    expect(created.replaced.quota?.used).toBe(Number(quota.usedQuota));
  });

  it('creates the replacement without quota if more than the quota was used', async () => {
    const { fetch, requests } = responding(json(wireKey({ remainingQuota: '-200', key: KEY })));

    await newClients(fetch).workspaceKeys.replace('key-1');

    expect(requests.at(-1)?.body).toMatchObject({ quota: '0' });
  });

  it('uses the given quota for the replacement', async () => {
    const { server, workspaceKeys } = serve();
    const { id } = server.add({ scope: 12, quota: 500n, usedQuota: 120n });

    expect((await workspaceKeys.replace(id, { quota: 1_000 })).quota?.limit).toBe(1_000);
  });

  it('leaves the quota to the service if the quota of the deleted key cannot be parsed', async () => {
    const { fetch, requests } = responding(json(wireKey({ quota: '9223372036854775807', key: KEY })));

    const { replaced } = await newClients(fetch).workspaceKeys.replace('key-1', { expiresAt: undefined });

    expect(requests.at(-1)?.body).not.toHaveProperty('quota');
    expect(replaced).not.toHaveProperty('quota');
  });

  it.each([
    ['does not exist', () => json({ message: 'no such key' }, 404), 'not_found'],
    ['cannot be deleted', () => html(500), 'server_error'],
    ['is not deleted because of an error with status 200', () => json({ success: false }), 'api_error'],
  ])('creates no key if the old one %s', async (_, respond, code) => {
    const { fetch, requests } = responding(respond());

    const error = await rejection(newClients(fetch, { maxRetries: 0 }).keys.replace('key-1'));

    expect(error).toMatchObject({ code });
    expect(requests.map(({ method }) => method)).not.toContain('POST');
  });

  it.each<[string, () => Response | Error, object]>([
    ['was rejected', () => json({ id: 'x', message: 'name taken' }, 409), { code: 'api_error' }],
    ['has an unknown outcome', connectionReset, { code: 'unknown_outcome' }],
  ])('rejects with the id of the deleted key if the create %s', async (_, failure, cause) => {
    const server = new ContractServer();
    const { id } = server.add();
    const fetch: Fetch = async (input, init) => {
      if (init.method !== 'POST' || !input.endsWith('/apikeys')) return server.fetch(input, init);
      const outcome = failure();
      if (outcome instanceof Error) throw outcome;
      return outcome;
    };

    const error = await rejectionOf(ReplacementFailedError, newClients(fetch).keys.replace(id));

    expect(error).toMatchObject({ code: 'replacement_failed', deletedId: id, cause });
    expect(error.message).toContain('was deleted');
    expect(error.message).toContain((error.cause as Error).message);
    if (error.cause instanceof UnknownOutcomeError) expect(error.cause.candidateIds).toEqual([]);
  });

  it('rejects with the id of the deleted key if neither the list nor the deletion reports its name', async () => {
    retryAtOnce();
    const { fetch } = responding(json({ items: [] }), connectionReset(), json({}, 404));

    const error = await rejectionOf(ReplacementFailedError, newClients(fetch).keys.replace('key-1'));

    expect(error.deletedId).toBe('key-1');
    expect(error.cause).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('name');
  });

  it.each<[string, readonly (Response | Error)[], Record<string, unknown>]>([
    ['is empty', [json({})], {}],
    ['has only the id', [json({ id: 'key-1' })], {}],
    ['lacks the expiry and the quota', [json({ id: 'key-1', name: 'checkout' })], {}],
    ['was lost', [connectionReset(), json({}, 404)], {}],
    [
      'does not report that the key has expired',
      [json({ id: 'key-1', name: 'checkout' })],
      { expired: true },
    ],
  ])('takes the settings from the list if the response to the deletion %s', async (_, deletion, fields) => {
    retryAtOnce();
    const listed = json({ items: [wireKey({ id: 'key-0', name: 'other' }), wireKey(fields)] });
    const created = json(wireKey({ id: 'key-2', key: KEY }));
    const { fetch, requests } = responding(listed, ...deletion, created);

    const { replaced } = await newClients(fetch).workspaceKeys.replace('key-1');

    expect(requests.at(-1)?.body).toEqual({
      name: 'checkout',
      ...(!('expired' in fields) && { expireTime: '2027-01-01T00:00:00.000Z' }),
      quota: '999988',
    });
    expect(replaced).toMatchObject({ id: 'key-1', name: 'checkout', userId: 'u-1' });
  });

  it('deletes nothing if the key has no name and none is given', async () => {
    const { fetch, requests } = responding(json({ items: [wireKey({ name: '' })] }));

    const error = await rejectionOf(ConfigurationError, newClients(fetch).keys.replace('key-1'));

    expect(error.option).toBe('name');
    expect(requests.map(({ method }) => method)).toEqual(['GET']);
  });

  it.each<[string, object, string]>([
    ['an empty name', { name: '' }, 'name'],
    ['an invalid date', { expiresAt: new Date(Number.NaN) }, 'expiresAt'],
  ])('rejects %s before it deletes anything', async (_, input, option) => {
    const { fetch, requests } = responding(json({}));

    const error = await rejectionOf(ConfigurationError, newClients(fetch).keys.replace('key-1', input));

    expect(error.option).toBe(option);
    expect(requests).toEqual([]);
  });

  it('rejects an invalid quota before it deletes anything', async () => {
    const { fetch, requests } = responding(json({}));

    await rejectionOf(ConfigurationError, newClients(fetch).workspaceKeys.replace('key-1', { quota: -1 }));

    expect(requests).toEqual([]);
  });

  it("does not show the message of the caller's credential provider", async () => {
    const { fetch } = responding(json({}));
    const failure = new Error(`the vault has no ${TOKEN}`);
    let calls = 0;
    const accessToken = (): string => {
      if (++calls > 2) throw failure;
      return TOKEN;
    };

    const error = await rejectionOf(
      ReplacementFailedError,
      newClients(fetch, { accessToken }).keys.replace('key-1', { name: 'checkout' }),
    );

    expect(error.message).not.toContain(TOKEN);
    expect(JSON.stringify(error)).not.toContain(TOKEN);
  });

  it("rejects with the signal's reason if it is aborted while the key is created", async () => {
    const controller = new AbortController();
    const reason = new Error('no longer needed');
    const fetch: Fetch = async (_input, init) => {
      if (init.method === 'POST') controller.abort(reason);
      return json(wireKey());
    };

    const replacing = newClients(fetch).keys.replace('key-1', {}, { signal: controller.signal });

    expect(await rejection(replacing)).toBe(reason);
  });
});
