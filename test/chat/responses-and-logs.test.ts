import { setImmediate as turn } from 'node:timers/promises';
import type { RequestLogEntry, RetryEvent } from 'drun-sdk/chat';
import {
  AuthenticationError,
  ConfigurationError,
  InvalidResponseError,
  ServerError,
  StreamFailedError,
  StreamTruncatedError,
} from 'drun-sdk/errors';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { connectionReset, html, json, mockNetwork } from '../support/network.ts';
import { events, finishChunk, greeting, streamingFetch, textChunk } from '../support/streams.ts';
import { retryAtOnce } from '../support/timing.ts';
import { COMPLETIONS, chatClient, completion, failure, MODELS, request } from './requests.ts';

const network = mockNetwork();

describe('withResponse()', () => {
  test('resolves with the completion and its response', async () => {
    const headers = { 'x-request-id': 'req-7', 'x-served-by': 'a' };
    network.respond('post', COMPLETIONS, json(completion(), 200, headers));

    const { data, response } = await chatClient().complete(request()).withResponse();

    expect(data.choices[0].message.content).toBe('Hello!');
    expect(response).toMatchObject({ status: 200, requestId: 'req-7', attempts: 1 });
    expect(response.headers.get('x-served-by')).toBe('a');
  });

  test('resolves with the completion of the call', async () => {
    network.respond('post', COMPLETIONS, json(completion()));

    const call = chatClient().complete(request());

    expect((await call.withResponse()).data).toBe(await call);
  });

  test('sends no second request', async () => {
    const requests = network.respond('post', COMPLETIONS, json(completion()));

    const call = chatClient().complete(request());
    await Promise.all([call, call.withResponse(), call.withResponse()]);

    expect(requests).toHaveLength(1);
  });

  test('counts the attempts of the call', async () => {
    retryAtOnce();
    network.respond('post', COMPLETIONS, json({}, 503), connectionReset(), json(completion()));

    const { response } = await chatClient().complete(request()).withResponse();

    expect(response.attempts).toBe(3);
  });

  test('works for models()', async () => {
    network.respond('get', MODELS, json({ data: [{ id: 'a' }] }, 200, { 'request-id': 'req-8' }));

    const { data, response } = await chatClient().models().withResponse();

    expect(data).toEqual([{ id: 'a' }]);
    expect(response.requestId).toBe('req-8');
  });

  test('rejects like the call, and leaves no unhandled rejection', async () => {
    network.respond('post', COMPLETIONS, json(failure('x', 'y'), 403));

    const error = await chatClient()
      .complete(request())
      .withResponse()
      .catch((thrown: unknown) => thrown);

    // Vitest fails the run after an unhandled rejection.
    expect(error).toMatchObject({ code: 'permission_denied' });
  });

  test('masks a credential in the headers', async () => {
    network.respond(
      'post',
      COMPLETIONS,
      json(completion(), 200, { 'x-key': KEY, 'x-request-id': `for ${KEY}` }),
    );

    const { response } = await chatClient().complete(request()).withResponse();

    expect(response.headers.get('x-key')).toBe(MASKED_KEY);
    expect(response.requestId).toBe(`for ${MASKED_KEY}`);
    expect(everythingShownOf(response)).not.toContain(KEY);
  });
});

describe('the response of a stream', () => {
  test('is present from the first chunk on', async () => {
    const completion = await streamingFetch(greeting())();
    completion.headers.set('x-request-id', 'req-9');
    const stream = chatClient({ fetch: async () => completion }).stream(request());
    expect(stream.response).toBeUndefined();

    await stream[Symbol.asyncIterator]().next();

    expect(stream.response).toMatchObject({ status: 200, requestId: 'req-9', attempts: 1 });
    await stream[Symbol.asyncDispose]();
  });
});

describe('a request id', () => {
  test.each(['x-request-id', 'request-id', 'x-trace-id'])('is taken from %s', async (name) => {
    network.respond('post', COMPLETIONS, json(failure('x', 'y'), 403, { [name]: 'req-1' }));

    await expect(chatClient().complete(request())).rejects.toMatchObject({ requestId: 'req-1' });
  });

  test('is absent if the server sends none', async () => {
    network.respond('post', COMPLETIONS, json(completion(), 200, { 'x-request-id': '' }));

    const { response } = await chatClient().complete(request()).withResponse();

    expect(response).not.toHaveProperty('requestId');
  });

  test('is on the error for a 200 that is not a completion', async () => {
    const page = html();
    page.headers.set('x-request-id', 'req-1');
    network.respond('post', COMPLETIONS, page);

    const error = await rejectionOf(InvalidResponseError, chatClient().complete(request()));

    expect(error.requestId).toBe('req-1');
  });

  test.each([
    ['is truncated', events(textChunk('a')), StreamTruncatedError],
    ['failed', events(textChunk('a'), failure('x', 'y')), StreamFailedError],
  ] as const)('is on the error of a stream that %s', async (_, data, type) => {
    const response = await streamingFetch(data)();
    response.headers.set('x-request-id', 'req-1');

    const error = await rejectionOf(
      type,
      chatClient({ fetch: async () => response })
        .stream(request())
        .completion(),
    );

    expect(error.requestId).toBe('req-1');
  });
});

describe('onRetry', () => {
  test('receives the error and the delay before each retry', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    network.respond(
      'post',
      COMPLETIONS,
      json(failure(null, 'internal_error', 'busy'), 503, { 'retry-after': '7' }),
      json({}, 500, { 'retry-after-ms': '20' }),
      json(completion()),
    );
    const events: RetryEvent[] = [];
    const call = chatClient({ onRetry: (event) => void events.push(event) }).complete(request());

    await vi.waitFor(() => expect(events).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(7_000);
    await vi.waitFor(() => expect(events).toHaveLength(2));
    await vi.advanceTimersByTimeAsync(20);
    await call;
    vi.useRealTimers();

    const common = { method: 'POST', path: '/v1/chat/completions' };
    expect(events).toEqual([
      { ...common, attempt: 1, error: expect.any(ServerError), delayMs: 7_000 },
      { ...common, attempt: 2, error: expect.any(ServerError), delayMs: 20 },
    ]);
    expect(events[0]?.error.message).toContain('busy');
  });

  test('is called for a rejected key that is replaced, with a delay of 0', async () => {
    network.respond('post', COMPLETIONS, json(failure('invalid_api_key', 'x', KEY), 401), json(completion()));
    const events: RetryEvent[] = [];

    await chatClient({
      apiKey: ({ rejected }) => (rejected ? OTHER_KEY : KEY),
      onRetry: (event) => void events.push(event),
    }).complete(request());

    expect(events).toMatchObject([{ attempt: 1, delayMs: 0 }]);
    expect(events[0]?.error).toBeInstanceOf(AuthenticationError);
    expect(everythingShownOf(events)).not.toContain(KEY);
  });

  test.each([
    ['a failure that is not retried', [json(failure('x', 'y'), 400)], {}],
    ['the last attempt', [json({}, 503)], { maxRetries: 0 }],
    ['a success', [json(completion())], {}],
  ])('is not called for %s', async (_, replies, options) => {
    network.respond('post', COMPLETIONS, ...replies);
    const onRetry = vi.fn();

    await chatClient({ onRetry })
      .complete(request(), options)
      .catch(() => {});

    expect(onRetry).not.toHaveBeenCalled();
  });

  test('makes the call reject with the error that it throws', async () => {
    const requests = network.respond('post', COMPLETIONS, json({}, 503));
    const mine = new Error('no more');

    const call = chatClient({
      onRetry: () => {
        throw mine;
      },
    }).complete(request());

    await expect(call).rejects.toBe(mine);
    expect(requests).toHaveLength(1);
  });

  test('makes the call reject with the reason with which it rejects', async () => {
    const requests = network.respond('post', COMPLETIONS, json({}, 503));
    const mine = new Error('no more');

    const call = chatClient({
      onRetry: async () => {
        throw mine;
      },
    }).complete(request());

    await expect(call).rejects.toBe(mine);
    expect(requests).toHaveLength(1);
  });

  test('that never resolves does not delay the abort of a call', async () => {
    network.respond('post', COMPLETIONS, json({}, 503));
    const user = new AbortController();
    const mine = new Error('the user left');

    const call = chatClient({
      onRetry: () => {
        user.abort(mine);
        return new Promise<void>(() => {});
      },
    }).complete(request(), { signal: user.signal });

    await expect(call).rejects.toBe(mine);
  });
});

describe('a logger', () => {
  test('receives one entry for each attempt', async () => {
    retryAtOnce();
    network.respond('post', COMPLETIONS, json({}, 503), connectionReset(), json(completion()));
    const lines: RequestLogEntry[] = [];

    await chatClient({ logger: (line) => lines.push(line) }).complete(request());

    const common = {
      method: 'POST',
      path: '/v1/chat/completions',
      durationMs: expect.toSatisfy((duration: number) => duration >= 0 && duration < 60_000),
    };
    expect(lines).toEqual([
      { ...common, attempt: 1, status: 503, code: 'server_error' },
      { ...common, attempt: 2, code: 'connection_failed' },
      { ...common, attempt: 3, status: 200 },
    ]);
  });

  test('receives the duration of an attempt', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const responded = Promise.withResolvers<void>();
    network.respond('post', COMPLETIONS, async () => {
      await responded.promise;
      return json(completion());
    });
    const lines: RequestLogEntry[] = [];
    const call = chatClient({ logger: (line) => lines.push(line) }).complete(request());

    await vi.advanceTimersByTimeAsync(1_234);
    responded.resolve();
    await call;
    vi.useRealTimers();

    expect(lines).toMatchObject([{ durationMs: 1_234 }]);
  });

  test('receives an entry for an aborted attempt', async () => {
    const user = new AbortController();
    network.respond('post', COMPLETIONS, () => {
      user.abort(new Error('the user left'));
      return json(completion());
    });
    const lines: RequestLogEntry[] = [];

    await chatClient({ logger: (line) => lines.push(line) })
      .complete(request(), { signal: user.signal })
      .catch(() => {});

    expect(lines).toMatchObject([{ attempt: 1, code: 'aborted' }]);
  });

  test('receives the entry of a stream with its first chunk', async () => {
    const lines: RequestLogEntry[] = [];
    const fetch = streamingFetch(events(textChunk('a'), finishChunk(), '[DONE]'));
    const stream = chatClient({ fetch, logger: (line) => lines.push(line) }).stream(request());

    await stream.completion();

    expect(lines).toMatchObject([{ path: '/v1/chat/completions', attempt: 1, status: 200 }]);
  });

  test('receives neither bodies nor credentials', async () => {
    network.respond('post', COMPLETIONS, json(failure('x', 'y', `bad key ${KEY}`), 401));
    const lines: RequestLogEntry[] = [];

    await chatClient({ logger: (line) => lines.push(line) })
      .complete(request({ messages: [{ role: 'user', content: 'a secret plan' }] }))
      .catch(() => {});

    expect(lines).toHaveLength(1);
    expect(everythingShownOf(lines)).not.toContain(KEY.slice(3));
    expect(everythingShownOf(lines)).not.toContain('secret plan');
  });

  test('that throws does not fail the call', async () => {
    network.respond('post', COMPLETIONS, json(completion()));

    const result = await chatClient({
      logger: () => {
        throw new Error('the disk is full');
      },
    }).complete(request());

    expect(result.choices).toHaveLength(1);
  });

  test('that rejects leaves no unhandled rejection', async () => {
    network.respond('post', COMPLETIONS, json(completion()));
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    onTestFinished(() => void process.off('unhandledRejection', unhandled));

    await chatClient({
      logger: async () => {
        throw new Error('the disk is full');
      },
    }).complete(request());
    // Node reports unhandled rejections in the next turn of the event loop.
    await turn();
    await turn();

    expect(unhandled).not.toHaveBeenCalled();
  });
});

test.each(['onRetry', 'logger'] as const)('%s must be a function', (option) => {
  const error = thrownBy(ConfigurationError, () => chatClient({ [option]: {} as never }));

  expect(error.option).toBe(option);
});
