import { getEventListeners } from 'node:events';
import { createEmulator } from 'drun-sdk/emulator';
import { describe, expect, it, vi } from 'vitest';
import { CHAT, CONSOLE, CONTROL, chat, control, createKey, withKey } from './wire.ts';

describe("the emulator's fetch", () => {
  it('accepts a string, a URL or a Request, with or without init', async () => {
    const { drun, key } = await withKey();
    const init = { headers: { authorization: `Bearer ${key}` } };
    const url = `${CHAT}/v1/models`;
    expect((await drun.fetch(url, init)).status).toBe(200);
    expect((await drun.fetch(new URL(url), init)).status).toBe(200);
    expect((await drun.fetch(new Request(url, init))).status).toBe(200);
    expect((await drun.fetch(new Request(url), init)).status).toBe(200);
  });

  it('works detached from the emulator', async () => {
    const drun = createEmulator();
    const { fetch } = drun;
    expect((await fetch(`${CHAT}/v1/models`)).status).toBe(401);
  });

  it('serves both planes at any host', async () => {
    const { drun, key } = await withKey();
    const headers = { authorization: `Bearer ${key}` };
    expect((await drun.fetch('http://localhost:8080/v1/models', { headers })).status).toBe(200);
    expect((await drun.fetch(`${CONSOLE}/v1/models`, { headers })).status).toBe(200);
  });

  it('rejects invalid arguments as fetch does', async () => {
    const drun = createEmulator();
    await expect(drun.fetch('/v1/models')).rejects.toThrow(TypeError);
  });

  it('sets the Date header from `now`', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 10, 23, 9, 30, 15, 999) });
    const { headers } = await control(drun, 'GET', '/apikeys');
    expect(headers.get('date')).toBe('Mon, 23 Nov 2026 09:30:15 GMT');
  });

  it('rejects with the reason of a signal that is already aborted, and logs nothing', async () => {
    const drun = createEmulator();
    const reason = new Error('not wanted any more');
    const signal = AbortSignal.abort(reason);
    await expect(drun.fetch(`${CHAT}/v1/models`, { signal })).rejects.toBe(reason);
    expect([...drun.requests]).toEqual([]);
  });

  it('rejects with the reason of a signal that is aborted before the reply', async () => {
    const requested = Promise.withResolvers<void>();
    const { drun, key } = await withKey({
      reply: () => {
        requested.resolve();
        return new Promise<string>(() => {});
      },
    });
    const controller = new AbortController();
    const pending = chat(drun, key, {}, { signal: controller.signal });
    await requested.promise;
    const reason = new Error('not wanted any more');
    controller.abort(reason);
    await expect(pending).rejects.toBe(reason);
    expect([...drun.requests].at(-1)).not.toHaveProperty('status');
  });

  it('fails a stream with the reason of an aborted signal, and ends the reply', async () => {
    const canceled = vi.fn();
    const { drun, key } = await withKey({
      async *reply() {
        try {
          for (;;) yield 'more ';
        } finally {
          canceled();
        }
      },
    });
    const controller = new AbortController();
    const response = await chat(drun, key, { stream: true }, { signal: controller.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    const reason = new Error('not wanted any more');
    controller.abort(reason);
    await expect(reader?.read()).rejects.toBe(reason);
    await vi.waitFor(() => expect(canceled).toHaveBeenCalledOnce());
  });

  it('removes its listener from the signal when a request has ended', async () => {
    const { drun, key } = await withKey();
    const request = (stream: boolean): Request =>
      new Request(`${CHAT}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({
          model: 'public/deepseek-r1',
          messages: [{ role: 'user', content: 'Hello!' }],
          stream,
        }),
      });
    const [completion, read, canceled] = [request(false), request(true), request(true)];
    await drun.fetch(completion);
    await (await drun.fetch(read)).text();
    await (await drun.fetch(canceled)).body?.cancel();
    for (const { signal } of [completion, read, canceled])
      expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('reset', () => {
  it('deletes keys and requests, and keeps the access token', async () => {
    const drun = createEmulator({ maxKeys: 1 });
    const { reset } = drun;
    await createKey(drun);
    const token = drun.accessToken.reveal();
    reset();
    expect([...drun.keys]).toEqual([]);
    expect([...drun.requests]).toEqual([]);
    expect(drun.accessToken.reveal()).toBe(token);
    expect((await createKey(drun)).name).toBe('checkout');
  });

  it('does not abort a response in progress', async () => {
    const { drun, key } = await withKey({ reply: () => 'Hello!' });
    const response = await chat(drun, key, { stream: true });
    drun.reset();
    expect(await response.text()).toContain('[DONE]');
  });

  it('discards the usage of a response in progress', async () => {
    const { drun, key } = await withKey();
    const response = await chat(drun, key, { stream: true });
    drun.reset();
    await response.text();
    expect((await control(drun, 'POST', '/apikeys-stats', {})).body).toEqual({ totalUsage: {} });
  });
});

describe('drun.keys', () => {
  it('yields snapshots of the existing keys, oldest first', async () => {
    let now = Date.UTC(2026, 0, 1);
    const drun = createEmulator({ now: () => now });
    const { keys } = drun;
    const first = await createKey(drun, { name: 'first', expireTime: '2026-01-02T00:00:00Z' });
    now = Date.UTC(2026, 0, 1, 12);
    await chat(drun, first.key);
    const second = await createKey(drun, { name: 'second' });
    now = Date.UTC(2026, 0, 3);
    expect([...keys]).toEqual([
      {
        id: first.id,
        name: 'first',
        maskedKey: `sk-******${first.key.slice(-4)}`,
        createdBy: 'owner',
        createdAt: new Date('2026-01-01T00:00:00Z'),
        expiresAt: new Date('2026-01-02T00:00:00Z'),
        expired: true,
        disabled: false,
        lastUsedAt: new Date('2026-01-01T12:00:00Z'),
        allowModels: [],
        denyModels: [],
        quota: { limit: 'unlimited', used: 8, remaining: 'unlimited' },
      },
      {
        id: second.id,
        name: 'second',
        maskedKey: `sk-******${second.key.slice(-4)}`,
        createdBy: 'owner',
        createdAt: new Date('2026-01-01T12:00:00Z'),
        expired: false,
        disabled: false,
        allowModels: [],
        denyModels: [],
        quota: { limit: 'unlimited', used: 0, remaining: 'unlimited' },
      },
    ]);
    await control(drun, 'DELETE', `/apikeys/${first.id}`, {});
    expect([...keys].map(({ name }) => name)).toEqual(['second']);
  });
});

describe('drun.requests', () => {
  it('yields the path, operation, credential, key, model, status and time of each request', async () => {
    const drun = createEmulator({ now: () => Date.UTC(2026, 0, 1), accessToken: 'some-access-token' });
    const { id, key } = await createKey(drun);
    await chat(drun, key);
    await drun.fetch('https://chat.d.run/elsewhere');
    const at = new Date('2026-01-01T00:00:00Z');
    expect([...drun.requests]).toEqual([
      {
        method: 'POST',
        path: `${CONTROL}/apikeys`,
        plane: 'control',
        operation: 'create',
        credential: 'some-******oken',
        status: 200,
        at,
        durationMs: 0,
      },
      {
        method: 'POST',
        path: '/v1/chat/completions',
        plane: 'data',
        operation: 'chat',
        credential: `sk-******${key.slice(-4)}`,
        keyId: id,
        model: 'public/deepseek-r1',
        status: 200,
        at,
        durationMs: 0,
      },
      {
        method: 'GET',
        path: '/elsewhere',
        status: 404,
        reason: 'Nothing is served at this path.',
        at,
        durationMs: 0,
      },
    ]);
  });

  it('does not mask the ids of keys', async () => {
    const drun = createEmulator();
    const { id } = await createKey(drun);
    await control(drun, 'DELETE', `/apikeys/${id}`, {});
    expect([...drun.requests].at(-1)?.path).toBe(`${CONTROL}/apikeys/${id}`);
  });

  it('yields the last 1,000 requests', async () => {
    const drun = createEmulator();
    for (let count = 0; count < 1003; count++) await drun.fetch(`${CHAT}/${count}`);
    const paths = Array.from(drun.requests, ({ path }) => path);
    expect(paths).toHaveLength(1000);
    expect(paths[0]).toBe('/3');
    expect(paths.at(-1)).toBe('/1002');
  });
});
