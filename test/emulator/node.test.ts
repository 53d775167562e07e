import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { type EmulatorServer, type ServeOptions, serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, vi } from 'vitest';
import { CONTROL, createKey, withKey } from './wire.ts';

// The globals before the first test calls serve().
const ORIGINAL_REQUEST = globalThis.Request;
const ORIGINAL_RESPONSE = globalThis.Response;

/** Serves an emulator with one key and an endless reply. */
async function serveEndlessReply(chunk = 'more '): Promise<{
  readonly drun: Emulator;
  readonly key: string;
  readonly server: EmulatorServer;
  readonly chunkCount: () => number;
  readonly replyEnded: Promise<void>;
}> {
  let chunkCount = 0;
  const replyEnded = Promise.withResolvers<void>();
  const { drun, key } = await withKey({
    async *reply() {
      try {
        for (;;) {
          chunkCount++;
          yield chunk;
          // Yields to the event loop between chunks, as a real model does.
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        replyEnded.resolve();
      }
    },
  });
  return {
    drun,
    key,
    server: await serve(drun),
    chunkCount: () => chunkCount,
    replyEnded: replyEnded.promise,
  };
}

const STREAM = JSON.stringify({
  model: 'public/deepseek-r1',
  messages: [{ role: 'user', content: 'Hello!' }],
  stream: true,
});

/** Requests a stream. Resolves with the response, whose body has not been read. */
async function openStream(server: EmulatorServer, key: string): Promise<IncomingMessage> {
  const request = httpRequest(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  });
  request.end(STREAM);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  // If the connection is lost, both emit an error. Tests listen to the response's.
  request.on('error', () => {});
  return response;
}

describe('serve', () => {
  it('listens on a free local port and returns its URL', async () => {
    await using server = await serve(createEmulator());
    expect(server.port).toBeGreaterThan(0);
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    const response = await fetch(`${server.url}/v1/models`);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  });

  it('serves the control plane, including DELETE bodies, with the clock of the emulator', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 0, 1) });
    const { id } = await createKey(drun);
    await using server = await serve(drun);
    const headers = { authorization: `Bearer ${drun.accessToken.reveal()}` };
    const url = `${server.url}${CONTROL}/apikeys`;
    const listed = await fetch(url, { headers });
    expect(await listed.json()).toMatchObject({ items: [{ id }] });
    expect(listed.headers.get('date')).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
    expect((await fetch(`${url}/${id}`, { method: 'DELETE', headers })).status).toBe(400);
    expect((await fetch(`${url}/${id}`, { method: 'DELETE', headers, body: '{}' })).status).toBe(200);
    expect([...drun.keys]).toEqual([]);
  });

  it('sends a stream chunk by chunk', async () => {
    const resume = Promise.withResolvers<void>();
    const { drun, key } = await withKey({
      async *reply() {
        yield 'first';
        await resume.promise;
        yield 'second';
      },
    });
    await using server = await serve(drun);
    const response = await openStream(server, key);
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    let text = '';
    for await (const bytes of response) {
      text += String(bytes);
      if (text.includes('first')) resume.resolve();
    }
    expect(text).toMatch(/first.*second.*\[DONE\]\n\n$/s);
  });

  it('ends the stream of a failed reply without [DONE] and without a connection error', async () => {
    const { drun, key } = await withKey({
      async *reply() {
        yield 'first';
        throw new Error('out of memory');
      },
    });
    await using server = await serve(drun);
    const response = await openStream(server, key);
    const text = (await response.setEncoding('utf8').toArray()).join('');
    expect(text).toContain('first');
    expect(text).not.toContain('[DONE]');
    expect(response.complete).toBe(true);
  });

  it('ends the reply when the client disconnects from a stream', async () => {
    const { server, key, replyEnded } = await serveEndlessReply();
    await using _ = server;
    const response = await openStream(server, key);
    await once(response, 'data');
    response.destroy();
    await replyEnded;
  });

  it('ends the reply when the fetch of a stream is aborted', async () => {
    const { server, key, replyEnded } = await serveEndlessReply();
    await using _ = server;
    const controller = new AbortController();
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: STREAM,
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    controller.abort();
    await replyEnded;
  });

  it('aborts the signal of a pending reply when the client disconnects, and does not read the reply', async () => {
    const requested = Promise.withResolvers<AbortSignal>();
    const reply = Promise.withResolvers<AsyncIterable<string>>();
    const { drun, key } = await withKey({
      reply: ({ signal }) => {
        requested.resolve(signal);
        return reply.promise;
      },
    });
    await using server = await serve(drun);
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\n` +
        `content-length: ${STREAM.length}\r\n\r\n${STREAM}`,
    );
    const signal = await requested.promise;
    socket.destroy();
    await once(signal, 'abort');
    const replyEnded = Promise.withResolvers<void>();
    const next = vi.fn();
    reply.resolve({
      [Symbol.asyncIterator]: () => ({
        next,
        return: async () => {
          replyEnded.resolve();
          return { done: true, value: undefined };
        },
      }),
    });
    await replyEnded.promise;
    expect(next).not.toHaveBeenCalled();
  });

  it('stops reading a reply while the client does not read the response', async () => {
    const { server, key, chunkCount } = await serveEndlessReply('x'.repeat(64 * 1024));
    await using _ = server;
    const response = await openStream(server, key);
    // The buffers fill up, and then the count stops increasing.
    let before = -1;
    let rounds = 0;
    while (chunkCount() !== before || rounds < 50) {
      rounds = chunkCount() === before ? rounds + 1 : 0;
      before = chunkCount();
      await fetch(`${server.url}/v1/models`);
    }
    expect(before).toBeLessThan(500);
    response.resume();
    await vi.waitFor(() => expect(chunkCount()).toBeGreaterThan(before + 10));
    response.destroy();
  });

  it('accepts headers up to 1 MiB, as the gateway does', async () => {
    await using server = await serve(createEmulator());
    const status = async (size: number): Promise<number | undefined> => {
      const request = httpRequest(`${server.url}/`, {
        agent: false,
        headers: { 'x-size': 'x'.repeat(size) },
      });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return response.resume().statusCode;
    };
    expect([await status(900_000), await status(1_100_000)]).toEqual([404, 431]);
  });

  it('closes immediately despite open streams and idle connections', async () => {
    const { server, key, replyEnded } = await serveEndlessReply();
    const response = await openStream(server, key);
    await once(response, 'data');
    const broken = once(response, 'error');
    const idle: Socket = connect(server.port, '127.0.0.1');
    await once(idle, 'connect');
    const idleClosed = once(idle, 'close');
    await server.close();
    const [error] = await broken;
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    await idleClosed;
    await replyEnded;
    await expect(fetch(`${server.url}/v1/models`)).rejects.toThrow();
  });

  it('can be closed twice', async () => {
    const server = await serve(createEmulator());
    await Promise.all([server.close(), server.close()]);
    await server.close();
  });

  it('rejects a port that is in use with an error that names it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(serve(createEmulator(), { port })).rejects.toMatchObject({
      message: `serve: cannot listen on port ${port} of 127.0.0.1: the port is in use.`,
      cause: { code: 'EADDRINUSE' },
    });
    other.close();
  });

  it.each<[keyof ServeOptions, unknown]>([
    ['port', -1],
    ['port', 65536],
    ['port', '80'],
    ['host', ''],
    ['host', 80],
  ])('rejects the `%s` %o with an error that names it', async (option, value) => {
    await expect(serve(createEmulator(), { [option]: value })).rejects.toThrow(`serve: \`${option}\``);
  });

  it('rejects an object that is not an emulator', async () => {
    await expect(serve({} as Emulator)).rejects.toThrow('serve: Pass an emulator.');
  });

  it('returns a loopback URL when it listens on all addresses', async () => {
    await using server = await serve(createEmulator(), { host: '0.0.0.0' });
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
  });

  it('does not change the global Request and Response', async () => {
    await using _ = await serve(createEmulator());
    expect(globalThis.Request).toBe(ORIGINAL_REQUEST);
    expect(globalThis.Response).toBe(ORIGINAL_RESPONSE);
  });

  it('responds with an empty 500 if an option throws', async () => {
    const drun = createEmulator({ sleep: () => Promise.reject(new Error('no timers')) });
    drun.faults.next({ delayMs: 1 });
    await using server = await serve(drun);
    const response = await fetch(`${server.url}/v1/models`);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('');
  });
});
