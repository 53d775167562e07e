import { ChatClient, ConfigurationError, ConnectionError, TimeoutError } from 'drun-sdk';
import { describe, expect, it, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { CHAT_METHODS, everyMethod, type Fetch } from '../support/every-method.ts';
import { rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';

const ok = (): Response => json({ data: [], id: '1', choices: [] });
const named = (name: string, message: string, fields: object = {}): Error =>
  Object.assign(new Error(message), { name, ...fields });
const throwing =
  (error: unknown): Fetch =>
  async () => {
    throw error;
  };

/** Mistakes in a custom `fetch` from public reports. */
const BUGS: [string, Fetch][] = [
  [
    'reads the body for logging',
    async () => {
      const response = ok();
      await response.text();
      return response;
    },
  ],
  [
    'locks the body',
    async () => {
      const response = ok();
      response.body?.getReader();
      return response;
    },
  ],
  ...[
    ['strings', '{"data":[]}'],
    ['numbers', 7],
    ['buffers', new ArrayBuffer(7)],
  ].map(([what, part]): [string, Fetch] => [
    `returns a body that consists of ${what}`,
    async () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(part);
            controller.close();
          },
        }),
      ),
  ]),
  ['returns nothing', (async () => undefined) as unknown as Fetch],
  ['returns no headers', (async () => ({ status: 200, text: async () => '{}' })) as unknown as Fetch],
  [
    'returns no status',
    (async () => ({ headers: new Headers(), text: async () => '{"data":[]}' })) as unknown as Fetch,
  ],
  ['returns parsed JSON', (async () => ({ data: [] })) as unknown as Fetch],
  ['returns a string', (async () => '{}') as unknown as Fetch],
  [
    'returns a body of Node streams, as node-fetch does',
    (async () => ({
      status: 200,
      headers: new Headers(),
      body: { on() {}, pipe() {} },
      text: async () => '{}',
    })) as unknown as Fetch,
  ],
  ['uses an undefined variable', throwing(new ReferenceError('tracer is not defined'))],
  ['calls something that is not a function', throwing(new TypeError('tracer.start is not a function'))],
  [
    'reads a property of undefined',
    throwing(new TypeError("Cannot read properties of undefined (reading 'headers')")),
  ],
  [
    'reads a property of undefined in Safari',
    throwing(new TypeError("undefined is not an object (evaluating 'a.b')")),
  ],
  ['iterates over something else', throwing(new TypeError('init.headers is not iterable'))],
  ['reads a body twice', throwing(new TypeError('Body is unusable: Body has already been read'))],
  [
    'reads a body twice in Chrome',
    throwing(new TypeError("Failed to execute 'text' on 'Response': body stream already read")),
  ],
  ['reads a body twice in node-fetch', throwing(new TypeError('body used already for: https://chat.d.run'))],
  ['parses something other than JSON', throwing(new SyntaxError('Unexpected token < in JSON at position 0'))],
  ['recurses without end', throwing(new RangeError('Maximum call stack size exceeded'))],
  ['passes a URL without a host', throwing(new TypeError('Failed to parse URL from /v1/models'))],
  [
    'passes an invalid argument',
    throwing(named('TypeError', 'The "url" argument must be', { code: 'ERR_INVALID_ARG_TYPE' })),
  ],
  [
    'passes a dispatcher of another undici',
    throwing(
      new TypeError('fetch failed', {
        cause: named('InvalidArgumentError', 'invalid onRequestStart method', {
          code: 'UND_ERR_INVALID_ARG',
        }),
      }),
    ),
  ],
  [
    'changes the body, but not its length',
    throwing(
      new TypeError('fetch failed', {
        cause: named(
          'RequestContentLengthMismatchError',
          'Request body length does not match content-length header',
          {
            code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
          },
        ),
      }),
    ),
  ],
  ...[
    'Converting circular structure to JSON',
    "Cannot assign to read only property 'headers' of object '#<Request>'",
    "Cannot use 'in' operator to search for 'request' in undefined",
    'Reduce of empty array with no initial value',
    'RequestInit: Expected signal ("AbortSignal {}") to be an instance of AbortSignal.',
    'RequestInit: duplex option is required when sending a body.',
    'Window.fetch: HEAD or GET Request cannot have a body.',
    "Failed to construct 'Request': Cannot construct a Request with a Request object that has already been used.",
    'Headers.append: "a\nb" is an invalid header value.',
    "The 'credentials' field on 'RequestInitializerDict' is not implemented.",
    'Only HTTP(S) protocols are supported',
  ].map((message): [string, Fetch] => [`throws a TypeError: ${message}`, throwing(new TypeError(message))]),
  ...['UND_MOCK_ERR_MOCK_NOT_MATCHED', 'ERR_NOCK_NO_MATCH'].map((code): [string, Fetch] => [
    `is a mock that does not expect the request: ${code}`,
    throwing(
      new TypeError('fetch failed', { cause: named('Error', 'No match for GET /v1/models', { code }) }),
    ),
  ]),
  [
    'rejects for an error status, as ky does',
    throwing(named('HTTPError', 'Request failed with status code 401', { response: { status: 401 } })),
  ],
  ['rejects for an error status, as axios does', throwing(named('AxiosError', 'failed', { status: 404 }))],
  [
    'fails in a wrapper',
    throwing(new Error('instrumentation failed', { cause: new ReferenceError('span is not defined') })),
  ],
];

describe('a custom fetch', () => {
  it.each(everyMethod(BUGS))(
    'fails %s at once with a ConfigurationError if it %s',
    async (_, __, bug, { call, name }) => {
      retryAtOnce();
      const fetch = vi.fn(bug);

      const error = await call({ fetch }).catch((thrown: unknown) => thrown);

      expect(error, name).toMatchObject({ name: 'ConfigurationError', option: 'fetch' });
      // A create checks the limit of the account only after an error of the service.
      expect(fetch).toHaveBeenCalledOnce();
    },
  );

  it.each(BUGS)('that %s does not show the credential', async (_, bug) => {
    const fetch: Fetch = async (url, init) => {
      try {
        return await bug(url, init);
      } catch (thrown) {
        throw Object.assign(thrown as Error, { message: `${(thrown as Error).message} ${KEY}` });
      }
    };

    const error = await rejectionOf(ConfigurationError, new ChatClient({ apiKey: KEY, fetch }).models());

    expect(`${error.message} ${error.cause}`).not.toContain(KEY);
  });

  it.each<[string, unknown]>([
    ['Chrome', new TypeError('Failed to fetch')],
    ['Firefox', new TypeError('NetworkError when attempting to fetch resource.')],
    ['Safari', new TypeError('Load failed')],
    [
      'undici',
      new TypeError('fetch failed', {
        cause: named('SocketError', 'other side closed', { code: 'UND_ERR_SOCKET' }),
      }),
    ],
    [
      'undici, within the body',
      new TypeError('terminated', {
        cause: named('SocketError', 'other side closed', { code: 'UND_ERR_SOCKET' }),
      }),
    ],
    [
      'Deno',
      new TypeError(
        'error sending request for url (https://chat.d.run/): connection closed before message completed',
      ),
    ],
    ['Bun', named('Error', 'The socket connection was closed unexpectedly.', { code: 'ECONNRESET' })],
    ['Workers', new Error('Network connection lost.')],
    [
      'node-fetch',
      named('FetchError', 'request failed, reason: socket hang up', { type: 'system', code: 'ECONNRESET' }),
    ],
    ['React Native', new TypeError('Network request failed')],
    ['Chrome, within the body', new TypeError('network error')],
    ['Safari, translated', new TypeError('ネットワーク接続が切れました。')],
    ...[
      'The Internet connection appears to be offline.',
      'An SSL error has occurred and a secure connection to the server cannot be made.',
      'Die Netzwerkverbindung wurde unterbrochen.',
      'cannot parse response',
      'cannot decode raw data',
      'zero byte resource',
    ].map((message): [string, unknown] => [`an older Safari: ${message}`, new TypeError(message)]),
    ['an older Deno, within the body', new TypeError('error decoding response body')],
    ...[429, 503].map((status): [string, unknown] => [
      `axios: ${status}`,
      named('AxiosError', `Request failed with status code ${status}`, { response: { status } }),
    ]),
    ['a timeout of the custom `fetch`', new DOMException('The operation timed out.', 'TimeoutError')],
    ['an abort by the custom `fetch`', new DOMException('This operation was aborted', 'AbortError')],
    ['a string', 'connection lost'],
    ['nothing', undefined],
  ])('that reports a lost connection is retried: %s', async (_, thrown) => {
    retryAtOnce();
    const fetch = vi.fn(throwing(thrown));

    await rejectionOf(ConnectionError, new ChatClient({ apiKey: KEY, fetch }).models());

    expect(fetch).toHaveBeenCalledTimes(3);
  });

  it('that returns Response.error() is retried as if it had rejected', async () => {
    retryAtOnce();
    const fetch = vi.fn(async () => Response.error());

    const error = await rejectionOf(ConnectionError, new ChatClient({ apiKey: KEY, fetch }).models());

    expect(error.message).toContain('Response.error()');
    expect(fetch).toHaveBeenCalledTimes(3);
  });

  it.each(everyMethod<[number]>([[200], [400]], CHAT_METHODS))(
    'of %s may return a Response without a stream: %i',
    async (_, status, { call }) => {
      const body = {
        data: [],
        choices: [{ message: { content: '{"city":"Paris"}' }, finish_reason: 'stop' }],
      };
      const text = JSON.stringify(status === 200 ? body : { error: { message: 'unknown model' } });
      const fetch = (async () => ({
        status,
        headers: new Headers(),
        text: async () => text,
      })) as unknown as Fetch;

      const result = await call({ fetch }).catch((error: unknown) => error);

      if (status === 200) expect(result).not.toBeInstanceOf(Error);
      else expect(String(result)).toContain('unknown model');
    },
  );

  it.each(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])(
    'that exceeds the limit of the runtime rejects with a TimeoutError that names the remedies: %s',
    async (code) => {
      const fetch = vi.fn(
        throwing(
          new TypeError('fetch failed', {
            cause: named('HeadersTimeoutError', 'Headers Timeout Error', { code }),
          }),
        ),
      );

      const error = await rejectionOf(TimeoutError, new ChatClient({ apiKey: KEY, fetch }).models());

      expect(error).toMatchObject({ phase: 'runtime', timeoutMs: 300_000 });
      expect(error.message).toMatch(/nodeTransport\(\)[\s\S]*dispatcher/);
      expect(fetch).toHaveBeenCalledOnce();
    },
  );

  it('is called as a plain function, with the URL and an init', async () => {
    const calls: unknown[] = [];
    const chat = new ChatClient({
      apiKey: KEY,
      fetch: async function (this: unknown, ...values) {
        calls.push(this, ...values);
        return ok();
      },
    });

    await chat.models();

    expect(calls).toEqual([
      undefined,
      'https://chat.d.run/v1/models',
      expect.objectContaining({ method: 'GET', redirect: 'manual' }),
    ]);
  });

  it('cannot be combined with a transport', () => {
    const transport = { send: () => Promise.reject(new Error('unused')) };

    expect(() => new ChatClient({ apiKey: KEY, fetch: async () => ok(), transport })).toThrow(
      ConfigurationError,
    );
  });
});
