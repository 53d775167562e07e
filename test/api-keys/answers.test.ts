import { type ApiKeys, InvalidResponseError, ServerError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, OTHER_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json, mockNetwork } from '../support/network.ts';
import { API, apiKeys, wireKey } from './requests.ts';

const network = mockNetwork();

type Method = 'get' | 'post' | 'delete';

const operations: [
  name: string,
  method: Method,
  address: string,
  call: (keys: ApiKeys) => PromiseLike<unknown>,
][] = [
  ['list', 'get', `${API}/masked-apikeys`, (keys) => keys.list()],
  ['delete', 'delete', `${API}/apikeys/key-1`, (keys) => keys.delete('key-1')],
  ['canCreate', 'post', `${API}/apikeys/check-creation`, (keys) => keys.canCreate()],
  ['reveal', 'get', `${API}/apikeys/key-1/secret`, (keys) => keys.reveal('key-1')],
  ['usage', 'post', `${API}/apikeys-stats`, (keys) => keys.usage()],
];

describe.each(operations)('an answer to %s that is not of the contract', (_name, method, address, call) => {
  test.each([
    ['HTML', html()],
    ['an empty body', new Response('', { headers: { 'content-type': 'application/json' } })],
    ['no body and a 204', new Response(null, { status: 204 })],
    ['broken JSON', new Response(`{"key": "${KEY}`, { headers: { 'content-type': 'application/json' } })],
    ['text', new Response(`the key is ${KEY}`)],
    ['an array', json([wireKey({ key: KEY })])],
    ['a string', json(KEY)],
    ['null', json(null)],
  ])('is an InvalidResponseError for %s, without what came', async (_, reply) => {
    network.answer(method, address, reply);

    const error = await rejectionOf(InvalidResponseError, call(apiKeys()));

    expect(error.status).toBe(reply.status);
    expect(error.code).toBe('invalid_response');
    expect(everythingShownOf(error)).not.toContain(KEY.slice(0, 20));
    expect(everythingShownOf(error)).not.toContain('session');
  });

  test('is not repeated', async () => {
    const seen = network.answer(method, address, html());

    await rejection(call(apiKeys({ maxRetries: 3 })));

    expect(seen).toHaveLength(1);
  });

  test('is an error with the status where a gateway answers with a page', async () => {
    network.answer(method, address, html(500));

    const error = await rejectionOf(ServerError, call(apiKeys({ maxRetries: 0 })));

    expect(error.status).toBe(500);
    expect(error.message).not.toContain('<');
  });
});

describe('an InvalidResponseError', () => {
  test.each([
    ['an id that is no string', { items: [wireKey(), wireKey({ id: 47114711 })] }, ['items', 1, 'id']],
    ['an id that is missing', { items: [{ name: 'x' }] }, ['items', 0, 'id']],
    [
      'a time that is none',
      { items: [wireKey({ creationTimestamp: `yesterday ${KEY}` })] },
      ['items', 0, 'creationTimestamp'],
    ],
    [
      'a list of models that is none',
      { items: [wireKey({ allowModels: KEY })] },
      ['items', 0, 'allowModels'],
    ],
    [
      'a model that is no text',
      { items: [wireKey({ denyModels: [{ a: KEY }] })] },
      ['items', 0, 'denyModels', 0],
    ],
    ['a flag that is none', { items: [wireKey({ expired: KEY })] }, ['items', 0, 'expired']],
    ['items that are none', { items: { key: KEY } }, ['items']],
    ['a total that is no number', { items: [], page: { total: KEY } }, ['page', 'total']],
  ])('says where: %s', async (_, body, path) => {
    network.answer('get', `${API}/masked-apikeys`, json(body));

    const error = await rejectionOf(InvalidResponseError, apiKeys().list());

    expect(error.issues.map((issue) => issue.path)).toEqual([path]);
    expect(error.message).toContain(path.join('.'));
    expect(everythingShownOf(error)).not.toContain(KEY);
    expect(everythingShownOf(error)).not.toContain('47114711');
  });

  test('lists every place', async () => {
    const items = [wireKey({ expired: 'x', disabled: 'y' }), wireKey({ name: 7 })];
    network.answer('get', `${API}/masked-apikeys`, json({ items }));

    const error = await rejectionOf(InvalidResponseError, apiKeys().list());

    expect(error.issues.map(({ path }) => path.join('.'))).toEqual([
      'items.0.expired',
      'items.0.disabled',
      'items.1.name',
    ]);
  });
});

describe('an error of the control plane', () => {
  test('carries its id as serviceCode, and its message', async () => {
    const body = { id: 'hydra.invalid.sort', message: '排序字段无效' };
    network.answer('get', `${API}/masked-apikeys`, json(body, 400, { 'x-request-id': 'req-7' }));

    const error = await rejection(apiKeys().list());

    expect(error).toMatchObject({
      name: 'InvalidRequestError',
      status: 400,
      serviceCode: 'hydra.invalid.sort',
      requestId: 'req-7',
    });
    expect((error as Error).message).toContain('排序字段无效');
  });

  test.each([
    ['{}', json({}, 400)],
    ['an empty body', new Response('', { status: 400 })],
    ['null', json(null, 400)],
    ['an array', json(['no'], 400)],
    ['a number', json(4711, 400)],
    ['fields of other types', json({ id: { a: 1 }, message: ['b'] }, 400)],
    ['broken JSON', new Response('{"id":', { status: 400, headers: { 'content-type': 'application/json' } })],
  ])('keeps its status where it says nothing that can be read: %s', async (_, reply) => {
    network.answer('get', `${API}/masked-apikeys`, reply);

    expect(await rejection(apiKeys().list())).toMatchObject({ name: 'InvalidRequestError', status: 400 });
  });

  test('shows neither the access token nor any key that it repeats, in whatever field or header', async () => {
    const said = `Bearer ${TOKEN} ${encodeURIComponent(TOKEN)} ${btoa(TOKEN)} ${KEY} ${OTHER_KEY}`;
    network.answer(
      'get',
      `${API}/masked-apikeys`,
      json({ id: said, message: said }, 400, { 'x-request-id': said }),
    );

    const shown = everythingShownOf(await rejection(apiKeys().list()));

    for (const secret of [TOKEN, btoa(TOKEN), KEY, OTHER_KEY]) expect(shown).not.toContain(secret);
  });

  test('shows no access token that a text body repeats', async () => {
    network.answer('get', `${API}/masked-apikeys`, new Response(`bad token ${TOKEN}`, { status: 401 }));

    expect(everythingShownOf(await rejection(apiKeys().list()))).not.toContain(TOKEN);
  });
});
