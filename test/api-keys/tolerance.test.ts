import { ApiKeys } from 'drun-sdk/api-keys';
import { ApiError, InvalidResponseError, UnknownOutcomeError } from 'drun-sdk/errors';
import { describe, expect, it } from 'vitest';

const KEY = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';

type Fetch = (input: string, init: RequestInit) => Promise<Response>;

function over(fetch: Fetch): ApiKeys {
  return new ApiKeys({ accessToken: 'token', baseUrl: 'http://127.0.0.1:1', fetch });
}

function answering(body: unknown): ApiKeys {
  return over(async () => Response.json(body));
}

describe('a key that was made is not lost', () => {
  it.each<[string, Record<string, unknown>]>([
    ['an empty time', { creationTimestamp: '' }],
    ['an empty time of last use', { lastUsedTime: '' }],
    ['a time in lower case', { expireTime: '2027-01-01t00:00:00z' }],
    ['a time that is none', { creationTimestamp: 'yesterday' }],
    ['a workspace as a text', { workspace: '12' }],
    ['a user id as a number', { userId: 12 }],
    ['a list that is none', { allowModels: 'all' }],
    ['a quota that no number can hold', { quota: '9223372036854775807' }],
    ['a quota that is none', { remainingQuota: 'many' }],
  ])('to %s', async (_, field) => {
    const created = await answering({ id: '7', key: KEY, ...field }).create({ name: 'checkout' });

    expect(created.secret.reveal()).toBe(KEY);
  });
});

describe('a success that carries an error is an error', () => {
  const failures: [string, (keys: ApiKeys) => Promise<unknown>][] = [
    ['delete', (keys) => keys.delete('7')],
    ['list', async (keys) => keys.list()],
    ['canCreate', (keys) => keys.canCreate()],
    ['usage', (keys) => keys.usage()],
  ];

  it.each(failures)('to %s, as an object', async (_, call) => {
    await expect(call(answering({ error: { message: 'denied' } }))).rejects.toThrow(ApiError);
  });

  it('to create, as an object', async () => {
    const creating = answering({ error: { message: 'denied' } }).create({ name: 'checkout' });

    await expect(creating).rejects.toThrow(ApiError);
  });

  it('to create, as a message, of which nobody knows what it says of the key', async () => {
    const creating = answering({ code: 500, message: 'denied' }).create({ name: 'a' }, { settle: false });

    await expect(creating).rejects.toThrow(UnknownOutcomeError);
  });

  it('to create, as a message whose id is that of an error, which is no key to delete', async () => {
    const creating = answering({ id: 'QuotaExceeded', message: 'denied' }).create(
      { name: 'a' },
      { settle: false },
    );

    await expect(creating).rejects.toMatchObject({ name: 'UnknownOutcomeError', candidates: [] });
  });

  it.each(failures)('to %s, as a message', async (_, call) => {
    await expect(call(answering({ code: 500, message: 'denied' }))).rejects.toThrow(InvalidResponseError);
  });
});

describe('a walk', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];

  /** A server with pages of two, whatever is asked for. */
  function pagesOfTwo(page: (number: number) => unknown): ApiKeys {
    return over(async (url) => {
      const number = Number(new URL(url).searchParams.get('page.page'));
      const items = ids.slice(2 * number - 2, 2 * number).map((id) => ({ id }));
      return Response.json({ items, page: page(number) });
    });
  }

  it.each<[string, (number: number) => unknown]>([
    ['says nothing of its pages', () => undefined],
    ['counts as a text', (number) => ({ page: number, pageSize: 2, total: '5' })],
    ['claims the page size that it was asked for', (number) => ({ page: number, pageSize: 1000, total: 5 })],
    ['counts more keys than there are', (number) => ({ page: number, pageSize: 2, total: 1_000_000 })],
  ])('finds every key of a server that %s', async (_, page) => {
    const keys = await Array.fromAsync(pagesOfTwo(page).list({ pageSize: 1000 }));

    expect(keys.map(({ id }) => id)).toEqual(ids);
  });

  it('ends at a server that gives the same page for ever', async () => {
    const keys = answering({ items: [{ id: 'a' }], page: { total: 99 } });

    expect(await Array.fromAsync(keys.list())).toHaveLength(1);
  });

  it('finds every key from a later page on', async () => {
    const keys = pagesOfTwo((number) => ({ page: number, pageSize: 2, total: 5 }));

    expect((await Array.fromAsync(keys.list({ page: 2 }))).map(({ id }) => id)).toEqual(['c', 'd', 'e']);
  });
});

it("asks for the limit with the call's own headers", async () => {
  const tenants: (string | null)[] = [];
  const keys = over(async (url, init) => {
    tenants.push(new Headers(init.headers).get('x-tenant'));
    return url.endsWith('check-creation')
      ? Response.json({ allowed: false, reason: 'max 5' })
      : Response.json({ message: 'no' }, { status: 400 });
  });

  const creating = keys.create({ name: 'checkout' }, { headers: { 'x-tenant': 'blue' } });

  await expect(creating).rejects.toMatchObject({ name: 'ApiKeyLimitError', reason: 'max 5' });
  expect(tenants).toEqual(['blue', 'blue', 'blue']);
});
