import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { ApiKeys, ChatClient, type ChatClientOptions, KeyRing, keyVerifier, memoryStore } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { describe, expect, it, onTestFinished } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { completion, request } from '../chat/requests.ts';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection } from '../support/failures.ts';
import { serveHttp } from '../support/sockets.ts';
import { retryAtOnce } from '../support/timing.ts';

interface Published {
  readonly event: string;
  /** A copy of the message at the time of publication. */
  readonly message: Readonly<Record<string, unknown>>;
  /** The message itself. */
  readonly identity: unknown;
}

/** Subscribes to all channels of the package during a test. */
function subscribeToAll(): Published[] {
  const published: Published[] = [];
  const names = {
    'tracing:drun-sdk:request:start': 'start',
    'tracing:drun-sdk:request:asyncEnd': 'end',
    'tracing:drun-sdk:request:error': 'error',
    'drun-sdk:stream': 'stream',
    'drun-sdk:retry': 'retry',
    'drun-sdk:key-ring': 'key-ring',
  };
  for (const [name, event] of Object.entries(names)) {
    const listener = (message: unknown): void => {
      published.push({ event, message: { ...(message as object) }, identity: message });
    };
    subscribe(name, listener);
    onTestFinished(() => void unsubscribe(name, listener));
  }
  return published;
}

const client = (baseUrl: string, options: ChatClientOptions = {}): ChatClient =>
  new ChatClient({ apiKey: KEY, baseUrl, maxRetries: 0, ...options });

const chunk = (fields: object): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, ...fields }] })}\n\n`;
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

describe('the channel of requests', () => {
  it('publishes the start and the end of a completion, with its usage', async () => {
    const { url } = await serveHttp((_, response) => response.end(JSON.stringify(completion({ usage }))));
    const published = subscribeToAll();

    await client(url).complete(request());

    expect(published.map(({ event }) => event)).toEqual(['start', 'end']);
    const [start, end] = published;
    const common = { method: 'POST', path: '/v1/chat/completions', host: new URL(url).host, attempt: 1 };
    expect(start?.message).toEqual(common);
    expect(end?.message).toMatchObject({
      ...common,
      status: 200,
      durationMs: expect.any(Number),
      completion: { model: completion().model, usage, finishReasons: ['stop'] },
    });
    expect(end?.identity).toBe(start?.identity);
  });

  it('publishes no prompt, no text and no credential', async () => {
    const { url } = await serveHttp((_, response) => {
      response.end(JSON.stringify(completion({ usage })));
    });
    const published = subscribeToAll();

    await client(url).complete(request());

    const shown = everythingShownOf(published);
    expect(shown).not.toContain(KEY);
    for (const { content } of request().messages) expect(shown).not.toContain(content as string);
    expect(shown).not.toContain('Hello!');
  });

  it('publishes the redacted error and the status of a failed request', async () => {
    const { url } = await serveHttp((_, response) => {
      response.writeHead(404).end(JSON.stringify({ error: { message: `no model for ${KEY}` } }));
    });
    const published = subscribeToAll();

    const error = await rejection(client(url).complete(request()));

    expect(published.map(({ event }) => event)).toEqual(['start', 'error', 'end']);
    expect(published[1]?.message).toMatchObject({ error, status: 404, code: 'not_found' });
    expect(everythingShownOf(published)).not.toContain(KEY);
  });

  it('publishes each request of a call, and its retries', async () => {
    retryAtOnce();
    let requests = 0;
    const { url } = await serveHttp((_, response) => {
      if (++requests === 1) response.writeHead(503).end();
      else response.end(JSON.stringify(completion()));
    });
    const published = subscribeToAll();

    await client(url, { maxRetries: 1 }).complete(request());

    expect(published.map(({ event, message }) => [event, message.attempt])).toEqual([
      ['start', 1],
      ['error', 1],
      ['end', 1],
      ['retry', 1],
      ['start', 2],
      ['end', 2],
    ]);
    expect(published[3]?.message).toMatchObject({
      path: '/v1/chat/completions',
      delayMs: expect.any(Number),
    });
  });

  it('runs the request in the async context of a bound store', async () => {
    const { url } = await serveHttp((_, response) => response.end(JSON.stringify(completion())));
    const spans = new AsyncLocalStorage<string>();
    const { start } = tracingChannel('drun-sdk:request');
    start.bindStore(spans, () => 'span');
    onTestFinished(() => void start.unbindStore(spans));
    let active: string | undefined;

    await client(url, {
      fetch: (input, init) => {
        active = spans.getStore();
        return fetch(input, init);
      },
    }).complete(request());

    expect(active).toBe('span');
  });
});

describe('the channel of streams', () => {
  it('publishes the end of a stream, whose request ended with the first chunk', async () => {
    const { url } = await serveHttp((_, response) => {
      response.write(chunk({ delta: { content: 'Hello' } }));
      response.write(chunk({ delta: {}, finish_reason: 'stop' }));
      response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
    });
    const published = subscribeToAll();

    await client(url).stream(request()).completion();

    expect(published.map(({ event }) => event)).toEqual(['start', 'end', 'stream']);
    expect(published[1]?.message).not.toHaveProperty('completion');
    expect(published[2]?.message).toMatchObject({
      completion: { id: 'chatcmpl-1', model: 'm', usage, finishReasons: ['stop'] },
    });
    expect(published[2]?.message).not.toHaveProperty('error', expect.any(Error));
    expect(published[2]?.identity).toBe(published[0]?.identity);
  });

  it.each([
    ['is truncated', (url: string) => client(url).stream(request()).completion(), 'stream_truncated'],
    [
      'is canceled by its reader',
      async (url: string) => {
        for await (const _ of client(url).stream(request())) break;
      },
      'stream_truncated',
    ],
  ])('publishes the error of a stream that %s', async (_, read, code) => {
    const { url } = await serveHttp((_request, response) => {
      response.write(chunk({ delta: { content: 'Hello' } }), () => response.end());
    });
    const published = subscribeToAll();

    await Promise.resolve(read(url)).catch(() => {});

    expect(published.at(-1)).toMatchObject({
      event: 'stream',
      message: { error: { code }, completion: { finishReasons: [null] } },
    });
  });
});

describe('the channel of key rings', () => {
  it('publishes the events of a ring with its name', async () => {
    const drun = createEmulator();
    const service = { baseUrl: 'https://drun.test', fetch: drun.fetch };
    const ring = new KeyRing({
      name: 'checkout',
      manager: new ApiKeys({ accessToken: drun.accessToken, ...service }),
      verifier: keyVerifier(service),
      store: memoryStore(),
      encryptionKey: new Uint8Array(32),
    });
    const published = subscribeToAll();

    await ring.reconcile();

    const created = published.find(({ event }) => event === 'key-ring');
    expect(created?.message).toMatchObject({ ring: 'checkout', event: 'created', id: expect.any(String) });
    expect(everythingShownOf(published)).not.toContain((await ring.getKey()).reveal());
  });
});

describe('the User-Agent', () => {
  const userAgentOf = async (options: ChatClientOptions): Promise<string | undefined> => {
    let userAgent: string | undefined;
    const { url } = await serveHttp((incoming, response) => {
      userAgent = incoming.headers['user-agent'];
      response.end(JSON.stringify(completion()));
    });
    await client(url, options).complete(request());
    return userAgent;
  };

  it('names the package and its version', async () => {
    expect(await userAgentOf({})).toBe(`drun-sdk/${packageJson.version}`);
  });

  it('can be replaced', async () => {
    expect(await userAgentOf({ headers: { 'User-Agent': 'shop/1' } })).toBe('shop/1');
  });
});
