import { getEventListeners } from 'node:events';
import type { Socket } from 'node:net';
import { ChatClient, type ChatClientOptions, TimeoutError } from 'drun-sdk';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { serveHttp, serveSockets } from '../support/sockets.ts';

const client = (baseUrl: string, options: ChatClientOptions = {}): ChatClient =>
  new ChatClient({ apiKey: KEY, baseUrl, ...options });

const HALF = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"data":';

/** Starts a server that sends part of a response and then stalls. `reached` resolves with the socket after it is sent. */
async function serveStalled(rawResponse: string): Promise<{ url: string; reached: Promise<Socket> }> {
  const { promise: reached, resolve } = Promise.withResolvers<Socket>();
  const { url } = await serveSockets((socket) => {
    if (rawResponse === '') resolve(socket);
    else socket.write(rawResponse, () => resolve(socket));
  });
  return { url, reached };
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once('close', () => resolve());
  });

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

afterEach(() => {
  vi.useRealTimers();
});

/** Replaces only timers. Sockets and the clock remain real. */
const fakeTimers = (): void => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
};

describe('the time limit of a call', () => {
  test.each([
    ['never responds', ''],
    ['stalls during its headers', 'HTTP/1.1 200 OK\r\ncontent-'],
    ['stalls during its body', HALF],
    ['stalls during the body of an error', HALF.replace('200 OK', '500 Oh')],
  ])('rejects with TimeoutError if the server %s', async (_, rawResponse) => {
    fakeTimers();
    const { url, reached } = await serveStalled(rawResponse);
    const call = rejectionOf(TimeoutError, client(url, { timeoutMs: 30_000 }).models());
    const socket = await reached;

    await vi.advanceTimersByTimeAsync(30_000);

    const error = await call;
    expect(error).toMatchObject({ code: 'timeout', phase: 'response', timeoutMs: 30_000 });
    await closed(socket);
  });

  test('can be overridden for the call', async () => {
    fakeTimers();
    const { url, reached } = await serveStalled('');
    const call = rejectionOf(TimeoutError, client(url).models({ timeoutMs: 5_000 }));
    await reached;

    await vi.advanceTimersByTimeAsync(5_000);

    expect((await call).timeoutMs).toBe(5_000);
  });

  test('clears its timer', async () => {
    fakeTimers();
    const { url } = await serveHttp((_, response) => response.end('{"data":[]}'));

    await client(url).models();

    expect(vi.getTimerCount()).toBe(0);
  });

  test('is disabled by Infinity', async () => {
    fakeTimers();
    const { url } = await serveHttp((_, response) => response.end('{"data":[]}'));

    expect(await client(url, { timeoutMs: Number.POSITIVE_INFINITY }).models()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('applies even if the fetch ignores its signal', async () => {
    fakeTimers();
    const fetch = vi.fn(() => new Promise<Response>(() => {}));
    const call = rejectionOf(
      TimeoutError,
      client('https://chat.example', { fetch, timeoutMs: 1_000 }).models(),
    );
    await vi.waitFor(() => expect(fetch).toHaveBeenCalled());

    await vi.advanceTimersByTimeAsync(1_000);

    await call;
  });

  test('applies even if the credential provider never settles', async () => {
    fakeTimers();
    const apiKey = vi.fn(() => new Promise<string>(() => {}));
    const call = rejectionOf(TimeoutError, new ChatClient({ apiKey, timeoutMs: 1_000 }).models());

    await vi.advanceTimersByTimeAsync(1_000);

    await call;
    expect(apiKey).toHaveBeenCalledOnce();
  });

  test('covers all attempts together', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    const fetch = vi.fn(async () => json({}, 503));
    const call = client('https://chat.example', { fetch, timeoutMs: 1_200, maxRetries: 10 })
      .models()
      .catch((error: unknown) => error);

    await vi.advanceTimersByTimeAsync(1_200);

    expect(await call).toMatchObject({ status: 503 });
    // The attempts start at 0 and 500 ms. The third would start at 1,500 ms.
    expect(fetch).toHaveBeenCalledTimes(2);
  });
});

describe('an aborted call', () => {
  const reason = { why: 'the user left' };

  test('sends nothing if it is already aborted when it starts', async () => {
    const server = await serveHttp((_, response) => response.end('{"data":[]}'));

    await expect(client(server.url).models({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);

    expect(server.count).toBe(0);
  });

  test.each([
    ['before a response', ''],
    ['during the headers', 'HTTP/1.1 200 OK\r\ncontent-'],
    ['during the body', HALF],
    ['during the body of an error', HALF.replace('200 OK', '500 Oh')],
  ])(
    '%s rejects with the reason of its signal, closes the socket and removes its listener',
    async (_, rawResponse) => {
      const { url, reached } = await serveStalled(rawResponse);
      const controller = new AbortController();
      const call = client(url).models({ signal: controller.signal });
      const outcome = expect(call).rejects.toBe(reason);
      const socket = await reached;

      controller.abort(reason);

      await outcome;
      expect(listeners(controller.signal)).toBe(0);
      await closed(socket);
    },
  );

  test('rejects at once during the wait before a retry', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    const server = await serveHttp((_, response) =>
      response.writeHead(503, { 'retry-after': '20' }).end('{}'),
    );
    const controller = new AbortController();
    const call = client(server.url).models({ signal: controller.signal });
    const outcome = expect(call).rejects.toBe(reason);
    await vi.waitUntil(() => set.mock.calls.some(([, ms]) => ms === 20_000));

    controller.abort(reason);

    await outcome;
    expect(listeners(controller.signal)).toBe(0);
    expect(server.count).toBe(1);
  });

  test('rejects even if the fetch ignores its signal', async () => {
    const controller = new AbortController();
    const fetch = vi.fn(() => new Promise<Response>(() => {}));
    const call = client('https://chat.example', { fetch }).models({ signal: controller.signal });
    const outcome = expect(call).rejects.toBe(reason);
    await vi.waitFor(() => expect(fetch).toHaveBeenCalled());

    controller.abort(reason);

    await outcome;
  });

  test('rejects with the default reason of a signal without a reason', async () => {
    const { url, reached } = await serveStalled('');
    const controller = new AbortController();
    const outcome = rejectionOf(DOMException, client(url).models({ signal: controller.signal }));
    await reached;

    controller.abort();

    expect((await outcome).name).toBe('AbortError');
  });

  test('rejects with a null reason', async () => {
    const { url, reached } = await serveStalled('');
    const controller = new AbortController();
    const outcome = expect(client(url).models({ signal: controller.signal })).rejects.toBeNull();
    await reached;

    controller.abort(null);

    await outcome;
  });

  test('does not end other calls of the client', async () => {
    const sockets: Socket[] = [];
    const { url } = await serveSockets((socket) => sockets.push(socket));
    const controller = new AbortController();
    const chat = client(url);
    const aborted = expect(chat.models({ signal: controller.signal })).rejects.toBe(reason);
    const other = chat.models();
    await vi.waitFor(() => expect(sockets).toHaveLength(2));

    controller.abort(reason);
    await aborted;
    for (const socket of sockets) {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{"data":[]}');
    }

    expect(await other).toEqual([]);
  });
});

describe('the signal of a call', () => {
  test.each([
    ['succeeded', 200],
    ['is rejected', 400],
    ['failed', 500],
  ])('has no listener left once the call %s', async (_, status) => {
    const { url } = await serveHttp((_request, response) => response.writeHead(status).end('{"data":[]}'));
    const { signal } = new AbortController();

    await client(url, { maxRetries: 0 })
      .models({ signal })
      .catch(() => {});

    expect(listeners(signal)).toBe(0);
  });

  test('has no listeners left after many calls', async () => {
    const { url } = await serveHttp((_, response) => response.end('{"data":[]}'));
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const chat = client(url);

    for (let call = 0; call < 20; call++) await chat.models({ signal });

    expect(added).toHaveBeenCalled();
    expect(listeners(signal)).toBe(0);
  });

  test('has no listener left after a timeout', async () => {
    fakeTimers();
    const { url, reached } = await serveStalled('');
    const { signal } = new AbortController();
    const call = rejectionOf(TimeoutError, client(url, { timeoutMs: 10 }).models({ signal }));
    await reached;

    await vi.advanceTimersByTimeAsync(10);
    await call;

    expect(listeners(signal)).toBe(0);
  });
});
