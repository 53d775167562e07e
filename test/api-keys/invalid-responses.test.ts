import { InvalidResponseError } from 'drun-sdk';
import type { ApiKeys, WorkspaceApiKeys } from 'drun-sdk/api-keys';
import { describe, expect, it } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { clientsOver, responding, wireKey } from './clients.ts';

type Clients = { readonly keys: ApiKeys; readonly workspaceKeys: WorkspaceApiKeys };

/** Every method that sends one request, and whether an empty message is a valid response to it. */
const methods: [string, (clients: Clients) => PromiseLike<unknown>, mayBeEmpty: boolean][] = [
  ['list', ({ keys }) => keys.list(), true],
  ['list of a page', ({ keys }) => keys.list({ page: 1 }), true],
  ['iterated list', ({ keys }) => Array.fromAsync(keys.list()), true],
  ['listMine', ({ workspaceKeys }) => workspaceKeys.listMine(), true],
  ['delete', ({ keys }) => keys.delete('key-1'), true],
  ['replace', ({ keys }) => keys.replace('key-1'), false],
  ['canCreate', ({ keys }) => keys.canCreate(), true],
  ['getSecret', ({ keys }) => keys.getSecret('key-1'), false],
  ['usage', ({ keys }) => keys.usage(), true],
  ['prune', ({ keys }) => keys.prune({ olderThanMs: 1 }), true],
  ['disable', ({ workspaceKeys }) => workspaceKeys.disable('key-1'), false],
  ['enable', ({ workspaceKeys }) => workspaceKeys.enable('key-1'), false],
  ['setQuota', ({ workspaceKeys }) => workspaceKeys.setQuota('key-1', 5), false],
];

describe.each(methods)('%s', (_, call, mayBeEmpty) => {
  it.each<[string, Response]>([
    ['HTML', html()],
    ['an empty body', new Response('', { headers: { 'content-type': 'application/json' } })],
    ['204', new Response(null, { status: 204 })],
    ['broken JSON', new Response(`{"key": "${KEY}`, { headers: { 'content-type': 'application/json' } })],
    ['text', new Response(`the key is ${KEY}`)],
    ['an array', json([wireKey({ key: KEY })])],
    ['a string', json(KEY)],
    ['null', json(null)],
    ['a redirect', new Response(null, { status: 302, headers: { location: 'https://login.example' } })],
    ['none of the fields of the contract', json({ status: 'ok', value: KEY })],
    ['a wrapped success', json({ code: 0, msg: 'ok', data: { items: [], id: 'key-1', allowed: true } })],
  ])('rejects %s with InvalidResponseError after one request', async (_kind, response) => {
    const { fetch, requests } = responding(response);

    const error = await rejectionOf(InvalidResponseError, call(clientsOver(fetch)));

    expect(error).toMatchObject({ code: 'invalid_response', status: response.status });
    expect(requests).toHaveLength(1);
    expect(everythingShownOf(error)).not.toContain(KEY.slice(0, 20));
  });

  it(`${mayBeEmpty ? 'accepts' : 'rejects'} an empty message`, async () => {
    const calling = call(clientsOver(responding(json({})).fetch));

    if (mayBeEmpty) await calling;
    else await rejection(calling);
  });

  it('rejects with the error of the status if a gateway responds with HTML', async () => {
    const { fetch } = responding(html(500));

    const error = await rejection(call(clientsOver(fetch, { maxRetries: 0 })));

    expect(error).toMatchObject({ code: 'server_error', status: 500 });
    expect(String(error)).not.toContain('<');
  });
});

it('an InvalidResponseError names every place that differs, and no value', async () => {
  const { fetch } = responding(json({ items: [{ name: KEY }, { id: 4711 }] }));

  const error = await rejectionOf(InvalidResponseError, clientsOver(fetch).keys.list());

  expect(error.issues.map(({ path }) => path.join('.'))).toEqual(['items.0.id', 'items.1.id']);
  expect(error.message).toContain('items.0.id: expected string');
  expect(everythingShownOf(error)).not.toContain(KEY);
  expect(everythingShownOf(error)).not.toContain('4711');
});
