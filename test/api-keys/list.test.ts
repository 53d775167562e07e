import { AsyncLocalStorage } from 'node:async_hooks';
import { type ApiKey, ConfigurationError, InvalidResponseError } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { ContractServer } from '../support/contract-server.ts';
import { KEY, MASKED_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { type Fetch, newClients, responding, serve, wireKey } from './clients.ts';

async function idsOf(list: AsyncIterable<ApiKey>): Promise<string[]> {
  return (await Array.fromAsync(list)).map(({ id }) => id);
}

/** Starts a server whose keys have these ids. `pageOf` creates the response for a page and a page size. */
function pagedBy(pageOf: (page: number, pageSize: number) => Response) {
  const queries: (readonly [number, number])[] = [];
  const fetch: Fetch = async (input) => {
    const query = new URL(input).searchParams;
    const request = [Number(query.get('page.page') ?? 1), Number(query.get('page.pageSize') ?? 10)] as const;
    queries.push(request);
    return pageOf(...request);
  };
  return { ...newClients(fetch), queries };
}

const IDS = ['a', 'b', 'c', 'd', 'e'];
const slice = (page: number, size: number) => IDS.slice((page - 1) * size, page * size).map((id) => ({ id }));

describe('a list without page and page size', () => {
  it('is read in one request', async () => {
    const { server, keys } = serve();
    for (let number = 0; number < 250; number++) server.add();

    const page = await keys.list();

    expect(page).toMatchObject({ page: 1, pageSize: 250, total: 250 });
    expect(page.items.map(({ id }) => id)).toEqual(server.keys.map(({ id }) => id).reverse());
    expect(server.requests).toMatchObject([{ operation: 'masked list', query: { 'page.pageSize': '-1' } }]);
  });

  it('is read in one request when it is iterated over', async () => {
    const { server, keys } = serve();
    for (let number = 0; number < 250; number++) server.add();

    expect(await idsOf(keys.list())).toHaveLength(250);
    expect(server.requests).toHaveLength(1);
  });

  it.each([400, 422])('is read in pages of 100 if the server rejects that with %i', async (status) => {
    const server = new ContractServer();
    for (let number = 0; number < 250; number++) server.add();
    const fetch: Fetch = async (input, init) =>
      input.includes('=-1')
        ? json({ id: 'x', message: 'invalid page size' }, status)
        : server.fetch(input, init);
    const { keys } = newClients(fetch);

    const page = await keys.list({ search: 'key', sort: 'id' });

    expect(page).toMatchObject({ page: 1, pageSize: 250, total: 250 });
    expect(new Set(page.items.map(({ id }) => id)).size).toBe(250);
    expect(server.requests.map(({ query }) => query)).toEqual(
      ['1', '2', '3'].map((number) => ({
        'page.page': number,
        'page.pageSize': '100',
        'page.search': 'key',
        'page.sort': 'id',
      })),
    );
    expect(await idsOf(keys.list())).toHaveLength(250);
  });

  it('is read in pages of 100 if the server returns fewer keys than it counts', async () => {
    const { keys, queries } = pagedBy((page, size) =>
      json({ items: slice(page, size < 0 ? 2 : size), page: { page, pageSize: size, total: 5 } }),
    );

    expect((await keys.list()).items.map(({ id }) => id)).toEqual(IDS);
    expect(queries).toEqual([
      [1, -1],
      [1, 100],
    ]);
  });

  it('rejects with the error of the pages if the server rejects those as well', async () => {
    const { fetch, requests } = responding(json({ id: 'sort.invalid', message: 'no such field' }, 400));

    expect(await rejection(newClients(fetch).keys.list({ sort: 'x' }))).toMatchObject({
      code: 'invalid_request',
      serviceCode: 'sort.invalid',
    });
    expect(requests).toHaveLength(2);
  });

  it.each([
    ['an empty message', {}],
    ['null fields', { items: null, page: null }],
    ['an empty page', { items: [], page: { page: 1, pageSize: 10 } }],
    ['zeros', { items: [], page: { page: 1, pageSize: -1, total: '0' } }],
  ])('is empty for %s', async (_, body) => {
    const { fetch, requests } = responding(json(body));

    expect(await newClients(fetch).keys.list()).toMatchObject({ items: [], page: 1, total: 0 });
    expect(requests).toHaveLength(1);
  });
});

describe('a list with a page or a page size', () => {
  it('is one page when it is awaited', async () => {
    const { server, keys } = serve();
    for (let number = 0; number < 5; number++) server.add();

    const page = await keys.list({ page: 2, pageSize: 2, search: 'key', sort: 'createdAt' });

    expect(page).toMatchObject({ page: 2, pageSize: 2, total: 5 });
    expect(page.items).toHaveLength(2);
    expect(server.requests.map(({ query }) => query)).toEqual([
      { 'page.page': '2', 'page.pageSize': '2', 'page.search': 'key', 'page.sort': 'creationTimestamp' },
    ]);
  });

  it('has the page size of the service if only a page was given', async () => {
    const { server, keys } = serve();
    for (let number = 0; number < 15; number++) server.add();

    expect((await keys.list({ page: 2 })).items).toHaveLength(5);
    expect(server.requests.map(({ query }) => query)).toEqual([{ 'page.page': '2' }]);
  });

  it('is iterated over in order, without a request beyond the last page', async () => {
    const { keys, queries } = pagedBy((page, size) =>
      json({ items: slice(page, size), page: { page, pageSize: size, total: 5 } }),
    );

    expect(await idsOf(keys.list({ pageSize: 5 }))).toEqual(IDS);
    expect(await idsOf(keys.list({ pageSize: 2 }))).toEqual(IDS);
    expect(queries).toEqual([
      [1, 5],
      [1, 2],
      [2, 2],
      [3, 2],
    ]);
  });

  it('is iterated over from the requested page on', async () => {
    const { keys } = pagedBy((page, size) => json({ items: slice(page, size), page: { total: 5 } }));

    expect(await idsOf(keys.list({ page: 2, pageSize: 2 }))).toEqual(['c', 'd', 'e']);
  });

  it.each<[string, (page: number) => unknown]>([
    ['does not describe its pages', () => undefined],
    ['counts in strings', (page) => ({ page, pageSize: 2, total: '5' })],
    ['repeats the requested page size', (page) => ({ page, pageSize: 1000, total: 5 })],
    ['counts more keys than there are', (page) => ({ page, pageSize: 2, total: 1_000_000 })],
    ['sends counts that cannot be parsed', () => 'five'],
  ])('is read completely from a server with pages of two that %s', async (_, describePage) => {
    const { keys } = pagedBy((page) => json({ items: slice(page, 2), page: describePage(page) }));

    expect(await idsOf(keys.list({ pageSize: 1000 }))).toEqual(IDS);
  });

  it('returns each key once if one response repeats keys', async () => {
    const items = [wireKey(), wireKey({ id: 'key-2' }), wireKey()];
    const { keys } = newClients(responding(json({ items, page: { total: '2' } })).fetch);

    expect((await keys.list()).items.map(({ id }) => id)).toEqual(['key-1', 'key-2']);
    expect((await Array.fromAsync(keys.list())).map(({ id }) => id)).toEqual(['key-1', 'key-2']);
  });

  it('yields each key once if a new key shifts the pages', async () => {
    const { keys } = pagedBy((page) =>
      json({
        items: page === 1 ? [{ id: 'a' }, { id: 'b' }] : [{ id: 'b' }, { id: 'c' }],
        page: { total: 4 },
      }),
    );

    expect(await idsOf(keys.list({ pageSize: 2 }))).toEqual(['a', 'b', 'c']);
  });

  it('ends if a server returns the same page forever', async () => {
    const { keys, queries } = pagedBy(() => json({ items: [{ id: 'a' }], page: { total: 99 } }));

    expect(await idsOf(keys.list({ pageSize: 1 }))).toEqual(['a']);
    expect(queries).toHaveLength(2);
  });

  it('requests a page only when it is needed', async () => {
    const { keys, queries } = pagedBy((page, size) => json({ items: slice(page, size), page: { total: 5 } }));

    for await (const { id } of keys.list({ pageSize: 2 })) if (id === 'b') break;

    expect(queries).toHaveLength(1);
  });

  it('throws in the loop if a later page fails', async () => {
    const { keys } = pagedBy((page) =>
      page === 1 ? json({ items: slice(1, 2), page: { total: 5 } }) : json({ id: 'denied' }, 403),
    );

    await expect(idsOf(keys.list({ pageSize: 2 }))).rejects.toMatchObject({ code: 'permission_denied' });
  });

  it('can be iterated over again', async () => {
    const { keys } = pagedBy((page, size) => json({ items: slice(page, size), page: { total: 5 } }));
    const list = keys.list({ pageSize: 2 });

    expect([await idsOf(list), await idsOf(list)]).toEqual([IDS, IDS]);
  });
});

describe('a list', () => {
  it.each<[string, object, string]>([
    ['page 0', { page: 0 }, 'page'],
    ['page 1.5', { page: 1.5 }, 'page'],
    ['a page beyond int32', { page: 2 ** 31 }, 'page'],
    ['a page as a string', { page: '1' }, 'page'],
    ['page null', { page: null }, 'page'],
    ['a page size of 0', { pageSize: 0 }, 'pageSize'],
    ['a page size of -1', { pageSize: -1 }, 'pageSize'],
    ['a page size of NaN', { pageSize: Number.NaN }, 'pageSize'],
    ['a page size that is a word', { pageSize: 'all' }, 'pageSize'],
    ['a search for null', { search: null }, 'search'],
    ['a search for a number', { search: 7 }, 'search'],
    ['a sort by null', { sort: null }, 'sort'],
    ['a sort by an array', { sort: ['name'] }, 'sort'],
  ])('rejects %s and sends nothing', async (_, query, option) => {
    const { fetch, requests } = responding(json({}));

    const error = await rejectionOf(ConfigurationError, newClients(fetch).keys.list(query));

    expect(error.option).toBe(option);
    expect(requests).toEqual([]);
  });

  it('is requested only when it is used', () => {
    const { fetch, requests } = responding(json({}));

    newClients(fetch).keys.list();

    expect(requests).toEqual([]);
  });

  it('is not affected by later changes to the query', async () => {
    const { fetch, requests } = responding(json({}));
    const query = { search: 'a' };
    const list = newClients(fetch).keys.list(query);
    query.search = 'b';

    await list;

    expect(requests[0]?.url.searchParams.get('page.search')).toBe('a');
  });

  it.each<[string, (list: PromiseLike<unknown> & AsyncIterable<unknown>) => PromiseLike<unknown>]>([
    ['awaited', (list) => list],
    ['iterated over', (list) => Array.fromAsync(list)],
  ])(
    'uses the access token of the async context it was created in when it is %s elsewhere',
    async (_, use) => {
      const tenant = new AsyncLocalStorage<string>();
      const { fetch, requests } = responding(json({ items: [{ id: 'a' }], page: { total: 2 } }), json({}));
      const { keys } = newClients(fetch, { accessToken: () => `token-of-${tenant.getStore()}` });

      const list = tenant.run('a', () => keys.list({ pageSize: 1 }));
      await tenant.run('b', () => use(list));

      const tokens = requests.map(({ headers }) => headers.get('authorization'));
      expect(new Set(tokens)).toEqual(new Set(['Bearer token-of-a']));
    },
  );

  it("reports the service's time, including the age of a cached response", async () => {
    const date = 'Sun, 01 Mar 2026 08:00:00 GMT';
    const { fetch } = responding(
      json({}, 200, { date }),
      json({}, 200, { date, age: '90' }),
      json({}, 200, { date, age: '-5' }),
      json({}, 200, { date: 'noon' }),
    );
    const { keys } = newClients(fetch);

    expect((await keys.list()).servedAt).toEqual(new Date('2026-03-01T08:00:00Z'));
    expect((await keys.list()).servedAt).toEqual(new Date('2026-03-01T08:01:30Z'));
    expect((await keys.list()).servedAt).toEqual(new Date('2026-03-01T08:00:00Z'));
    expect(await keys.list()).not.toHaveProperty('servedAt');
  });

  it('reports the time of the first page if it is read in several', async () => {
    const { keys } = pagedBy((page, size) => {
      if (size < 0) return json({ message: 'invalid' }, 400);
      const date = new Date(Date.UTC(2026, 2, 1, 8, page)).toUTCString();
      return json({ items: slice(page, 2), page: { total: 5 } }, 200, { date });
    });

    const { items, servedAt } = await keys.list();

    expect(items).toHaveLength(5);
    expect(servedAt).toEqual(new Date('2026-03-01T08:01:00Z'));
  });
});

describe('a listed key', () => {
  const listOne = async (fields: Record<string, unknown>): Promise<ApiKey | undefined> => {
    const { fetch } = responding(json({ items: [{ id: 'key-1', ...fields }, wireKey({ id: 'key-2' })] }));
    const { items } = await newClients(fetch).keys.list();
    // The other key of the list is always valid.
    expect(items[1]).toMatchObject({ id: 'key-2', name: 'checkout', quota: { limit: 1_000_000 } });
    return items[0];
  };
  const emptyKey: ApiKey = {
    id: 'key-1',
    name: '',
    maskedKey: '******',
    createdAt: new Date(0),
    expired: false,
    disabled: false,
    allowModels: [],
    denyModels: [],
  };

  it('has every field of the service', async () => {
    expect(await listOne(wireKey())).toEqual({
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
      quota: { limit: 1_000_000, used: 12, remaining: 999_988, syncedAt: new Date('2026-03-02T10:30:00Z') },
    });
  });

  it('has defaults for fields that are left out or null', async () => {
    expect(await listOne({})).toEqual(emptyKey);
    const nulls = Object.keys(wireKey()).map((name) => [name, null]);
    expect(await listOne({ ...Object.fromEntries(nulls), id: 'key-1' })).toEqual(emptyKey);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a numeric name', { name: 7 }],
    ['a key that is an object', { key: { a: KEY } }],
    ['a numeric time', { creationTimestamp: 1_772_352_000, lastUsedTime: 1_772_352_000_000 }],
    ['a time in words', { expireTime: `tomorrow ${KEY}` }],
    ['a date without a time', { creationTimestamp: '2026-03-01' }],
    ['the 30th of February', { creationTimestamp: '2026-02-30T00:00:00Z' }],
    ['an empty time', { expireTime: '', lastUsedTime: '' }],
    [
      'the zero time of Go',
      { creationTimestamp: '0001-01-01T00:00:00Z', lastUsedTime: '0001-01-01T00:00:00Z' },
    ],
    ['the zero time of protobuf', { expireTime: '1970-01-01T00:00:00Z' }],
    ['flags in strings', { expired: 'no', disabled: 'yes' }],
    ['a creator that is an object', { createBy: { id: 1 } }],
    ['a negative workspace', { workspace: -1 }],
    ['a list of models that is a string', { allowModels: 'all', denyModels: 7 }],
    ['a quota above 2^53', { quota: '9223372036854775807' }],
    ['a usage above 2^53', { quota: '5', usedQuota: '9007199254740992' }],
    ['a decimal quota', { quota: 1.5 }],
    ['a quota in words', { remainingQuota: 'many' }],
    ['an unlimited quota with unreadable usage', { unlimitedQuota: true, usedQuota: '1e3' }],
    ['unknown fields', { color: 'red' }],
  ])('omits fields that cannot be parsed: %s', async (_, fields) => {
    const key = await listOne(fields);

    expect(key).toEqual(emptyKey);
    expect(everythingShownOf(key)).not.toContain(KEY);
  });

  it('keeps the model patterns that are strings', async () => {
    expect((await listOne({ allowModels: ['a', 7, null, 'b'] }))?.allowModels).toEqual(['a', 'b']);
  });

  it.each<[string, Record<string, unknown>, ApiKey['quota']]>([
    ['left out in an account', {}, undefined],
    ['left out in a workspace', { workspace: 12 }, { limit: 0, used: 0, remaining: 0 }],
    ['in numbers', { quota: 10, usedQuota: 4, remainingQuota: 6 }, { limit: 10, used: 4, remaining: 6 }],
    ['without the rest', { quota: '10', usedQuota: '4' }, { limit: 10, used: 4, remaining: 6 }],
    ['used up', { quota: '10', usedQuota: '14' }, { limit: 10, used: 14, remaining: 0 }],
    ['of 2^53 - 1', { quota: '9007199254740991' }, { limit: 2 ** 53 - 1, used: 0, remaining: 2 ** 53 - 1 }],
    [
      'unlimited',
      { unlimitedQuota: true, usedQuota: '4' },
      { limit: 'unlimited', used: 4, remaining: 'unlimited' },
    ],
    [
      'unlimited with the largest int64 as its limit',
      { unlimitedQuota: true, quota: '9223372036854775807' },
      { limit: 'unlimited', used: 0, remaining: 'unlimited' },
    ],
  ])('has a quota that is %s', async (_, fields, quota) => {
    expect((await listOne(fields))?.quota).toEqual(quota);
  });

  it.each([
    [KEY, MASKED_KEY],
    [MASKED_KEY, MASKED_KEY],
    ['sk-short', '******'],
    ['****', '******'],
  ])('is masked if the server sends %s', async (key, maskedKey) => {
    const listed = await listOne({ key });

    expect(listed?.maskedKey).toBe(maskedKey);
    expect(everythingShownOf(listed)).not.toContain(KEY);
  });

  it('passes on names unchanged', async () => {
    expect((await listOne({ name: 'sk-for-the-checkout-service' }))?.name).toBe(
      'sk-for-the-checkout-service',
    );
  });

  it.each([
    ['is missing', { name: 'x' }],
    ['is empty', { id: '' }],
    ['is a number', { id: 47114711 }],
  ])('fails the list if its id %s, and the error contains the index', async (_, item) => {
    const { fetch } = responding(json({ items: [wireKey(), item] }));

    const error = await rejectionOf(InvalidResponseError, newClients(fetch).keys.list());

    expect(error.issues.map(({ path }) => path)).toEqual([['items', 1, 'id']]);
    expect(error.message).toContain('items.1.id');
    expect(everythingShownOf(error)).not.toContain('47114711');
  });
});

describe('a server without the masked list', () => {
  const missing: [string, Response][] = [
    ['404 in JSON', json({ code: 5, message: 'Not Found', details: [] }, 404)],
    ['404 in text', new Response('404 page not found\n', { status: 404 })],
    ['404 in HTML', html(404)],
    ['404 without a body', new Response(null, { status: 404 })],
    ['405', new Response('Method Not Allowed', { status: 405 })],
    ['501', json({ code: 12, message: 'Method Not Implemented' }, 501)],
  ];

  it.each(missing)('is detected once per client, after %s', async (_, response) => {
    retryAtOnce();
    const { fetch, requests } = responding(response, json({ items: [wireKey({ key: KEY })] }));
    const { keys } = newClients(fetch);

    const page = await keys.list({ search: 'x' });
    await keys.list();

    expect(page.items[0]?.maskedKey).toBe(MASKED_KEY);
    expect(everythingShownOf(page)).not.toContain(KEY);
    expect(requests.map(({ url }) => url.pathname.split('/').at(-1))).toEqual([
      'masked-apikeys',
      'apikeys',
      'apikeys',
    ]);
    expect(requests[1]?.url.search).toBe(requests[0]?.url.search);
  });

  it.each([401, 403, 429, 500, 503])('is not assumed after a %i', async (status) => {
    const { fetch, requests } = responding(json({ id: 'x', message: 'y' }, status));

    const error = await rejection(newClients(fetch, { maxRetries: 0 }).keys.list());

    expect(error).toMatchObject({ status, serviceCode: 'x' });
    expect(requests).toHaveLength(1);
  });

  it('may respond to some requests while servers are replaced', async () => {
    const masked = json({ items: [wireKey()] });
    const full = json({ items: [wireKey({ key: KEY })] });
    const { fetch, requests } = responding(masked, json({ message: 'no such path' }, 404), full, masked);
    const { keys } = newClients(fetch);

    for (let call = 0; call < 3; call++) {
      expect((await keys.list()).items[0]?.maskedKey).toBe(MASKED_KEY);
    }
    const paths = requests.map(({ url }) => url.pathname.split('/').at(-1));
    expect(paths).toEqual(['masked-apikeys', 'masked-apikeys', 'apikeys', 'masked-apikeys']);
  });

  it('rejects with the error of the plain list if that fails too', async () => {
    const { fetch } = responding(json({ message: 'Not Found' }, 404));

    expect(await rejection(newClients(fetch).keys.list())).toMatchObject({ code: 'not_found' });
  });
});

it('the error of an invalid list names every invalid field, without values', async () => {
  const { fetch } = responding(json({ items: [{ name: KEY }, { id: 4711 }] }));

  const error = await rejectionOf(InvalidResponseError, newClients(fetch).keys.list());

  expect(error.issues.map(({ path }) => path.join('.'))).toEqual(['items.0.id', 'items.1.id']);
  expect(error.message).toContain('items.0.id: expected string');
  expect(everythingShownOf(error)).not.toContain(KEY);
});

it("listMine reads the caller's keys of a workspace in one request", async () => {
  const { server, workspaceKeys } = serve({ version: '0.15' });
  server.add({ scope: 12, owner: 'colleague' });
  const mine = server.add({ scope: 12 });

  const page = await workspaceKeys.listMine();

  expect(page.items.map(({ id }) => id)).toEqual([mine.id]);
  expect(everythingShownOf(page)).not.toContain(mine.key);
  expect(await idsOf(workspaceKeys.listMine({ pageSize: 1 }))).toEqual([mine.id]);
  expect(server.operations).toEqual(['own list', 'own list']);
});

it('no list error shows a credential', async () => {
  const message = `Bearer ${TOKEN} ${encodeURIComponent(TOKEN)} ${btoa(TOKEN)} ${KEY}`;
  const { fetch } = responding(json({ id: message, message }, 400, { 'x-request-id': message }));

  const shown = everythingShownOf(await rejection(newClients(fetch).keys.list()));

  for (const secret of [TOKEN, btoa(TOKEN), KEY]) expect(shown).not.toContain(secret);
});
