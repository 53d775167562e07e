import { InvalidResponseError, NotFoundError, RateLimitError, ServerError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, OTHER_KEY } from '../support/credentials.ts';
import { rejectionOf } from '../support/failures.ts';
import { connectionReset, html, json, mockNetwork } from '../support/network.ts';
import { chatClient, failure, MODELS } from './requests.ts';

const network = mockNetwork();

describe('models', () => {
  test('sends the API key and no body', async () => {
    const requests = network.respond('get', MODELS, json({ object: 'list', data: [] }));

    await chatClient().models();

    expect(requests).toHaveLength(1);
    expect(requests[0]?.text).toBe('');
    expect(requests[0]?.headers.get('authorization')).toBe(`Bearer ${KEY}`);
  });

  test('returns the models with every field that the server sends', async () => {
    const data = [
      { id: 'public/deepseek-r1', object: 'model', created: 1, owned_by: 'd.run', max_model_len: 8192 },
      { id: 'u-8105f7322477/test' },
    ];
    network.respond('get', MODELS, json({ object: 'list', data }));

    expect(await chatClient().models()).toEqual(data);
  });

  test.each([
    ['an empty array', { data: [] }],
    ['a null array', { object: 'list', data: null }],
  ])('returns an empty list for %s', async (_, body) => {
    network.respond('get', MODELS, json(body));

    expect(await chatClient().models()).toEqual([]);
  });

  test.each([
    ['HTML', html()],
    ['an empty body', new Response('')],
    ['a model without an id', json({ data: [{ object: 'model' }] })],
    ['an array of strings', json({ data: ['public/deepseek-r1'] })],
  ])('throws InvalidResponseError for %s', async (_, reply) => {
    network.respond('get', MODELS, reply);

    await rejectionOf(InvalidResponseError, chatClient().models());
  });
});

describe('checkKey', () => {
  test('accepts a key with which the models can be listed', async () => {
    const requests = network.respond('get', MODELS, json({ data: [] }));

    expect(await chatClient().checkKey()).toEqual({ accepted: true });
    expect(requests).toHaveLength(1);
  });

  test.each([
    [401, 'authentication_failed'],
    [402, 'insufficient_quota'],
    [403, 'permission_denied'],
  ])('does not accept a key that the service rejects with %i', async (status, code) => {
    network.respond('get', MODELS, json(failure('x', 'y', KEY), status));

    expect(await chatClient().checkKey()).toEqual({ accepted: false, code });
  });

  test.each([
    [404, NotFoundError],
    [429, RateLimitError],
    [500, ServerError],
    [503, ServerError],
  ] as const)('throws for a %i, which is inconclusive', async (status, type) => {
    network.respond('get', MODELS, json(failure(null, 'internal_error'), status));

    await rejectionOf(type, chatClient({ maxRetries: 0 }).checkKey());
  });

  test('throws if the connection is lost', async () => {
    network.respond('get', MODELS, connectionReset());

    await expect(chatClient({ maxRetries: 0 }).checkKey()).rejects.toMatchObject({
      code: 'connection_failed',
    });
  });

  test('throws for HTML with the status 200', async () => {
    network.respond('get', MODELS, html());

    await rejectionOf(InvalidResponseError, chatClient().checkKey());
  });

  test('checks the key of the option apiKey', async () => {
    const requests = network.respond('get', MODELS, json({ data: [] }));

    await chatClient().checkKey({ apiKey: OTHER_KEY });

    expect(requests[0]?.headers.get('authorization')).toBe(`Bearer ${OTHER_KEY}`);
  });
});
