import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ChatClient } from 'drun-sdk/chat';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { ServerError, StreamFailedError } from 'drun-sdk/errors';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, onTestFinished, vi } from 'vitest';
import { streamChat } from '../../examples/web-express.ts';
import { app } from '../../examples/web-hono.ts';
import { POST } from '../../examples/web-next.ts';
import { rejectionOf } from '../support/failures.ts';
import { retryAtOnce } from '../support/timing.ts';

type Handler = (request: Request) => Response | Promise<Response>;

/** Adapts the Express handler by running it on an HTTP server. */
const expressHandler: Handler = async (request) => {
  const server = createServer(async (message, response) => {
    let text = '';
    for await (const chunk of message) text += chunk;
    const parsed = Object.assign(message, { body: JSON.parse(text) });
    await streamChat(parsed as IncomingMessage & { body: never }, response as ServerResponse);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return realFetch(`http://127.0.0.1:${port}/chat`, {
    method: 'POST',
    body: await request.text(),
    signal: request.signal,
  });
};

const { fetch: realFetch } = globalThis;
const handlers: [string, Handler][] = [
  ['Next.js', POST],
  ['Hono', (request) => app.request(new Request('http://localhost/chat', request))],
  ['Express', expressHandler],
];

let drun: Emulator;
let logged: MockInstance;

beforeEach(() => {
  drun = createEmulator();
  vi.stubEnv('DRUN_API_KEY', drun.keys.create({ name: 'web' }).secret.reveal());
  vi.stubGlobal('fetch', drun.fetch);
  logged = vi.spyOn(console, 'error').mockReturnValue();
  retryAtOnce();
});

afterEach(() => vi.unstubAllGlobals());

function sendRequest(handler: Handler, init: RequestInit = {}): Promise<Response> {
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }] });
  return Promise.resolve(
    handler(new Request('http://localhost/api/chat', { method: 'POST', body, ...init })),
  );
}

/** A client that parses the events of a response. */
const readerOf = (response: Response): ChatClient =>
  new ChatClient({ apiKey: 'unused-api-key', fetch: async () => response, maxRetries: 0 });
const request = { model: 'm', messages: [] };

describe.each(handlers)('the handler of %s', (_, handler) => {
  it('streams the completion', async () => {
    const response = await sendRequest(handler);

    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const completion = await readerOf(response).stream(request).completion();
    expect(completion.choices[0].message.content).toBe('Hello');
  });

  it('responds with an error status before the first chunk', async () => {
    for (let i = 0; i < 3; i++) drun.faults.next({ plane: 'data', status: 500 });

    const response = await sendRequest(handler);

    expect(response.status).toBe(502);
    expect(await response.text()).toContain('The model is not available.');
    expect(logged).toHaveBeenCalledWith(expect.any(ServerError));
  });

  it('reports a failure after the first chunk without exposing its reason', async () => {
    drun.faults.next({ plane: 'data', truncateAfterChunks: 2 });

    const response = await sendRequest(handler);

    const error = await rejectionOf(StreamFailedError, readerOf(response).stream(request).completion());
    expect(error.message).toContain('The response could not be completed.');
    expect(error.message).not.toContain('deepseek');
    expect(logged).toHaveBeenCalled();
  });
});
