import { ChatClient, type ChatClientOptions, ConfigurationError } from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, thrownBy } from '../support/failures.ts';
import { json, mockNetwork } from '../support/network.ts';
import { chatClient, MODELS } from './requests.ts';

const network = mockNetwork();

describe('a ChatClient', () => {
  test.each<[string, ChatClientOptions, string]>([
    ['the host of the shared models', {}, 'https://chat.d.run/v1/models'],
    ["a region's host", { region: 'sh-02' }, 'https://sh-02.d.run/v1/models'],
    ['a base URL', { baseUrl: 'https://gate.example' }, 'https://gate.example/v1/models'],
    ['a base URL with a slash', { baseUrl: 'https://gate.example/' }, 'https://gate.example/v1/models'],
    ['a base URL with its version', { baseUrl: 'https://gate.example/v1' }, 'https://gate.example/v1/models'],
    [
      'a base URL with version and slash',
      { baseUrl: 'https://gate.example/v1/' },
      'https://gate.example/v1/models',
    ],
    ['a base URL with a path', { baseUrl: 'https://gate.example/llm' }, 'https://gate.example/llm/v1/models'],
    [
      'a base URL with path and version',
      { baseUrl: 'https://gate.example/llm/v1' },
      'https://gate.example/llm/v1/models',
    ],
    [
      'a base URL with a path that only looks like a version',
      { baseUrl: 'https://gate.example/mv1' },
      'https://gate.example/mv1/v1/models',
    ],
    ['a URL object', { baseUrl: new URL('https://gate.example/v1') }, 'https://gate.example/v1/models'],
    ['a loopback host over http', { baseUrl: 'http://127.0.0.1:8080/v1' }, 'http://127.0.0.1:8080/v1/models'],
  ])('calls %s', async (_, options, address) => {
    const requests = network.respond('get', address, json({ data: [] }));

    await chatClient(options).models();

    expect(requests.map(({ url }) => url)).toEqual([address]);
  });

  test('does not change the URL object that it receives', () => {
    const baseUrl = new URL('https://gate.example/v1');

    chatClient({ baseUrl });

    expect(baseUrl.href).toBe('https://gate.example/v1');
  });

  test('rejects region together with baseUrl', () => {
    const error = thrownBy(ConfigurationError, () => chatClient({ region: 'sh-02', baseUrl: MODELS }));

    expect(error.option).toBe('region');
  });

  test.each(['', 'evil.example/', 'a.b', 'a/b', 'sh 02', '-a', 'a@b', 'SH-02\n', 'a:1', 'a#', 'a?', '大'])(
    'rejects %j as a region',
    (region) => {
      expect(thrownBy(ConfigurationError, () => chatClient({ region })).option).toBe('region');
    },
  );

  test('reads its key from DRUN_API_KEY if the option is missing', async () => {
    vi.stubEnv('DRUN_API_KEY', KEY);
    const requests = network.respond('get', MODELS, json({ data: [] }));

    await new ChatClient().models();

    expect(requests[0]?.headers.get('authorization')).toBe(`Bearer ${KEY}`);
  });

  test.each([undefined, ''])(
    'names the option and the environment variable if there is no key (%j)',
    (value) => {
      vi.stubEnv('DRUN_API_KEY', value);
      vi.stubEnv('DRUN_ACCESS_TOKEN', 'another-credential');

      const error = thrownBy(ConfigurationError, () => new ChatClient());

      expect(error.option).toBe('apiKey');
      expect(error.message).toContain('DRUN_API_KEY');
    },
  );

  test('names the option and the environment variable if there is no `process`', () => {
    const { process } = globalThis;
    vi.stubGlobal('process', undefined);
    let error: ConfigurationError;
    try {
      error = thrownBy(ConfigurationError, () => new ChatClient());
    } finally {
      vi.stubGlobal('process', process);
    }

    expect(error.option).toBe('apiKey');
  });

  test('throws in a web page without showing the key', () => {
    vi.stubGlobal('window', { document: {} });

    const error = thrownBy(ConfigurationError, () => chatClient());

    expect(error.option).toBe('dangerouslyAllowBrowser');
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test('works in a web page with dangerouslyAllowBrowser', async () => {
    vi.stubGlobal('window', { document: {} });
    network.respond('get', MODELS, json({ data: [] }));

    expect(await chatClient({ dangerouslyAllowBrowser: true }).models()).toEqual([]);
  });

  test('works if there is a window without a document', () => {
    vi.stubGlobal('window', {});

    expect(() => chatClient()).not.toThrow();
  });

  test('uses the `fetch` option', async () => {
    const fetch = vi.fn(async () => json({ data: [{ id: 'a' }] }));

    expect(await chatClient({ fetch }).models()).toEqual([{ id: 'a' }]);
    expect(fetch).toHaveBeenCalledExactlyOnceWith(MODELS, expect.objectContaining({ method: 'GET' }));
  });

  test('reads the global fetch when it is called', async () => {
    const chat = chatClient();
    const fetch = vi.fn(async () => json({ data: [] }));
    vi.stubGlobal('fetch', fetch);

    await chat.models();

    expect(fetch).toHaveBeenCalledOnce();
  });

  test.each<[string, ChatClientOptions, string]>([
    ['a timeout of 0', { timeoutMs: 0 }, 'timeoutMs'],
    ['a timeout above the maximum of timers', { timeoutMs: 2 ** 31 }, 'timeoutMs'],
    ['a timeout that is not a number', { timeoutMs: '1' as never }, 'timeoutMs'],
    ['a negative number of retries', { maxRetries: -1 }, 'maxRetries'],
    ['an infinite number of retries', { maxRetries: Number.POSITIVE_INFINITY }, 'maxRetries'],
    ['a fetch that is not a function', { fetch: {} as never }, 'fetch'],
  ])('rejects %s', (_, options, option) => {
    expect(thrownBy(ConfigurationError, () => chatClient(options)).option).toBe(option);
  });

  test('shows no key when it is inspected', () => {
    expect(everythingShownOf(chatClient())).not.toContain(KEY);
  });
});
