import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { createEmulator, type Emulator, type Fault } from 'drun-sdk/emulator';
import { type EmulatorServer, serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rejection } from '../support/failures.ts';
import { virtualClock } from './virtual-clock.ts';
import { CONTROL } from './wire.ts';

/** Serves an emulator with one key, whose reply has one letter per chunk. The server is closed after the test. */
async function serveEmulator(options: object = {}): Promise<{
  readonly drun: Emulator;
  readonly server: EmulatorServer;
  readonly chat: (stream: boolean) => Promise<Response>;
}> {
  const drun = createEmulator({ reply: 'abcd', ...options });
  const server = await serve(drun);
  onTestFinished(() => server.close());
  const { secret } = drun.keys.create({ name: 'checkout' });
  const chat = (stream: boolean): Promise<Response> =>
    fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret.reveal()}` },
      body: JSON.stringify({
        model: 'public/deepseek-r1',
        messages: [{ role: 'user', content: 'Hello!' }],
        stream,
      }),
    });
  return { drun, server, chat };
}

/** Reads the body, and returns whether the connection was lost. */
async function readBody(response: Response): Promise<{ text: string; isLost: boolean }> {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
    return { text, isLost: false };
  } catch {
    return { text, isLost: true };
  }
}

describe('over HTTP, a connection', () => {
  it('is lost before the response', async () => {
    const { drun, chat } = await serveEmulator();
    drun.faults.next({ dropConnection: true });
    expect(await rejection(chat(false))).toMatchObject({
      message: 'fetch failed',
      cause: { name: 'SocketError' },
    });
    expect((await chat(false)).status).toBe(200);
  });

  it.each([0, 1, 3])('is lost after %d chunks, which all arrive', async (dropAfterChunks) => {
    const { drun, chat } = await serveEmulator();
    drun.faults.next({ dropAfterChunks });
    const { text, isLost } = await readBody(await chat(true));
    expect(isLost).toBe(true);
    expect(text.match(/^data: /gm) ?? []).toHaveLength(dropAfterChunks);
  });

  it.each([0, 1])('is lost during a JSON response with status %d', async (dropAfterChunks) => {
    const { drun, chat } = await serveEmulator();
    drun.faults.next({ dropAfterChunks });
    const response = await chat(false);
    expect(response.status).toBe(200);
    const { text, isLost } = await readBody(response);
    expect(isLost).toBe(true);
    expect(text.startsWith('{"id":"chatcmpl-')).toBe(dropAfterChunks > 0);
  });

  it.each<Fault>([
    { truncateAfterChunks: 2 },
    { omitDone: true },
    { errorAfterChunks: 2 },
    { malformedJson: true },
  ])('remains open if the response ends too early: %o', async (fault) => {
    const { drun, chat } = await serveEmulator();
    drun.faults.next(fault);
    const { text, isLost } = await readBody(await chat(true));
    expect(isLost).toBe(false);
    expect(text).not.toBe('');
  });

  it('that its client closes ends a delay', async () => {
    const clock = virtualClock();
    const { drun, server } = await serveEmulator({ now: clock.now, sleep: clock.sleep });
    drun.faults.next({ delayMs: 60_000 });
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n');
    while (clock.sleeping === 0) await clock.advance(0);
    socket.destroy();
    while (clock.sleeping > 0) await clock.advance(0);
    expect([...drun.requests][0]).not.toHaveProperty('status');
  });
});

describe('the server', () => {
  const sendRequest = async (
    url: string,
    options: object,
    body?: string | Buffer,
  ): Promise<{ response: IncomingMessage; text: string }> => {
    const request = httpRequest(url, options);
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return { response, text: (await response.setEncoding('utf8').toArray()).join('') };
  };

  it('reuses a connection whose last request body it did not read', async () => {
    const { drun, server } = await serveEmulator();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const options = { agent, method: 'POST', headers: { authorization: 'Bearer sk-wrong' } };
    for (const size of [10, 5_000_000, 10]) {
      const { response } = await sendRequest(
        `${server.url}/v1/chat/completions`,
        options,
        Buffer.alloc(size),
      );
      expect(response.statusCode).toBe(401);
    }
    const { response } = await sendRequest(`${server.url}${CONTROL}/apikeys`, {
      agent,
      headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
    });
    expect(response.statusCode).toBe(200);
  });

  it('accepts a body in several writes', async () => {
    const { drun, server } = await serveEmulator();
    const { secret } = drun.keys.create({ name: 'pieces' });
    const request = httpRequest(`${server.url}/v1/chat/completions`, {
      agent: false,
      method: 'POST',
      headers: { authorization: `Bearer ${secret.reveal()}` },
    });
    const content = '你好'.repeat(100_000);
    const body = Buffer.from(
      JSON.stringify({ model: 'public/deepseek-r1', messages: [{ role: 'user', content }] }),
    );
    for (let from = 0; from < body.length; from += 10_001) request.write(body.subarray(from, from + 10_001));
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    expect([...drun.keys].at(-1)?.quota.used).toBe(50_001);
  });

  it('reads two slashes as a path, not as a host', async () => {
    const { drun, server } = await serveEmulator();
    const { response } = await sendRequest(server.url, { agent: false, path: '//elsewhere/v1/models' });
    expect(response.headers.location).toBe('/elsewhere/v1/models');
    expect([...drun.requests].at(-1)?.path).toBe('//elsewhere/v1/models');
  });

  it('responds to HEAD without a body, and logs the requests that it rejects', async () => {
    const { drun, server } = await serveEmulator();
    const head = await sendRequest(`${server.url}/v1/models`, { agent: false, method: 'HEAD' });
    expect(head.response.statusCode).toBe(401);
    expect(head.text).toBe('');
    const response = await sendRequest(server.url, { agent: false, method: 'TRACE' });
    expect(response.response.statusCode).toBe(400);
    for (const host of ['no host', 'host/v1', 'user@host', 'host?query']) {
      const { response } = await sendRequest(server.url, { agent: false, headers: { host } });
      expect(response.statusCode, host).toBe(400);
    }
    const reason = 'The method, the host or the URL is invalid.';
    expect([...drun.requests].slice(1)).toMatchObject(Array(5).fill({ status: 400, reason }));
  });
});
