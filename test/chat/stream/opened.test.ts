import { RateLimitError, StreamTruncatedError, TimeoutError } from 'drun-sdk/errors';
import { describe, expect, it, vi } from 'vitest';
import { rejectionOf } from '../../support/failures.ts';
import { json } from '../../support/network.ts';
import {
  events,
  finishChunk,
  GREETING,
  greeting,
  READERS,
  serveStream,
  streamingFetch,
  textChunk,
} from '../../support/streams.ts';
import { chatClient, failure, request } from '../requests.ts';

describe('stream.opened', () => {
  it('sends the request and resolves when the first chunk has arrived', async () => {
    const stream = chatClient({ fetch: streamingFetch(greeting()) }).stream(request());

    await stream.opened;

    expect(stream.response?.status).toBe(200);
  });

  it.each(READERS)('leaves every chunk to $name', async ({ read }) => {
    const fetch = vi.fn(streamingFetch(greeting()));
    const stream = chatClient({ fetch }).stream(request());

    await stream.opened;

    expect(await read(stream)).toBe(GREETING);
    expect(fetch).toHaveBeenCalledOnce();
  });

  it('rejects with the same error as the reader if the stream fails first', async () => {
    const fetch = async (): Promise<Response> => json(failure('x', 'y'), 429);
    const stream = chatClient({ fetch, maxRetries: 0 }).stream(request());

    const error = await rejectionOf(RateLimitError, stream.opened);

    await expect(stream.completion()).rejects.toBe(error);
  });

  it('rejects with the reason if the stream is aborted first', async () => {
    const fetch = vi.fn(streamingFetch(greeting()));
    const stream = chatClient({ fetch }).stream(request());
    const reason = new Error('stopped');

    stream.abort(reason);

    await expect(stream.opened).rejects.toBe(reason);
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe('stream.completion', () => {
  it('can be called before the stream is read', async () => {
    const stream = chatClient({ fetch: streamingFetch(greeting()) }).stream(request());
    const completion = stream.completion();

    const texts = await Array.fromAsync(stream.textStream);

    expect(texts.join('')).toBe(GREETING);
    expect((await completion).choices[0].message.content).toBe(GREETING);
  });

  it('rejects every time for a truncated stream', async () => {
    const stream = chatClient({ fetch: streamingFetch(events(textChunk('a'))) }).stream(request());

    const error = await rejectionOf(StreamTruncatedError, stream.completion());

    await expect(stream.completion()).rejects.toBe(error);
    await expect(Promise.all([stream.completion(), stream.opened])).rejects.toBe(error);
  });
});

describe('an iterator of a stream', () => {
  it('is iterable, and rejects with an error thrown into it', async () => {
    const stream = chatClient({ fetch: streamingFetch(greeting()) }).stream(request());
    const iterator = stream[Symbol.asyncIterator]();
    const reason = new Error('enough');

    expect(iterator[Symbol.asyncIterator]()).toBe(iterator);
    await iterator.next();

    await expect(iterator.throw?.(reason)).rejects.toBe(reason);
    await rejectionOf(StreamTruncatedError, stream.completion());
  });
});

describe('idleTimeoutMs', () => {
  it('ends a stream successfully after every choice has finished', async () => {
    const server = await serveStream((response) => response.write(events(textChunk('Hello'), finishChunk())));

    const { choices } = await chatClient({ baseUrl: server.url, idleTimeoutMs: 20 })
      .stream(request())
      .completion();

    expect(choices[0].message.content).toBe('Hello');
  });

  it('rejects with the completion so far before that', async () => {
    const server = await serveStream((response) => response.write(events(textChunk('Hel'))));

    const error = await rejectionOf(
      TimeoutError,
      chatClient({ baseUrl: server.url, idleTimeoutMs: 20 }).stream(request()).completion(),
    );

    expect(error).toMatchObject({ phase: 'idle', timeoutMs: 20 });
    expect(error.completion?.choices[0]?.message.content).toBe('Hel');
  });

  it('of the runtime causes a TimeoutError with the completion so far', async () => {
    const cause = Object.assign(new Error('Body Timeout Error'), { code: 'UND_ERR_BODY_TIMEOUT' });
    const fetch = streamingFetch(events(textChunk('Hel')), new TypeError('terminated', { cause }));

    const error = await rejectionOf(TimeoutError, chatClient({ fetch }).stream(request()).completion());

    expect(error.phase).toBe('runtime');
    expect(error.completion?.choices[0]?.message.content).toBe('Hel');
  });
});
