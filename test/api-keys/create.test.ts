import { AsyncLocalStorage } from 'node:async_hooks';
import {
  ApiKeyLimitError,
  ConfigurationError,
  InvalidResponseError,
  Secret,
  UnknownOutcomeError,
} from 'drun-sdk';
import { describe, expect, it, vi } from 'vitest';
import { ContractServer } from '../support/contract-server.ts';
import { KEY, MASKED_KEY, OTHER_KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import {
  connectionRefused,
  connectionReset,
  type Fetch,
  newClients,
  responding,
  serve,
  wireKey,
} from './clients.ts';

/** Passes requests to a server, except for creates, to which `respond` responds. */
function withCreate(
  server: ContractServer,
  respond: (create: () => Promise<Response>) => Promise<Response>,
): { readonly fetch: Fetch; readonly creates: () => number } {
  let creates = 0;
  const fetch: Fetch = (input, init) => {
    if (init.method !== 'POST' || !input.endsWith('/apikeys')) return server.fetch(input, init);
    creates++;
    return respond(() => server.fetch(input, init));
  };
  return { fetch, creates: () => creates };
}

describe('create', () => {
  it('returns the description of the key and the full key as a secret', async () => {
    const { fetch } = responding(json(wireKey({ key: KEY })));

    const created = await newClients(fetch).keys.create({ name: 'checkout' });

    expect(created.secret).toBeInstanceOf(Secret);
    expect(created.secret.reveal()).toBe(KEY);
    expect(created).toMatchObject({
      id: 'key-1',
      name: 'checkout',
      maskedKey: MASKED_KEY,
      createdBy: 'alice',
    });
    expect(everythingShownOf(created)).not.toContain(KEY);
  });

  it.each([
    ['a name with any characters', { name: ' 结账 "1"/../\u{1F511} ' }, { name: ' 结账 "1"/../\u{1F511} ' }],
    [
      'an expiry in UTC',
      { name: 'a', expiresAt: new Date('2027-01-01T01:00:00+01:00') },
      { name: 'a', expireTime: '2027-01-01T00:00:00.000Z' },
    ],
    ['no undefined field', { name: 'a', expiresAt: undefined }, { name: 'a' }],
  ])('sends %s', async (_, input, body) => {
    const { fetch, requests } = responding(json(wireKey({ key: KEY })));

    await newClients(fetch).keys.create(input);

    expect(requests.map((request) => request.body)).toEqual([body]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['no fields other than id and key', {}],
    ['a name that is null', { name: null }],
    ['an invalid creation time', { creationTimestamp: 'yesterday' }],
    ['a numeric user id', { userId: 12 }],
    ['a list of models that is a string', { allowModels: 'all' }],
    ['a quota above 2^53', { quota: '9223372036854775807' }],
    ['a decimal quota', { remainingQuota: 0.5 }],
  ])('returns the secret if the response has %s', async (_, fields) => {
    const { fetch } = responding(json({ id: '7', key: KEY, ...fields }));

    expect((await newClients(fetch).keys.create({ name: 'checkout' })).secret.reveal()).toBe(KEY);
  });

  it.each<[string, unknown, string]>([
    ['an empty name', { name: '' }, 'name'],
    ['a blank name', { name: '  ' }, 'name'],
    ['a numeric name', { name: 12 }, 'name'],
    ['half a surrogate pair, which JSON cannot transmit', { name: 'a\ud800' }, 'name'],
    ['no name', {}, 'name'],
    ['an invalid date', { name: 'a', expiresAt: new Date('tomorrow') }, 'expiresAt'],
    ['a date as a string', { name: 'a', expiresAt: '2027-01-01' }, 'expiresAt'],
    ['a year of five digits', { name: 'a', expiresAt: new Date('+012026-01-01') }, 'expiresAt'],
  ])('rejects %s and sends nothing', async (_, input, option) => {
    const { fetch, requests } = responding(json({}));

    const error = await rejectionOf(ConfigurationError, newClients(fetch).keys.create(input as never));

    expect(error.option).toBe(option);
    expect(requests).toEqual([]);
  });
});

describe('a create without a usable response', () => {
  const failures: [string, () => Promise<Response>][] = [
    ['reset the connection', async () => Promise.reject(connectionReset())],
    ['truncated the body', async () => new Response(brokenBody())],
    ['HTML', async () => html()],
    ['an empty body', async () => new Response('')],
    ['204', async () => new Response(null, { status: 204 })],
    ['broken JSON', async () => new Response(`{"id":"key-1","key":"${KEY}`)],
    ['an empty message', async () => json({})],
    ['null', async () => json(null)],
    ['an array', async () => json([wireKey({ key: KEY })])],
    ['no id', async () => json({ key: KEY })],
    ['only an id', async () => json({ id: 'QuotaExceeded' })],
  ];

  it.each(failures)(
    'rejects with the id of the key that was created before the service sent %s',
    async (_, fail) => {
      const server = new ContractServer();
      const { fetch, creates } = withCreate(server, async (create) => {
        await create();
        return fail();
      });

      const error = await rejectionOf(
        UnknownOutcomeError,
        newClients(fetch).keys.create({ name: 'checkout' }),
      );

      expect(error.candidateIds).toEqual(server.keys.map(({ id }) => id));
      expect(error.candidateIds).toHaveLength(1);
      expect(creates()).toBe(1);
      expect(everythingShownOf(error)).not.toContain(KEY);
    },
  );

  it.each(failures)(
    'rejects without candidates if no key was created and the service sent %s',
    async (_, fail) => {
      const { fetch, creates } = withCreate(new ContractServer(), fail);

      const error = await rejectionOf(
        UnknownOutcomeError,
        newClients(fetch).keys.create({ name: 'checkout' }),
      );

      expect(error.candidateIds).toEqual([]);
      expect(creates()).toBe(1);
    },
  );

  it.each([
    ['a message', { message: 'denied' }, 'api_error'],
    ['an id of an error', { id: 'QuotaExceeded', message: 'denied' }, 'api_error'],
    ['a code', { code: 401, msg: 'token expired', data: null }, 'authentication_failed'],
    ['another code', { code: 500, msg: 'failed' }, 'server_error'],
    ['a list of errors', { errors: [{ message: 'denied' }] }, 'api_error'],
    ['a failure', { success: false }, 'api_error'],
  ])(
    'rejects with the error in a 200 response that reports it as %s, if no key was created',
    async (_, body, code) => {
      const { fetch, creates } = withCreate(new ContractServer(), async () => json(body));

      expect(await rejection(newClients(fetch).keys.create({ name: 'checkout' }))).toMatchObject({ code });
      expect(creates()).toBe(1);
    },
  );

  it.each([{ code: 500, msg: 'failed' }, { message: 'failed' }])(
    'rejects with the id of the key that was created if a 200 response is %j',
    async (body) => {
      const server = new ContractServer();
      const { fetch } = withCreate(server, async (create) => {
        await create();
        return json(body);
      });

      const error = await rejectionOf(
        UnknownOutcomeError,
        newClients(fetch).keys.create({ name: 'checkout' }),
      );

      expect(error.candidateIds).toEqual(server.keys.map(({ id }) => id));
    },
  );

  it('rejects with the id of the key after a timeout', async () => {
    const server = new ContractServer();
    const { fetch } = withCreate(server, async (create) => {
      await create();
      return new Promise(() => {});
    });

    const creating = newClients(fetch, { timeoutMs: 20 }).keys.create({ name: 'checkout' });

    const error = await rejectionOf(UnknownOutcomeError, creating);
    expect(error.candidateIds).toEqual(server.keys.map(({ id }) => id));
    expect(error.cause).toMatchObject({ code: 'timeout' });
  });

  it.each([
    ['a masked key', { id: 'key-1', key: MASKED_KEY }],
    ['a name but no key', { id: 'key-1', name: 'checkout' }],
    ['a null key', { id: 'key-1', key: null }],
    ['a numeric key', { id: 'key-1', key: 4711 }],
    ['a key with a line break', { id: 'key-1', key: `${KEY}\n` }],
  ])('rejects with the id if the response contains it with %s', async (_, body) => {
    const { fetch, requests } = responding(json(body));

    const error = await rejectionOf(UnknownOutcomeError, newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error.candidateIds).toEqual(['key-1']);
    expect(error.cause).toBeInstanceOf(InvalidResponseError);
    expect(requests).toHaveLength(1);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  it.each([500, 502, 503, 504, 408])(
    'reports a key that exists although the status is %i',
    async (status) => {
      const server = new ContractServer();
      const { fetch, creates } = withCreate(server, async (create) => {
        await create();
        return html(status);
      });

      const error = await rejectionOf(
        UnknownOutcomeError,
        newClients(fetch).keys.create({ name: 'checkout' }),
      );

      expect(error.candidateIds).toEqual(server.keys.map(({ id }) => id));
      expect(error.cause).toMatchObject({ status });
      expect(creates()).toBe(1);
    },
  );

  it("lists the unused keys with its name that were created since, by the service's clock", async () => {
    let elapsed = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => elapsed);
    const start = Date.parse('2020-03-01T08:00:00.400Z');
    const server = new ContractServer({ now: () => start + elapsed });
    server.add({ name: 'checkout', createdAt: start - 5_000 });
    server.add({ name: 'checkout', createdAt: start, lastUsedAt: start });
    server.add({ name: 'checkout-2', createdAt: start });
    const { fetch } = withCreate(server, async (create) => {
      elapsed = 900;
      await create();
      elapsed = 20_000;
      throw connectionReset();
    });

    const error = await rejectionOf(UnknownOutcomeError, newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error.candidateIds).toEqual([server.keys.at(-1)?.id]);
  });

  it('does not treat a key as unused if its last use cannot be parsed', async () => {
    const date = new Date().toUTCString();
    const item = wireKey({ creationTimestamp: new Date().toISOString(), lastUsedTime: Date.now() });
    const fetch: Fetch = async (_input, init) => {
      if (init.method === 'GET') return json({ items: [item] }, 200, { date });
      throw connectionReset();
    };

    const error = await rejectionOf(UnknownOutcomeError, newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error.candidateIds).toEqual([]);
  });

  it("considers only the caller's own keys of a workspace", async () => {
    const server = new ContractServer();
    server.add({ scope: 12, name: 'batch', owner: 'colleague' });
    const { fetch } = withCreate(server, async (create) => {
      await create();
      throw connectionReset();
    });

    const creating = newClients(fetch).workspaceKeys.create({ name: 'batch' });

    const error = await rejectionOf(UnknownOutcomeError, creating);
    expect(error.candidateIds).toEqual([server.keys.at(-1)?.id]);
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ['the list cannot be read', () => html(403)],
    [
      'the list has no Date header',
      () => json({ items: [wireKey({ creationTimestamp: new Date().toISOString() })] }),
    ],
  ])('rejects without `candidateIds` if %s', async (_, list) => {
    const fetch: Fetch = async (_input, init) => {
      if (init.method === 'GET') return list();
      throw connectionReset();
    };

    const error = await rejectionOf(UnknownOutcomeError, newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error).not.toHaveProperty('candidateIds');
  });

  it("rejects with the signal's reason if the call is aborted", async () => {
    const controller = new AbortController();
    const reason = new Error('no longer needed');
    const { fetch } = withCreate(new ContractServer(), async () => {
      controller.abort(reason);
      throw connectionReset();
    });

    const creating = newClients(fetch).keys.create({ name: 'checkout' }, { signal: controller.signal });

    expect(await rejection(creating)).toBe(reason);
  });
});

describe('a create that the service cannot have acted on', () => {
  it.each<[string, () => Response | Error]>([
    ['a 429', () => json({ id: 'busy', message: 'busy' }, 429)],
    ['a refused connection', connectionRefused],
  ])('is retried after %s', async (_, failure) => {
    retryAtOnce();
    const { fetch, requests } = responding(failure(), failure(), json(wireKey({ key: KEY })));

    const created = await newClients(fetch).keys.create({ name: 'checkout' });

    expect(created.secret.reveal()).toBe(KEY);
    expect(requests.map(({ body }) => body)).toEqual(Array(3).fill({ name: 'checkout' }));
  });

  it('is retried up to maxRetries times and rejects with the last error', async () => {
    retryAtOnce();
    const { fetch, requests } = responding(connectionRefused());

    const creating = newClients(fetch, { maxRetries: 3 }).keys.create({ name: 'checkout' });

    expect(await rejection(creating)).toMatchObject({ code: 'connection_failed' });
    expect(requests).toHaveLength(4);
  });

  it.each([
    ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['expired', 'CERT_HAS_EXPIRED'],
  ])('rejects with the connection error if the certificate is %s', async (_, code) => {
    const { fetch, requests } = responding(
      new TypeError('fetch failed', { cause: Object.assign(new Error('certificate'), { code }) }),
    );

    expect(await rejection(newClients(fetch).keys.create({ name: 'a' }))).toMatchObject({
      code: 'connection_failed',
    });
    expect(requests).toHaveLength(1);
  });

  it('is not retried if the 429 requests more time than is left', async () => {
    const server = new ContractServer();
    const { fetch, creates } = withCreate(server, async () =>
      json({ id: 'busy' }, 429, { 'retry-after': '120' }),
    );

    const error = await rejection(newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error).toMatchObject({ code: 'rate_limited', retryAfterMs: 120_000 });
    expect(creates()).toBe(1);
  });

  it('rejects with the timeout if the access token does not arrive in time', async () => {
    const { fetch, requests } = responding(json({}));
    const { keys } = newClients(fetch, { accessToken: () => new Promise(() => {}), timeoutMs: 20 });

    expect(await rejection(keys.create({ name: 'checkout' }))).toMatchObject({ code: 'timeout' });
    expect(requests).toEqual([]);
  });

  it('rejects with the timeout if a fresh access token does not arrive in time after a 401', async () => {
    const { fetch, requests } = responding(json({ id: 'x', message: 'no' }, 401));
    const accessToken = ({ rejected }: { rejected?: unknown }) =>
      rejected ? new Promise<string>(() => {}) : TOKEN;

    const creating = newClients(fetch, { accessToken, timeoutMs: 50 }).keys.create({ name: 'checkout' });

    expect(await rejection(creating)).toMatchObject({ code: 'timeout' });
    expect(requests).toHaveLength(1);
  });

  it('is sent with a fresh access token after a 401', async () => {
    const { fetch, requests } = responding(
      json({ id: 'x', message: 'no' }, 401),
      json(wireKey({ key: KEY })),
    );
    const accessToken = ({ rejected }: { rejected?: unknown }): string => (rejected ? `${TOKEN}-new` : TOKEN);

    await newClients(fetch, { accessToken }).keys.create({ name: 'checkout' });

    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      `Bearer ${TOKEN}`,
      `Bearer ${TOKEN}-new`,
    ]);
  });
});

describe('a rejected create', () => {
  it.each([
    [400, 'invalid_request'],
    [401, 'authentication_failed'],
    [402, 'insufficient_quota'],
    [403, 'permission_denied'],
    [404, 'not_found'],
    [409, 'api_error'],
    [422, 'invalid_request'],
    [425, 'api_error'],
    [500, 'server_error'],
    [503, 'server_error'],
  ])('rejects with the error of a %i after one request', async (status, code) => {
    const { fetch, creates } = withCreate(new ContractServer(), async () =>
      json({ id: 'x', message: 'y' }, status),
    );

    const error = await rejection(newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error).toMatchObject({ code, status, serviceCode: 'x' });
    expect(creates()).toBe(1);
  });

  it('rejects with the error of a service that is down without retries', async () => {
    const { fetch, requests } = responding(html(503));

    expect(await rejection(newClients(fetch).keys.create({ name: 'checkout' }))).toMatchObject({
      status: 503,
    });
    expect(requests.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  it('rejects with the error of a redirect, which is not followed', async () => {
    const { fetch } = withCreate(new ContractServer(), async () => new Response(null, { status: 302 }));

    const error = await rejectionOf(
      InvalidResponseError,
      newClients(fetch).keys.create({ name: 'checkout' }),
    );

    expect(error.message).toContain('returned 302, a redirect');
  });
});

describe('a create at the limit', () => {
  const DAY_MS = 86_400_000;
  const NOW = Date.parse('2026-03-01T08:00:00Z');

  it.each([400, 403, 409, 412, 422, 429, 500])(
    'rejects with ApiKeyLimitError if the status is %i and check-creation does not allow another key',
    async (status) => {
      const server = new ContractServer({ maxKeys: 0 });
      const { fetch } = withCreate(server, async () => json({ id: 'x', message: '已达到上限' }, status));

      const error = await rejectionOf(
        ApiKeyLimitError,
        newClients(fetch, { maxRetries: 0 }).keys.create({ name: 'checkout' }),
      );

      expect(error).toMatchObject({
        status,
        code: 'api_key_limit_reached',
        reason: 'at most 0',
        keyCount: 0,
      });
    },
  );

  it("rejects with the service's error if check-creation allows another key, whatever the message says", async () => {
    const body = { id: 'apikey_limit_reached', message: 'limit reached' };
    const { fetch } = withCreate(new ContractServer(), async () => json(body, 400));

    const error = await rejection(newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error).toMatchObject({ code: 'invalid_request', serviceCode: 'apikey_limit_reached' });
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ['is rejected', () => json({ id: 'x', message: 'y' }, 403)],
    ['does not exist', () => json({ message: 'Not Found' }, 404)],
    ['fails', () => json({ id: 'x' }, 500)],
    ['fails to connect', () => Promise.reject(connectionReset())],
    ['returns HTML', () => html()],
    ['returns an error with status 200', () => json({ code: 401, msg: 'token expired', data: null })],
    ['does not respond in time', () => new Promise<Response>(() => {})],
  ])("rejects with the service's error if check-creation %s", async (_, check) => {
    let checks = 0;
    const fetch: Fetch = async (input) =>
      input.endsWith('/check-creation') && ++checks
        ? check()
        : json({ id: 'name.taken', message: 'the name is taken' }, 400);

    const error = await rejection(newClients(fetch, { timeoutMs: 100 }).keys.create({ name: 'checkout' }));

    expect(error).toMatchObject({ code: 'invalid_request', serviceCode: 'name.taken' });
    expect(checks).toBe(1);
  });

  it("rejects with the service's error in a workspace, which has no check-creation", async () => {
    const { fetch, requests } = responding(json({ id: 'limit', message: 'limit reached' }, 400));

    const error = await rejection(newClients(fetch).workspaceKeys.create({ name: 'batch' }));

    expect(error).toMatchObject({ code: 'invalid_request', serviceCode: 'limit' });
    expect(requests).toHaveLength(1);
  });

  it('lists the unused keys: expired ones first, then never used ones, then those not used for 30 days', async () => {
    const { server, keys } = serve({ now: () => NOW, maxKeys: 6 });
    const old = { createdAt: NOW - 100 * DAY_MS };
    const idle = server.add({ ...old, name: 'idle', lastUsedAt: NOW - 31 * DAY_MS });
    server.add({ ...old, name: 'busy', lastUsedAt: NOW - 29 * DAY_MS });
    const neverUsed = server.add({ ...old, name: 'never used', lastUsedAt: 0 });
    const expired = server.add({ ...old, expireTime: '2026-02-01T00:00:00Z', lastUsedAt: NOW - DAY_MS });
    const older = server.add({ name: 'older', createdAt: NOW - 101 * DAY_MS });
    const idlest = server.add({ ...old, name: 'idlest', lastUsedAt: NOW - 90 * DAY_MS });

    const error = await rejectionOf(ApiKeyLimitError, keys.create({ name: 'one more' }));

    expect(error).toMatchObject({ reason: 'at most 6', keyCount: 6, status: 400 });
    expect(error.unusedKeys.map(({ id, why }) => [id, why])).toEqual([
      [expired.id, 'expired'],
      [older.id, 'never_used'],
      [neverUsed.id, 'never_used'],
      [idlest.id, 'not_used_lately'],
      [idle.id, 'not_used_lately'],
    ]);
    expect(error.unusedKeys[4]).toEqual({
      id: idle.id,
      name: 'idle',
      maskedKey: `sk-******${idle.key.slice(-4)}`,
      why: 'not_used_lately',
      createdAt: new Date(old.createdAt),
      lastUsedAt: new Date(NOW - 31 * DAY_MS),
    });
    expect(error.message).toContain('5 keys appear to be unused');
  });

  it('rejects with ApiKeyLimitError without keys if the list cannot be read', async () => {
    const server = new ContractServer({ maxKeys: 0 });
    const fetch: Fetch = async (input, init) =>
      init.method === 'GET' ? html(503) : server.fetch(input, init);

    const error = await rejectionOf(ApiKeyLimitError, newClients(fetch).keys.create({ name: 'one more' }));

    expect(error).toMatchObject({ reason: 'at most 0', unusedKeys: [] });
    expect(error).not.toHaveProperty('keyCount');
  });

  it('shows no credential that the service includes in the message', async () => {
    const fetch: Fetch = async (input, init) => {
      if (init.method === 'GET') return json({ items: [wireKey({ key: KEY, lastUsedTime: undefined })] });
      if (input.endsWith('/check-creation')) return json({ reason: `delete ${OTHER_KEY}, ${TOKEN}` });
      return json({ id: 'limit' }, 400);
    };

    const error = await rejectionOf(ApiKeyLimitError, newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error.unusedKeys).toMatchObject([{ id: 'key-1', maskedKey: MASKED_KEY }]);
    for (const secret of [KEY, OTHER_KEY, TOKEN]) expect(everythingShownOf(error)).not.toContain(secret);
  });

  it('does not list a key as unused if its last use cannot be parsed', async () => {
    const fetch: Fetch = async (input, init) => {
      if (init.method === 'GET') return json({ items: [wireKey({ lastUsedTime: 'yesterday' })] });
      return input.endsWith('/check-creation') ? json({}) : json({ id: 'limit' }, 400);
    };

    const error = await rejectionOf(ApiKeyLimitError, newClients(fetch).keys.create({ name: 'checkout' }));

    expect(error).toMatchObject({ keyCount: 1, unusedKeys: [] });
  });

  it("sends the call's headers with every request", async () => {
    const tenants: (string | null)[] = [];
    const server = new ContractServer({ maxKeys: 0 });
    const fetch: Fetch = (input, init) => {
      tenants.push(new Headers(init.headers).get('x-tenant'));
      return server.fetch(input, init);
    };

    await rejection(newClients(fetch).keys.create({ name: 'a' }, { headers: { 'x-tenant': 'blue' } }));

    expect(tenants).toEqual(['blue', 'blue', 'blue']);
  });
});

it('concurrent creates use the access token of their own async context', async () => {
  const tenant = new AsyncLocalStorage<string>();
  const { fetch, requests } = responding(json(wireKey({ key: KEY })));
  const { keys } = newClients(fetch, { accessToken: async () => `token-of-${tenant.getStore()}` });

  await Promise.all(['a', 'b', 'c'].map((name) => tenant.run(name, () => keys.create({ name }))));

  const sent = requests.map(({ headers, body }) => [headers.get('authorization'), body]);
  expect(sent).toEqual(
    expect.arrayContaining(['a', 'b', 'c'].map((name) => [`Bearer token-of-${name}`, { name }])),
  );
});

function brokenBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"id":"key-1",'));
      controller.error(connectionReset());
    },
  });
}
