import { ConfigurationError, InvalidResponseError, NotFoundError, Secret } from 'drun-sdk';
import type { ApiKeys, WorkspaceApiKeys } from 'drun-sdk/api-keys';
import { describe, expect, it } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { connectionReset, newClients, responding, wireKey } from './clients.ts';

type Clients = { readonly keys: ApiKeys; readonly workspaceKeys: WorkspaceApiKeys };

/** The methods that concern one key. */
const methods: [string, (clients: Clients, id: string) => Promise<unknown>][] = [
  ['delete', ({ keys }, id) => keys.delete(id)],
  ['replace', ({ keys }, id) => keys.replace(id)],
  ['getSecret', ({ keys }, id) => keys.getSecret(id)],
  ['disable', ({ workspaceKeys }, id) => workspaceKeys.disable(id)],
  ['enable', ({ workspaceKeys }, id) => workspaceKeys.enable(id)],
  ['setQuota', ({ workspaceKeys }, id) => workspaceKeys.setQuota(id, 5)],
];

describe.each(methods)('%s', (_, call) => {
  it('encodes the id in the path', async () => {
    const { fetch, requests } = responding(json({ id: 'x' }, 404));

    await rejection(call(newClients(fetch), 'a;b=c&d@é'));

    expect(requests.at(-1)?.url.pathname).toContain(`/apikeys/${encodeURIComponent('a;b=c&d@é')}`);
  });

  it.each([
    '../x',
    '..',
    '.',
    'a/b',
    'a\\b',
    'a%2fb',
    '%2e%2e',
    'a?b',
    'a#b',
    'a b',
    'a\nb',
    '',
    'a\ud800',
    undefined,
    null,
    12,
  ])('rejects the id %j and sends nothing', async (id) => {
    const { fetch, requests } = responding(json({}));

    const error = await rejectionOf(ConfigurationError, call(newClients(fetch), id as string));

    expect(error.option).toBe('id');
    expect(requests).toEqual([]);
  });

  it.each([KEY, OTHER_KEY])('rejects a full key as id without showing it', async (key) => {
    const error = await rejectionOf(ConfigurationError, call(newClients(responding(json({})).fetch), key));

    expect(error.option).toBe('id');
    expect(everythingShownOf(error)).not.toContain(key);
  });

  it('rejects a response about another key', async () => {
    const { fetch } = responding(json(wireKey({ id: 'key-2', key: KEY })));

    const error = await rejectionOf(InvalidResponseError, call(newClients(fetch), 'key-1'));

    expect(error.issues[0]?.path).toEqual(['id']);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});

describe('delete', () => {
  it('sends an empty object and returns the deleted key, masked', async () => {
    const { fetch, requests } = responding(json(wireKey({ key: KEY })));

    const deleted = await newClients(fetch, { language: 'zh' }).keys.delete('key-1');

    expect(deleted).toMatchObject({ id: 'key-1', name: 'checkout', maskedKey: MASKED_KEY });
    expect(everythingShownOf(deleted)).not.toContain(KEY);
    expect(requests).toMatchObject([{ method: 'DELETE', body: {} }]);
    expect(requests[0]?.headers.get('content-type')).toBe('application/json');
    expect(requests[0]?.headers.get('accept-language')).toBe('zh');
  });

  it.each([{}, { id: 'key-1' }])('returns the id if the service returns %j', async (body) => {
    const { fetch } = responding(json(body));

    expect(await newClients(fetch).keys.delete('key-1')).toEqual({ id: 'key-1' });
  });

  it('rejects with NotFoundError if the first request does not find the key', async () => {
    const { fetch, requests } = responding(json({ id: 'not.found', message: 'no such key' }, 404));

    const error = await rejectionOf(NotFoundError, newClients(fetch).keys.delete('key-1'));

    expect(error).toMatchObject({ status: 404, serviceCode: 'not.found' });
    expect(requests).toHaveLength(1);
  });

  it.each<[string, Response | Error]>([
    ['a reset connection', connectionReset()],
    ['a 500', json({ id: 'x' }, 500)],
    ['a 502 in HTML', html(502)],
    ['a 503', json({}, 503)],
    ['a 504', json({}, 504)],
    ['a 408', json({}, 408)],
  ])('treats a 404 after %s as success', async (_, failure) => {
    retryAtOnce();
    const { fetch, requests } = responding(failure, json({ id: 'not.found', message: 'no such key' }, 404));

    const { data, response } = await newClients(fetch).keys.delete('key-1').withResponse();

    expect(data).toEqual({ id: 'key-1' });
    expect(response).toMatchObject({ status: 404, attempts: 2 });
    expect(requests.map(({ method, body }) => [method, body])).toEqual(Array(2).fill(['DELETE', {}]));
  });

  it.each([
    ['a 429, which the service did not act on', json({}, 429)],
    ['a 401', json({ id: 'x', message: 'y' }, 401)],
  ])('rejects with NotFoundError if a 404 follows %s', async (_, first) => {
    retryAtOnce();
    const { fetch } = responding(first, json({ id: 'not.found' }, 404));
    const accessToken = ({ rejected }: { rejected?: unknown }): string => (rejected ? `${TOKEN}2` : TOKEN);

    await rejectionOf(NotFoundError, newClients(fetch, { accessToken }).keys.delete('key-1'));
  });

  it('rejects with NotFoundError in the next call', async () => {
    retryAtOnce();
    const { fetch } = responding(connectionReset(), json({}, 404));
    const { keys } = newClients(fetch);
    await keys.delete('key-1');

    await rejectionOf(NotFoundError, keys.delete('key-1'));
  });
});

describe('getSecret', () => {
  it.each([{ id: 'key-1', key: KEY }, { key: KEY }])('returns the full key as a secret', async (body) => {
    const { fetch } = responding(json(body));

    const secret = await newClients(fetch).keys.getSecret('key-1');

    expect(secret).toBeInstanceOf(Secret);
    expect(secret.reveal()).toBe(KEY);
    expect(everythingShownOf(secret)).not.toContain(KEY);
  });

  it.each([
    ['a masked key', { id: 'key-1', key: MASKED_KEY }],
    ['no key', { id: 'key-1' }],
    ['a null key', { id: 'key-1', key: null }],
    ['a numeric key', { id: 'key-1', key: 4711 }],
    ['a key with a line break', { id: 'key-1', key: `${KEY}\n` }],
  ])('rejects a response with %s without showing it', async (_, body) => {
    const { fetch } = responding(json(body));

    const error = await rejectionOf(InvalidResponseError, newClients(fetch).keys.getSecret('key-1'));

    expect(error.issues[0]?.path).toEqual(['key']);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  it.each([404, 405, 501])(
    'rejects with a NotFoundError that names version 0.17 after a %i',
    async (status) => {
      retryAtOnce();
      const { fetch, requests } = responding(html(status));

      const error = await rejectionOf(NotFoundError, newClients(fetch).keys.getSecret('key-1'));

      expect(error.message).toContain('0.17');
      expect(error).toMatchObject({ code: 'not_found', status });
      expect(requests).toHaveLength(1);
    },
  );

  it("keeps the service's message if the key may not exist", async () => {
    const { fetch } = responding(json({ id: 'APIKeyNotFound', message: 'no such key' }, 404));

    const error = await rejectionOf(NotFoundError, newClients(fetch).keys.getSecret('key-1'));

    expect(error.serviceCode).toBe('APIKeyNotFound');
    expect(error.message).toContain('no such key');
    expect(error.message).toContain('0.17');
  });

  it('does not mention versions once the server has proven to be a recent one', async () => {
    const { fetch } = responding(json({}), json({ id: 'APIKeyNotFound', message: 'no such key' }, 404));
    const { keys } = newClients(fetch);
    await keys.list();

    const error = await rejectionOf(NotFoundError, keys.getSecret('key-1'));

    expect(error.message).not.toContain('0.17');
  });
});

describe('setQuota', () => {
  it.each([-1, 1.5, 2 ** 53, Number.NaN, '5', null, undefined])(
    'rejects the quota %j and sends nothing',
    async (quota) => {
      const { fetch, requests } = responding(json({}));
      const { workspaceKeys } = newClients(fetch);

      const updating = workspaceKeys.setQuota('key-1', quota as number);

      expect((await rejectionOf(ConfigurationError, updating)).option).toBe('quota');
      expect(requests).toEqual([]);
    },
  );
});

describe('create in a workspace', () => {
  it.each([-1, 1.5, 2 ** 53, '5', null])('rejects the quota %j and sends nothing', async (quota) => {
    const { fetch, requests } = responding(json({}));

    const creating = newClients(fetch).workspaceKeys.create({ name: 'a', quota: quota as number });

    expect((await rejectionOf(ConfigurationError, creating)).option).toBe('quota');
    expect(requests).toEqual([]);
  });
});

/** Requests to the endpoints whose responses no other test covers. */
const endpoints: [string, (clients: Clients) => PromiseLike<unknown>][] = [
  ...methods.map(([name, call]): [string, (clients: Clients) => PromiseLike<unknown>] => [
    name,
    (clients) => call(clients, 'key-1'),
  ]),
  ['list', ({ keys }) => keys.list()],
  ['listMine', ({ workspaceKeys }) => workspaceKeys.listMine()],
  ['canCreate', ({ keys }) => keys.canCreate()],
  ['usage', ({ keys }) => keys.usage()],
];

describe.each(endpoints)('%s', (_, call) => {
  it('rejects success responses that violate the contract, without showing them', async () => {
    const responses = [
      new Response(null, { status: 204 }),
      new Response(null, { status: 302, headers: { location: 'https://login.example' } }),
      new Response(`{"key": "${KEY}`),
      new Response(`the key is ${KEY}`),
      json([wireKey({ key: KEY })]),
      json({ code: 0, msg: 'ok', data: { items: [wireKey({ key: KEY })], key: KEY, allowed: true } }),
    ];
    for (const response of responses) {
      const { fetch, requests } = responding(response);

      const error = await rejectionOf(InvalidResponseError, call(newClients(fetch)));

      expect(error.status).toBe(response.status);
      const sent = requests.map(({ method, url }) => `${method} ${url.pathname}`);
      expect(sent).toEqual([...new Set(sent)]);
      expect(everythingShownOf(error)).not.toContain(KEY.slice(0, 20));
    }
  });
});
