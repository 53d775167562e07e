import { once } from 'node:events';
import https from 'node:https';
import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { type HandlersOptions, handlers } from 'drun-sdk/emulator/msw';
import { setupServer } from 'msw/node';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { CHAT, CONSOLE, CONTROL } from './wire.ts';

/** Creates an emulator with one key, which handles the requests to the service during a test. */
function interceptWithEmulator(
  options: EmulatorOptions = {},
  handlersOptions?: HandlersOptions,
): { drun: Emulator; key: string } {
  const drun = createEmulator(options);
  const server = setupServer(...handlers(drun, handlersOptions));
  server.listen({ onUnhandledFrame: 'error' });
  onTestFinished(() => server.close());
  return { drun, key: drun.keys.create({ name: 'checkout' }).secret.reveal() };
}

const models = (host: string, key: string): Promise<Response> =>
  fetch(`${host}/v1/models`, { headers: { authorization: `Bearer ${key}` } });

const list = (host: string, drun: Emulator): Promise<Response> =>
  fetch(`${host}${CONTROL}/apikeys`, { headers: { authorization: `Bearer ${drun.accessToken.reveal()}` } });

function stream(key: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${CHAT}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: 'public/deepseek-r1',
      messages: [{ role: 'user', content: 'Hello!' }],
      stream: true,
    }),
    ...init,
  });
}

describe('handlers serve the emulator at', () => {
  it('the URLs of the service and of its regions', async () => {
    const { drun, key } = interceptWithEmulator();
    for (const host of [CHAT, 'https://sh-02.d.run']) expect((await models(host, key)).status).toBe(200);
    expect((await list(CONSOLE, drun)).status).toBe(200);
    expect(Array.from(drun.requests, ({ operation }) => operation)).toEqual(['models', 'models', 'list']);
  });

  it('the URL of the right plane only', async () => {
    const { drun, key } = interceptWithEmulator();
    expect((await models(CONSOLE, key)).status).toBe(404);
    expect((await list(CHAT, drun)).status).toBe(404);
  });

  it.each<[HandlersOptions, string, string]>([
    [
      { consoleUrl: 'http://console.test', chatUrl: 'http://chat.test/v1/' },
      'http://console.test',
      'http://chat.test',
    ],
    [
      { consoleUrl: new URL('https://gateway.test/console/'), chatUrl: 'https://gateway.test/chat' },
      'https://gateway.test/console',
      'https://gateway.test/chat',
    ],
    [
      { consoleUrl: 'https://one.test', chatUrl: 'https://one.test/v1' },
      'https://one.test',
      'https://one.test',
    ],
    [{ chatUrl: 'https://chat.test' }, CONSOLE, 'https://chat.test'],
    [
      { consoleUrl: 'https://one.test', chatUrl: 'https://one.test/chat' },
      'https://one.test',
      'https://one.test/chat',
    ],
    [
      { consoleUrl: 'https://one.test/console', chatUrl: 'https://one.test' },
      'https://one.test/console',
      'https://one.test',
    ],
  ])('other URLs: %o', async (handlersOptions, console, chat) => {
    const { drun, key } = interceptWithEmulator({}, handlersOptions);
    expect((await list(console, drun)).status).toBe(200);
    expect((await models(chat, key)).status).toBe(200);
    expect([...drun.requests].at(-1)?.path).toBe('/v1/models');
  });

  it.each<object>([
    { consoleUrl: 'console.d.run' },
    { chatUrl: 'ftp://chat.d.run' },
    { chatUrl: '' },
    { consoleUrl: null },
    { chatURL: 'https://chat.test' },
  ])('no invalid URL or unknown option, which causes an error: %o', (handlersOptions) => {
    expect(() => handlers(createEmulator(), handlersOptions)).toThrow(
      `\`${Object.keys(handlersOptions)[0]}\``,
    );
  });

  it('no object that is not an emulator', () => {
    expect(() => handlers({} as Emulator)).toThrow('handlers: Pass an emulator.');
  });
});

describe('through msw,', () => {
  it('bodies, queries, headers and statuses are unchanged', async () => {
    const { drun } = interceptWithEmulator({ now: () => Date.UTC(2026, 0, 1) });
    const headers = { authorization: `Bearer ${drun.accessToken.reveal()}`, 'accept-language': 'zh' };
    const url = `${CONSOLE}${CONTROL}/apikeys`;
    const created = await fetch(url, { method: 'POST', headers, body: '{"name":"second"}' });
    const { id } = (await created.json()) as { id: string };
    expect(created.headers.get('date')).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
    const found = await fetch(`${url}?page.search=second`, { headers });
    expect(await found.json()).toMatchObject({ items: [{ id }] });
    const rejected = await fetch(`${url}/${id}`, { method: 'DELETE', headers });
    expect(rejected.status).toBe(400);
    expect(await rejected.json()).toMatchObject({ message: expect.stringMatching(/\p{Script=Han}/u) });
    expect((await fetch(`${url}/${id}`, { method: 'DELETE', headers, body: '{}' })).status).toBe(200);
  });

  it('a stream arrives chunk by chunk', async () => {
    const resume = Promise.withResolvers<void>();
    const { key } = interceptWithEmulator({
      async *reply() {
        yield 'first';
        await resume.promise;
        yield 'second';
      },
    });
    let text = '';
    for await (const bytes of (await stream(key)).body ?? []) {
      text += new TextDecoder().decode(bytes);
      if (text.includes('first')) resume.resolve();
    }
    expect(text).toMatch(/first.*second.*\[DONE\]\n\n$/s);
  });

  it('an abort ends an endless reply', async () => {
    const onReplyEnd = vi.fn();
    const { key } = interceptWithEmulator({
      async *reply() {
        try {
          for (;;) yield 'more ';
        } finally {
          onReplyEnd();
        }
      },
    });
    const controller = new AbortController();
    const response = await stream(key, { signal: controller.signal });
    const reader = response.body?.getReader();
    const reading = (async () => {
      while (!(await reader?.read())?.done);
    })();
    // Aborts in a later turn of the event loop, which an endless reply must not block.
    setTimeout(() => controller.abort(new Error('not wanted')), 20);
    await expect(reading).rejects.toThrow('not wanted');
    await vi.waitFor(() => expect(onReplyEnd).toHaveBeenCalledOnce());
  });

  it('an abort also aborts the signal of a pending reply', async () => {
    const requested = Promise.withResolvers<AbortSignal>();
    const { key } = interceptWithEmulator({
      reply: ({ signal }) => {
        requested.resolve(signal);
        return new Promise(() => {});
      },
    });
    const controller = new AbortController();
    const pending = stream(key, { signal: controller.signal });
    const signal = await requested.promise;
    const aborted = once(signal, 'abort');
    controller.abort(new Error('not wanted'));
    await expect(pending).rejects.toThrow('not wanted');
    await aborted;
  });

  it('a dropped connection is a network error', async () => {
    const { drun, key } = interceptWithEmulator();
    drun.faults.next({ dropConnection: true });
    await expect(models(CHAT, key)).rejects.toThrow(TypeError);
  });

  it.each([1, 3])(
    'a stream that is dropped after %d chunks fails after these chunks',
    async (dropAfterChunks) => {
      const { drun, key } = interceptWithEmulator({ reply: 'abcd' });
      drun.faults.next({ dropAfterChunks });
      const response = await stream(key);
      let text = '';
      const reading = (async () => {
        for await (const bytes of response.body ?? []) text += new TextDecoder().decode(bytes);
      })();
      await expect(reading).rejects.toThrow();
      expect(text.match(/^data: /gm)).toHaveLength(dropAfterChunks);
    },
  );

  it('a JSON response that is dropped fails', async () => {
    const { drun, key } = interceptWithEmulator();
    drun.faults.next({ dropAfterChunks: 1 });
    const response = await models(CHAT, key);
    await expect(response.text()).rejects.toThrow();
  });

  it('requests of node:https are handled', async () => {
    const { key } = interceptWithEmulator();
    const request = https.request(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    request.end();
    const [response] = await once(request, 'response');
    expect(response.statusCode).toBe(200);
    expect((await response.setEncoding('utf8').toArray()).join('')).toContain('public/deepseek-r1');
  });
});
