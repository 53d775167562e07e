import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { ChatClientOptions, ChatStream, ChatStreamOptions } from 'drun-sdk/chat';
import {
  AuthenticationError,
  ConfigurationError,
  StreamFailedError,
  StreamTruncatedError,
  TimeoutError,
} from 'drun-sdk/errors';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KEY, OTHER_KEY } from '../../support/credentials.ts';
import { rejection, rejectionOf } from '../../support/failures.ts';
import { serveHttp } from '../../support/sockets.ts';
import {
  events,
  finishChunk,
  GREETING,
  greeting,
  READERS,
  type StreamedResponse,
  serveChunks,
  serveManually,
  serveStream,
  streamingFetch,
  textChunk,
  textOf,
} from '../../support/streams.ts';
import { retryAtOnce } from '../../support/timing.ts';
import { chatClient, failure, request } from '../requests.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

/** Replaces only timers. Sockets and the clock remain real. */
const fakeTimers = (): void => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
};

let unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  vi.useRealTimers();
  await turn();
  await turn();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled, 'unhandled rejections').toEqual([]);
});

/** Starts a stream and reads its first chunk. */
async function startStream(
  options: ChatStreamOptions = {},
  clientOptions: ChatClientOptions = {},
): Promise<{
  stream: ChatStream;
  chunks: AsyncIterator<unknown>;
  response: StreamedResponse;
}> {
  const server = await serveManually();
  const stream = chatClient({ baseUrl: server.url, ...clientOptions }).stream(request(), options);
  const chunks = stream[Symbol.asyncIterator]();
  const first = chunks.next();
  const response = await server.response;
  await response.write(events(textChunk('a')));
  expect(await first).toMatchObject({ done: false });
  return { stream, chunks, response };
}

describe('a stream without a reader', () => {
  test('sends nothing, reads no key and adds no listener to the signal', async () => {
    const server = await serveChunks(greeting());
    const apiKey = vi.fn(() => KEY);
    const { signal } = new AbortController();
    const stream = chatClient({ baseUrl: server.url, apiKey }).stream(request(), { signal });

    stream[Symbol.asyncIterator]();
    await turn();

    expect(server.count).toBe(0);
    expect(apiKey).not.toHaveBeenCalled();
    expect(listeners(signal)).toBe(0);
  });

  test.each<[string, (stream: ChatStream) => unknown]>([
    ['textStream', (stream) => stream.textStream],
    ['toReadableStream()', (stream) => stream.toReadableStream()],
    ['toResponse()', (stream) => stream.toResponse()],
  ])('sends nothing when only %s was used', async (_, act) => {
    const fetch = vi.fn(streamingFetch(greeting()));

    act(chatClient({ fetch }).stream(request()));
    for (let i = 0; i < 20; i++) await turn();

    expect(fetch).not.toHaveBeenCalled();
  });

  test('sends nothing after it was aborted and disposed of', async () => {
    const server = await serveChunks(greeting());
    const stream = chatClient({ baseUrl: server.url }).stream(request());
    const reason = new Error('enough');

    stream.abort(reason);
    await stream[Symbol.asyncDispose]();

    expect(await rejection(stream.completion())).toBe(reason);
    expect(server.count).toBe(0);
  });

  test('sends one request with `stream: true` when it is read', async () => {
    let body: unknown;
    let accept: unknown;
    const { url } = await serveHttp(async (incoming, response) => {
      let text = '';
      for await (const chunk of incoming) text += chunk;
      body = JSON.parse(text);
      accept = incoming.headers.accept;
      response.setHeader('content-type', 'text/event-stream');
      response.end(greeting());
    });

    await chatClient({ baseUrl: url })
      .stream(request({ top_k: 3 }))
      .completion();

    expect(body).toEqual({ ...request({ top_k: 3 }), stream: true });
    expect(accept).toBe('text/event-stream');
  });
});

describe('stopping a stream', () => {
  test.each<[string, (stream: ChatStream) => Promise<void>]>([
    [
      'leaving the loop over its chunks',
      async (stream) => {
        for await (const _ of stream) break;
      },
    ],
    [
      'leaving the loop over its text',
      async (stream) => {
        for await (const _ of stream.textStream) break;
      },
    ],
    [
      'throwing in the loop',
      async (stream) => {
        await rejection(
          (async () => {
            for await (const _ of stream) throw new Error('mine');
          })(),
        );
      },
    ],
    [
      'leaving a block with `await using`',
      async (stream) => {
        await using used = stream;
        await used[Symbol.asyncIterator]().next();
      },
    ],
    [
      'canceling its ReadableStream',
      async (stream) => {
        const reader = stream.toReadableStream().getReader();
        await reader.read();
        await reader.cancel();
      },
    ],
    [
      'canceling its Response',
      async (stream) => {
        const reader = (stream.toResponse().body as ReadableStream).getReader();
        await reader.read();
        await reader.cancel();
      },
    ],
  ])('by %s closes the connection and removes the listener from the signal', async (_, stop) => {
    const closed = Promise.withResolvers<void>();
    const { url } = await serveStream(async (response) => {
      await response.write(events(textChunk('a')));
      await response.closed;
      closed.resolve();
    });
    const { signal } = new AbortController();
    const stream = chatClient({ baseUrl: url }).stream(request(), { signal });

    await stop(stream);

    await closed.promise;
    expect(listeners(signal)).toBe(0);
    const error = await rejectionOf(StreamTruncatedError, stream.completion());
    expect(error.completion.choices[0]?.message.content).toBe('a');
  });

  test('before the response closes the connection without waiting', async () => {
    const server = await serveManually();
    const stream = chatClient({ baseUrl: server.url }).stream(request());
    const chunks = stream[Symbol.asyncIterator]();
    const first = rejection(chunks.next());
    const { closed } = await server.response;

    await stream[Symbol.asyncDispose]();

    await closed;
    await first;
    expect((await rejectionOf(StreamTruncatedError, stream.completion())).completion.choices).toEqual([]);
  });

  test('a second time, or after the end, has no effect', async () => {
    const { url } = await serveChunks(greeting());
    const stream = chatClient({ baseUrl: url }).stream(request());
    const completion = await stream.completion();

    await stream[Symbol.asyncDispose]();
    await stream[Symbol.asyncDispose]();
    stream.abort();

    expect(await stream.completion()).toBe(completion);
  });
});

describe.each(READERS)('$name', ({ read }) => {
  /** Starts reading a stream that stalls after its first chunk. */
  async function startStalled(
    options: ChatStreamOptions = {},
    clientOptions: ChatClientOptions = {},
  ): Promise<{ stream: ChatStream; response: StreamedResponse; outcome: Promise<unknown> }> {
    const server = await serveManually();
    const stream = chatClient({ baseUrl: server.url, ...clientOptions }).stream(request(), options);
    const outcome = rejection(read(stream));
    const response = await server.response;
    await response.write(events(textChunk('a')));
    return { stream, response, outcome };
  }

  test('rejects with the reason of abort()', async () => {
    const { stream, response, outcome } = await startStalled();
    const reason = { mine: true };

    stream.abort(reason);

    expect(await outcome).toBe(reason);
    expect(await rejection(stream.completion())).toBe(reason);
    await response.closed;
  });

  test('rejects with an AbortError when abort() is called without a reason', async () => {
    const { stream, outcome } = await startStalled();

    stream.abort();

    expect(await outcome).toMatchObject({ name: 'AbortError' });
  });

  test('rejects with the reason of the signal and removes the listener', async () => {
    const controller = new AbortController();
    const { stream, response, outcome } = await startStalled({ signal: controller.signal });
    const reason = new Error('enough');

    controller.abort(reason);

    expect(await outcome).toBe(reason);
    expect(await rejection(stream.completion())).toBe(reason);
    await response.closed;
    expect(listeners(controller.signal)).toBe(0);
  });

  test('rejects with the reason of a signal that is already aborted, and sends nothing', async () => {
    const server = await serveChunks(greeting());
    const reason = new Error('enough');
    const stream = chatClient({ baseUrl: server.url }).stream(request(), {
      signal: AbortSignal.abort(reason),
    });

    expect(await rejection(read(stream))).toBe(reason);
    expect(server.count).toBe(0);
  });

  test.each<[string, (controller: AbortController, stream: ChatStream, reason: unknown) => void]>([
    ['abort()', (_, stream, reason) => stream.abort(reason)],
    ["the caller's signal", (controller, _, reason) => controller.abort(reason)],
  ])('rejects with the reason of %s before the response', async (_, abort) => {
    const server = await serveManually();
    const controller = new AbortController();
    const stream = chatClient({ baseUrl: server.url }).stream(request(), { signal: controller.signal });
    const outcome = rejection(read(stream));
    const response = await server.response;
    const reason = new Error('enough');

    abort(controller, stream, reason);

    expect(await outcome).toBe(reason);
    await response.closed;
    expect(listeners(controller.signal)).toBe(0);
  });

  test('rejects with TimeoutError when only comments arrive before `timeoutMs`', async () => {
    const server = await serveManually();
    const { signal } = new AbortController();
    const stream = chatClient({ baseUrl: server.url, maxRetries: 0 }).stream(request(), {
      timeoutMs: 150,
      signal,
    });
    const outcome = rejectionOf(TimeoutError, read(stream));
    const response = await server.response;
    await response.write(': working on it\n\n');

    expect(await outcome).toMatchObject({ phase: 'response', timeoutMs: 150 });
    await response.closed;
    expect(listeners(signal)).toBe(0);
  });

  test('rejects with TimeoutError when the server does not respond', async () => {
    const server = await serveManually();
    const stream = chatClient({ baseUrl: server.url }).stream(request(), { timeoutMs: 100 });

    expect(await rejectionOf(TimeoutError, read(stream))).toMatchObject({
      phase: 'response',
      timeoutMs: 100,
    });
  });

  test('rejects with TimeoutError when no further chunk arrives within `idleTimeoutMs`', async () => {
    const { signal } = new AbortController();
    const { response, outcome, stream } = await startStalled({ signal }, { idleTimeoutMs: 100 });

    expect(await outcome).toBeInstanceOf(TimeoutError);
    expect(await outcome).toMatchObject({ code: 'timeout', phase: 'idle', timeoutMs: 100 });
    expect(await rejection(stream.completion())).toBe(await outcome);
    await response.closed;
    expect(listeners(signal)).toBe(0);
  });

  test('rejects with TimeoutError when only comments and empty events arrive', async () => {
    const { response, outcome } = await startStalled({ idleTimeoutMs: 150 });
    let isOver = false;
    void response.closed.then(() => {
      isOver = true;
    });

    void (async () => {
      while (!isOver) await response.write(': keep-alive\n\nevent: ping\n\n');
    })();

    expect(await outcome).toMatchObject({ code: 'timeout', phase: 'idle', timeoutMs: 150 });
  });

  test('does not apply `idleTimeoutMs` to the first chunk', async () => {
    fakeTimers();
    const server = await serveManually();
    const stream = chatClient({ baseUrl: server.url, timeoutMs: 50_000, idleTimeoutMs: 1_000 }).stream(
      request(),
    );
    const outcome = read(stream);
    const response = await server.response;

    await vi.advanceTimersByTimeAsync(49_000);
    await response.write(greeting());
    response.end();

    expect(await outcome).toBe(GREETING);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('retries a 503', async () => {
    retryAtOnce();
    const attempts: number[] = [];
    const { url } = await serveHttp((_, response) => {
      attempts.push(attempts.length);
      if (attempts.length === 1) return response.writeHead(503).end();
      return response.writeHead(200, { 'content-type': 'text/event-stream' }).end(greeting());
    });

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
    expect(attempts).toHaveLength(2);
  });

  test('retries a connection that is lost before the first chunk', async () => {
    retryAtOnce();
    const server = await serveStream(async (response, attempt) => {
      await response.write(attempt === 1 ? ': hello\n\n' : greeting());
      if (attempt === 1) response.destroy();
      else response.end();
    });

    expect(await read(chatClient({ baseUrl: server.url }).stream(request()))).toBe(GREETING);
    expect(server.count).toBe(2);
  });

  test('retries with another key of the provider after a 401', async () => {
    const bearers: unknown[] = [];
    const { url } = await serveHttp((incoming, response) => {
      bearers.push(incoming.headers.authorization);
      if (bearers.length === 1)
        return response.writeHead(401).end(JSON.stringify(failure('invalid_api_key', 'x')));
      return response.writeHead(200, { 'content-type': 'text/event-stream' }).end(greeting());
    });
    const chat = chatClient({ baseUrl: url, apiKey: ({ rejected }) => (rejected ? OTHER_KEY : KEY) });

    expect(await read(chat.stream(request()))).toBe(GREETING);
    expect(bearers).toEqual([`Bearer ${KEY}`, `Bearer ${OTHER_KEY}`]);
  });

  test('rejects with AuthenticationError when the only key is rejected', async () => {
    const { url } = await serveHttp((_, response) => response.writeHead(401).end());

    await rejectionOf(AuthenticationError, read(chatClient({ baseUrl: url }).stream(request())));
  });

  test('does not retry after an error event', async () => {
    const server = await serveChunks(events(textChunk('a'), failure('x', 'y')));

    await rejectionOf(StreamFailedError, read(chatClient({ baseUrl: server.url }).stream(request())));

    expect(server.count).toBe(1);
  });

  test('removes its listener and its timers at the end', async () => {
    fakeTimers();
    const { url } = await serveChunks(greeting());
    const { signal } = new AbortController();

    await read(chatClient({ baseUrl: url }).stream(request(), { signal }));

    expect(listeners(signal)).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an abort between two chunks', () => {
  test.each<[string, (controller: AbortController, stream: ChatStream, reason: unknown) => void]>([
    ['by abort()', (_, stream, reason) => stream.abort(reason)],
    ["by the caller's signal", (controller, _, reason) => controller.abort(reason)],
  ])('%s rejects although the rest of the stream has arrived', async (_, abort) => {
    const controller = new AbortController();
    const chat = chatClient({ fetch: streamingFetch(greeting()) });
    const stream = chat.stream(request(), { signal: controller.signal });
    const chunks = stream[Symbol.asyncIterator]();
    await chunks.next();
    const reason = new Error('enough');

    abort(controller, stream, reason);

    expect(await rejection(chunks.next())).toBe(reason);
    expect(await rejection(chunks.next())).toBe(reason);
    expect(await rejection(stream.completion())).toBe(reason);
    expect(listeners(controller.signal)).toBe(0);
  });

  test.each<[string, (controller: AbortController, stream: ChatStream, reason: unknown) => void]>([
    ['by abort()', (_, stream, reason) => stream.abort(reason)],
    ["by the caller's signal", (controller, _, reason) => controller.abort(reason)],
  ])('%s rejects completion() although the reader has stopped', async (_, abort) => {
    const controller = new AbortController();
    const { stream, response } = await startStream({ signal: controller.signal });
    const completion = rejection(stream.completion());
    const reason = new Error('enough');

    abort(controller, stream, reason);

    expect(await completion).toBe(reason);
    await response.closed;
    expect(listeners(controller.signal)).toBe(0);
  });
});

describe('the connection of a complete stream', () => {
  test('is reused although the body ends after [DONE] was read', async () => {
    const connections = new Set<unknown>();
    let end = async (): Promise<void> => {};
    const { url } = await serveHttp((incoming, response) => {
      connections.add(incoming.socket);
      incoming.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(greeting());
      end = () => new Promise((resolve) => response.end(() => resolve()));
    });
    const chat = chatClient({ baseUrl: url });

    for (let number = 0; number < 20; number++) {
      await chat.stream(request()).completion();
      await end();
      await turn();
    }

    // A call opens another connection if it starts before the previous response has ended.
    expect(connections.size).toBeLessThan(10);
  });

  test('is closed if the server keeps the body open', async () => {
    const server = await serveManually();
    const completion = chatClient({ baseUrl: server.url }).stream(request()).completion();
    const response = await server.response;

    await response.write(greeting());

    await completion;
    await response.closed;
  });
});

describe('a second reader', () => {
  const read: [string, (stream: ChatStream) => Promise<unknown>][] = [
    ['iteration', async (stream) => stream[Symbol.asyncIterator]().next()],
    ['textStream', async (stream) => stream.textStream.next()],
    ['toReadableStream()', async (stream) => stream.toReadableStream().getReader().read()],
    ['toResponse()', async (stream) => stream.toResponse().text()],
  ];
  const pairs = [...read, ['completion()', (stream: ChatStream) => stream.completion()] as const].flatMap(
    ([first, one]) => read.map(([second, other]) => ({ first, one, second, other })),
  );

  test.each(pairs)('$second after $first throws ConfigurationError', async ({ one, other }) => {
    const { url } = await serveChunks(greeting());
    const stream = chatClient({ baseUrl: url }).stream(request());
    await one(stream);

    const error = await rejectionOf(ConfigurationError, other(stream));

    expect(error.option).toBe('stream');
  });
});

describe('completion()', () => {
  const concurrentReaders: [string, (stream: ChatStream) => () => Promise<unknown>][] = [
    [
      'the iteration',
      (stream) => {
        const chunks = stream[Symbol.asyncIterator]();
        return async () => {
          while (!(await chunks.next()).done);
        };
      },
    ],
    [
      'textStream',
      (stream) => {
        const texts = stream.textStream;
        return async () => {
          for await (const _ of texts);
        };
      },
    ],
    [
      'toReadableStream()',
      (stream) => {
        const body = stream.toReadableStream();
        return async () => new Response(body).text();
      },
    ],
    [
      'toResponse()',
      (stream) => {
        const response = stream.toResponse();
        return async () => response.text();
      },
    ],
  ];

  test.each(concurrentReaders)('waits for %s that has already started', async (_, begin) => {
    const server = await serveChunks(greeting());
    const stream = chatClient({ baseUrl: server.url }).stream(request());
    const readAll = begin(stream);
    const completion = stream.completion();

    await readAll();

    expect((await completion).choices[0].message.content).toBe(GREETING);
    expect(server.count).toBe(1);
  });

  test.each(concurrentReaders)(
    'rejects with the reason of the signal while %s has not read anything',
    async (_, begin) => {
      const fetch = vi.fn(streamingFetch(greeting()));
      const user = new AbortController();
      const reason = new Error('the user left');
      const stream = chatClient({ fetch }).stream(request(), { signal: user.signal });
      begin(stream);
      const completion = rejection(stream.completion());

      user.abort(reason);

      expect(await completion).toBe(reason);
      expect(await rejection(stream.completion())).toBe(reason);
      expect(listeners(user.signal)).toBe(0);
      expect(fetch).not.toHaveBeenCalled();
    },
  );

  test.each(concurrentReaders)('removes its listener after %s that starts later', async (_, begin) => {
    const { signal } = new AbortController();
    const stream = chatClient({ fetch: streamingFetch(greeting()) }).stream(request(), { signal });
    const readAll = begin(stream);
    const completion = stream.completion();

    await readAll();
    await completion;

    expect(listeners(signal)).toBe(0);
  });

  test.each(concurrentReaders)('is available after %s', async (_, begin) => {
    const { url } = await serveChunks(greeting());
    const stream = chatClient({ baseUrl: url }).stream(request());

    await begin(stream)();

    expect((await stream.completion()).choices[0].message.content).toBe(GREETING);
  });

  test('can be called several times', async () => {
    const server = await serveChunks(greeting());
    const stream = chatClient({ baseUrl: server.url }).stream(request());

    const [one, two] = await Promise.all([stream.completion(), stream.completion()]);

    expect(one).toBe(two);
    expect(server.count).toBe(1);
  });
});

describe('iteration', () => {
  test('reports its end repeatedly', async () => {
    const { url } = await serveChunks(greeting());
    const chunks = chatClient({ baseUrl: url }).stream(request())[Symbol.asyncIterator]();
    while (!(await chunks.next()).done);

    expect(await chunks.next()).toEqual({ done: true, value: undefined });
  });

  test('returns the chunks received before a failure, and then rejects', async () => {
    const { url } = await serveChunks(events(textChunk('a'), textChunk('b'), failure('x', 'y')));
    const chunks = chatClient({ baseUrl: url }).stream(request())[Symbol.asyncIterator]();

    expect([(await chunks.next()).done, (await chunks.next()).done]).toEqual([false, false]);
    await rejectionOf(StreamFailedError, chunks.next());
  });

  test('returns a chunk before the empty line that ends its event', async () => {
    const server = await serveManually();
    const chunks = chatClient({ baseUrl: server.url }).stream(request())[Symbol.asyncIterator]();
    const first = chunks.next();

    await (await server.response).write(events(textChunk('1')).trimEnd().concat('\n'));

    expect(await first).toMatchObject({ done: false });
  });

  test('returns chunks in order to concurrent calls of next(), without an early end', async () => {
    const server = await serveManually();
    const chunks = chatClient({ baseUrl: server.url }).stream(request())[Symbol.asyncIterator]();
    const requested = [chunks.next(), chunks.next(), chunks.next()];
    const response = await server.response;

    await response.write(events(textChunk('1')));
    await requested[0];
    await response.write(': keep-alive\n\n');
    await response.write(': keep-alive\n\n');
    await response.write(events(textChunk('2'), textChunk('3')));

    for (const [position, next] of requested.entries()) {
      const { done, value } = await next;
      expect({ done, text: value && textOf(value) }).toEqual({ done: false, text: String(position + 1) });
    }
  });
});

describe('a slow reader', () => {
  test('does not reach the idle timeout', async () => {
    fakeTimers();
    const { chunks, response } = await startStream({ idleTimeoutMs: 1_000 });

    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(vi.getTimerCount()).toBe(0);
    await response.write(events(textChunk('b')));

    expect(await chunks.next()).toMatchObject({ done: false });
    await vi.advanceTimersByTimeAsync(3_600_000);
    await response.write(events(finishChunk(), '[DONE]'));
    expect(await chunks.next()).toMatchObject({ done: false });
    expect(await chunks.next()).toMatchObject({ done: true });
  });

  test('restarts the idle timeout for each chunk', async () => {
    fakeTimers();
    const { chunks, response } = await startStream({ idleTimeoutMs: 1_000 });
    for (let i = 0; i < 3; i++) {
      const next = chunks.next();
      await vi.advanceTimersByTimeAsync(900);
      await response.write(events(textChunk('b')));
      expect(await next).toMatchObject({ done: false });
    }

    const last = rejectionOf(TimeoutError, chunks.next());
    await vi.advanceTimersByTimeAsync(1_000);

    expect((await last).phase).toBe('idle');
  });

  test('applies backpressure to the server', async () => {
    const CHUNKS = 1024;
    const chunk = events(textChunk('x'.repeat(65_536)));
    let written = 0;
    const { url } = await serveStream(async (response) => {
      for (; written < CHUNKS; written++) await response.write(chunk);
      await response.write(events(finishChunk(), '[DONE]'));
      response.end();
    });
    const chunks = chatClient({ baseUrl: url }).stream(request())[Symbol.asyncIterator]();
    await chunks.next();

    // Waits until nothing has been written for many turns of the event loop.
    for (
      let idleTurns = 0, before = -1;
      idleTurns < 500;
      idleTurns = written === before ? idleTurns + 1 : 0
    ) {
      before = written;
      await turn();
    }

    expect(written).toBeLessThan(CHUNKS / 2);
    let read = 1;
    while (!(await chunks.next()).done) read++;
    expect(read).toBe(CHUNKS + 1);
  });
});
