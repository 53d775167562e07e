import {
  type ApiKey,
  AuthenticationError,
  ConfigurationError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
} from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { html, json, mockNetwork, type Reply, type SeenRequest } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys, wireKey } from './requests.ts';

const network = mockNetwork();
const MASKED = `${API}/masked-apikeys`;
const PLAIN = `${API}/apikeys`;

const onePage = (...keys: unknown[]): Response =>
  json({ items: keys, page: { page: 1, pageSize: 10, total: keys.length } });

/** A server with keys of the given names that keeps to pages. */
function paged(names: readonly string[], defaultSize = 10): Reply {
  return ({ query }: SeenRequest) => {
    const page = Number(query['page.page'] ?? 1);
    const pageSize = Number(query['page.pageSize'] ?? defaultSize);
    const items = names
      .slice((page - 1) * pageSize, page * pageSize)
      .map((name) => wireKey({ id: name, name }));
    return json({ items, page: { page, pageSize, total: names.length } });
  };
}

async function walk(keys: AsyncIterable<ApiKey>): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of keys) names.push(name);
  return names;
}

describe('list, awaited', () => {
  test('gets the masked list with the access token', async () => {
    const seen = network.answer('get', MASKED, onePage());

    await apiKeys().list();

    expect(seen).toHaveLength(1);
    expect(seen[0]?.path).toBe('/apis/hydra.io/v1alpha1/masked-apikeys');
    expect(seen[0]?.text).toBe('');
    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
    expect(seen[0]?.headers.get('accept-language')).toBe('en');
  });

  test('asks for page, size, search and sort by the names of the contract', async () => {
    const seen = network.answer('get', MASKED, onePage());

    await apiKeys().list({ page: 2, pageSize: 50, search: 'check out & 结账', sort: 'name' });

    expect(seen[0]?.query).toEqual({
      'page.page': '2',
      'page.pageSize': '50',
      'page.search': 'check out & 结账',
      'page.sort': 'name',
    });
  });

  test('sends no query parameter that the contract does not have', async () => {
    const seen = network.answer('get', MASKED, onePage());

    await apiKeys().list();

    const known = ['page.page', 'page.pageSize', 'page.sort', 'page.search', 'page.total'];
    expect(Object.keys(seen[0]?.query ?? {}).filter((name) => !known.includes(name))).toEqual([]);
  });

  test('gives one page', async () => {
    network.answer('get', MASKED, json({ items: [wireKey()], page: { page: 2, pageSize: 1, total: 3 } }));

    const page = await apiKeys().list({ page: 2, pageSize: 1 });

    expect(page).toMatchObject({ page: 2, pageSize: 1, total: 3 });
    expect(page.items).toHaveLength(1);
  });

  test('describes a key with every field', async () => {
    network.answer('get', MASKED, onePage(wireKey()));

    const { items } = await apiKeys().list();

    expect(items[0]).toMatchObject({
      id: 'key-1',
      name: 'checkout',
      maskedKey: MASKED_KEY,
      createdAt: new Date('2026-03-01T08:00:00Z'),
      expiresAt: new Date('2027-01-01T00:00:00Z'),
      expired: false,
      disabled: false,
      lastUsedAt: new Date('2026-03-02T02:30:00.123Z'),
      createdBy: 'alice',
      userId: 'u-1',
      workspace: 12,
      allowModels: ['public/*'],
      denyModels: ['public/dear'],
    });
  });

  test.each([
    ['left out', {}],
    [
      'null',
      Object.fromEntries(Object.keys(wireKey()).map((name) => [name, name === 'id' ? 'key-1' : null])),
    ],
  ])('describes a key whose fields are %s', async (_, fields) => {
    network.answer('get', MASKED, onePage({ id: 'key-1', ...fields }));

    const { items } = await apiKeys().list();

    expect(items[0]).toMatchObject({
      id: 'key-1',
      name: '',
      maskedKey: '******',
      expired: false,
      disabled: false,
      allowModels: [],
      denyModels: [],
    });
    for (const absent of ['expiresAt', 'lastUsedAt', 'createdBy', 'userId', 'workspace']) {
      expect(items[0]).not.toHaveProperty(absent);
    }
  });

  test.each([
    ['{}', {}],
    ['null fields', { items: null, page: null }],
    ['an empty page', { items: [], page: { page: 1, pageSize: 10 } }],
  ])('gives an empty page for %s', async (_, body) => {
    network.answer('get', MASKED, json(body));

    expect(await apiKeys().list()).toMatchObject({ items: [], page: 1, total: 0 });
  });

  test('takes fields that nobody knows yet', async () => {
    network.answer('get', MASKED, json({ items: [wireKey({ colour: 'red' })], page: {}, next: 'x' }));

    expect((await apiKeys().list()).items).toHaveLength(1);
  });

  test('masks whole keys that the server sends', async () => {
    network.answer('get', MASKED, onePage(wireKey({ key: KEY }), wireKey({ id: 'key-2', key: OTHER_KEY })));

    const page = await apiKeys().list();

    expect(page.items.map(({ maskedKey }) => maskedKey)).toEqual([MASKED_KEY, 'sk-******1qZw']);
    expect(everythingShownOf(page)).not.toContain(KEY);
    expect(everythingShownOf(page)).not.toContain(OTHER_KEY);
  });

  test('masks a whole key in any other field as well', async () => {
    network.answer('get', MASKED, onePage(wireKey({ key: KEY, name: `old ${KEY}`, createBy: KEY })));

    expect(everythingShownOf(await apiKeys().list())).not.toContain(KEY);
  });

  test('masks the whole keys of a page that has very many of them', { timeout: 20_000 }, async () => {
    const whole = (number: number): string => `${KEY.slice(0, 40)}${String(number).padStart(8, '0')}`;
    const items = Array.from({ length: 1_500 }, (_, number) =>
      wireKey({ id: `key-${number}`, key: whole(number), name: `after ${whole(number + 1)}` }),
    );
    network.answer('get', MASKED, onePage(...items));

    const page = await apiKeys().list({ pageSize: 1_500 });

    expect(page.items).toHaveLength(1_500);
    expect(JSON.stringify(page)).not.toContain(KEY.slice(0, 40));
  });

  test('sends nothing before it is awaited', () => {
    const seen = network.answer('get', MASKED, onePage());

    apiKeys().list();

    expect(seen).toHaveLength(0);
  });

  test.each<[string, object, string]>([
    ['page 0', { page: 0 }, 'page'],
    ['a page of -1', { page: -1 }, 'page'],
    ['a fraction of a page', { page: 1.5 }, 'page'],
    ['a page beyond int32', { page: 2 ** 31 }, 'page'],
    ['a page that is no number', { page: '1' }, 'page'],
    ['a page size of 0', { pageSize: 0 }, 'pageSize'],
    ['a page size of -1', { pageSize: -1 }, 'pageSize'],
    ['a page size of NaN', { pageSize: Number.NaN }, 'pageSize'],
    ['a search for null', { search: null }, 'search'],
    ['a search for a number', { search: 7 }, 'search'],
    ['a sort by null', { sort: null }, 'sort'],
    ['a sort by a list', { sort: ['name'] }, 'sort'],
  ])('refuses %s and sends nothing', async (_, query, option) => {
    const error = await rejectionOf(ConfigurationError, apiKeys().list(query));

    expect(error.option).toBe(option);
  });
});

describe('list, walked', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];

  test('yields the keys of all pages in order', async () => {
    const seen = network.answer('get', MASKED, paged(names));

    expect(await walk(apiKeys().list({ pageSize: 2 }))).toEqual(names);
    expect(seen.map(({ query }) => query['page.page'])).toEqual(['1', '2', '3']);
  });

  test('repeats size, search and sort for every page', async () => {
    const seen = network.answer('get', MASKED, paged(names));

    await walk(apiKeys().list({ pageSize: 3, search: 'x', sort: 'name' }));

    expect(seen.map(({ query }) => query)).toEqual(
      ['1', '2'].map((page) => ({
        'page.page': page,
        'page.pageSize': '3',
        'page.search': 'x',
        'page.sort': 'name',
      })),
    );
  });

  test('asks for no page beyond the last when that is full', async () => {
    const seen = network.answer('get', MASKED, paged(['a', 'b', 'c', 'd']));

    await walk(apiKeys().list({ pageSize: 2 }));

    expect(seen).toHaveLength(2);
  });

  test('begins with the page that was asked for', async () => {
    network.answer('get', MASKED, paged(names));

    expect(await walk(apiKeys().list({ page: 2, pageSize: 2 }))).toEqual(['c', 'd', 'e']);
  });

  test("goes by the service's own page size where none was asked for", async () => {
    network.answer('get', MASKED, paged(names, 2));

    expect(await walk(apiKeys().list())).toEqual(names);
  });

  test('yields nothing for an empty account', async () => {
    network.answer('get', MASKED, json({}));

    expect(await walk(apiKeys().list())).toEqual([]);
  });

  test('ends at an empty page, whatever total was promised', async () => {
    const seen = network.answer(
      'get',
      MASKED,
      json({ items: [wireKey()], page: { page: 1, pageSize: 1, total: 100 } }),
      json({ page: { page: 2, pageSize: 1, total: 100 } }),
    );

    expect(await walk(apiKeys().list({ pageSize: 1 }))).toEqual(['checkout']);
    expect(seen).toHaveLength(2);
  });

  test('fetches a page only when it is needed', async () => {
    const seen = network.answer('get', MASKED, paged(names));

    for await (const { name } of apiKeys().list({ pageSize: 2 })) if (name === 'b') break;

    expect(seen).toHaveLength(1);
  });

  test('can be walked again, from the beginning', async () => {
    network.answer('get', MASKED, paged(names));
    const list = apiKeys().list({ pageSize: 2 });

    expect([await walk(list), await walk(list)]).toEqual([names, names]);
  });

  test('throws out of the loop where a later page fails', async () => {
    network.answer('get', MASKED, paged(names), json({ id: 'denied' }, 403));

    await rejectionOf(PermissionDeniedError, walk(apiKeys().list({ pageSize: 2 })));
  });

  test('takes a later 404 for what it is once the masked list has answered', async () => {
    const plain = network.answer('get', PLAIN, onePage());
    network.answer('get', MASKED, onePage(), json({ id: 'gone', message: 'gone' }, 404));
    const client = apiKeys();
    await client.list();

    await rejectionOf(NotFoundError, client.list({ page: 2 }));

    expect(plain).toHaveLength(0);
  });
});

describe('list, of a server without the masked list', () => {
  const missing: [string, Response][] = [
    ['404 in JSON', json({ code: 5, message: 'Not Found', details: [] }, 404)],
    ['404 in text', new Response('404 page not found\n', { status: 404 })],
    ['404 as a page', html(404)],
    ['404 without a body', new Response(null, { status: 404 })],
    ['405', new Response('Method Not Allowed', { status: 405 })],
    ['501', json({ code: 12, message: 'Method Not Implemented' }, 501)],
  ];

  test.each(missing)('falls back to the plain list after %s', async (_, reply) => {
    retryAtOnce();
    network.answer('get', MASKED, reply);
    const plain = network.answer('get', PLAIN, onePage(wireKey({ key: KEY })));

    const page = await apiKeys().list({ page: 1, pageSize: 5, search: 'x', sort: 'id' });

    expect(page.items[0]?.maskedKey).toBe(MASKED_KEY);
    expect(everythingShownOf(page)).not.toContain(KEY);
    expect(plain[0]?.query).toEqual({
      'page.page': '1',
      'page.pageSize': '5',
      'page.search': 'x',
      'page.sort': 'id',
    });
  });

  test('does not repeat the question for a path that is answered with 501', async () => {
    retryAtOnce();
    const masked = network.answer('get', MASKED, json({ message: 'Method Not Implemented' }, 501));
    network.answer('get', PLAIN, onePage());

    await apiKeys().list();

    expect(masked).toHaveLength(1);
  });

  test('finds that out once per client', async () => {
    const masked = network.answer('get', MASKED, json({ message: 'Not Found' }, 404));
    const plain = network.answer('get', PLAIN, onePage());
    const client = apiKeys();

    await client.list();
    await client.list();
    await walk(client.list());

    expect(masked).toHaveLength(1);
    expect(plain).toHaveLength(3);
  });

  test('finds that out anew with another client', async () => {
    const masked = network.answer('get', MASKED, json({ message: 'Not Found' }, 404));
    network.answer('get', PLAIN, onePage());

    await apiKeys().list();
    await apiKeys().list();

    expect(masked).toHaveLength(2);
  });

  test('walks the pages of the plain list', async () => {
    network.answer('get', MASKED, json({ message: 'Not Found' }, 404));
    network.answer('get', PLAIN, paged(['a', 'b', 'c']));

    expect(await walk(apiKeys().list({ pageSize: 2 }))).toEqual(['a', 'b', 'c']);
  });

  test('reports a 404 of the plain list, too', async () => {
    network.answer('get', MASKED, json({ message: 'Not Found' }, 404));
    network.answer('get', PLAIN, json({ message: 'Not Found' }, 404));

    await rejectionOf(NotFoundError, apiKeys().list());
  });

  test.each([
    [401, AuthenticationError],
    [403, PermissionDeniedError],
    [429, RateLimitError],
    [500, ServerError],
    [503, ServerError],
  ] as const)('takes a %i for an error, not for a missing path', async (status, type) => {
    network.answer('get', MASKED, json({ id: 'x', message: 'y' }, status));
    const plain = network.answer('get', PLAIN, onePage());

    const error = await rejectionOf(type, apiKeys({ maxRetries: 0 }).list());

    expect(error).toMatchObject({ status, serviceCode: 'x' });
    expect(plain).toHaveLength(0);
  });
});
