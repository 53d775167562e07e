import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { callControlPlane } from '../../../src/emulator/console/key-calls.ts';
import { type Answer, CONTROL, chat, createKey, type WireKey, type WireList } from '../wire.ts';

const MASKED = /^sk-\*{6}[\w-]{4}$/;

/** Calls what is behind the page, with the emulator's access token or the given one. */
async function call<Body = unknown>(
  drun: Emulator,
  method: string,
  path: string,
  { body, token = drun.accessToken.reveal() }: { body?: unknown; token?: string | null } = {},
): Promise<Answer<Body>> {
  const response = await drun.fetch(`http://localhost:8080/console${path}`, {
    method,
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

describe('what is behind the page', () => {
  const calls = [
    ['GET', '/service'],
    ['GET', '/models'],
    ['GET', '/requests'],
    ['GET', '/apikeys'],
    ['GET', '/masked-apikeys'],
    ['POST', '/apikeys'],
    ['POST', '/apikeys/check-creation'],
    ['DELETE', '/apikeys/some-id'],
    ['GET', '/nothing'],
  ] as const;

  it.each(calls)('wants the access token: %s %s', async (method, path) => {
    const drun = createEmulator({ accessToken: 'the-right-access-token' });
    const { key } = await createKey(drun);
    for (const token of [null, 'the-wrong-access-token', key]) {
      const { status, body } = await call(drun, method, path, { token });
      expect(status).toBe(401);
      // The control plane repeats what it refuses; this does not.
      expect(JSON.stringify(body)).not.toContain('the-wrong-access-token');
      expect(JSON.stringify(body)).not.toContain(key);
    }
  });

  it('tells the version, the models and the clock', async () => {
    const drun = createEmulator({ version: '0.16', models: ['public/one'], now: () => Date.UTC(2026, 0, 1) });
    expect((await call(drun, 'GET', '/service')).body).toEqual({ version: '0.16' });
    expect((await call(drun, 'GET', '/models')).body).toEqual({ models: ['public/one'] });
    const { body } = await call(drun, 'GET', '/requests');
    expect(body).toEqual({ now: '2026-01-01T00:00:00.000Z', requests: [] });
  });

  it('tells the models of the upstream server, which gets none of the credentials', async () => {
    const seen: Headers[] = [];
    const fetch = async (_: string, { headers }: RequestInit): Promise<Response> => {
      seen.push(new Headers(headers));
      return Response.json({ data: [{ id: 'llama3' }, { id: 'qwen' }] });
    };
    const drun = createEmulator({
      upstream: { url: 'https://models.test/v1', apiKey: 'upstream-key', fetch },
    });
    expect((await call(drun, 'GET', '/models')).body).toEqual({ models: ['llama3', 'qwen'] });
    expect(seen.map((headers) => headers.get('authorization'))).toEqual(['Bearer upstream-key']);
    expect([...drun.requests]).toEqual([]);
  });

  it('tells the models that are named, whatever the upstream server has', async () => {
    const fetch = async (): Promise<Response> => Response.json({ data: [{ id: 'qwen' }] });
    const drun = createEmulator({ upstream: { url: 'https://models.test/v1', fetch }, models: ['llama3'] });
    expect((await call(drun, 'GET', '/models')).body).toEqual({ models: ['llama3'] });
  });

  it('says that the upstream server does not tell its models', async () => {
    const fetch = async (): Promise<Response> => Promise.reject(new TypeError('no route to upstream-key'));
    const drun = createEmulator({
      upstream: { url: 'https://models.test/v1', apiKey: 'upstream-key', fetch },
    });
    const { status, body } = await call<{ message: string }>(drun, 'GET', '/models');
    expect(status).toBe(502);
    expect(body.message).toBe('The model server does not tell its models');
  });

  it('tells the last fifty requests, newest first, as masked as they are elsewhere', async () => {
    const drun = createEmulator();
    const { key } = await createKey(drun);
    for (let count = 0; count < 60; count++) await drun.fetch(`http://localhost/${count}`);
    await chat(drun, key);
    const { body } = await call<{ requests: unknown[] }>(drun, 'GET', '/requests');
    expect(body.requests).toHaveLength(50);
    expect(body.requests).toEqual(JSON.parse(JSON.stringify([...drun.requests].slice(-50).reverse())));
    expect(JSON.stringify(body)).not.toContain(key.slice(3, 20));
  });

  it.each(['0.15', '0.17'] as const)('lists keys masked in version %s', async (version) => {
    const drun = createEmulator({ version });
    const { key } = await createKey(drun);
    const { body } = await call<WireList>(drun, 'GET', '/apikeys?page.pageSize=-1');
    expect(body.items?.map((item) => item.key)).toEqual([`sk-******${key.slice(-4)}`]);
    expect(JSON.stringify(body)).not.toContain(key.slice(3, 20));
  });

  it('has no masked list where the service has none', async () => {
    const drun = createEmulator({ version: '0.15' });
    expect((await call(drun, 'GET', '/masked-apikeys')).status).toBe(404);
    expect(Array.from(drun.requests, ({ status }) => status)).toEqual([404]);
  });

  it('shows the whole key to who creates one, and to nobody again', async () => {
    const drun = createEmulator();
    const created = await call<WireKey>(drun, 'POST', '/apikeys', { body: { name: 'checkout' } });
    expect((await chat(drun, created.body.key)).status).toBe(200);
    const { id } = created.body;
    for (const path of [`/apikeys/${id}/secret`, `/apikeys/${id}`, `/apikeys/../apikeys/${id}/secret`]) {
      expect((await call(drun, 'GET', path)).status).toBe(404);
    }
    const deleted = await call<WireKey>(drun, 'DELETE', `/apikeys/${id}`, { body: {} });
    expect(deleted.body.key).toMatch(MASKED);
  });

  it('makes its calls at the control plane, which notes and refuses them like any other', async () => {
    const drun = createEmulator({ maxKeys: 0 });
    const rejected = await call(drun, 'POST', '/apikeys', { body: { name: 'checkout' } });
    expect(rejected.status).toBe(400);
    expect(rejected.body).toMatchObject({ message: 'The limit of 0 API keys is reached' });
    expect((await call(drun, 'DELETE', '/apikeys/unknown')).status).toBe(400);
    const noted = Array.from(drun.requests, ({ method, path, status }) => [method, path, status]);
    expect(noted).toEqual([
      ['POST', `${CONTROL}/apikeys`, 400],
      ['DELETE', `${CONTROL}/apikeys/unknown`, 400],
    ]);
  });

  it.each([
    ['GET', '/v1/models'],
    ['GET', '/apis/hydra.io/v1alpha1/apikeys'],
    ['PUT', '/apikeys'],
    ['GET', '/workspaces/1/apikeys'],
    ['POST', '/apikeys-stats'],
    ['DELETE', '/apikeys/'],
    ['DELETE', '/apikeys/a/b'],
    ['GET', '/__proto__'],
    ['GET', '/'],
  ])('is nothing else: %s %s', async (method, path) => {
    const drun = createEmulator();
    expect((await call(drun, method, path)).status).toBe(404);
    expect([...drun.requests]).toEqual([]);
  });
});

describe('an answer of the control plane', () => {
  const key = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU';
  const forward = (text: string, status = 200, method = 'GET'): Promise<Response> =>
    callControlPlane(
      async () => new Response(text, { status }),
      new Request('http://localhost:8080/console/apikeys', {
        method,
        ...(method === 'GET' ? {} : { body: '{}' }),
      }),
      '/apikeys',
    );

  it.each([
    ['cut off', `{"items":[{"key":"${key}"}`],
    ['a page of HTML', `<!doctype html><p>${key}`],
    ['empty', ''],
  ])('that is %s is not passed on, for its keys could not be masked', async (_, text) => {
    const response = await forward(text);
    expect(response.status).toBe(502);
    expect(await response.text()).not.toContain(key.slice(3, 20));
  });

  it('loses the keys that it repeats in places where no key should be', async () => {
    const response = await forward(JSON.stringify({ error: { details: [{ key, name: 'kept' }] } }), 500);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: { details: [{ key: 'sk-******7ucU', name: 'kept' }] } });
  });

  it('that refuses a creation keeps no key either', async () => {
    const response = await forward(JSON.stringify({ key }), 409, 'POST');
    expect(await response.json()).toEqual({ key: 'sk-******7ucU' });
  });
});
