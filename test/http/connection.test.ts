import {
  ApiError,
  ChatClient,
  type ChatClientOptions,
  ConnectionError,
  InvalidResponseError,
} from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { closedPort, serveHttp, serveSockets } from '../support/sockets.ts';
import { retryAtOnce } from '../support/timing.ts';

const client = (baseUrl: string, options: ChatClientOptions = {}): ChatClient =>
  new ChatClient({ apiKey: KEY, baseUrl, maxRetries: 0, ...options });

const models = '{"data":[{"id":"a"}]}';

describe('a connection', () => {
  test('that is refused rejects with a ConnectionError that has the code', async () => {
    const url = await closedPort();

    const error = await rejectionOf(ConnectionError, client(url).models());

    const codes: unknown[] = [];
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause)
      codes.push(Reflect.get(cause, 'code'));
    expect(codes).toContain('ECONNREFUSED');
    expect(error.message).toContain(new URL(url).host);
  });

  test.each([
    ['before the response', ''],
    ['during the status line', 'HTTP/1.1 2'],
    ['during the headers', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-le'],
    ['after the headers', 'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n'],
    ['during the body', 'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"data":'],
    ['during a chunked body', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n15\r\n{"data":'],
    [
      'before the end of a chunked body',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n15\r\n${models}\r\n`,
    ],
  ])('that is closed %s rejects with ConnectionError', async (_, rawResponse) => {
    const { url } = await serveSockets((socket) => socket.end(rawResponse));

    const error = await rejectionOf(ConnectionError, client(url).models());

    expect(error.code).toBe('connection_failed');
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test.each([
    ['before the response', ''],
    ['during the body', 'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"data":'],
  ])('that is reset %s rejects with ConnectionError', async (_, rawResponse) => {
    const { url } = await serveSockets((socket) => {
      if (rawResponse === '') socket.resetAndDestroy();
      else socket.write(rawResponse, () => socket.resetAndDestroy());
    });

    await rejectionOf(ConnectionError, client(url).models());
  });

  test('to a server that does not use HTTP rejects with ConnectionError', async () => {
    const { url } = await serveSockets((socket) => socket.end(`SSH-2.0-${KEY}\r\n`));

    const error = await rejectionOf(ConnectionError, client(url).models());

    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test('that is closed during an error body preserves the status of the error', async () => {
    const { url } = await serveSockets((socket) =>
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\n{"error":'),
    );

    expect(await rejectionOf(ApiError, client(url).models())).toMatchObject({ status: 404 });
  });

  test('that is lost causes a retry', async () => {
    retryAtOnce();
    const server = await serveHttp((request, response) => {
      if (server.count < 3) request.socket.destroy();
      else response.end(models);
    });

    expect(await client(server.url, { maxRetries: 2 }).models()).toEqual([{ id: 'a' }]);
    expect(server.count).toBe(3);
  });

  test('that is lost during a response causes a retry', async () => {
    retryAtOnce();
    const server = await serveSockets((socket) =>
      socket.end(
        server.count === 1
          ? 'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"data":'
          : `HTTP/1.1 200 OK\r\ncontent-length: 21\r\nconnection: close\r\n\r\n${models}`,
      ),
    );

    expect(await client(server.url, { maxRetries: 2 }).models()).toEqual([{ id: 'a' }]);
  });

  test('that is lost causes at most maxRetries retries', async () => {
    retryAtOnce();
    const server = await serveSockets((socket) => socket.destroy());

    await rejectionOf(ConnectionError, client(server.url, { maxRetries: 2 }).models());

    expect(server.count).toBe(3);
  });

  test('shows no credential in its error, even if the fetch attaches the request', async () => {
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      const cause = Object.assign(new Error(`bad header ${KEY}`), { request: new Request(url, init), init });
      throw Object.assign(new TypeError(`fetch failed: ${KEY}`, { cause }), { init });
    };

    const error = await rejectionOf(ConnectionError, client('https://chat.example', { fetch }).models());

    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test.each<[string, unknown]>([
    ['a string', `failed ${KEY}`],
    ['nothing', undefined],
    ['null', null],
    [
      'an object with getters that throw',
      Object.defineProperty({}, 'message', {
        get() {
          throw new Error(KEY);
        },
      }),
    ],
  ])('rejects with ConnectionError if the fetch throws %s', async (_, thrown) => {
    const fetch = async (): Promise<Response> => {
      throw thrown;
    };

    const error = await rejectionOf(ConnectionError, client('https://chat.example', { fetch }).models());

    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test('sends a correct request over a real socket', async () => {
    const requests: string[] = [];
    const { url } = await serveSockets((socket, text) => {
      requests.push(text);
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 21\r\nconnection: close\r\n\r\n${models}`);
    });

    await client(`${url}/prefix/v1`).models();

    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatch(/^GET \/prefix\/v1\/models HTTP\/1\.1\r\n/);
    expect(requests[0]?.match(/^authorization: .*$/gim)).toEqual([
      expect.stringMatching(new RegExp(`^authorization: Bearer ${KEY}$`, 'i')),
    ]);
  });
});

describe('a redirect', () => {
  test.each([301, 302, 303, 307, 308])(
    'with %i is not followed, and no other server receives a request',
    async (status) => {
      const other = await serveHttp((_, response) => response.end(models));
      const server = await serveHttp((_, response) =>
        response.writeHead(status, { location: `${other.url}/v1/models` }).end(),
      );

      const error = await rejectionOf(InvalidResponseError, client(server.url, { maxRetries: 2 }).models());

      expect(error.message).toContain('redirect');
      expect(other.count).toBe(0);
      expect(server.count).toBe(1);
    },
  );

  test.each([301, 302, 307, 308])('of a POST with %i is not followed', async (status) => {
    const other = await serveHttp((_, response) => response.end('{}'));
    const server = await serveHttp((_, response) =>
      response.writeHead(status, { location: other.url }).end(),
    );

    const call = client(server.url).complete({ model: 'a', messages: [] });

    await rejectionOf(InvalidResponseError, call);
    expect(other.count).toBe(0);
  });

  test('to the same server is not followed', async () => {
    const server = await serveHttp((_, response) => response.writeHead(302, { location: '/login' }).end());

    const error = await rejectionOf(InvalidResponseError, client(server.url).models());

    expect(error.status).toBe(302);
    expect(server.count).toBe(1);
  });

  test('without a Location header is reported as a redirect', async () => {
    const server = await serveHttp((_, response) => response.writeHead(307).end());

    expect((await rejectionOf(InvalidResponseError, client(server.url).models())).message).toContain(
      '307, a redirect',
    );
  });

  test.each([300, 304, 305])('is not reported for status %i', async (status) => {
    const server = await serveHttp((_, response) => response.writeHead(status).end());

    const error = await rejectionOf(InvalidResponseError, client(server.url).models());

    expect(error.message).toContain(`returned ${status}, which is neither a result nor an error`);
  });

  test('shows no credential contained in its URL', async () => {
    const server = await serveHttp((_, response) =>
      response.writeHead(302, { location: `/login?key=${KEY}` }).end(KEY),
    );

    expect(everythingShownOf(await rejection(client(server.url).models()))).not.toContain(KEY);
  });
});
