import {
  ApiError,
  ConnectionError,
  InvalidResponseError,
  PermissionDeniedError,
  StreamFailedError,
  StreamTruncatedError,
} from 'drun-sdk/errors';
import { describe, expect, test, vi } from 'vitest';
import { KEY, MASKED_KEY } from '../../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../../support/failures.ts';
import { serveHttp, serveSockets } from '../../support/sockets.ts';
import {
  chunkOf,
  delta,
  events,
  fetchOf,
  finishes,
  GREETING,
  greeting,
  READERS,
  says,
  serveByHand,
  servePieces,
  serveStream,
} from '../../support/streams.ts';
import { chatClient, failure, request } from '../requests.ts';

/** Two answers of which the first has finished. */
const halfFinished = (): string =>
  events(
    chunkOf([{ index: 0, delta: { content: 'a' }, finish_reason: null }]),
    chunkOf([{ index: 1, delta: { content: 'b' }, finish_reason: null }]),
    chunkOf([{ index: 0, delta: {}, finish_reason: 'stop' }]),
  );

describe.each(READERS)('$name', ({ name, read }) => {
  describe('of a stream that is whole', () => {
    test.each([
      ['with [DONE]', greeting()],
      ['with [DONE] though no answer finished', events(says(GREETING), '[DONE]')],
      ['without [DONE] where its answer finished', events(says(GREETING), finishes())],
      [
        'without [DONE] where its answer finished and the usage came',
        events(says(GREETING), finishes(), chunkOf([], { usage: { prompt_tokens: 1, total_tokens: 2 } })),
      ],
      [
        'without [DONE] where all its answers finished',
        halfFinished().replaceAll('"a"', JSON.stringify(GREETING)) +
          events(chunkOf([{ index: 1, delta: {}, finish_reason: 'length' }])),
      ],
      ['whatever comes after [DONE]', greeting() + events('no JSON', failure('x', 'y'), says('more'))],
    ])('ends %s', async (_, stream) => {
      const { url } = await servePieces(stream);

      expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
    });

    test('ends with [DONE] though its server keeps the connection', async () => {
      const { url } = await serveStream((answer) => answer.write(greeting()));

      expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe(GREETING);
    });
  });

  describe('of a stream that is not whole', () => {
    test.each([
      ['ends before its answer finished', events(says('a'), says('b')), [['ab', null]]],
      [
        'ends while one of its answers has not finished',
        halfFinished(),
        [
          ['a', 'stop'],
          ['b', null],
        ],
      ],
      ['ends before any answer began', events(chunkOf([])), []],
      ['ends within an event', `${events(says('a'))}data: {"choices":[{"index":0,"finish_re`, [['a', null]]],
      [
        'ends within a character',
        `${events(says('a'))}data: {"choices":[{"index":0,"delta":{"content":"\uD83C`,
        [['a', null]],
      ],
      ['has a comment only', ': hello\n\n', []],
    ])('throws a StreamTruncatedError with what came where it %s', async (_, stream, expected) => {
      const { url } = await servePieces(stream);

      const error = await rejectionOf(
        StreamTruncatedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.code).toBe('stream_truncated');
      expect(
        error.completion.choices.map(({ message, finish_reason }) => [message.content, finish_reason]),
      ).toEqual(expected);
    });

    test('throws a StreamTruncatedError where a server calls an empty text a finish reason', async () => {
      const { url } = await servePieces(events(delta({ content: 'a' }, { finish_reason: '' })));

      const error = await rejectionOf(
        StreamTruncatedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.completion.choices[0]?.message.content).toBe('a');
    });

    test('throws a StreamTruncatedError where the connection is dropped, and does not ask again', async () => {
      const lost = new TypeError('terminated', { cause: new Error('other side closed') });
      const fetch = vi.fn(fetchOf(events(says('a')), lost));

      const error = await rejectionOf(StreamTruncatedError, read(chatClient({ fetch }).stream(request())));

      expect(error.completion.choices[0]?.message.content).toBe('a');
      expect(error.cause).toBeInstanceOf(ConnectionError);
      expect((error.cause as Error).message).toContain('other side closed');
      expect(fetch).toHaveBeenCalledOnce();
    });

    test('is never taken for whole, at whatever byte it is cut', async () => {
      const chunks = [
        delta({ role: 'assistant', content: '' }),
        says('Hello, '),
        says('wörld! 🌍'),
        finishes(),
      ];
      const usage = chunkOf([], { usage: { prompt_tokens: 5, total_tokens: 7 } });
      const bytes = new TextEncoder().encode(events(...chunks, usage, '[DONE]'));
      const wholeFrom = new TextEncoder().encode(events(...chunks)).length - '\n\n'.length;
      const missed: unknown[] = [];

      for (let end = 0; end <= bytes.length; end++) {
        const stream = chatClient({ fetch: fetchOf(bytes.slice(0, end)) }).stream(request());
        const outcome = await read(stream).catch((error: unknown) => error);
        const right = end < wholeFrom ? outcome instanceof StreamTruncatedError : outcome === GREETING;
        if (!right) missed.push([end, outcome]);
      }

      expect(missed).toEqual([]);
    });
  });

  describe('of a stream whose connection is lost', () => {
    test('is never taken for whole, at whatever byte that happens', { timeout: 60_000 }, async () => {
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
        // Without the chunk of no length that says that this was all.
        socket.end();
      });
      const chat = chatClient({ baseUrl: url, maxRetries: 0 });
      const missed: unknown[] = [];

      for (; end < bytes.length - '\n\n'.length; end++) {
        const outcome = await read(chat.stream(request())).catch((error: unknown) => error);
        // Before the first event nothing had come that could be carried by an error of the stream.
        const right = outcome instanceof StreamTruncatedError || outcome instanceof ConnectionError;
        if (!right) missed.push([end, outcome]);
      }

      expect(missed).toEqual([]);
    });
  });

  describe('of a stream that fails', () => {
    test.each([
      [
        'an error as the data plane writes it',
        events(failure('model_failed', 'server_error', 'the model died')),
        'the model died',
      ],
      ['an error that is a text', events({ error: 'the model died' }), 'the model died'],
      [
        'an error beside empty choices',
        events({ ...chunkOf([]), error: { message: 'the model died' } }),
        'the model died',
      ],
      [
        'an error beside a choice',
        events({ ...says('x'), error: { message: 'the model died' } }),
        'the model died',
      ],
      ['an error without a message', events({ error: { code: 7 } }), 'failed'],
      [
        'an event called error with an envelope',
        `event: error\n${events({ error: { message: 'the model died' } })}`,
        'the model died',
      ],
      [
        'an event called error with a bare message',
        `event: error\n${events({ message: 'the model died' })}`,
        'the model died',
      ],
      ['an event called error with a text', 'event: error\ndata: the model died\n\n', 'the model died'],
      [
        'an event called error with a text and no line after it',
        'event: error\ndata: the model died',
        'the model died',
      ],
      ['an event called error that says nothing', 'event: error\ndata:\n\n', 'reported an error'],
      ['an event that is no JSON', events('{"choices":'), 'JSON'],
      ['an event that is a text', events('"hello"'), 'chunk'],
      ['an event that is a list', events('[]'), 'chunk'],
      ['an event that is null', events('null'), 'chunk'],
    ])('throws a StreamFailedError with what came for %s', async (_, event, said) => {
      const server = await servePieces(events(says('a'), says('b')), event);

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: server.url }).stream(request())),
      );

      expect(error.code).toBe('stream_failed');
      expect(error.message).toContain(said);
      expect(error.completion.choices.map(({ message }) => message.content)).toEqual(['ab']);
      expect(server.count).toBe(1);
    });

    test.each([
      ['as its first event', ''],
      ['after its answer finished', events(says('a'), finishes())],
    ])('throws a StreamFailedError for an error %s, with [DONE] after it', async (_, before) => {
      const { url } = await servePieces(before + events(failure('x', 'y', 'the model died'), '[DONE]'));

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.message).toContain('the model died');
    });

    test('throws a StreamFailedError for an error after its answer finished, though no empty line follows', async () => {
      const { url } = await servePieces(
        `${events(says('a'), finishes())}event: error\ndata: the model died\n`,
      );

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.message).toContain('the model died');
    });

    test.each([
      ['an error', events(failure('x', 'y', `the key ${KEY} is bad`))],
      ['an error as a text', `event: error\ndata: Bearer ${KEY}\n\n`],
      ['an event that is no JSON', events(`{"authorization": "Bearer ${KEY}`)],
    ])('does not show the key that %s repeats', async (_, event) => {
      const { url } = await servePieces(events(says('a')), event);

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(everythingShownOf(error)).not.toContain(KEY);
      expect(everythingShownOf(error)).not.toContain(KEY.slice(3));
    });

    test('shows which key an error repeats', async () => {
      const { url } = await servePieces(events(failure('x', 'y', `the key ${KEY} is bad`)));

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.message).toContain(`the key ${MASKED_KEY} is bad`);
    });
  });

  describe('of an event that is larger than 8 MiB', () => {
    const MIB = 1024 * 1024;
    const large = (size: number): string => 'x'.repeat(size);

    test('throws a StreamFailedError with what came, before the event is over', async () => {
      const { url } = await serveStream(async (answer) => {
        await answer.write(events(says('a')));
        await answer.write('data: {"choices":[{"index":0,"delta":{"content":"');
        for (let i = 0; i < 9; i++) await answer.write(large(MIB));
      });

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.message).toContain('8 MiB');
      expect(error.completion.choices[0]?.message.content).toBe('a');
    });

    test('throws a StreamFailedError where it comes in many lines', async () => {
      const { url } = await serveStream(async (answer) => {
        for (let i = 0; i < 9; i++) await answer.write(`data: ${large(MIB)}\n`);
      });

      const error = await rejectionOf(
        StreamFailedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.message).toContain('8 MiB');
    });

    test('throws a StreamFailedError where it comes in one piece', async () => {
      const chat = chatClient({ fetch: fetchOf(events(says(large(9 * MIB)), finishes(), '[DONE]')) });

      const error = await rejectionOf(
        StreamFailedError,
        read(chat.stream(request())).then(({ length }) => length),
      );

      expect(error.message).toContain('8 MiB');
    });

    test('reads one that is nearly as large, and comments of any size', async () => {
      const text = large(8 * MIB - 1024);
      const { url } = await servePieces(`: ${large(9 * MIB)}\n\n`, events(says(text), finishes(), '[DONE]'));

      expect((await read(chatClient({ baseUrl: url }).stream(request()))).length).toBe(text.length);
    });
  });

  describe('of an answer that is no stream', () => {
    const answer = async (body: string, type?: string): Promise<string> => {
      const { url } = await serveHttp((_, response) => {
        if (type !== undefined) response.setHeader('content-type', type);
        response.end(body);
      });
      return url;
    };

    test.each([
      ['a page', '<!doctype html><title>Sign in</title>', 'text/html'],
      [
        'a completion in JSON',
        '{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}',
        'application/json',
      ],
      ['a plain text', 'Hi', 'text/plain'],
      ['nothing', '', undefined],
      ['nothing in JSON', '', 'application/json'],
      ['[DONE] alone', 'data: [DONE]\n\n', 'text/event-stream'],
    ])('throws an InvalidResponseError for %s', async (_, body, type) => {
      const baseUrl = await answer(body, type);

      const error = await rejectionOf(InvalidResponseError, read(chatClient({ baseUrl }).stream(request())));

      expect(error).toMatchObject({ code: 'invalid_response', status: 200 });
    });

    test.each([
      ['an object', failure('quota', 'y', 'no more')],
      ['a text', { error: 'no more' }],
    ])('throws an ApiError for an error in JSON that is %s', async (_, body) => {
      const baseUrl = await answer(JSON.stringify(body), 'application/json');

      const error = await rejectionOf(ApiError, read(chatClient({ baseUrl }).stream(request())));

      expect(error).toMatchObject({ status: 200, code: 'api_error' });
      expect(error.message).toContain('no more');
    });

    test('throws what an error status stands for', async () => {
      const { url } = await serveHttp((_, response) => {
        response.writeHead(403, { 'content-type': 'application/json' });
        response.end(JSON.stringify(failure('model_access_denied', 'x', 'not yours')));
      });

      const error = await rejectionOf(
        PermissionDeniedError,
        read(chatClient({ baseUrl: url }).stream(request())),
      );

      expect(error.serviceCode).toBe('model_access_denied');
    });

    test.each(['text/event-stream', 'Text/Event-Stream;charset=UTF-8'])(
      'takes %s for a stream',
      async (type) => {
        const baseUrl = await answer(greeting(), type);

        expect(await read(chatClient({ baseUrl }).stream(request())), name).toBe(GREETING);
      },
    );
  });
});

test('a connection that is dropped after the first chunk is told to every reader, however often', async () => {
  const server = await serveByHand();
  const stream = chatClient({ baseUrl: server.url }).stream(request());
  const chunks = stream[Symbol.asyncIterator]();
  const beside = rejectionOf(StreamTruncatedError, stream.completion());
  const first = chunks.next();
  const answer = await server.answer;
  await answer.write(events(says('a')));
  expect(await first).toMatchObject({ done: false });

  answer.destroy();

  const error = await rejectionOf(StreamTruncatedError, chunks.next());
  expect(error.completion.choices[0]?.message.content).toBe('a');
  expect(error.cause).toBeInstanceOf(ConnectionError);
  expect(await beside).toBe(error);
  expect(await rejectionOf(StreamTruncatedError, chunks.next())).toBe(error);
  expect(server.count).toBe(1);
});
