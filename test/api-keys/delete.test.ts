import {
  AuthenticationError,
  ConfigurationError,
  InvalidResponseError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
} from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json, lostConnection, mockNetwork } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys, wireKey } from './requests.ts';

const network = mockNetwork();
const DELETE = `${API}/apikeys/:id`;

describe('delete', () => {
  test('sends the id in the path and an empty object as JSON', async () => {
    const seen = network.answer('delete', DELETE, json(wireKey()));

    await apiKeys({ language: 'zh' }).delete('key-1');

    expect(seen).toHaveLength(1);
    expect(seen[0]?.path).toBe('/apis/hydra.io/v1alpha1/apikeys/key-1');
    expect(seen[0]?.text).toBe('{}');
    expect(seen[0]?.headers.get('content-type')).toBe('application/json');
    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
    expect(seen[0]?.headers.get('accept-language')).toBe('zh');
  });

  test('resolves with the deleted key, masked', async () => {
    network.answer('delete', DELETE, json(wireKey({ key: KEY })));

    const deleted = await apiKeys().delete('key-1');

    expect(deleted).toMatchObject({ id: 'key-1', name: 'checkout', maskedKey: MASKED_KEY });
    expect(everythingShownOf(deleted)).not.toContain(KEY);
  });

  test('resolves with the id where the service tells nothing of the key', async () => {
    network.answer('delete', DELETE, json({}));

    expect((await apiKeys().delete('key-1')).id).toBe('key-1');
  });

  test('encodes an id of unusual characters', async () => {
    const seen = network.answer('delete', DELETE, json({}));

    await apiKeys().delete('a;b=c&d@é');

    expect(seen[0]?.url).toBe(`${API}/apikeys/${encodeURIComponent('a;b=c&d@é')}`);
  });

  test.each([
    ['a path upwards', '../x'],
    ['two dots', '..'],
    ['one dot', '.'],
    ['a slash', 'a/b'],
    ['a backslash', 'a\\b'],
    ['an encoded slash', 'a%2fb'],
    ['encoded dots', '%2e%2e'],
    ['a question mark', 'a?b'],
    ['a hash', 'a#b'],
    ['a blank', 'a b'],
    ['a line break', 'a\nb'],
    ['nothing', ''],
    ['undefined', undefined as unknown as string],
    ['a number', 12 as unknown as string],
    ['half a surrogate pair', 'a\ud800'],
  ])('refuses %s as an id and sends nothing', async (_, id) => {
    const error = await rejectionOf(ConfigurationError, apiKeys().delete(id));

    expect(error.option).toBe('id');
  });

  test.each([KEY, OTHER_KEY])(
    'refuses a whole key as an id, sends nothing and does not repeat it',
    async (key) => {
      const error = await rejectionOf(ConfigurationError, apiKeys().delete(key));

      expect(error.option).toBe('id');
      expect(everythingShownOf(error)).not.toContain(key);
    },
  );

  test('throws NotFoundError for a key that the first attempt does not find', async () => {
    network.answer('delete', DELETE, json({ id: 'not.found', message: 'no such key' }, 404));

    const error = await rejectionOf(NotFoundError, apiKeys().delete('key-1'));

    expect(error).toMatchObject({ status: 404, serviceCode: 'not.found' });
  });

  test.each([
    ['was lost', lostConnection()],
    ['was a 500', json({ id: 'x' }, 500)],
    ['was a 502', html(502)],
    ['was a 503', json({}, 503)],
    ['was a 504', json({}, 504)],
    ['was a 408', json({}, 408)],
  ])('takes a 404 for success after an attempt whose answer %s', async (_, reply) => {
    retryAtOnce();
    const seen = network.answer('delete', DELETE, reply, json({ id: 'not.found' }, 404));

    expect((await apiKeys().delete('key-1')).id).toBe('key-1');
    expect(seen).toHaveLength(2);
  });

  test('gives the response of the 404 that it takes for success', async () => {
    retryAtOnce();
    network.answer(
      'delete',
      DELETE,
      json({}, 503),
      json({ id: 'not.found' }, 404, { 'x-request-id': 'req-7' }),
    );

    const { data, response } = await apiKeys().delete('key-1').withResponse();

    expect(data).toEqual({ id: 'key-1' });
    expect(response).toMatchObject({ status: 404, requestId: 'req-7', attempts: 2 });
  });

  test('takes a 404 for what it is after an attempt that was only held back', async () => {
    retryAtOnce();
    network.answer('delete', DELETE, json({}, 429), json({ id: 'not.found' }, 404));

    await rejectionOf(NotFoundError, apiKeys().delete('key-1'));
  });

  test('takes a 404 for what it is after an attempt whose credential was refused', async () => {
    network.answer('delete', DELETE, json({}, 401), json({ id: 'not.found' }, 404));
    const keys = apiKeys({ accessToken: ({ rejected }) => (rejected ? `${TOKEN}2` : TOKEN) });

    await rejectionOf(NotFoundError, keys.delete('key-1'));
  });

  test('throws NotFoundError at the next call for a key that is gone', async () => {
    retryAtOnce();
    network.answer('delete', DELETE, lostConnection(), json({}, 404));
    const keys = apiKeys();
    await keys.delete('key-1');

    await rejectionOf(NotFoundError, keys.delete('key-1'));
  });

  test('sends the same request again when it is repeated', async () => {
    retryAtOnce();
    const seen = network.answer('delete', DELETE, json({}, 503), json(wireKey()));

    await apiKeys().delete('key-1');

    expect(seen.map(({ path, text }) => [path, text])).toEqual(
      Array(2).fill(['/apis/hydra.io/v1alpha1/apikeys/key-1', '{}']),
    );
  });

  test.each([
    [401, AuthenticationError],
    [403, PermissionDeniedError],
    [429, RateLimitError],
    [500, ServerError],
  ] as const)('throws the error of a %i', async (status, type) => {
    network.answer('delete', DELETE, json({ id: 'x', message: 'y' }, status));

    const error = await rejectionOf(type, apiKeys({ maxRetries: 0 }).delete('key-1'));

    expect(error).toMatchObject({ status, serviceCode: 'x' });
  });

  test('rejects an answer that is about another key', async () => {
    network.answer('delete', DELETE, json(wireKey({ id: 'key-2' })));

    await rejectionOf(InvalidResponseError, apiKeys().delete('key-1'));
  });

  test('shows no key that an error repeats', async () => {
    network.answer('delete', DELETE, json({ id: 'x', message: `no key ${KEY} for ${TOKEN}` }, 400));

    const shown = everythingShownOf(await rejection(apiKeys().delete('key-1')));

    expect(shown).not.toContain(KEY);
    expect(shown).not.toContain(TOKEN);
  });
});
