import { type ChatCompletionRequest, type ChatStreamRequest, keyVerifier } from 'drun-sdk/chat';
import { ConfigurationError, ConnectionError, RateLimitError, ServerError } from 'drun-sdk/errors';
import { Secret } from 'drun-sdk/secret';
import { describe, expect, it, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { rejection, rejectionOf, thrownBy } from '../support/failures.ts';
import { json, mockNetwork } from '../support/network.ts';
import { chatClient, failure, MODELS, request } from './requests.ts';

const network = mockNetwork();

describe('withOptions', () => {
  it('overrides the given options and keeps the others', async () => {
    const requests = network.respond('get', MODELS, json({ data: [] }));
    const client = chatClient({ headers: { 'x-team': 'a' } });

    await client.withOptions({ headers: { 'x-team': 'b' } }).models();
    await client.models();

    expect(requests.map(({ headers }) => headers.get('x-team'))).toEqual(['b', 'a']);
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      `Bearer ${KEY}`,
      `Bearer ${KEY}`,
    ]);
  });

  it('keeps an option that is overridden with undefined', async () => {
    const requests = network.respond('get', MODELS, json({ data: [] }));

    await chatClient({ headers: { 'x-team': 'a' } })
      .withOptions({ headers: undefined })
      .models();

    expect(requests[0]?.headers.get('x-team')).toBe('a');
  });

  it('accepts a region in place of the base URL together with an API key', async () => {
    const requests = network.respond('get', 'https://sh-02.d.run/v1/models', json({ data: [] }));
    const client = chatClient({ baseUrl: 'https://gate.example' });

    await client.withOptions({ region: 'sh-02', apiKey: 'sk-of-the-region-0001' }).models();

    expect(requests[0]?.headers.get('authorization')).toBe('Bearer sk-of-the-region-0001');
  });

  it('does not read the environment again', async () => {
    const requests = network.respond('get', 'https://gate.example/v1/models', json({ data: [] }));
    vi.stubEnv('DRUN_CHAT_URL', 'https://gate.example');
    const client = chatClient();
    vi.stubEnv('DRUN_CHAT_URL', 'https://elsewhere.example');

    await client.withOptions({ timeoutMs: 5_000 }).models();

    expect(requests).toHaveLength(1);
    vi.unstubAllEnvs();
  });

  it('accepts another path of the same origin without an API key', async () => {
    const requests = network.respond('get', 'https://gate.example/b/v1/models', json({ data: [] }));

    await chatClient({ baseUrl: 'https://gate.example/a' })
      .withOptions({ baseUrl: 'https://gate.example/b' })
      .models();

    expect(requests).toHaveLength(1);
  });

  it.each([{ baseUrl: 'https://other.example' }, { region: 'sh-02' }])(
    'throws when %j changes the origin without an API key',
    (options) => {
      const error = thrownBy(ConfigurationError, () => chatClient().withOptions(options));

      expect(error.option).toBe('apiKey');
    },
  );
});

describe('keyVerifier', () => {
  const secret = new Secret('sk-to-be-verified-0001');

  it('returns the models of an accepted key', async () => {
    const requests = network.respond('get', MODELS, json({ data: [{ id: 'a' }, { id: 'b' }] }));

    const result = await keyVerifier().verify(secret);

    expect(result).toEqual({ accepted: true, models: ['a', 'b'] });
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      `Bearer ${secret.reveal()}`,
    ]);
  });

  it('uses the options of the client', async () => {
    const requests = network.respond('get', 'https://sh-02.d.run/v1/models', json({ data: [] }));

    await keyVerifier({ region: 'sh-02' }).verify(secret);

    expect(requests).toHaveLength(1);
  });

  it.each([
    [401, 'authentication_failed'],
    [402, 'insufficient_quota'],
    [403, 'permission_denied'],
  ])('reports a key that is rejected with %d', async (status, code) => {
    network.respond('get', MODELS, json(failure('x', 'y'), status));

    expect(await keyVerifier().verify(secret)).toEqual({ accepted: false, code });
  });

  it.each([
    [429, RateLimitError],
    [503, ServerError],
  ])('rejects when the service responds with %d', async (status, type) => {
    network.respond('get', MODELS, json(failure('x', 'y'), status));

    const error = await rejection(keyVerifier({ maxRetries: 0 }).verify(secret));

    expect(error).toBeInstanceOf(type);
  });

  it('rejects when the connection fails', async () => {
    const fetch = (): Promise<never> => Promise.reject(new TypeError('fetch failed'));

    await rejectionOf(ConnectionError, keyVerifier({ maxRetries: 0, fetch }).verify(secret));
  });

  it('rejects with the reason of the signal', async () => {
    const reason = new Error('stopped');

    await expect(keyVerifier().verify(secret, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('a request', () => {
  it.each(['signal', 'timeoutMs', 'idleTimeoutMs', 'headers', 'maxRetries', 'apiKey', 'schema', 'maxRounds'])(
    'is rejected before it is sent when it contains the option `%s`',
    async (name) => {
      const fetch = vi.fn(async () => json({}));
      const chat = chatClient({ fetch });
      const callOption = request({ [name]: 'x' });

      const calls = [
        () => chat.complete(callOption),
        async () => chat.stream(callOption as ChatStreamRequest).completion(),
        () => chat.runTools(callOption as ChatCompletionRequest, { tools: [] }),
      ];

      for (const call of calls) {
        const error = await rejectionOf(ConfigurationError, call());
        expect(error.option).toBe(name);
        expect(error.message).toContain('second argument');
      }
      expect(fetch).not.toHaveBeenCalled();
    },
  );
});
