import { ApiKeys, type ApiKeysOptions, ConfigurationError, Secret } from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { json, mockNetwork } from '../support/network.ts';
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
  });

  test('refuses a call option that cannot be used', async () => {
    const error = await rejectionOf(ConfigurationError, apiKeys().canCreate({ timeoutMs: -1 }));

    expect(error.option).toBe('timeoutMs');
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
