import {
  ApiKeyLimitError,
  ApiKeys,
  AuthenticationError,
  ConfigurationError,
  InvalidResponseError,
  isDrunError,
  RateLimitError,
  Secret,
  ServerError,
  UnknownOutcomeError,
} from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { KEY, MASKED_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json, lostConnection, mockNetwork, type SeenRequest } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys, wireKey } from './requests.ts';

const network = mockNetwork();
const CREATE = `${API}/apikeys`;
const CHECK = `${API}/apikeys/check-creation`;
const LIST = `${API}/masked-apikeys`;

/** What `check-creation` says where no further key is allowed; the keys that there are, are looked at then. */
function atLimit(check: unknown, ...keys: unknown[]): SeenRequest[] {
  network.answer('get', LIST, json({ items: keys, page: { page: 1, pageSize: 100, total: keys.length } }));
  return network.answer('post', CHECK, json(check));
}

describe('create', () => {
  test('posts the name as JSON with the access token', async () => {
    const seen = network.answer('post', CREATE, json(wireKey({ key: KEY })));

    await apiKeys().create({ name: 'checkout' });

    expect(seen).toHaveLength(1);
    expect(seen[0]?.path).toBe('/apis/hydra.io/v1alpha1/apikeys');
    expect(seen[0]?.query).toEqual({});
    expect(JSON.parse(seen[0]?.text ?? '')).toEqual({ name: 'checkout' });
    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
    expect(seen[0]?.headers.get('content-type')).toBe('application/json');
    expect(seen[0]?.headers.get('accept-language')).toBe('en');
  });

  test('sends the expiry as an RFC 3339 time', async () => {
    const seen = network.answer('post', CREATE, json(wireKey({ key: KEY })));

    await apiKeys().create({ name: 'checkout', expiresAt: new Date('2027-01-01T01:00:00+01:00') });

    expect(JSON.parse(seen[0]?.text ?? '')).toEqual({
      name: 'checkout',
      expireTime: '2027-01-01T00:00:00.000Z',
    });
  });

  test('asks for messages in the language of the client', async () => {
    const seen = network.answer('post', CREATE, json(wireKey({ key: KEY })));

    await apiKeys({ language: 'zh-CN' }).create({ name: 'checkout' });

    expect(seen[0]?.headers.get('accept-language')).toBe('zh-CN');
  });

  test('sends a name of any characters as it is', async () => {
    const seen = network.answer('post', CREATE, json(wireKey({ key: KEY })));

    await apiKeys().create({ name: ' 结账 "1"/../\u{1F511} ' });

    expect(JSON.parse(seen[0]?.text ?? '')).toEqual({ name: ' 结账 "1"/../\u{1F511} ' });
  });

  test('gives the whole key as a secret', async () => {
    network.answer('post', CREATE, json(wireKey({ key: KEY })));

    const created = await apiKeys().create({ name: 'checkout' });

    expect(created.secret).toBeInstanceOf(Secret);
    expect(created.secret.reveal()).toBe(KEY);
  });

  test('describes the key, masked', async () => {
    network.answer('post', CREATE, json(wireKey({ key: KEY })));

    const { secret: _, ...created } = await apiKeys().create({ name: 'checkout' });

    expect(created).toMatchObject({
      id: 'key-1',
      name: 'checkout',
      maskedKey: MASKED_KEY,
      createdAt: new Date('2026-03-01T08:00:00Z'),
      expiresAt: new Date('2027-01-01T00:00:00Z'),
      expired: false,
      disabled: false,
    });
  });

  test('gives nothing that shows the key when it is printed', async () => {
    network.answer('post', CREATE, json(wireKey({ key: KEY })));

    const created = await apiKeys().create({ name: 'checkout' });

    expect(everythingShownOf(created)).not.toContain(KEY);
  });

  test('needs no more of the answer than id and key', async () => {
    network.answer('post', CREATE, json({ id: 'key-1', key: KEY }));

    const created = await apiKeys().create({ name: 'checkout' });

    expect(created.id).toBe('key-1');
    expect(created.secret.reveal()).toBe(KEY);
    expect(created).not.toHaveProperty('expiresAt');
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['an empty name', { name: '' }, 'name'],
    ['a name of blanks', { name: '  ' }, 'name'],
    ['a name that is no string', { name: 12 }, 'name'],
    ['no name', {}, 'name'],
    ['an invalid date', { name: 'a', expiresAt: new Date('tomorrow') }, 'expiresAt'],
    ['a date as a string', { name: 'a', expiresAt: '2027-01-01' }, 'expiresAt'],
  ])('refuses %s and sends nothing', async (_, input, option) => {
    const error = await rejectionOf(ConfigurationError, apiKeys().create(input as { name: string }));

    expect(error.option).toBe(option);
  });
});

describe('create, refused', () => {
  const refusals: [status: number, body: unknown][] = [
    [400, { id: 'hydra.apikey.limit', message: 'API key limit exceeded' }],
    [403, { id: 'forbidden', message: '已达到 API Key 数量上限' }],
    [409, { id: 'conflict', message: 'too many' }],
    [412, { id: 'precondition', message: 'quota' }],
    [422, {}],
    [500, { id: 'internal', message: '创建失败' }],
  ];

  test.each(refusals)(
    'throws ApiKeyLimitError after a %i when check-creation says no',
    async (status, body) => {
      network.answer('post', CREATE, json(body, status));
      const checks = atLimit({ allowed: false, reason: '最多 5 个' });

      const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'checkout' }));

      expect(error.reason).toBe('最多 5 个');
      expect(error.status).toBe(status);
      expect(error.code).toBe('api_key_limit_reached');
      expect(checks).toHaveLength(1);
      expect(JSON.parse(checks[0]?.text ?? '')).toEqual({});
    },
  );

  test('throws ApiKeyLimitError after a 429 when check-creation says no, without another attempt', async () => {
    retryAtOnce();
    const seen = network.answer('post', CREATE, json({ id: 'limit', message: 'limit' }, 429));
    atLimit({ allowed: false, reason: 'at most 5' });

    await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'checkout' }));

    expect(seen).toHaveLength(1);
  });

  test('takes a check without `allowed` for a no, since protobuf leaves false out', async () => {
    network.answer('post', CREATE, json({ id: 'limit', message: 'limit' }, 400));
    atLimit({ reason: 'at most 5' });

    const error = await rejectionOf(ApiKeyLimitError, apiKeys().create({ name: 'checkout' }));

    expect(error.reason).toBe('at most 5');
  });

  test.each(refusals)(
    'throws the original error after a %i when check-creation says yes',
    async (status, body) => {
      network.answer('post', CREATE, json(body, status));
      network.answer('post', CHECK, json({ allowed: true }));

      const error = await rejection(apiKeys().create({ name: 'checkout' }));

      expect(isDrunError(error) && error.code).not.toBe('api_key_limit_reached');
      expect(error).toMatchObject({ status });
    },
  );

  test.each([
    ['is refused', json({ id: 'x', message: 'y' }, 403)],
    ['is not there', json({ message: 'Not Found' }, 404)],
    ['fails', json({ id: 'x' }, 500)],
    ['is lost', lostConnection()],
    ['is a page', html()],
  ])('throws the original error when check-creation %s', async (_, reply) => {
    network.answer('post', CREATE, json({ id: 'name.taken', message: 'the name is taken' }, 400));
    network.answer('post', CHECK, reply);

    const error = await rejection(apiKeys().create({ name: 'checkout' }));

    expect(error).toMatchObject({ code: 'invalid_request', status: 400, serviceCode: 'name.taken' });
  });

  test.each([
    [400, 'invalid_request'],
    [429, 'rate_limited'],
    [500, 'server_error'],
  ])('throws the error of a %i when check-creation does not answer in time', async (status, code) => {
    const keys = new ApiKeys({
      accessToken: TOKEN,
      timeoutMs: 50,
      fetch: (url) =>
        url.endsWith('/check-creation')
          ? new Promise(() => {})
          : Promise.resolve(json({ id: 'x', message: 'no' }, status)),
    });

    expect(await rejection(keys.create({ name: 'checkout' }))).toMatchObject({ code, status });
  });

  test('throws ApiKeyLimitError never for the words of an error alone', async () => {
    network.answer('post', CREATE, json({ id: 'apikey_limit_reached', message: 'limit reached' }, 400));
    network.answer('post', CHECK, json({ allowed: true }));

    expect(await rejection(apiKeys().create({ name: 'checkout' }))).not.toBeInstanceOf(ApiKeyLimitError);
  });

  test('throws AuthenticationError for a refused access token', async () => {
    network.answer('post', CREATE, json({ id: 'unauthenticated', message: 'no' }, 401));

    const error = await rejectionOf(AuthenticationError, apiKeys().create({ name: 'checkout' }));

    expect(error.maskedKey).toContain('******');
    expect(everythingShownOf(error)).not.toContain(TOKEN);
  });

  test('shows no key that the reason repeats', async () => {
    network.answer('post', CREATE, json({ id: 'limit' }, 400));
    atLimit({ allowed: false, reason: `delete ${KEY}, ${TOKEN}` }, wireKey({ key: KEY, name: KEY }));

    const shown = everythingShownOf(await rejection(apiKeys().create({ name: 'checkout' })));

    expect(shown).not.toContain(KEY);
    expect(shown).not.toContain(TOKEN);
  });
});

describe('create, repeated', () => {
  test.each([500, 502, 503, 504, 408, 409, 425])('is sent once when the answer is %i', async (status) => {
    retryAtOnce();
    const seen = network.answer('post', CREATE, json({ id: 'x', message: 'y' }, status));
    network.answer('post', CHECK, json({ allowed: true }));

    await expect(apiKeys({ maxRetries: 5 }).create({ name: 'checkout' })).rejects.toMatchObject({ status });

    expect(seen).toHaveLength(1);
  });

  test('is sent once when its answer is lost', async () => {
    retryAtOnce();
    const seen = network.answer('post', CREATE, lostConnection());

    const creating = apiKeys({ maxRetries: 5 }).create({ name: 'checkout' }, { settle: false });

    await rejectionOf(UnknownOutcomeError, creating);
    expect(seen).toHaveLength(1);
  });

  test('is sent once when its answer cannot be read', async () => {
    retryAtOnce();
    const seen = network.answer('post', CREATE, html());

    const creating = apiKeys({ maxRetries: 5 }).create({ name: 'checkout' }, { settle: false });

    await rejectionOf(UnknownOutcomeError, creating);
    expect(seen).toHaveLength(1);
  });

  test('is sent again after a 429', async () => {
    retryAtOnce();
    const seen = network.answer(
      'post',
      CREATE,
      json({ id: 'busy' }, 429, { 'retry-after': '0' }),
      json({ id: 'busy' }, 429),
      json(wireKey({ key: KEY })),
    );
    network.answer('post', CHECK, json({ allowed: true }));

    const created = await apiKeys().create({ name: 'checkout' });

    expect(created.secret.reveal()).toBe(KEY);
    expect(seen.map(({ text }) => JSON.parse(text))).toEqual(Array(3).fill({ name: 'checkout' }));
  });

  test('is sent again after a 429 no more often than maxRetries', async () => {
    retryAtOnce();
    const seen = network.answer('post', CREATE, json({ id: 'busy' }, 429));
    network.answer('post', CHECK, json({ allowed: true }));

    await rejectionOf(RateLimitError, apiKeys({ maxRetries: 3 }).create({ name: 'checkout' }));

    expect(seen).toHaveLength(4);
  });

  test('fails at once after a 429 that asks for more time than is left', async () => {
    const seen = network.answer('post', CREATE, json({ id: 'busy' }, 429, { 'retry-after': '120' }));
    network.answer('post', CHECK, json({ allowed: true }));

    const error = await rejectionOf(RateLimitError, apiKeys().create({ name: 'checkout' }));

    expect(error.retryAfterMs).toBe(120_000);
    expect(seen).toHaveLength(1);
  });

  test('is sent once when the access token is refused', async () => {
    const seen = network.answer('post', CREATE, json({ id: 'unauthenticated' }, 401));

    await rejectionOf(AuthenticationError, apiKeys().create({ name: 'checkout' }));

    expect(seen).toHaveLength(1);
  });

  test('is sent once more with another access token when the source has one', async () => {
    const accessToken = vi.fn(({ rejected }) => (rejected ? `${TOKEN}-new` : TOKEN));
    const seen = network.answer(
      'post',
      CREATE,
      json({ id: 'unauthenticated' }, 401),
      json(wireKey({ key: KEY })),
    );

    await apiKeys({ accessToken }).create({ name: 'checkout' });

    expect(seen.map(({ headers }) => headers.get('authorization'))).toEqual([
      `Bearer ${TOKEN}`,
      `Bearer ${TOKEN}-new`,
    ]);
  });

  test('is a ServerError for a 500, with what the service said', async () => {
    network.answer('post', CREATE, json({ id: 'db.down', message: 'the database is away' }, 500));
    network.answer('post', CHECK, json({ allowed: true }));

    const error = await rejectionOf(ServerError, apiKeys().create({ name: 'checkout' }));

    expect(error).toMatchObject({ status: 500, serviceCode: 'db.down' });
    expect(error.message).toContain('the database is away');
  });
});

describe('create, answered without the whole key', () => {
  test.each([
    ['a masked key', { id: 'key-1', key: MASKED_KEY }, ['key-1']],
    ['no key', { id: 'key-1' }, ['key-1']],
    ['a null key', { id: 'key-1', key: null }, ['key-1']],
    ['a key that is no string', { id: 'key-1', key: 4711 }, []],
    ['a key with a line break', { id: 'key-1', key: `${KEY}\n` }, ['key-1']],
    ['no id', { key: KEY }, []],
    ['an id that is a whole key', { id: KEY, key: MASKED_KEY }, [MASKED_KEY]],
    ['a page', 'the page', []],
  ])('is an UnknownOutcomeError for %s, and shows nothing of it', async (_, body, candidates) => {
    network.answer('post', CREATE, json(body));

    const error = await rejectionOf(
      UnknownOutcomeError,
      apiKeys().create({ name: 'checkout' }, { settle: false }),
    );

    expect(error.candidates).toEqual(candidates);
    expect(error.cause).toBeInstanceOf(InvalidResponseError);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});
