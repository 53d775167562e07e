import type { IncomingMessage, ServerResponse } from 'node:http';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it } from 'vitest';
import { closedPort, type LocalServer, serveHttp } from '../support/sockets.ts';
import { CHAT, chat } from './wire.ts';

const UPSTREAM_KEY = 'upstream-secret-0123456789abcdef';

interface UpstreamRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

/** Starts a model server that records its requests. Each test writes the responses. */
async function modelServer(
  respond: (response: ServerResponse, request: UpstreamRequest) => unknown,
): Promise<LocalServer & { readonly requests: UpstreamRequest[] }> {
  const requests: UpstreamRequest[] = [];
  const server = await serveHttp(async (incoming: IncomingMessage, response) => {
    const text = (await incoming.setEncoding('utf8').toArray()).join('');
    const { method = '', url = '', headers } = incoming;
    const request = { method, url, headers, body: text === '' ? {} : JSON.parse(text) };
    requests.push(request);
    await respond(response, request);
  });
  return { url: server.url, count: server.count, requests };
}

/** Creates an emulator with one key, which forwards requests to a model server. */
function emulatorWithUpstream(url: string, options: object = {}): { drun: Emulator; key: string } {
  const drun = createEmulator({ upstream: { url: `${url}/v1`, apiKey: UPSTREAM_KEY }, ...options });
  return { drun, key: drun.keys.create({ name: 'checkout' }).secret.reveal() };
}

function sendJson(response: ServerResponse, body: unknown, status = 200, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

const COMPLETION = {
  id: 'chatcmpl-upstream',
  object: 'chat.completion',
  model: 'own-name',
  choices: [{ index: 0, message: { role: 'assistant', content: 'from upstream' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
};

const chunk = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, index: 0 }] })}\n\n`;

const used = (drun: Emulator): number | undefined => [...drun.keys][0]?.quota.used;

describe('a request to a model server', () => {
  it("has the model server's key instead of the caller's, and only known headers", async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = emulatorWithUpstream(upstream.url);
    const response = await drun.fetch(`${CHAT}/v1/chat/completions?api_key=${key}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'x-api-key': key,
        cookie: `k=${key}`,
        'x-request-id': 'r-1',
      },
      body: JSON.stringify({ model: 'llama3', messages: [], top_k: 3 }),
    });
    expect(await response.json()).toEqual({ ...COMPLETION, model: 'llama3' });
    expect(upstream.requests).toMatchObject([
      {
        method: 'POST',
        url: '/v1/chat/completions',
        headers: { authorization: `Bearer ${UPSTREAM_KEY}`, 'x-request-id': 'r-1' },
        body: { model: 'llama3', messages: [], top_k: 3 },
      },
    ]);
    expect(JSON.stringify(upstream.requests)).not.toContain(key);
  });

  it('has no credential if the model server has none', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = emulatorWithUpstream(upstream.url, { upstream: upstream.url });
    expect((await chat(drun, key)).status).toBe(200);
    expect(upstream.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it('is sent only after the checks of the gateway', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = emulatorWithUpstream(upstream.url, { models: ['llama3'] });
    const statuses = [
      (await chat(drun, 'sk-wrong')).status,
      (await chat(drun, key, { model: 'unknown' })).status,
      (await chat(drun, key, {}, { body: '{' })).status,
    ];
    expect(statuses).toEqual([401, 404, 400]);
    expect(upstream.requests).toHaveLength(0);
  });

  it('is not sent if a rule matches', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = emulatorWithUpstream(upstream.url, {
      rules: [{ when: { model: 'local' }, reply: 'scripted' }],
    });
    expect(await (await chat(drun, key, { model: 'local' })).text()).toContain('scripted');
    expect(upstream.requests).toHaveLength(0);
    expect(await (await chat(drun, key, { model: 'other' })).text()).toContain('from upstream');
  });

  it('is sent for completions and images', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = emulatorWithUpstream(upstream.url);
    for (const path of ['/v1/completions', '/v1/images/generations']) {
      const init = { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: '{"model":"x"}' };
      expect((await drun.fetch(CHAT + path, init)).status).toBe(200);
    }
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/v1/completions', '/v1/images/generations']);
  });

  it('can go to another emulator', async () => {
    const inner = createEmulator({ reply: 'from the other emulator' });
    const apiKey = inner.keys.create({ name: 'outer' }).secret;
    const drun = createEmulator({ upstream: { url: 'http://inner.test', apiKey, fetch: inner.fetch } });
    const key = drun.keys.create({ name: 'checkout' }).secret.reveal();
    expect(await (await chat(drun, key)).text()).toContain('from the other emulator');
  });
});

describe('a stream of a model server', () => {
  it('arrives chunk by chunk', async () => {
    const more = Promise.withResolvers<void>();
    const upstream = await modelServer(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('first'));
      await more.promise;
      response.end(`${chunk('second')}data: [DONE]\n\n`);
    });
    const { drun, key } = emulatorWithUpstream(upstream.url);
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    const read = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value);
    expect(await read()).toBe(chunk('first'));
    more.resolve();
    expect(await read()).toBe(chunk('second'));
    expect(await read()).toBe('data: [DONE]\n\n');
  });

  it.each(['in process', 'over HTTP'])('is read only as fast as the client reads, %s', async (transport) => {
    let chunks = 0;
    const upstream = await modelServer(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const data = chunk('x'.repeat(64 * 1024));
      const closed = new Promise((resolve) => response.once('close', resolve));
      while (!response.destroyed) {
        chunks++;
        const drained = new Promise((resolve) => response.write(data, resolve));
        await Promise.race([drained, closed]);
      }
    });
    const { drun, key } = emulatorWithUpstream(upstream.url);
    await using server = await serve(drun);
    const controller = new AbortController();
    const request = [
      `${transport === 'in process' ? CHAT : server.url}/v1/chat/completions`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'llama3', messages: [], stream: true }),
        signal: controller.signal,
      },
    ] as const;
    const response = await (transport === 'in process' ? drun.fetch(...request) : fetch(...request));
    const reader = response.body?.getReader();
    await reader?.read();
    // The buffers fill up, and then the count stops increasing.
    let before = -1;
    let rounds = 0;
    while (chunks !== before || rounds < 50) {
      rounds = chunks === before ? rounds + 1 : 0;
      before = chunks;
      await fetch(`${server.url}/v1/models`);
    }
    expect(before).toBeLessThan(500);
    while (chunks < before + 10) await reader?.read();
    controller.abort();
  });

  it('is canceled when the client cancels it', async () => {
    const closed = Promise.withResolvers<void>();
    const upstream = await modelServer((response) => {
      response.once('close', () => closed.resolve());
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('first'));
    });
    const { drun, key } = emulatorWithUpstream(upstream.url);
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await closed.promise;
  });

  it.each([true, false])(
    'is canceled when the request is aborted (after the headers: %s)',
    async (hasHead) => {
      const requested = Promise.withResolvers<void>();
      const closed = Promise.withResolvers<void>();
      const upstream = await modelServer((response) => {
        response.once('close', () => closed.resolve());
        if (hasHead) response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        requested.resolve();
      });
      const { drun, key } = emulatorWithUpstream(upstream.url);
      const controller = new AbortController();
      const pending = chat(drun, key, { stream: true }, { signal: controller.signal });
      const reading = pending.then((response) => response.text());
      await requested.promise;
      if (hasHead) await pending;
      controller.abort(new Error('not wanted'));
      await expect(reading).rejects.toThrow('not wanted');
      await closed.promise;
    },
  );
});

describe('the usage of a request to a model server', () => {
  it('is what the response reports', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = emulatorWithUpstream(upstream.url);
    await chat(drun, key);
    expect(used(drun)).toBe(10);
  });

  it('is estimated if the response does not report it, the client cancels, or the connection is lost', async () => {
    let dropsConnection = false;
    const upstream = await modelServer((response, { body }) => {
      if (body.stream !== true) return sendJson(response, { ...COMPLETION, usage: null });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('eight ch'), () => dropsConnection && response.destroy());
    });
    const { drun, key } = emulatorWithUpstream(upstream.url);
    await chat(drun, key);
    expect(used(drun)).toBe(8);
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(used(drun)).toBe(8 + 6);
    dropsConnection = true;
    expect(await (await chat(drun, key, { stream: true })).text()).toBe(chunk('eight ch'));
    expect(used(drun)).toBe(8 + 6 + 6);
  });

  it('is zero if the request failed', async () => {
    const upstream = await modelServer((response) => sendJson(response, { error: 'busy' }, 503));
    const { drun, key } = emulatorWithUpstream(upstream.url);
    await chat(drun, key);
    expect(used(drun)).toBe(0);
  });
});

describe('a failure of a model server', () => {
  it("never shows the model server's key", async () => {
    const upstream = await modelServer((response, { headers }) =>
      sendJson(response, { error: { message: `Wrong key: ${headers.authorization}`, code: 401 } }, 401),
    );
    const { drun, key } = emulatorWithUpstream(upstream.url);
    const text = await (await chat(drun, key)).text();
    expect(text).toContain('Wrong key: ');
    expect(text).not.toContain(UPSTREAM_KEY);
  });

  it('drops the headers of the model server', async () => {
    const headers = { 'retry-after': '7', 'x-request-id': 'r', 'x-ratelimit-limit': '1' };
    const upstream = await modelServer((response) =>
      sendJson(response, { error: { message: 'busy' } }, 429, headers),
    );
    const { drun, key } = emulatorWithUpstream(upstream.url);
    const response = await chat(drun, key);
    expect(response.status).toBe(429);
    for (const name of Object.keys(headers)) expect(response.headers.has(name)).toBe(false);
  });

  it('is a 502 with the message of the gateway if it is unreachable', async () => {
    const url = await closedPort();
    const { port } = new URL(url);
    const { drun, key } = emulatorWithUpstream(url);
    const response = await chat(drun, key);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      error: {
        message: `Post "http://127.0.0.1:${port}/v1/chat/completions": dial tcp 127.0.0.1:${port}: connect: connection refused`,
        type: 'upstream_error',
      },
    });
  });

  it.each<[string, (response: ServerResponse) => unknown]>([
    [
      'loses the connection during a JSON response',
      (response) =>
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-length': 99 })
          .write('{', () => response.destroy()),
    ],
    ['sends no content', (response) => response.writeHead(204).end()],
    ['sends HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hi</h1>')],
  ])('is a 500 if it %s', async (_, send) => {
    const upstream = await modelServer((response) => void send(response));
    const { drun, key } = emulatorWithUpstream(upstream.url);
    expect((await chat(drun, key)).status).toBe(500);
  });

  it('is a 502 if it redirects, so that its key is not sent elsewhere', async () => {
    const upstream = await modelServer((response) =>
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
    );
    const { drun, key } = emulatorWithUpstream(upstream.url);
    const response = await chat(drun, key);
    expect(response.status).toBe(502);
    expect(await response.text()).toContain('redirect');
  });
});

describe('the models of a model server', () => {
  const listed = async (drun: Emulator, key: string): Promise<unknown> =>
    (await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).json();

  it('are listed in the format of the gateway if the key has access to them', async () => {
    const upstream = await modelServer((response) =>
      sendJson(response, {
        object: 'list',
        data: [{ id: 'b' }, { id: 'a', owned_by: 'x' }, { id: 'denied' }],
      }),
    );
    const { drun } = emulatorWithUpstream(upstream.url);
    const { secret } = drun.keys.create({ name: 'narrow', denyModels: ['denied'] });
    expect(await listed(drun, secret.reveal())).toMatchObject({
      data: [{ id: 'a', owned_by: 'VLLM' }, { id: 'b' }],
    });
    expect((await chat(drun, secret.reveal(), { model: 'denied' })).status).toBe(403);
  });

  it('are those of `models` if it is set', async () => {
    const { drun, key } = emulatorWithUpstream('http://127.0.0.1:1', { models: ['mine'] });
    expect(await listed(drun, key)).toMatchObject({ data: [{ id: 'mine' }] });
  });

  it('are a 502 if the model server does not list them', async () => {
    const upstream = await modelServer((response) => sendJson(response, { detail: 'Not Found' }, 404));
    const { drun, key } = emulatorWithUpstream(upstream.url);
    expect(await listed(drun, key)).toMatchObject({ error: { type: 'upstream_error' } });
  });
});

describe('without the gateway', () => {
  it('responses and streams of the model server are forwarded unchanged', async () => {
    const raw = ': comment\n\ndata: { "b": 1, "a": 2 }\n\ndata: [DONE]\n\n';
    const upstream = await modelServer((response, { body }) => {
      if (body.stream !== true) return sendJson(response, { object: 'error', message: 'no' }, 418);
      expect(body).not.toHaveProperty('stream_options');
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(raw);
    });
    const { drun, key } = emulatorWithUpstream(upstream.url, { behind: 'none' });
    expect(await (await chat(drun, key, { stream: true })).text()).toBe(raw);
    const response = await chat(drun, key);
    expect([response.status, await response.json()]).toEqual([418, { object: 'error', message: 'no' }]);
  });
});
