import {
  ApiKeyLimitError,
  ApiKeys,
  ConfigurationError,
  NotFoundError,
  ReplacementFailedError,
  ServerError,
  WorkspaceApiKeys,
} from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { ContractServer, mockContract } from '../support/contract-server.ts';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, lostConnection } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { apiKeys } from './requests.ts';

const contract = mockContract();

type Fetch = (input: string, init: RequestInit) => Promise<Response>;

const over = (fetch: Fetch): ApiKeys => new ApiKeys({ accessToken: TOKEN, maxRetries: 0, fetch });

describe('replace', () => {
  test('makes room for the new key in an account that is full', async () => {
    const server = contract.serve({ maxKeys: 1 });
    const { id } = server.add({ name: 'checkout' });

    const created = await apiKeys().replace(id);

    expect(server.keys.map((key) => [key.id, key.name])).toEqual([[created.id, 'checkout']]);
  });

  test('takes what is given before what the old key has', async () => {
    const server = contract.serve();
    const { id } = server.add({ name: 'checkout', expireTime: '2027-01-01T00:00:00Z' });

    const expiresAt = new Date('2028-01-01T00:00:00Z');
    const created = await apiKeys().replace(id, { name: 'checkout-2', expiresAt });

    expect(created).toMatchObject({ name: 'checkout-2', expiresAt });
  });

  test('does not take over a time of expiry that has passed', async () => {
    const server = contract.serve();
    const { id } = server.add({ name: 'checkout', expireTime: '2026-02-01T00:00:00Z' });

    expect(await apiKeys().replace(id)).not.toHaveProperty('expiresAt');
  });

  test('takes the zero of some servers for no time of expiry', async () => {
    const bodies: unknown[] = [];
    const keys = over(async (_, init) => {
      bodies.push(JSON.parse(String(init.body)));
      return Response.json({ id: '7', name: 'checkout', key: KEY, expireTime: '0001-01-01T00:00:00Z' });
    });

    await keys.replace('7');

    expect(bodies).toEqual([{}, { name: 'checkout' }]);
  });

  test('touches no key but the one that is named', async () => {
    const server = contract.serve();
    const { id } = server.add({ name: 'checkout' });
    const other = server.add({ id: `${id}1`, name: 'checkout' });

    await apiKeys().replace(id);

    expect(server.keys).toContainEqual(other);
  });

  test('makes no key where there was none to delete', async () => {
    const server = contract.serve();

    await rejectionOf(NotFoundError, apiKeys().replace('key-1'));

    expect(server.operations).toEqual(['delete']);
  });

  test('makes no key where the old one could not be deleted', async () => {
    const server = new ContractServer();

    const error = await rejection(
      over(async (input, init) => (init.method === 'DELETE' ? html(500) : server.fetch(input, init))).replace(
        'key-1',
      ),
    );

    expect(error).toBeInstanceOf(ServerError);
    expect(server.requests).toEqual([]);
  });

  test('says that the old key is gone where the new one could not be made, and why', async () => {
    const server = new ContractServer({ maxKeys: 1 });
    const { id } = server.add();
    const keys = over(async (input, init) => {
      // Somebody else takes the room.
      if (init.method === 'POST' && server.keys.length === 0) server.add();
      return server.fetch(input, init);
    });

    const error = await rejectionOf(ReplacementFailedError, keys.replace(id));

    expect(error).toMatchObject({ code: 'replacement_failed', deletedId: id });
    expect(error.message).toContain('is gone');
    expect(error.message).toContain('at most 1');
    expect(error.cause).toBeInstanceOf(ApiKeyLimitError);
  });

  test('says so, too, where the name of the old key was lost with the answer about it', async () => {
    retryAtOnce();
    const server = new ContractServer();
    const { id } = server.add();
    let deletes = 0;
    const keys = new ApiKeys({
      accessToken: TOKEN,
      fetch: async (input, init) => {
        const answer = await server.fetch(input, init);
        if (init.method === 'DELETE' && ++deletes === 1) throw lostConnection();
        return answer;
      },
    });

    const error = await rejectionOf(ReplacementFailedError, keys.replace(id));

    expect(error.cause).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('name');
  });

  test.each<[string, object, string]>([
    ['an empty name', { name: '' }, 'name'],
    ['an invalid date', { expiresAt: new Date(Number.NaN) }, 'expiresAt'],
    ['a quota, which an account has not', { quota: 5 }, 'quota'],
  ])('refuses %s and deletes nothing', async (_, input, option) => {
    const server = contract.serve();
    const { id } = server.add();

    const error = await rejectionOf(ConfigurationError, apiKeys().replace(id, input));

    expect(error.option).toBe(option);
    expect(server.requests).toEqual([]);
  });

  test('refuses a quota that a workspace cannot give and deletes nothing', async () => {
    const server = contract.serve();
    const { id } = server.add({ scope: 12 });
    const keys = new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12 });

    await rejectionOf(ConfigurationError, keys.replace(id, { quota: -1 }));

    expect(server.requests).toEqual([]);
  });

  test('does not repeat what a key source says in its error', async () => {
    const server = new ContractServer();
    const { id } = server.add();
    const failing = new Error(`the vault has no ${TOKEN}`);
    let asked = 0;
    const keys = new ApiKeys({
      accessToken: () => {
        if (++asked > 1) throw failing;
        return TOKEN;
      },
      fetch: server.fetch,
    });

    const error = await rejectionOf(ReplacementFailedError, keys.replace(id));

    expect(error.cause).toBe(failing);
    expect(error.message).not.toContain(TOKEN);
    expect(JSON.stringify(error)).not.toContain(TOKEN);
  });

  test('shows neither the old key nor the new one', async () => {
    const server = contract.serve();
    const old = server.add();

    const created = await apiKeys().replace(old.id);

    expect(everythingShownOf(created)).not.toContain(old.key);
    expect(everythingShownOf(created)).not.toContain(created.secret.reveal());
  });
});
