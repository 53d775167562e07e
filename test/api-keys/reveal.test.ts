import {
  AuthenticationError,
  ConfigurationError,
  InvalidResponseError,
  NotFoundError,
  Secret,
  ServerError,
} from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, MASKED_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { html, json, mockNetwork } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys } from './requests.ts';

const network = mockNetwork();
const SECRET = `${API}/apikeys/:id/secret`;

describe('reveal', () => {
  test('gives the key as a Secret, which does not show it', async () => {
    network.answer('get', SECRET, json({ id: 'key-1', key: KEY }));

    const secret = await apiKeys().reveal('key-1');

    expect(secret).toBeInstanceOf(Secret);
    expect(secret.reveal()).toBe(KEY);
    expect(everythingShownOf(secret)).not.toContain(KEY);
  });

  test('takes an answer that leaves the id out', async () => {
    network.answer('get', SECRET, json({ key: KEY }));

    expect((await apiKeys().reveal('key-1')).reveal()).toBe(KEY);
  });

  test.each([
    ['about another key', { id: 'key-2', key: KEY }, ['id']],
    ['with a masked key', { id: 'key-1', key: MASKED_KEY }, ['key']],
    ['without a key', { id: 'key-1' }, ['key']],
    ['with a null key', { id: 'key-1', key: null }, ['key']],
    ['with a key that is no text', { id: 'key-1', key: 4711 }, ['key']],
    ['with a line break in the key', { id: 'key-1', key: `${KEY}\n` }, ['key']],
  ])('rejects an answer %s, and shows nothing of it', async (_, body, path) => {
    network.answer('get', SECRET, json(body));

    const error = await rejectionOf(InvalidResponseError, apiKeys().reveal('key-1'));

    expect(error.issues[0]?.path).toEqual(path);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test.each([404, 405, 501])(
    'is a NotFoundError after a %i, which says since when servers can, and is not repeated',
    async (status) => {
      retryAtOnce();
      const seen = network.answer('get', SECRET, html(status));

      const error = await rejectionOf(NotFoundError, apiKeys().reveal('key-1'));

      expect(error.message).toContain('0.17');
      expect(error).toMatchObject({ code: 'not_found', status });
      expect(seen).toHaveLength(1);
    },
  );

  test('keeps what the service says of a key that is not there', async () => {
    network.answer('get', SECRET, json({ id: 'APIKeyNotFound', message: 'no such key' }, 404));

    const error = await rejectionOf(NotFoundError, apiKeys().reveal('key-1'));

    expect(error.serviceCode).toBe('APIKeyNotFound');
    expect(error.message).toContain('no such key');
  });

  test('may be repeated', async () => {
    retryAtOnce();
    const seen = network.answer('get', SECRET, json({}, 503), json({ id: 'key-1', key: KEY }));

    await apiKeys().reveal('key-1');

    expect(seen).toHaveLength(2);
  });

  test.each([
    [401, AuthenticationError],
    [500, ServerError],
  ] as const)('throws the error of a %i', async (status, type) => {
    network.answer('get', SECRET, json({ id: 'x', message: `no ${TOKEN}` }, status));

    const error = await rejectionOf(type, apiKeys({ maxRetries: 0 }).reveal('key-1'));

    expect(everythingShownOf(error)).not.toContain(TOKEN);
  });

  test.each(['', '..', 'a/b', KEY])('refuses %j as an id and sends nothing', async (id) => {
    expect((await rejectionOf(ConfigurationError, apiKeys().reveal(id))).option).toBe('id');
  });
});
