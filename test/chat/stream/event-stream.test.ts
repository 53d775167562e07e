import { ConfigurationError, StreamFailedError, StreamTruncatedError } from 'drun-sdk/errors';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KEY } from '../../support/credentials.ts';
import { rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import {
  chunkOf,
  events,
  finishChunk,
  GREETING,
  greeting,
  serveManually,
  streamingFetch,
  textChunk,
} from '../../support/streams.ts';
import { chatClient, failure, request } from '../requests.ts';

afterEach(() => vi.useRealTimers());

const failing = (): string =>
  events(textChunk('a'), failure('quota', 'x', `the key ${KEY} of model m is bad`));

describe('toReadableStream', () => {
  it('writes the chunks and [DONE] as server-sent events', async () => {
    const chunks = [
      textChunk('a'),
      { ...finishChunk(), extra: { n: 1 } },
      chunkOf([], { usage: { total_tokens: 2 } }),
    ];
    const stream = chatClient({ fetch: streamingFetch(events(...chunks)) }).stream(request());

    expect(await new Response(stream.toReadableStream()).text()).toBe(events(...chunks, '[DONE]'));
  });

  it.each([
    ['an error event', failing(), StreamFailedError],
    ['a truncation', events(textChunk('a')), StreamTruncatedError],
  ])('writes a generic error after %s, and passes the error to `onError`', async (_, upstream, type) => {
    const onError = vi.fn();
    const stream = chatClient({ fetch: streamingFetch(upstream) }).stream(request());

    const text = await new Response(stream.toReadableStream({ onError })).text();

    const [first, last, ...others] = text.trimEnd().split('\n\n');
    expect(`${first}\n\n`).toBe(events(textChunk('a')));
    expect(JSON.parse(last?.replace('data: ', '') ?? '')).toEqual({
      error: {
        message: 'The response could not be completed.',
        type: 'stream_error',
        code: null,
        param: null,
      },
    });
    expect(others).toEqual([]);
    expect(onError).toHaveBeenCalledExactlyOnceWith(expect.any(type));
  });

  it('writes the message that `onError` returns', async () => {
    const stream = chatClient({ fetch: streamingFetch(failing()) }).stream(request());

    const text = await new Response(stream.toReadableStream({ onError: () => 'Sorry!' })).text();

    expect(text).toContain('"message":"Sorry!"');
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('log is full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('log is full'))],
    ['does not return a string', () => ({ message: 'x' })],
  ])('writes the generic error if `onError` %s', async (_, onError) => {
    const stream = chatClient({ fetch: streamingFetch(failing()) }).stream(request());

    const text = await new Response(stream.toReadableStream({ onError })).text();

    expect(text).toContain('"message":"The response could not be completed."');
    expect(text.endsWith('}\n\n')).toBe(true);
  });

  it('writes the generic error if the provider of the key fails', async () => {
    const apiKey = (): never => {
      throw new Error('the vault is closed');
    };
    const onError = vi.fn();
    const stream = chatClient({ apiKey, fetch: streamingFetch(greeting()) }).stream(request());

    const text = await new Response(stream.toReadableStream({ onError })).text();

    expect(text).toContain('"message":"The response could not be completed."');
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ message: 'the vault is closed' }),
    );
  });

  it('waits for the message of an asynchronous `onError`', async () => {
    const stream = chatClient({ fetch: streamingFetch(failing()) }).stream(request());

    const text = await new Response(stream.toReadableStream({ onError: async () => 'Sorry!' })).text();

    expect(text).toContain('"message":"Sorry!"');
  });

  it.each([
    ['heartbeat', { heartbeat: 1_000 }, 'heartbeat'],
    ['heartbeatMs of 0', { heartbeatMs: 0 }, 'heartbeatMs'],
    ['onError that is not a function', { onError: 'Sorry!' }, 'onError'],
    ['status that is not between 200 and 599', { status: 199 }, 'status'],
    ['status that does not allow a body', { status: 204 }, 'status'],
    ['status that is not a number', { status: '200' }, 'status'],
  ])('throws ConfigurationError for the option %s, and can still be read', (_, options, option) => {
    const stream = chatClient({ fetch: streamingFetch(greeting()) }).stream(request());

    const error = thrownBy(ConfigurationError, () => stream.toResponse(options as object));

    expect(error.option).toBe(option);
    expect(() => stream.toResponse()).not.toThrow();
  });

  it('can be read by another client', async () => {
    const first = chatClient({ fetch: streamingFetch(greeting()) }).stream(request());
    const second = chatClient({ fetch: async () => first.toResponse() }).stream(request());

    expect((await second.completion()).choices[0].message.content).toBe(GREETING);
    expect(await second.completion()).toEqual(await first.completion());
  });

  it('fails another client that reads it', async () => {
    const first = chatClient({ fetch: streamingFetch(failing()) }).stream(request());
    const second = chatClient({ fetch: async () => first.toResponse() }).stream(request());

    const error = await rejectionOf(StreamFailedError, second.completion());

    expect(error.completion.choices[0]?.message.content).toBe('a');
  });

  it('fails when the stream is aborted', async () => {
    const server = await serveManually();
    const stream = chatClient({ baseUrl: server.url }).stream(request());
    const text = rejection(new Response(stream.toReadableStream()).text());
    const response = await server.response;
    await response.write(events(textChunk('a')));
    const reason = new Error('enough');

    stream.abort(reason);

    expect(await text).toBe(reason);
    await response.closed;
  });

  it('aborts the call when its reader cancels, without calling `onError`', async () => {
    const server = await serveManually();
    const onError = vi.fn();
    const stream = chatClient({ baseUrl: server.url }).stream(request());
    const reader = stream.toReadableStream({ onError }).getReader();
    const waiting = reader.read();
    const response = await server.response;

    await reader.cancel();

    expect(await waiting).toEqual({ done: true, value: undefined });
    await response.closed;
    expect(onError).not.toHaveBeenCalled();
  });

  it('writes a comment when no chunk arrives within `heartbeatMs`', async () => {
    const server = await serveManually();
    const stream = chatClient({ baseUrl: server.url }).stream(request());
    const reader = stream.toReadableStream({ heartbeatMs: 5 }).getReader();
    const decoder = new TextDecoder();

    expect(decoder.decode((await reader.read()).value)).toBe(': heartbeat\n\n');

    await (await server.response).write(greeting());
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += decoder.decode(part.value);
    expect(text.replaceAll(': heartbeat\n\n', '')).toBe(greeting());
  });

  it('buffers at most one comment for a slow reader', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const requested = Promise.withResolvers<void>();
    const sent = Promise.withResolvers<Response>();
    const fetch = (): Promise<Response> => {
      requested.resolve();
      return sent.promise;
    };
    const reader = chatClient({ fetch }).stream(request()).toReadableStream({ heartbeatMs: 5 }).getReader();
    const first = reader.read();
    await requested.promise;
    vi.advanceTimersByTime(50);
    await first;

    sent.resolve(new Response(greeting()));

    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += new TextDecoder().decode(part.value);
    // The first comment has been read.
    expect(text).toBe(`: heartbeat\n\n${greeting()}`);
  });

  it('writes no comments after the reader has canceled while `onError` runs', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const called = Promise.withResolvers<void>();
    const onError = (): Promise<never> => {
      called.resolve();
      return new Promise(() => undefined);
    };
    const stream = chatClient({ fetch: streamingFetch(events(textChunk('a'))) }).stream(request());
    const reader = stream.toReadableStream({ heartbeatMs: 5, onError }).getReader();
    await reader.read();
    const waiting = reader.read();
    await called.promise;

    await reader.cancel();

    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(() => vi.advanceTimersByTime(50)).not.toThrow();
  });
});

describe('toResponse', () => {
  it('is an event stream that is neither cached nor buffered', () => {
    const { status, headers } = chatClient().stream(request()).toResponse();

    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('x-accel-buffering')).toBe('no');
  });

  it('accepts a status and headers, but remains an event stream', () => {
    const { status, headers } = chatClient()
      .stream(request())
      .toResponse({
        status: 201,
        headers: {
          'cache-control': 'no-store',
          'content-type': 'text/plain',
          'x-custom': '1',
          'x-none': undefined,
        },
      });

    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('x-custom')).toBe('1');
    expect(headers.has('x-none')).toBe(false);
  });
});
