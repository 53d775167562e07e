import {
  ApiKeys,
  type ApiKeysOptions,
  ConfigurationError,
  type RequestLogEntry,
  type RetryEvent,
  Secret,
  WorkspaceApiKeys,
} from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { json, mockNetwork } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { API, apiKeys } from './requests.ts';

const network = mockNetwork();

describe('an ApiKeys client', () => {
  test('takes its access token from DRUN_ACCESS_TOKEN where none is given', async () => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);
    const seen = network.answer('get', `${API}/masked-apikeys`, json({}));

    await new ApiKeys().list();

    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  test('prefers the access token that is given', async () => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', 'from-the-environment');
    const seen = network.answer('get', `${API}/masked-apikeys`, json({}));

    await apiKeys().list();

    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  test.each([undefined, ''])('names option and variable where there is no access token (%j)', (value) => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', value);
    vi.stubEnv('DRUN_API_KEY', KEY);

    const error = thrownBy(ConfigurationError, () => new ApiKeys());

    expect(error.option).toBe('accessToken');
    expect(error.message).toContain('DRUN_ACCESS_TOKEN');
  });

  test.each<[string, NonNullable<ApiKeysOptions['accessToken']>]>([
    ['a Secret', new Secret(TOKEN)],
    ['a function', () => TOKEN],
    ['an asynchronous function', async () => new Secret(TOKEN)],
    ['an object with getKey', { getKey: () => TOKEN }],
  ])('takes %s for an access token', async (_, accessToken) => {
    const seen = network.answer('get', `${API}/masked-apikeys`, json({}));

    await apiKeys({ accessToken }).list();

    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  test.each([
    ['https://hydra.example', 'https://hydra.example'],
    ['https://hydra.example/', 'https://hydra.example'],
    ['https://hydra.example/proxy/', 'https://hydra.example/proxy'],
    ['http://localhost:8080', 'http://localhost:8080'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
  ])('keeps to the base URL %s', async (baseUrl, prefix) => {
    const seen = network.answer('get', `${prefix}/apis/hydra.io/v1alpha1/masked-apikeys`, json({}));

    await apiKeys({ baseUrl }).list();

    expect(seen).toHaveLength(1);
  });

  test.each<[string, ApiKeysOptions, string]>([
    ['a language with a line break', { language: 'en\r\nx: y' }, 'language'],
    ['an empty language', { language: '' }, 'language'],
    ['a timeout of 0', { timeoutMs: 0 }, 'timeoutMs'],
    ['a timeout of NaN', { timeoutMs: Number.NaN }, 'timeoutMs'],
    ['a negative number of retries', { maxRetries: -1 }, 'maxRetries'],
    ['a fraction of a retry', { maxRetries: 0.5 }, 'maxRetries'],
    ['a fetch that is no function', { fetch: 'fetch' as never }, 'fetch'],
    ['a base URL over http', { baseUrl: 'http://console.d.run' }, 'baseUrl'],
    ['a logger that is no function', { logger: {} as never }, 'logger'],
    ['an onRetry that is no function', { onRetry: 1 as never }, 'onRetry'],
  ])('refuses %s', (_, options, option) => {
    expect(thrownBy(ConfigurationError, () => apiKeys(options)).option).toBe(option);
  });

  test('refuses to work in a page', () => {
    vi.stubGlobal('window', { document: {} });

    const error = thrownBy(ConfigurationError, () => apiKeys());

    expect(error.option).toBe('dangerouslyAllowBrowser');
    expect(everythingShownOf(error)).not.toContain(TOKEN);
  });

  test('sends its headers and those of the call, which come first', async () => {
    const seen = network.answer('get', `${API}/masked-apikeys`, json({}));

    await apiKeys({ headers: { 'X-Tenant': 'a', 'X-Trace': '1' } }).list({}, { headers: { 'x-trace': '2' } });

    expect(seen[0]?.headers.get('x-tenant')).toBe('a');
    expect(seen[0]?.headers.get('x-trace')).toBe('2');
  });

  test('rejects with the reason of a signal that is aborted already, and sends nothing', async () => {
    const reason = new Error('not any more');
    const signal = AbortSignal.abort(reason);

    await expect(apiKeys().list({}, { signal })).rejects.toBe(reason);
    await expect(apiKeys().create({ name: 'a' }, { signal })).rejects.toBe(reason);
    await expect(apiKeys().delete('key-1', { signal })).rejects.toBe(reason);
    await expect(apiKeys().canCreate({ signal })).rejects.toBe(reason);
    await expect(apiKeys().reveal('key-1', { signal })).rejects.toBe(reason);
    await expect(apiKeys().usage({}, { signal })).rejects.toBe(reason);
    await expect(apiKeys().replace('key-1', {}, { signal })).rejects.toBe(reason);
    await expect(apiKeys().prune({ olderThanMs: 1 }, { signal })).rejects.toBe(reason);
  });

  test('refuses a call option that cannot be used', async () => {
    const error = await rejectionOf(ConfigurationError, apiKeys().canCreate({ timeoutMs: -1 }));

    expect(error.option).toBe('timeoutMs');
  });

  test('tells its logger of every request, without ids and credentials', async () => {
    network.answer('delete', `${API}/apikeys/key-1`, json({ message: TOKEN }, 503), json({ id: 'key-1' }));
    const entries: RequestLogEntry[] = [];
    retryAtOnce();

    await apiKeys({ logger: (entry) => entries.push(entry) }).delete('key-1');

    expect(entries).toMatchObject([
      { method: 'DELETE', path: '/apikeys/{id}', status: 503, attempt: 1, code: 'server_error' },
      { method: 'DELETE', path: '/apikeys/{id}', status: 200, attempt: 2 },
    ]);
    expect(everythingShownOf(entries)).not.toContain('key-1');
  });

  test('tells onRetry before a call is repeated', async () => {
    network.answer('get', `${API}/masked-apikeys`, json({}, 503), json({}));
    const events: RetryEvent[] = [];
    retryAtOnce();

    await apiKeys({ onRetry: (event) => events.push(event) }).list();

    expect(events).toMatchObject([{ method: 'GET', path: '/masked-apikeys', attempt: 1 }]);
    expect(events[0]?.error.code).toBe('server_error');
  });

  test('shows no access token when it is printed', () => {
    expect(everythingShownOf(apiKeys({ headers: { 'x-api-key': KEY } }))).not.toContain(TOKEN);
  });

  test('does not write into the options that it was given', () => {
    const options = Object.freeze({ accessToken: TOKEN, headers: Object.freeze({ 'X-Tenant': 'a' }) });

    expect(() => new ApiKeys(options)).not.toThrow();
  });

  test('takes no notice of options that are changed later', async () => {
    const seen = network.answer('get', `${API}/masked-apikeys`, json({}));
    const headers: Record<string, string> = { 'x-tenant': 'a' };
    const keys = apiKeys({ headers });
    headers['x-tenant'] = 'b';

    await keys.list();

    expect(seen[0]?.headers.get('x-tenant')).toBe('a');
  });
});

describe('a WorkspaceApiKeys client', () => {
  const open = (options: object): WorkspaceApiKeys =>
    new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12, ...options });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 31, '12', undefined, null])(
    'refuses %j as the number of its workspace',
    (workspace) => {
      expect(thrownBy(ConfigurationError, () => open({ workspace })).option).toBe('workspace');
    },
  );

  test('refuses to be made without options', () => {
    const make = (): unknown => new (WorkspaceApiKeys as unknown as new () => unknown)();

    expect(thrownBy(ConfigurationError, make).option).toBe('workspace');
  });

  test('keeps to its workspace under a base URL with a path', async () => {
    const address = 'https://hydra.example/proxy/apis/hydra.io/v1alpha1/workspaces/2147483647/masked-apikeys';
    const seen = network.answer('get', address, json({}));

    await open({ baseUrl: 'https://hydra.example/proxy', workspace: 2 ** 31 - 1 }).list();

    expect(seen).toHaveLength(1);
  });

  test('takes its access token from DRUN_ACCESS_TOKEN where none is given', async () => {
    vi.stubEnv('DRUN_ACCESS_TOKEN', TOKEN);
    const seen = network.answer('get', `${API}/workspaces/12/my-apikeys`, json({}));

    await new WorkspaceApiKeys({ workspace: 12 }).listMine();

    expect(seen[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`);
  });

  test.each<[string, (keys: WorkspaceApiKeys) => Promise<unknown>, string]>([
    ['a whole key to switch off', (keys) => keys.disable(KEY), 'id'],
    ['a path to switch on', (keys) => keys.enable('../1'), 'id'],
    ['a negative quota', (keys) => keys.setQuota('key-1', -1), 'quota'],
    ['a fraction of a token', (keys) => keys.setQuota('key-1', 1.5), 'quota'],
    ['a quota beyond what a number can hold', (keys) => keys.setQuota('key-1', 2 ** 53), 'quota'],
    ['a quota that is no number', (keys) => keys.create({ name: 'a', quota: '5' as never }), 'quota'],
  ])('refuses %s and sends nothing', async (_, call, option) => {
    const error = await rejectionOf(ConfigurationError, call(open({})));

    expect(error.option).toBe(option);
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test('shows no access token when it is printed', () => {
    expect(everythingShownOf(open({}))).not.toContain(TOKEN);
  });
});

test('an account refuses a quota, which only keys of workspaces have, and sends nothing', async () => {
  const input = { name: 'a', quota: 5 } as { name: string };

  expect((await rejectionOf(ConfigurationError, apiKeys().create(input))).option).toBe('quota');
});
