import {
  AuthenticationError,
  ConnectionError,
  InvalidResponseError,
  NotFoundError,
  ServerError,
  StreamFailedError,
  StreamTruncatedError,
} from 'drun-sdk/errors';
import { describe, expect, it } from 'vitest';
import { KEY, MASKED_KEY } from '../../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../../support/failures.ts';
import { json } from '../../support/network.ts';
import { serveSockets } from '../../support/sockets.ts';
import {
  delta,
  events,
  finishChunk,
  GREETING,
  greeting,
  READERS,
  serveChunks,
  serveStream,
  streamingFetch,
  textChunk,
} from '../../support/streams.ts';
import { retryAtOnce } from '../../support/timing.ts';
import { chatClient, completion, failure, request } from '../requests.ts';

const once = { maxRetries: 0 };

describe.each(READERS)('$name', ({ read }) => {
  it('ends with [DONE] although the server keeps the connection open', async () => {
    const { url } = await serveStream((response) => response.write(greeting()));

    expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
  });

  it('ignores everything after [DONE]', async () => {
    const fetch = streamingFetch(greeting() + events('not JSON', failure('x', 'y'), textChunk('more')));

    expect(await read(chatClient({ fetch }).stream(request()))).toBe(GREETING);
  });

  it('throws StreamTruncatedError if the body ends anywhere before the last finish reason', async () => {
    const chunks = [
      delta({ role: 'assistant', content: '' }),
      textChunk('Hello, '),
      textChunk('wörld! 🌍'),
      finishChunk(),
    ];
    const bytes = new TextEncoder().encode(events(...chunks, '[DONE]'));
    const complete = new TextEncoder().encode(events(...chunks)).length - '\n\n'.length;
    const wrong: unknown[] = [];

    for (let end = 0; end <= bytes.length; end += 3) {
      const stream = chatClient({ fetch: streamingFetch(bytes.slice(0, end)), ...once }).stream(request());
      const outcome = await read(stream).catch((error: unknown) => error);
      const isComplete = end < complete ? outcome instanceof StreamTruncatedError : outcome === GREETING;
      if (!isComplete) wrong.push([end, outcome]);
    }

    expect(wrong).toEqual([]);
  });
});

describe('a stream', () => {
  it('is never complete if the connection is lost at any byte', { timeout: 60_000 }, async () => {
    const bytes = new TextEncoder().encode(greeting());
    let end = 0;
    const { url } = await serveSockets((socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
      );
      if (end > 0) {
        socket.write(`${end.toString(16)}\r\n`);
        socket.write(bytes.slice(0, end));
        socket.write('\r\n');
      }
      // Without the empty chunk that terminates the body.
      socket.end();
    });
    const chat = chatClient({ baseUrl: url, ...once });
    const wrong: unknown[] = [];

    for (; end < bytes.length; end += 5) {
      const outcome = await chat
        .stream(request())
        .completion()
        .catch((error: unknown) => error);
      const isFailure = outcome instanceof StreamTruncatedError || outcome instanceof ConnectionError;
      const isFinished = bytes.length - end < 180;
      if (!isFailure && !isFinished) wrong.push([end, outcome]);
    }

    expect(wrong).toEqual([]);
  });

  it.each([
    ['stream', events(textChunk('Hello'), finishChunk())],
    ['whole response', JSON.stringify(completion())],
  ])('is complete if the connection is lost after the end of the %s', async (_, body) => {
    const chat = chatClient({ fetch: streamingFetch(body, new TypeError('terminated')), ...once });

    const all = [await chat.complete(request()), await chat.stream(request()).completion()];

    for (const { choices } of all) expect(choices[0].message.content).toMatch(/^Hello/);
  });

  it('has the lost connection as the cause of StreamTruncatedError', async () => {
    const fetch = streamingFetch(events(textChunk('Hello')), new TypeError('terminated'));

    const error = await rejectionOf(
      StreamTruncatedError,
      chatClient({ fetch }).stream(request()).completion(),
    );

    expect(error.cause).toBeInstanceOf(ConnectionError);
  });

  it.each([
    ['nothing', ''],
    ['comments', ': hello\n\n'],
    ['data: null', events('null')],
    ['[DONE]', events('[DONE]')],
    ['an error with a status', events({ error: { message: 'busy', code: 503 } })],
    ['an error without a status', events({ error: { message: 'busy' } })],
  ])('is retried when only %s arrives', async (_, body) => {
    retryAtOnce();
    const server = await serveStream(async (response, attempt) => {
      await response.write(attempt === 1 ? body || '\n' : greeting());
      response.end();
    });

    const { choices } = await chatClient({ baseUrl: server.url }).stream(request()).completion();

    expect(choices[0].message.content).toBe(GREETING);
    expect(server.count).toBe(2);
  });

  it.each([
    ['text', events(textChunk('Hel'), failure('x', 'y'))],
    ['empty choices', events({ choices: [] }, failure('x', 'y'))],
    ['a failed finish reason', events(textChunk('Hel'), finishChunk('abort'))],
    ['HTML', '<html></html>'],
    ['a permanent error', events({ error: { message: 'no', code: 404 } })],
  ])('is not retried after %s', async (_, body) => {
    const server = await serveChunks(body);

    await rejection(chatClient({ baseUrl: server.url }).stream(request()).completion());

    expect(server.count).toBe(1);
  });

  it.each([
    [401, AuthenticationError],
    [404, NotFoundError],
    [500, ServerError],
  ])('rejects with the error of the status %d', async (status, type) => {
    const fetch = async (): Promise<Response> => json(failure('x', 'y'), status);

    const error = await rejection(
      chatClient({ fetch, ...once })
        .stream(request())
        .completion(),
    );

    expect(error).toBeInstanceOf(type);
  });

  it.each([
    ['an error', events(failure('x', 'y', `the key ${KEY} is bad`))],
    ['text', `event: error\ndata: Bearer ${KEY}\n\n`],
    ['its reply', events(textChunk(`my key is ${KEY}`), failure('x', 'y'))],
    ['text outside of events', `${events(textChunk('a'))}{"error":"${KEY}"}`],
  ])('shows no key that %s contains', async (_, body) => {
    const error = await rejectionOf(
      StreamFailedError,
      chatClient({ fetch: streamingFetch(events(textChunk('a')), body) })
        .stream(request())
        .completion(),
    );

    expect(everythingShownOf(error)).not.toContain(KEY.slice(3));
    expect(everythingShownOf(error)).toContain(MASKED_KEY);
  });
});

describe('an event of more than 8 MiB', () => {
  const MIB = 1024 * 1024;

  it('fails the stream before the event ends', async () => {
    const { url } = await serveStream(async (response) => {
      await response.write(events(textChunk('a')));
      await response.write('data: {"choices":[{"index":0,"delta":{"content":"');
      for (let i = 0; i < 9; i++) await response.write('x'.repeat(MIB));
    });

    const error = await rejectionOf(
      StreamFailedError,
      chatClient({ baseUrl: url }).stream(request()).completion(),
    );

    expect(error.message).toContain('8 MiB');
    expect(error.completion.choices[0]?.message.content).toBe('a');
  });

  it('fails the stream if it has many lines', async () => {
    const { url } = await serveStream(async (response) => {
      for (let i = 0; i < 9; i++) await response.write(`data: ${'x'.repeat(MIB)}\n`);
    });

    const error = await rejectionOf(
      InvalidResponseError,
      chatClient({ baseUrl: url }).stream(request()).completion(),
    );

    expect(error.message).toContain('8 MiB');
  });

  it('is accepted if it is slightly smaller, and comments may be of any size', async () => {
    const text = 'x'.repeat(8 * MIB - 1024);
    const fetch = streamingFetch(
      `: ${'x'.repeat(9 * MIB)}\n\n`,
      events(textChunk(text), finishChunk(), '[DONE]'),
    );

    const { choices } = await chatClient({ fetch }).stream(request()).completion();

    expect(choices[0].message.content).toHaveLength(text.length);
  });
});

describe('a chunk', () => {
  it('may be modified by its reader without affecting the completion', async () => {
    const call = { index: 0, id: 'c1', function: { name: 'w', arguments: '{}' } };
    const fetch = streamingFetch(
      events(delta({ tool_calls: [call], list: [{ a: 1 }] }), finishChunk(), '[DONE]'),
    );
    const stream = chatClient({ fetch }).stream(request());

    for await (const chunk of stream) {
      for (const { delta: added } of chunk.choices) {
        (added.tool_calls as unknown[] | undefined)?.splice(0);
        (added.list as unknown[] | undefined)?.splice(0);
      }
    }

    const { message } = (await stream.completion()).choices[0];
    expect(message.tool_calls).toHaveLength(1);
    expect(message.list).toEqual([{ a: 1 }]);
  });

  it('may have fields called __proto__', async () => {
    const field = '{"__proto__":{"polluted":"yes"},"content":"a"}';
    const chunk = `{"__proto__":{"polluted":"yes"},"choices":[{"index":0,"delta":${field},"finish_reason":"stop"}]}`;
    const fetch = streamingFetch(events(chunk, '[DONE]'));

    const completion = await chatClient({ fetch }).stream(request()).completion();

    expect(JSON.stringify(completion)).toContain('"__proto__":{"polluted":"yes"}');
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });
});

describe('textStream', () => {
  it('does not split a surrogate pair that two chunks share', async () => {
    const [high, low] = ['\uD83C', '\uDF0D'];
    const fetch = streamingFetch(
      events(
        textChunk(`a${high}`),
        textChunk(''),
        textChunk(`${low}b`),
        textChunk(high),
        finishChunk(),
        '[DONE]',
      ),
    );

    const texts = await Array.fromAsync(chatClient({ fetch }).stream(request()).textStream);

    expect(texts).toEqual(['a', '🌍b', high]);
  });
});
