import { runInNewContext } from 'node:vm';
import {
  ApiKeys,
  type ApiKeysOptions,
  ConfigurationError,
  type RequestLogEntry,
  type RetryEvent,
  Secret,
  WorkspaceApiKeys,
} from 'drun-sdk';
import { describe, expect, it, vi } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejection, thrownBy } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { newClients, responding } from './clients.ts';

/** Lists keys with a client and returns the requests. */
async function requestsOf(options: ApiKeysOptions) {
  const { fetch, requests } = responding(json({}));
  await new ApiKeys({ fetch, ...options }).list();
  return requests;
}

describe('accessToken', () => {
  it.each<[string, NonNullable<ApiKeysOptions['accessToken']>]>([
    ['a string', TOKEN],
    ['a Secret', new Secret(TOKEN)],
    ['a function', () => TOKEN],
    ['an async function', async () => new Secret(TOKEN)],
    ['an object with getKey', { getKey: () => TOKEN }],
  ])('can be %s', async (_, accessToken) => {
    const [request] = await requestsOf({ accessToken });

    expect(request?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  it('defaults to DRUN_ACCESS_TOKEN', async () => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);

    const [request] = await requestsOf({});

    expect(request?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  it('takes precedence over DRUN_ACCESS_TOKEN', async () => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', 'from-the-environment');

    const [request] = await requestsOf({ accessToken: TOKEN });

    expect(request?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  it.each([undefined, ''])('is required if DRUN_ACCESS_TOKEN is %j', (value) => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', value);
    vi.stubEnv('DRUN_API_KEY', KEY);

    const error = thrownBy(ConfigurationError, () => new ApiKeys());

    expect(error.option).toBe('accessToken');
    expect(error.message).toContain('DRUN_ACCESS_TOKEN');
  });
});

describe('baseUrl', () => {
  it.each([
    [undefined, 'https://console.d.run'],
    ['https://hydra.example', 'https://hydra.example'],
    ['https://hydra.example/', 'https://hydra.example'],
    ['https://hydra.example/proxy/', 'https://hydra.example/proxy'],
    ['http://localhost:8080', 'http://localhost:8080'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
    [new URL('https://hydra.example/proxy'), 'https://hydra.example/proxy'],
  ])('%s leads to requests below %s', async (baseUrl, prefix) => {
    const [request] = await requestsOf({ accessToken: TOKEN, baseUrl });

    expect(request?.url.href).toBe(`${prefix}/apis/hydra.io/v1alpha1/masked-apikeys?page.pageSize=-1`);
  });

  it('is combined with the path of the workspace', async () => {
    const { fetch, requests } = responding(json({}));
    const workspace = 2 ** 31 - 1;

    await new WorkspaceApiKeys({
      accessToken: TOKEN,
      fetch,
      workspace,
      baseUrl: 'https://h.example/proxy',
    }).list();

    expect(requests[0]?.url.pathname).toBe(
      `/proxy/apis/hydra.io/v1alpha1/workspaces/${workspace}/masked-apikeys`,
    );
  });
});

describe('the constructor', () => {
  it.each<[string, object, string]>([
    ['a language with a line break', { language: 'en\r\nx: y' }, 'language'],
    ['an empty language', { language: '' }, 'language'],
    ['a workspace in an account', { workspace: 12 }, 'workspace'],
  ])('rejects %s', (_, options, option) => {
    const error = thrownBy(ConfigurationError, () => new ApiKeys({ accessToken: TOKEN, ...options }));

    expect(error.option).toBe(option);
    for (const secret of [TOKEN, KEY]) expect(everythingShownOf(error)).not.toContain(secret);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 31, '12', undefined, null])(
    'rejects the workspace %j',
    (workspace) => {
      const options = { accessToken: TOKEN, workspace: workspace as number };

      expect(thrownBy(ConfigurationError, () => new WorkspaceApiKeys(options)).option).toBe('workspace');
    },
  );

  it('rejects browsers', () => {
    vi.stubGlobal('window', { document: {} });

    const error = thrownBy(ConfigurationError, () => new ApiKeys({ accessToken: TOKEN }));

    expect(error.option).toBe('dangerouslyAllowBrowser');
  });

  it('neither changes its options nor is affected by later changes to them', async () => {
    const headers: Record<string, string> = { 'x-tenant': 'a' };
    const { fetch, requests } = responding(json({}));
    const { keys } = newClients(fetch, Object.freeze({ headers }));
    headers['x-tenant'] = 'b';

    await keys.list();

    expect(requests[0]?.headers.get('x-tenant')).toBe('a');
  });

  it('hides the access token when the client is printed', () => {
    expect(everythingShownOf(new ApiKeys({ accessToken: TOKEN, headers: { 'x-key': KEY } }))).not.toContain(
      TOKEN,
    );
  });
});

describe('withOptions', () => {
  it('overrides the given options and shares the rest', async () => {
    const { fetch, requests } = responding(json({}));
    const keys = new ApiKeys({ accessToken: TOKEN, fetch, headers: { 'x-tenant': 'a' }, language: 'zh' });

    await keys.withOptions({ headers: { 'x-tenant': 'b' }, language: undefined }).list();
    await keys.list();

    expect(requests.map(({ headers }) => headers.get('x-tenant'))).toEqual(['b', 'a']);
    for (const { headers } of requests) {
      expect(headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
      expect(headers.get('accept-language')).toBe('zh');
    }
  });

  it('keeps an access token from the environment', async () => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);
    const { fetch, requests } = responding(json({}));
    const keys = new ApiKeys({ fetch });
    vi.stubEnv('DRUN_ACCESS_TOKEN', 'another');

    await keys.withOptions({ maxRetries: 0 }).list();

    expect(requests[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  it('changes the workspace', async () => {
    const { fetch, requests } = responding(json({}));
    const { workspaceKeys } = newClients(fetch);

    await workspaceKeys.withOptions({ workspace: 13 }).list();
    await workspaceKeys.withOptions({ maxRetries: 0 }).list();

    expect(requests.map(({ url }) => /workspaces\/(\d+)/.exec(url.pathname)?.[1])).toEqual(['13', '12']);
  });

  it('requires an access token for another origin', async () => {
    const { fetch, requests } = responding(json({}));
    const { keys } = newClients(fetch);
    const baseUrl = 'https://hydra.example';

    expect(thrownBy(ConfigurationError, () => keys.withOptions({ baseUrl })).option).toBe('accessToken');
    await keys.withOptions({ baseUrl, accessToken: 'another-token' }).list();
    await keys.withOptions({ baseUrl: 'https://console.d.run/proxy' }).list();

    expect(requests.map(({ url, headers }) => [url.host, headers.get('authorization')])).toEqual([
      ['hydra.example', 'Bearer another-token'],
      ['console.d.run', `Bearer ${TOKEN}`],
    ]);
  });
});

describe('call options', () => {
  const calls: [
    string,
    (keys: ApiKeys, options: { signal?: AbortSignal; timeoutMs?: number }) => PromiseLike<unknown>,
  ][] = [
    ['create', (keys, options) => keys.create({ name: 'a' }, options)],
    ['list', (keys, options) => keys.list({}, options)],
    ['delete', (keys, options) => keys.delete('key-1', options)],
    ['canCreate', (keys, options) => keys.canCreate(options)],
    ['getSecret', (keys, options) => keys.getSecret('key-1', options)],
    ['usage', (keys, options) => keys.usage({}, options)],
    ['replace', (keys, options) => keys.replace('key-1', {}, options)],
    ['prune', (keys, options) => keys.prune({ olderThanMs: 1 }, options)],
  ];

  it.each(calls)('%s rejects with the reason of an aborted signal and sends nothing', async (_, call) => {
    const { fetch, requests } = responding(json({}));
    const reason = new Error('no longer needed');

    await expect(call(newClients(fetch).keys, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(requests).toEqual([]);
  });

  it('dates of other realms are accepted', async () => {
    const { fetch, requests } = responding(json({}));
    const from: Date = runInNewContext("new Date('2026-03-01T00:00:00Z')");
    expect(from).not.toBeInstanceOf(Date);

    await newClients(fetch).keys.usage({ from });
    await rejection(newClients(fetch).keys.create({ name: 'a', expiresAt: from }));

    expect(requests[0]?.body).toEqual({ startTime: '2026-03-01T00:00:00.000Z' });
    expect(requests[1]?.body).toEqual({ name: 'a', expireTime: '2026-03-01T00:00:00.000Z' });
  });

  it('headers of a call take precedence over those of the client', async () => {
    const { fetch, requests } = responding(json({}));
    const { keys } = newClients(fetch, { headers: { 'X-Tenant': 'a', 'X-Trace': '1' } });

    await keys.list({}, { headers: { 'x-trace': '2' } });

    expect(requests[0]?.headers.get('x-tenant')).toBe('a');
    expect(requests[0]?.headers.get('x-trace')).toBe('2');
  });
});

it('the logger and onRetry see methods and paths, but no ids or credentials', async () => {
  retryAtOnce();
  const entries: RequestLogEntry[] = [];
  const events: RetryEvent[] = [];
  const { fetch } = responding(json({ message: TOKEN }, 503), json({ id: 'key-1' }));
  const { keys } = newClients(fetch, {
    logger: (entry) => entries.push(entry),
    onRetry: (event) => void events.push(event),
  });

  await keys.delete('key-1');

  expect(entries).toMatchObject([
    { method: 'DELETE', path: '/apikeys/{id}', status: 503, attempt: 1, code: 'server_error' },
    { method: 'DELETE', path: '/apikeys/{id}', status: 200, attempt: 2 },
  ]);
  expect(events).toMatchObject([{ method: 'DELETE', path: '/apikeys/{id}', attempt: 1 }]);
  expect(JSON.stringify(entries)).not.toContain('key-1');
  for (const value of [entries, events]) expect(everythingShownOf(value)).not.toContain(TOKEN);
});
