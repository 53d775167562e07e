import { getEventListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConfigurationError } from 'drun-sdk/errors';
import { describe, expect, test, vi } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { closedPort, serveHttp, serveSockets } from '../support/sockets.ts';
import { chatClient, failure, MODELS } from './requests.ts';

interface RecordedRequest {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Starts a server that records its requests. `respond` also receives the number of the request. */
async function startServer(
  respond: (response: ServerResponse, number: number) => void,
): Promise<{ readonly url: string; readonly requests: RecordedRequest[] }> {
  const requests: RecordedRequest[] = [];
  const { url } = await serveHttp(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method, url: path, headers } = request;
    respond(response, requests.push({ method, path, headers, body }));
  });
  return { url, requests };
}

const ok = (response: ServerResponse): void => void response.end('{"fine":true}');
const rejected = (response: ServerResponse): void => {
  const message = `Incorrect API key provided: ${KEY}`;
  response.writeHead(401, { 'content-type': 'application/json', 'x-refused': KEY });
  response.end(JSON.stringify(failure('invalid_api_key', 'invalid_request_error', message)));
};

describe('the request of another client', () => {
  test("is sent with the client's key instead of its own, and otherwise unchanged", async () => {
    const { url, requests } = await startServer(ok);
    const { fetch } = chatClient({ baseUrl: url });

    await fetch(`${url}/v1/chat/completions?a=1`, {
      method: 'POST',
      headers: { Authorization: 'Bearer unused', 'X-Own': 'mine', 'content-type': 'application/json' },
      body: '{"a": "ü"}',
    });

    expect(requests).toMatchObject([
      {
        method: 'POST',
        path: '/v1/chat/completions?a=1',
        body: '{"a": "ü"}',
        headers: { authorization: `Bearer ${KEY}`, 'x-own': 'mine', 'content-type': 'application/json' },
      },
    ]);
  });

  test.each<[string, (url: string) => [string | URL | Request, RequestInit?]]>([
    ['a string', (url) => [url, { method: 'POST', body: 'hello' }]],
    ['a URL', (url) => [new URL(url), { method: 'POST', body: new TextEncoder().encode('hello') }]],
    ['a Request', (url) => [new Request(url, { method: 'POST', body: 'hello' })]],
    [
      'a Request with further properties',
      (url) => [
        new Request(url, { method: 'PUT', headers: { authorization: 'Bearer x' } }),
        { method: 'POST', body: 'hello' },
      ],
    ],
    [
      'a body that is a stream',
      (url) => [url, { method: 'POST', body: new Blob(['hello']).stream(), duplex: 'half' } as RequestInit],
    ],
  ])('can be %s', async (_, of) => {
    const { url, requests } = await startServer(ok);

    const response = await chatClient({ baseUrl: url }).fetch(...of(`${url}/v1/x`));

    expect(await response.json()).toEqual({ fine: true });
    expect(requests).toMatchObject([
      { method: 'POST', path: '/v1/x', body: 'hello', headers: { authorization: `Bearer ${KEY}` } },
    ]);
  });

  test('is sent with the `fetch` option of the client', async () => {
    const own = vi.fn(async () => new Response('{}'));
    const { fetch } = chatClient({ fetch: own });

    await fetch('https://chat.d.run/v1/models');

    expect(own).toHaveBeenCalledExactlyOnceWith(
      'https://chat.d.run/v1/models',
      expect.objectContaining({ redirect: 'manual' }),
    );
  });

  test.each([
    'https://api.openai.com/v1/models',
    'http://chat.d.run/v1/models',
    'https://chat.d.run:444/v1/models',
    'https://chat.d.run.evil.example/v1/models',
    'https://chat.d.run@evil.example/v1/models',
  ])('to %s rejects with ConfigurationError, because the key belongs to another host', async (address) => {
    const own = vi.fn(async () => new Response('{}'));

    const error = await rejectionOf(ConfigurationError, chatClient({ fetch: own }).fetch(address));

    expect(error.option).toBe('baseUrl');
    expect(own).not.toHaveBeenCalled();
  });

  test('calls the credential provider', async () => {
    const { url, requests } = await startServer(ok);
    const keys = [KEY, OTHER_KEY];
    const { fetch } = chatClient({ baseUrl: url, apiKey: () => keys.shift() ?? '' });

    await fetch(`${url}/v1/a`);
    await fetch(`${url}/v1/b`);

    expect(requests.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${KEY}`,
      `Bearer ${OTHER_KEY}`,
    ]);
  });
});

describe('a path', () => {
  test.each([
    ['https://gate.example', '/v1/models', 'https://gate.example/v1/models'],
    ['https://gate.example/llm/v1', '/v1/models', 'https://gate.example/llm/v1/models'],
    ['https://gate.example', 'v1/models?a=b', 'https://gate.example/v1/models?a=b'],
    ['https://gate.example', '//evil.example/v1', 'https://gate.example/evil.example/v1'],
  ])('is relative to the base URL %s: %s', async (baseUrl, path, url) => {
    const fetch = vi.fn(async () => json({}));

    await chatClient({ baseUrl, fetch }).fetch(path);

    expect(fetch).toHaveBeenCalledExactlyOnceWith(url, expect.anything());
  });
});

describe('a rejected key', () => {
  const replacing = ({ rejected }: { rejected?: unknown }): string => (rejected ? OTHER_KEY : KEY);

  test('is passed to its provider, and the request is sent again with the other key', async () => {
    const { url, requests } = await startServer((response, number) =>
      (number === 1 ? rejected : ok)(response),
    );
    const rejectedKeys: unknown[] = [];
    const { fetch } = chatClient({
      baseUrl: url,
      apiKey: ({ rejected }) => {
        rejectedKeys.push(rejected?.reveal());
        return replacing({ rejected });
      },
    });

    const response = await fetch(`${url}/v1/x`, { method: 'POST', body: 'hello' });

    expect(response.status).toBe(200);
    expect(rejectedKeys).toEqual([undefined, KEY]);
    expect(requests.map(({ headers, body }) => [headers.authorization, body])).toEqual([
      [`Bearer ${KEY}`, 'hello'],
      [`Bearer ${OTHER_KEY}`, 'hello'],
    ]);
  });

  test('is not tried twice', async () => {
    const { url, requests } = await startServer(rejected);

    const response = await chatClient({ baseUrl: url, apiKey: replacing }).fetch(`${url}/v1/x`);

    expect(response.status).toBe(401);
    expect(requests).toHaveLength(2);
  });

  test('returns the 401 if its provider has no other key', async () => {
    const { url, requests } = await startServer(rejected);

    const response = await chatClient({ baseUrl: url, apiKey: () => KEY }).fetch(`${url}/v1/x`);

    expect(response.status).toBe(401);
    expect(requests).toHaveLength(1);
  });

  test('returns the 401 if the body was a stream, which cannot be sent again', async () => {
    const { url, requests } = await startServer(rejected);
    const body = new Blob(['hello']).stream();
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit;

    const response = await chatClient({ baseUrl: url, apiKey: replacing }).fetch(`${url}/v1/x`, init);

    expect(response.status).toBe(401);
    expect(requests).toHaveLength(1);
  });

  test('is masked in the body and the headers of the response', async () => {
    const { url } = await startServer(rejected);

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect(await response.json()).toMatchObject({
      error: { code: 'invalid_api_key', message: `Incorrect API key provided: ${MASKED_KEY}` },
    });
    expect(response.headers.get('x-refused')).toBe(MASKED_KEY);
    expect(response.headers.get('content-type')).toBe('application/json');
  });

  test('is masked in the status text', async () => {
    const { url } = await startServer((response) => void response.writeHead(401, `No ${KEY}`).end());

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect([response.status, response.statusText]).toEqual([401, `No ${MASKED_KEY}`]);
  });

  test('is masked in the response to the other key', async () => {
    const { url } = await startServer(rejected);

    const response = await chatClient({ baseUrl: url, apiKey: replacing }).fetch(`${url}/v1/x`);

    expect(await response.text()).not.toContain(KEY.slice(3));
  });
});

describe('the response', () => {
  test('is returned unchanged after a success, and a stream chunk by chunk', async () => {
    const second = Promise.withResolvers<void>();
    const { url } = await startServer(async (response) => {
      response.write('one');
      await second.promise;
      response.end('two');
    });

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();

    expect((await reader?.read())?.value).toBe('one');
    second.resolve();
    expect((await reader?.read())?.value).toBe('two');
  });

  test('keeps status, text and headers of an error', async () => {
    const { url } = await startServer((response) => {
      response.writeHead(429, 'Slow Down', { 'retry-after': '7', 'content-type': 'text/plain' });
      response.end('slow down');
    });

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect([response.status, response.statusText]).toEqual([429, 'Slow Down']);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.text()).toBe('slow down');
  });

  test('has the complete body of an error, however large', async () => {
    const body = JSON.stringify({ error: { message: `${KEY} ${'x'.repeat(300_000)} end` } });
    const chat = chatClient({ fetch: async () => new Response(body, { status: 400 }) });

    const text = await (await chat.fetch(MODELS)).text();

    expect(text).toBe(body.replace(KEY, MASKED_KEY));
  });

  test('keeps the url of an error', async () => {
    const { url } = await startServer((response) => void response.writeHead(404).end());

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect(response.url).toBe(`${url}/v1/x`);
  });

  test('keeps a status above 599', async () => {
    const { url } = await startServer((response) => void response.writeHead(999).end('no robots'));

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect([response.status, response.ok, await response.text()]).toEqual([999, false, 'no robots']);
  });

  test('rejects with the reason of the signal if it aborts while the body of an error is read', async () => {
    const user = new AbortController();
    const mine = new Error('the user left');
    const body = new ReadableStream({
      pull(controller) {
        user.abort(mine);
        controller.error(mine);
      },
    });
    const { fetch } = chatClient({ fetch: async () => new Response(body, { status: 400 }) });

    const call = fetch('https://chat.d.run/v1/x', { signal: user.signal });

    await expect(call).rejects.toBe(mine);
  });

  test('has no body if an error has none', async () => {
    const { url } = await startServer((response) => void response.writeHead(502).end());

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect([response.status, await response.text()]).toEqual([502, '']);
  });

  test('is not retried after an error, because the other client has its own retries', async () => {
    const { url, requests } = await startServer((response) => void response.writeHead(503).end());

    await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect(requests).toHaveLength(1);
  });

  test('is not followed if it is a redirect', async () => {
    const otherOrigin = await startServer(ok);
    const { url } = await startServer(
      (response) => void response.writeHead(307, { location: otherOrigin.url }).end(),
    );

    const response = await chatClient({ baseUrl: url }).fetch(`${url}/v1/x`);

    expect(response.status).toBe(307);
    expect(otherOrigin.requests).toEqual([]);
  });
});

describe('a fetch that fails', () => {
  test('rejects with the TypeError that other clients expect, with its cause', async () => {
    const url = await closedPort();

    const error = await rejectionOf(TypeError, chatClient({ baseUrl: url }).fetch(`${url}/v1/x`));

    expect(error.message).toBe('fetch failed');
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('shows no key even if the `fetch` option attaches its request to the error', async () => {
    const { fetch } = chatClient({
      fetch: async (url, init) => {
        throw Object.assign(new Error(`no luck with ${JSON.stringify(init.headers)}`), { url, init });
      },
    });

    const error = await rejection(fetch('https://chat.d.run/v1/x'));

    expect(everythingShownOf(error)).not.toContain(KEY.slice(3));
  });

  test.each<[string, unknown]>([
    ['returns nothing', () => Promise.resolve()],
    [
      'returns a body that was read',
      async () => {
        const response = new Response('{}');
        await response.text();
        return response;
      },
    ],
    ['uses an undefined variable', () => Promise.reject(new ReferenceError('span is not defined'))],
  ])('rejects with ConfigurationError if the option fetch %s', async (_, fetch) => {
    const chat = chatClient({ fetch: fetch as never });

    expect(await rejectionOf(ConfigurationError, chat.fetch(MODELS))).toMatchObject({ option: 'fetch' });
  });

  test('rejects with the reason of a signal although the option fetch ignores it', async () => {
    const reason = new Error('the user left');
    const fetch = vi.fn(() => new Promise<never>(() => {}));
    const chat = chatClient({ fetch });
    const user = new AbortController();

    await expect(chat.fetch(MODELS, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(fetch).not.toHaveBeenCalled();
    const call = chat.fetch(MODELS, { signal: user.signal });
    user.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test('rejects with the reason of the signal, and removes its listener', async () => {
    const user = new AbortController();
    const reason = new Error('the user left');
    const { url } = await serveSockets(() => user.abort(reason));

    const call = chatClient({ baseUrl: url }).fetch(`${url}/v1/x`, { signal: user.signal });

    await expect(call).rejects.toBe(reason);
    expect(getEventListeners(user.signal, 'abort')).toHaveLength(0);
  });

  test('rejects with the error of the credential provider', async () => {
    const mine = new Error('the vault is closed');
    const { fetch } = chatClient({
      apiKey: () => {
        throw mine;
      },
    });

    await expect(fetch('https://chat.d.run/v1/x')).rejects.toBe(mine);
  });
});
