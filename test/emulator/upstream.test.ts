import type { IncomingMessage, ServerResponse } from 'node:http';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it, vi } from 'vitest';
import { closedPort, type LocalServer, serveHttp } from '../support/sockets.ts';
import { CHAT, chat, events } from './wire.ts';

const UPSTREAM_KEY = 'upstream-secret-0123456789abcdef';

interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

/** A model server that notes what it is asked, and answers by hand. */
async function modelServer(
  answer: (response: ServerResponse, request: SeenRequest) => void | Promise<void>,
): Promise<LocalServer & { readonly seen: SeenRequest[] }> {
  const seen: SeenRequest[] = [];
  const server = await serveHttp(async (incoming: IncomingMessage, response) => {
    const text = (await incoming.setEncoding('utf8').toArray()).join('');
    const { method = '', url = '', headers } = incoming;
    const request = { method, url, headers, body: text === '' ? {} : JSON.parse(text) };
    seen.push(request);
    await answer(response, request);
  });
  return { url: server.url, count: server.count, seen };
}

/** The emulator in front of a server, with one key. */
function inFront(url: string, options: object = {}): { drun: Emulator; key: string } {
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
  choices: [{ index: 0, message: { role: 'assistant', content: 'from upstream' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
};

const chunk = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

const used = (drun: Emulator): number | undefined => [...drun.keys][0]?.quota.used;

describe('a request that is passed on', () => {
  it("goes without the caller's key and with the upstream's own", async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = inFront(upstream.url);
    const response = await drun.fetch(`${CHAT}/v1/chat/completions?api_key=${key}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'x-api-key': key,
        cookie: `session=${key}`,
        traceparent: '00-trace',
      },
      body: JSON.stringify({ model: 'llama3', messages: [{ role: 'user', content: 'Hello!' }], top_k: 40 }),
    });
    expect(await response.json()).toEqual(COMPLETION);
    expect(upstream.seen).toMatchObject([
      {
        method: 'POST',
        url: '/v1/chat/completions',
        headers: {
          authorization: `Bearer ${UPSTREAM_KEY}`,
          traceparent: '00-trace',
          'content-type': 'application/json',
        },
        body: { model: 'llama3', messages: [{ role: 'user', content: 'Hello!' }], top_k: 40 },
      },
    ]);
    expect(JSON.stringify(upstream.seen)).not.toContain(key);
  });

  it('goes without any credential to a server that has none', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = inFront(upstream.url, { upstream: upstream.url });
    await chat(drun, key);
    expect(upstream.seen[0]).toMatchObject({ url: '/v1/chat/completions' });
    expect(upstream.seen[0]?.headers).not.toHaveProperty('authorization');
  });

  it('is refused by the gateway like any other, before it is passed on', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = inFront(upstream.url, { models: ['llama3'] });
    expect((await chat(drun, 'sk-wrong')).status).toBe(401);
    expect((await chat(drun, key, {}, { body: 'no JSON' })).status).toBe(400);
    expect((await chat(drun, key, { model: 'other' })).status).toBe(404);
    expect(
      (await chat(drun, drun.keys.create({ name: 'poor', quota: 0 }).secret.reveal(), { model: 'llama3' }))
        .status,
    ).toBe(402);
    expect(upstream.seen).toEqual([]);
  });

  it('may be for any model that the upstream server knows, where none are named', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = inFront(upstream.url);
    expect((await chat(drun, key, { model: 'any/thing' })).status).toBe(200);
    const { secret } = drun.keys.create({ name: 'narrow', allowModels: ['llama3'] });
    expect((await chat(drun, secret.reveal(), { model: 'any/thing' })).status).toBe(404);
  });

  it('may be for the endpoints without chat, and for images', async () => {
    const upstream = await modelServer((response) => sendJson(response, { data: [] }));
    const { drun, key } = inFront(upstream.url);
    for (const path of ['/v1/completions', '/v1/images/generations']) {
      const init = { method: 'POST', headers: { authorization: `Bearer ${key}` } };
      await drun.fetch(CHAT + path, { ...init, body: '{"model":"llama3","prompt":"a cat"}' });
    }
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/v1/completions', '/v1/images/generations']);
  });

  it('is sent with a fetch of its own where one is given', async () => {
    const fetch = vi.fn(async () => Response.json(COMPLETION));
    const { drun, key } = inFront('', { upstream: { url: 'https://models.test/openai/v1/', fetch } });
    expect((await chat(drun, key)).status).toBe(200);
    expect(fetch).toHaveBeenCalledWith('https://models.test/openai/v1/chat/completions', expect.anything());
  });

  it('can go to another emulator', async () => {
    const behind = createEmulator({ reply: 'from behind' });
    const { secret } = behind.keys.create({ name: 'front' });
    const { drun, key } = inFront('', {
      upstream: { url: 'https://behind.test', apiKey: secret, fetch: behind.fetch },
    });
    const data = await events(await chat(drun, key, { stream: true }));
    expect(data.at(-1)).toBe('[DONE]');
    expect([...behind.keys][0]?.quota.used).toBe(used(drun));
  });
});

describe('a stream that is passed through', () => {
  it('comes as it is, piece by piece, and asks for its usage', async () => {
    const goOn = Promise.withResolvers<void>();
    const upstream = await modelServer(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`: hello\r\n\r\n${chunk('first')}`);
      await goOn.promise;
      response.end(`${chunk('second')}data:{"choices":[],"usage":{"total_tokens":9}}\n\ndata: [DONE]\n\n`);
    });
    const { drun, key } = inFront(upstream.url);
    const response = await chat(drun, key, { stream: true, stream_options: { mine: 1 } });
    let text = '';
    for await (const bytes of response.body ?? []) {
      text += new TextDecoder().decode(bytes);
      if (text.includes('first')) goOn.resolve();
    }
    expect(text).toBe(
      `: hello\r\n\r\n${chunk('first')}${chunk('second')}data:{"choices":[],"usage":{"total_tokens":9}}\n\ndata: [DONE]\n\n`,
    );
    expect(upstream.seen[0]?.body.stream_options).toEqual({ mine: 1, include_usage: true });
    expect(used(drun)).toBe(9);
  });

  it('comes byte for byte, also before an event is whole', async () => {
    const goOn = Promise.withResolvers<void>();
    const bytes = Buffer.concat([
      Buffer.from('\uFEFFdata: {"choices":[]}\n\ndata: {"ch'),
      Buffer.from([0xff]),
    ]);
    const upstream = await modelServer(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(bytes);
      await goOn.promise;
      response.end();
    });
    const { drun, key } = inFront(upstream.url);
    const response = await chat(drun, key, { stream: true });
    const pieces: Uint8Array[] = [];
    for await (const piece of response.body ?? []) {
      pieces.push(piece);
      if (Buffer.concat(pieces).length === bytes.length) goOn.resolve();
    }
    expect(Buffer.concat(pieces).toString('hex')).toBe(bytes.toString('hex'));
  });

  it.each(['in process', 'over HTTP'])('holds the upstream back while nobody reads, %s', async (way) => {
    let pieces = 0;
    const upstream = await modelServer(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const piece = chunk('x'.repeat(64 * 1024));
      const closed = new Promise((resolve) => response.once('close', resolve));
      while (!response.destroyed) {
        pieces++;
        const drained = new Promise((resolve) => response.write(piece, resolve));
        await Promise.race([drained, closed]);
      }
    });
    const { drun, key } = inFront(upstream.url);
    await using server = await serve(drun);
    const controller = new AbortController();
    const request = [
      `${way === 'in process' ? CHAT : server.url}/v1/chat/completions`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'llama3', messages: [], stream: true }),
        signal: controller.signal,
      },
    ] as const;
    const response = await (way === 'in process' ? drun.fetch(...request) : fetch(...request));
    const reader = response.body?.getReader();
    await reader?.read();
    // The buffers on the way fill up first; then the count stands still.
    let before = -1;
    let rounds = 0;
    while (pieces !== before || rounds < 50) {
      rounds = pieces === before ? rounds + 1 : 0;
      before = pieces;
      await fetch(`${server.url}/v1/models`);
    }
    expect(before).toBeLessThan(500);
    while (pieces < before + 10) await reader?.read();
    controller.abort();
  });

  it('ends upstream when its reader leaves', async () => {
    const closed = Promise.withResolvers<void>();
    const upstream = await modelServer((response) => {
      response.once('close', () => closed.resolve());
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('first'));
    });
    const { drun, key } = inFront(upstream.url);
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await closed.promise;
  });

  it.each([true, false])('ends upstream when it is aborted, after its head: %s', async (hasHead) => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const upstream = await modelServer((response) => {
      response.once('close', () => closed.resolve());
      if (hasHead) response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      asked.resolve();
    });
    const { drun, key } = inFront(upstream.url);
    const controller = new AbortController();
    const answer = chat(drun, key, { stream: true }, { signal: controller.signal });
    const reading = answer.then((response) => response.text());
    await asked.promise;
    if (hasHead) await answer;
    controller.abort(new Error('not wanted'));
    await expect(reading).rejects.toThrow('not wanted');
    await closed.promise;
  });

  it('just ends, without the mark, where the upstream server is lost in the middle', async () => {
    const upstream = await modelServer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('four'), () => response.destroy());
    });
    const { drun, key } = inFront(upstream.url);
    const text = await (await chat(drun, key, { stream: true })).text();
    expect(text).toBe(chunk('four'));
    // "Hello, model!" and what came.
    expect(used(drun)).toBe(5);
  });
});

describe('what a call upstream used', () => {
  it('is what the answer says', async () => {
    const upstream = await modelServer((response) => sendJson(response, COMPLETION));
    const { drun, key } = inFront(upstream.url);
    await chat(drun, key);
    expect(used(drun)).toBe(10);
  });

  it('is reckoned where the answer does not say, and where its reader leaves', async () => {
    const upstream = await modelServer((response, { body }) => {
      if (body.stream !== true) return sendJson(response, { ...COMPLETION, usage: null });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('eight ch'));
    });
    const { drun, key } = inFront(upstream.url);
    await chat(drun, key);
    expect(used(drun)).toBe(8);
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(used(drun)).toBe(8 + 6);
  });

  it('is nothing where it failed', async () => {
    const upstream = await modelServer((response) => sendJson(response, { error: 'busy' }, 503));
    const { drun, key } = inFront(upstream.url);
    await chat(drun, key);
    expect(used(drun)).toBe(0);
  });
});

describe('what goes wrong upstream', () => {
  it('is passed through: status, body, how long to wait', async () => {
    const upstream = await modelServer((response) =>
      sendJson(response, { object: 'error', message: 'busy' }, 429, {
        'retry-after': '7',
        'x-request-id': 'r-1',
        'set-cookie': 'session=1',
      }),
    );
    const { drun, key } = inFront(upstream.url);
    const response = await chat(drun, key);
    expect(response.status).toBe(429);
    expect(Object.fromEntries(response.headers)).toMatchObject({ 'retry-after': '7', 'x-request-id': 'r-1' });
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(await response.json()).toEqual({ object: 'error', message: 'busy' });
  });

  it("never shows the upstream's key, which servers repeat", async () => {
    const upstream = await modelServer((response, { headers }) =>
      sendJson(response, { error: { message: `Incorrect API key provided: ${headers.authorization}` } }, 401),
    );
    const { drun, key } = inFront(upstream.url);
    const text = await (await chat(drun, key)).text();
    expect(text).toContain('Incorrect API key provided');
    expect(text).not.toContain(UPSTREAM_KEY);
  });

  it('is a 502 where nobody answers, which says why', async () => {
    const { drun, key } = inFront(await closedPort());
    for (const stream of [true, false]) {
      const response = await chat(drun, key, { stream });
      expect(response.status).toBe(502);
      expect(await response.json()).toEqual({
        error: {
          code: null,
          type: 'upstream_error',
          message: 'The model server could not be reached: ECONNREFUSED',
          param: null,
        },
      });
    }
    const models = await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(models.status).toBe(502);
  });

  it('is a 502 where the connection is lost in the middle of a whole answer', async () => {
    const upstream = await modelServer((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"choices":', () => response.destroy());
    });
    const { drun, key } = inFront(upstream.url);
    const response = await chat(drun, key);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { type: 'upstream_error' } });
  });

  it('is a 502 where the server redirects: its key goes nowhere else', async () => {
    const elsewhere = await modelServer((response) => sendJson(response, COMPLETION));
    const upstream = await modelServer((response) => {
      response.writeHead(307, { location: `${elsewhere.url}/v1/chat/completions` }).end();
    });
    const { drun, key } = inFront(upstream.url);
    expect((await chat(drun, key)).status).toBe(502);
    expect(elsewhere.seen).toEqual([]);
  });
});

it('an upstream that answers nothing, with a 204, is passed through', async () => {
  const upstream = await modelServer((response) => {
    response.writeHead(204).end();
  });
  const { drun, key } = inFront(upstream.url);
  const response = await chat(drun, key);
  expect(response.status).toBe(204);
  expect(await response.text()).toBe('');
});

describe('the models upstream', () => {
  it('are listed as the server lists them, as far as the key may use them', async () => {
    const upstream = await modelServer((response) =>
      sendJson(response, { object: 'list', data: [{ id: 'llama3', owned_by: 'meta' }, { id: 'qwen' }, {}] }),
    );
    const { drun } = inFront(upstream.url);
    const { secret } = drun.keys.create({ name: 'narrow', denyModels: ['qwen'] });
    const headers = { authorization: `Bearer ${secret.reveal()}` };
    const response = await drun.fetch(`${CHAT}/v1/models`, { headers });
    expect(await response.json()).toEqual({ object: 'list', data: [{ id: 'llama3', owned_by: 'meta' }] });
    expect(upstream.seen).toMatchObject([
      { method: 'GET', url: '/v1/models', headers: { authorization: `Bearer ${UPSTREAM_KEY}` } },
    ]);
  });

  it('are those of the option where that names some', async () => {
    const upstream = await modelServer((response) => sendJson(response, { data: [] }));
    const { drun, key } = inFront(upstream.url, { models: ['llama3'] });
    const response = await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(await response.json()).toMatchObject({ data: [{ id: 'llama3' }] });
    expect(upstream.seen).toEqual([]);
  });

  it('are a 502 where the server answers something else', async () => {
    const upstream = await modelServer((response) => sendJson(response, { models: [] }));
    const { drun, key } = inFront(upstream.url);
    const response = await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(response.status).toBe(502);
  });
});

it('an upstream and a reply contradict each other', () => {
  expect(() => createEmulator({ upstream: 'http://127.0.0.1:1', reply: 'Hello!' })).toThrow(
    '`reply` and `upstream`',
  );
});
