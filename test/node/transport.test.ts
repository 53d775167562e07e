import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, type RequestListener, type ServerResponse } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { brotliCompressSync, createBrotliCompress, createGzip, deflateSync, gzipSync } from 'node:zlib';
import {
  ChatClient,
  type ChatClientOptions,
  ConfigurationError,
  ConnectionError,
  InvalidResponseError,
  NotFoundError,
  StreamTruncatedError,
} from 'drun-sdk';
import { nodeTransport } from 'drun-sdk/node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { completion, request } from '../chat/requests.ts';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { closedPort, serveHttp, serveSockets } from '../support/sockets.ts';
import { retryAtOnce } from '../support/timing.ts';

const client = (baseUrl: string, options: ChatClientOptions = {}): ChatClient =>
  new ChatClient({ apiKey: KEY, baseUrl, maxRetries: 0, transport: nodeTransport(), ...options });

const COMPLETION = JSON.stringify(completion({ id: 'chatcmpl-ü' }));
const MODELS = '{"data":[{"id":"a"}]}';

const chunk = (content: string, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: { content }, finish_reason }],
  })}\n\n`;
const DONE = 'data: [DONE]\n\n';

const ENCODINGS = [
  { encoding: 'gzip', compress: gzipSync, compressor: createGzip },
  { encoding: 'br', compress: brotliCompressSync, compressor: createBrotliCompress },
];

/** Starts a server, and a stream over it. Returns the iterator of its chunks. */
async function streaming(listener: RequestListener, signal?: AbortSignal) {
  const { url } = await serveHttp(listener);
  return client(url).stream(request(), { signal })[Symbol.asyncIterator]();
}

/** Runs a program in a process after a call to a server. Returns its output. */
async function outputOf(program: string): Promise<string> {
  const { url } = await serveHttp((_, response) => response.end(MODELS));
  const path = (folder: string): string => new URL(`../../src/${folder}/index.ts`, import.meta.url).href;
  const script = `
    const { ChatClient } = await import('${path('chat')}');
    const { nodeTransport } = await import('${path('node')}');
    const chat = new ChatClient({ apiKey: 'sk-any', baseUrl: '${url}', transport: nodeTransport() });
    await chat.models();
    ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  onTestFinished(() => void child.kill());
  const [output] = await Promise.all([child.stdout.toArray(), once(child, 'exit')]);
  return Buffer.concat(output).toString();
}

/** Starts a server. `arrived` resolves with the response to write when a request arrives. */
async function openStream(): Promise<{ url: string; arrived: Promise<ServerResponse> }> {
  const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>();
  const { url } = await serveHttp((_, response) => resolve(response));
  return { url, arrived };
}

describe('a request', () => {
  test('has its method, path, headers and body, with a content-length', async () => {
    const received: unknown[] = [];
    const { url } = await serveHttp(async (incoming, response) => {
      const { method, url: path, headers } = incoming;
      const body = Buffer.concat(await incoming.toArray());
      received.push(
        method,
        path,
        headers.authorization,
        headers['content-length'] === String(body.byteLength),
        JSON.parse(`${body}`).model,
      );
      response.end(COMPLETION);
    });

    const { id } = await client(url).complete(request({ model: 'mödel' }));

    expect(id).toBe('chatcmpl-ü');
    expect(received).toEqual(['POST', '/v1/chat/completions', `Bearer ${KEY}`, true, 'mödel']);
  });

  test('reuses the connection of the previous request', async () => {
    const ports: unknown[] = [];
    const { url } = await serveHttp(({ socket }, response) => {
      ports.push(socket.remotePort);
      response.end(MODELS);
    });
    const chat = client(url);

    await chat.models();
    await chat.models();

    expect(ports).toHaveLength(2);
    expect(new Set(ports).size).toBe(1);
  });

  test('goes through the agent of the caller', async () => {
    const { url } = await serveHttp((_, response) => response.end(MODELS));
    const { port } = new URL(url);
    const agent = new Agent();
    const hosts: unknown[] = [];
    const { createConnection } = agent;
    agent.createConnection = (options, callback) => {
      hosts.push(Reflect.get(options, 'host'));
      return createConnection.call(agent, { ...options, host: '127.0.0.1', port: Number(port) }, callback);
    };

    const options = { transport: nodeTransport({ agent }), allowInsecureHttp: true };
    await client('http://models.example', options).models();

    expect(hosts).toEqual(['models.example']);
  });

  test('can be sent to an IPv6 address', async ({ skip }) => {
    const server = createServer((_, response) => response.end(MODELS));
    onTestFinished(() => void server.close().closeAllConnections());
    server.listen(0, '::1');
    const [event] = await Promise.race([
      once(server, 'listening').then(() => ['listening']),
      once(server, 'error').then(() => ['error']),
    ]).catch(() => ['error']);
    if (event === 'error') return skip();

    const { port } = server.address() as AddressInfo;

    expect(await client(`http://[::1]:${port}`).models()).toMatchObject([{ id: 'a' }]);
  });
});

describe('a response', () => {
  test('has its status and headers, repeated ones joined', async () => {
    const { url } = await serveHttp((_, response) => {
      response.setHeader('X-Request-Id', 'r-1');
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.setHeader('X-Twice', ['1', '2']);
      response.end(MODELS);
    });

    const { response } = await client(url).models().withResponse();

    expect(response).toMatchObject({ status: 200, requestId: 'r-1' });
    expect(response.headers.get('set-cookie')).toBe('a=1, b=2');
    expect(response.headers.get('x-twice')).toBe('1, 2');
  });

  test('with an error status causes the error for that status', async () => {
    const { url } = await serveHttp((_, response) => {
      response.writeHead(404).end('{"error":{"message":"no such model"}}');
    });

    const error = await rejectionOf(NotFoundError, client(url).complete(request()));

    expect(error.message).toContain('no such model');
  });

  test.each([301, 302, 303, 307, 308])('with the redirect %i is not followed', async (status) => {
    const elsewhere = await serveHttp((_, response) => response.end(MODELS));
    const { url } = await serveHttp((_, response) => {
      response.writeHead(status, { location: elsewhere.url }).end();
    });

    const error = await rejectionOf(InvalidResponseError, client(url).models());

    expect(error.status).toBe(status);
    expect(elsewhere.count).toBe(0);
  });

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', Buffer.from],
  ])('in the encoding %s is decoded', async (encoding, compress) => {
    const { url } = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(compress(COMPLETION));
    });

    expect(await client(url).complete(request())).toMatchObject({ id: 'chatcmpl-ü' });
  });

  test.each(ENCODINGS)(
    'in $encoding that is truncated rejects with ConnectionError',
    async ({ encoding, compress }) => {
      const { url } = await serveHttp((_, response) => {
        response.writeHead(200, { 'content-encoding': encoding }).end(compress(COMPLETION).subarray(0, -12));
      });

      await rejectionOf(ConnectionError, client(url).complete(request()));
    },
  );

  test('with a wrong content-encoding rejects with ConnectionError', async () => {
    const { url } = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(COMPLETION);
    });

    await rejectionOf(ConnectionError, client(url).complete(request()));
  });

  test.each(['zstd', 'gzip, gzip'])(
    'in the unknown encoding %s rejects with InvalidResponseError',
    async (encoding) => {
      const { url } = await serveHttp((_, response) => {
        response.writeHead(200, { 'content-encoding': encoding }).end(gzipSync(COMPLETION));
      });

      await rejectionOf(InvalidResponseError, client(url).complete(request()));
    },
  );
});

describe('a stream', () => {
  test('arrives chunk by chunk', async () => {
    let send: ServerResponse | undefined;
    const chunks = await streaming((_, response) => {
      send = response;
      response.write(chunk('a'));
    });

    expect((await chunks.next()).value?.choices[0]?.delta.content).toBe('a');
    send?.write(chunk('b'));
    expect((await chunks.next()).value?.choices[0]?.delta.content).toBe('b');
    send?.end(chunk('', 'stop') + DONE);
    await chunks.next();
    expect(await chunks.next()).toMatchObject({ done: true });
  });

  test.each(ENCODINGS)('in $encoding arrives chunk by chunk', async ({ encoding, compressor }) => {
    const send = compressor();
    const chunks = await streaming((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding });
      send.pipe(response);
      send.write(chunk('a'));
      send.flush();
    });

    expect((await chunks.next()).value?.choices[0]?.delta.content).toBe('a');
    send.write(chunk('b'));
    send.flush();
    expect((await chunks.next()).value?.choices[0]?.delta.content).toBe('b');
    send.end(chunk('', 'stop') + DONE);
    await chunks.next();
    expect(await chunks.next()).toMatchObject({ done: true });
  });

  test.each(['identity', 'gzip'])(
    'in the encoding %s throws StreamTruncatedError if the connection is reset',
    async (encoding) => {
      const send = createGzip();
      let reset = (): void => {};
      const chunks = await streaming(({ socket }, response) => {
        reset = () => socket.resetAndDestroy();
        response.writeHead(200, { 'content-encoding': encoding });
        if (encoding === 'identity') return response.write(chunk('a'));
        send.pipe(response);
        send.write(chunk('a'));
        return send.flush();
      });
      await chunks.next();

      reset();

      const error = await rejectionOf(StreamTruncatedError, chunks.next());
      expect(error.completion?.choices[0]?.message.content).toBe('a');
    },
  );

  test.each(['identity', 'gzip'])(
    'in the encoding %s closes its connection when it is aborted',
    async (encoding) => {
      const abort = new AbortController();
      const closed = Promise.withResolvers<void>();
      const send = createGzip();
      const chunks = await streaming((_, response) => {
        response.on('close', () => closed.resolve());
        response.writeHead(200, { 'content-encoding': encoding });
        if (encoding === 'identity') return response.write(chunk('a'));
        send.pipe(response);
        send.write(chunk('a'));
        return send.flush();
      }, abort.signal);
      await chunks.next();
      const next = rejection(chunks.next());

      abort.abort('enough');

      expect(await next).toBe('enough');
      await closed.promise;
    },
  );

  test('closes its connection when its reader stops', async () => {
    const closed = Promise.withResolvers<void>();
    const chunks = await streaming((_, response) => {
      response.on('close', () => closed.resolve());
      response.write(chunk('a'));
    });
    await chunks.next();

    await chunks.return?.();

    await closed.promise;
  });
});

describe('an aborted call', () => {
  test.each([
    ['before the headers', ''],
    ['during the body', MODELS.slice(0, 5)],
  ])('%s rejects at once and closes the connection', async (_, sent) => {
    const abort = new AbortController();
    const { url, arrived } = await openStream();
    const call = rejection(client(url).models({ signal: abort.signal }));
    const response = await arrived;
    const closed = once(response, 'close');
    if (sent !== '') await new Promise<void>((resolve) => response.write(sent, () => resolve()));

    abort.abort('enough');

    expect(await call).toBe('enough');
    await closed;
  });
});

describe('a connection', () => {
  test('that is refused rejects with a ConnectionError that has the code', async () => {
    const error = await rejectionOf(ConnectionError, client(await closedPort()).models());

    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  test.each([
    ['before the response', ''],
    ['during the status line', 'HTTP/1.1 2'],
    ['during the headers', 'HTTP/1.1 200 OK\r\ncontent-le'],
    ['after the headers', 'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n'],
    ['during the body', 'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"data":'],
    ['during a chunked body', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n15\r\n{"data":'],
    [
      'before the end of a chunked body',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n15\r\n${MODELS}\r\n`,
    ],
  ])('that is closed or reset %s rejects with ConnectionError', async (_, sent) => {
    const { url } = await serveSockets((socket, text) => {
      if (text.includes('x-reset')) socket.write(sent, () => socket.resetAndDestroy());
      else socket.end(sent);
    });

    for (const headers of [{}, { 'x-reset': '1' }]) {
      const error = await rejectionOf(ConnectionError, client(url, { headers }).models());
      expect(everythingShownOf(error)).not.toContain(KEY);
    }
  });

  test('that is upgraded to another protocol rejects with ConnectionError', async () => {
    const { url } = await serveSockets((socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    });

    await rejectionOf(ConnectionError, client(url, { timeoutMs: 20_000 }).models());
  });

  test('that is reset on reuse is replaced', async () => {
    retryAtOnce();
    const { url } = await serveSockets((socket) => {
      if (Reflect.get(socket, 'used')) return socket.resetAndDestroy();
      Reflect.set(socket, 'used', true);
      return socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${MODELS.length}\r\n\r\n${MODELS}`);
    });
    const chat = client(url, { maxRetries: 1 });
    await chat.models();

    const { response } = await chat.models().withResponse();

    expect(response.attempts).toBe(2);
  });

  // The default agent closes unused connections after 30 s. This one does so after 20 ms.
  test.each([
    ['a response whose headers', ''],
    ['a body that', MODELS.slice(0, 5)],
  ])('stays open if %s takes longer than the idle timeout', async (_, begin) => {
    const { url } = await serveHttp(async (_request, response) => {
      if (begin !== '') response.write(begin);
      await setTimeout(100);
      response.end(MODELS.slice(begin.length));
    });
    const transport = nodeTransport({ agent: new Agent({ keepAlive: true, timeout: 20 }) });

    const models = await client(url, { transport }).models();

    expect(models.map(({ id }) => id)).toEqual(['a']);
  });

  test('does not keep the process running while idle', async () => {
    const output = await outputOf(`
      await new Promise((resolve) => setImmediate(resolve));
      console.log(process.getActiveResourcesInfo().filter((name) => /^T/.test(name)));`);

    expect(output).toBe('[]\n');
  });

  test('is opened without loading undici', async () => {
    const output = await outputOf(`
      const loaded = process.moduleLoadList.map((name) => name.replace('NativeModule ', ''));
      console.log(['http', 'internal/deps/undici/undici'].filter((name) => loaded.includes(name)));`);

    expect(output).toBe("[ 'http' ]\n");
  });
});

describe('the options', () => {
  test.each([
    ['an invalid agent', () => nodeTransport({ agent: 'http://proxy' as never })],
    ['an unknown option', () => nodeTransport({ agnet: new Agent() } as never)],
    [
      '`fetch` along with `transport`',
      () => new ChatClient({ apiKey: KEY, fetch, transport: nodeTransport() }),
    ],
  ])('reject %s', (_, create) => {
    expect(create).toThrow(ConfigurationError);
  });

  test('reject an agent that does not match the base URL', async () => {
    const transport = nodeTransport({ agent: new HttpsAgent() });

    const error = await rejectionOf(ConfigurationError, client(await closedPort(), { transport }).models());

    expect(error.option).toBe('agent');
  });

  test('replace an inherited `fetch`, and vice versa', async () => {
    const { url } = await serveHttp((_, response) => response.end(MODELS));
    const empty = async (): Promise<Response> => new Response('{"data":[]}');

    const viaFetch = client(url).withOptions({ fetch: empty });
    const viaTransport = viaFetch.withOptions({ transport: nodeTransport() });

    expect([(await viaFetch.models()).length, (await viaTransport.models()).length]).toEqual([0, 1]);
  });
});
