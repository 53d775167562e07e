import { createEmulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { describe, expect, it } from 'vitest';
import { chat, control } from './wire.ts';

const KEY = 'sk-first-key-0123456789';

/** Creates an emulator, and functions that send requests to its admin endpoints and to the model. */
function newEmulator(options: EmulatorOptions = {}) {
  const drun = createEmulator({ keys: [{ name: 'first', key: KEY }], ...options });
  const admin = async (method: string, path: string, body?: unknown, token = drun.accessToken.reveal()) => {
    const response = await drun.fetch(`http://127.0.0.1/_emulator/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  const sendPrompt = async (key = KEY): Promise<string> => (await chat(drun, key)).text();
  return { drun, admin, ask: sendPrompt };
}

describe('/_emulator/', () => {
  it.each([
    ['GET', 'keys'],
    ['POST', 'rules'],
    ['GET', 'requests'],
    ['POST', 'reset'],
    ['GET', 'unknown'],
  ])('rejects %s %s without the access token', async (method, path) => {
    const { drun, admin } = newEmulator();
    for (const token of ['', 'wrong', KEY])
      expect((await admin(method, path, undefined, token)).status).toBe(401);
    const rejection = { method, path: `/_emulator/${path}`, status: 401 };
    expect([...drun.requests]).toMatchObject([rejection, rejection, rejection]);
  });

  it('creates, lists, updates and deletes keys, and returns the full key only once', async () => {
    const { admin, ask: sendPrompt } = newEmulator();
    const created = await admin('POST', 'keys', { name: 'second', quota: 5, allowModels: ['public/*'] });
    expect(created).toMatchObject({
      status: 201,
      body: { keys: [{ name: 'second', key: expect.stringMatching(/^sk-.{45}$/) }] },
    });
    const { id, key } = created.body.keys[0];
    expect(await sendPrompt(key)).toContain('Hello, model!');
    const listed = await admin('GET', 'keys');
    expect(listed.body).toMatchObject([
      { name: 'first' },
      { id, name: 'second', quota: { limit: 5, used: 8 } },
    ]);
    expect(JSON.stringify(listed.body)).not.toContain(key);
    expect((await admin('PATCH', `keys/${id}`, { disabled: true })).body).toMatchObject({
      id,
      disabled: true,
    });
    expect(await sendPrompt(key)).toContain('invalid_api_key');
    expect((await admin('DELETE', `keys/${id}`)).status).toBe(204);
    expect((await admin('DELETE', `keys/${id}`)).status).toBe(409);
  });

  it('adds rules, lists them with their hits, and removes them', async () => {
    const { admin, ask: sendPrompt } = newEmulator();
    const rules = [{ when: { key: KEY }, reply: 'scripted', times: 1 }, { reply: ['one'] }];
    expect(await admin('POST', 'rules', rules)).toEqual({ status: 201, body: { rules: 2 } });
    expect(await sendPrompt()).toContain('scripted');
    expect((await admin('GET', 'rules')).body).toEqual([
      { position: 1, hits: 1, when: { key: 'sk-******6789' } },
      { position: 2, hits: 0, when: {} },
    ]);
    expect((await admin('DELETE', 'rules')).status).toBe(204);
    expect(await sendPrompt()).toContain('Hello, model!');
  });

  it('sets faults of every mode, and removes them', async () => {
    const { drun, admin, ask: sendPrompt } = newEmulator();
    await admin('POST', 'faults', { plane: 'data', status: 503 });
    expect([await sendPrompt(), await sendPrompt()]).toEqual([
      expect.stringContaining('service unavailable'),
      expect.stringContaining('Hello'),
    ]);
    await admin('POST', 'faults', [
      { mode: 'always', status: 500 },
      { mode: 'random', probability: 0 },
    ]);
    expect(await sendPrompt()).toContain('error');
    await admin('DELETE', 'faults');
    expect(await sendPrompt()).toContain('Hello');
    expect(Array.from(drun.requests, ({ faults }) => faults?.length ?? 0)).toEqual([1, 0, 1, 0]);
  });

  it('returns and clears the request log', async () => {
    const { drun, admin, ask: sendPrompt } = newEmulator();
    await sendPrompt();
    await sendPrompt('sk-wrong-key-0123456789');
    const { body } = await admin('GET', 'requests');
    expect(body).toMatchObject([
      { path: '/v1/chat/completions', status: 200, model: 'public/deepseek-r1' },
      { status: 401, reason: 'The API key is unknown.' },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/0123456789/);
    await admin('DELETE', 'requests');
    expect([...drun.requests]).toEqual([]);
  });

  it('adds a scenario', async () => {
    const { admin, ask: sendPrompt } = newEmulator();
    const { status, body } = await admin('POST', 'scenario', {
      keys: [{ name: 'second', key: 'sk-second-key-0123456789' }],
      rules: [{ when: { key: 'second' }, reply: 'Hello, second.' }],
      faults: [{ key: 'second', nth: 2, status: 429 }],
    });
    expect([status, body.keys[0].name]).toEqual([201, 'second']);
    expect(await sendPrompt('sk-second-key-0123456789')).toContain('Hello, second.');
    expect(await sendPrompt('sk-second-key-0123456789')).toContain('rate limit');
    expect(await sendPrompt()).toContain('Hello, model!');
  });

  it.each<[number, string, object]>([
    [400, 'scenario: `rules.1.wen` is unknown; did you mean `when`?', { wen: { model: 'a' } }],
    [409, 'drun.keys: the key limit (`maxKeys`) is reached.', {}],
  ])('rejects a scenario as a whole with %i: %s', async (status, message, fields) => {
    const { drun, admin } = newEmulator({ maxKeys: status === 409 ? 2 : 3 });
    const response = await admin('POST', 'scenario', {
      keys: [{ name: 'second' }, { name: 'third' }],
      rules: [{ reply: 'x' }, { reply: 'y', ...fields }],
    });
    expect(response).toEqual({ status, body: { message } });
    expect([[...drun.keys].length, [...drun.rules].length]).toEqual([1, 0]);
  });

  it('limits rules, faults, log and reset to one key', async () => {
    const {
      drun,
      admin,
      ask: sendPrompt,
    } = newEmulator({
      keys: [
        { name: 'first', key: KEY },
        { name: 'second', key: 'sk-second-0123456789' },
      ],
    });
    for (const name of ['first', 'second']) {
      await admin('POST', 'rules', { when: { key: name }, reply: `for ${name}` });
      await admin('POST', 'faults', { mode: 'always', key: name, delayMs: 0 });
    }
    await sendPrompt();
    await sendPrompt('sk-second-0123456789');
    expect((await admin('GET', 'requests?key=second')).body).toHaveLength(1);
    expect((await admin('GET', 'rules?key=second')).body).toMatchObject([
      { when: { key: 'second' }, hits: 1 },
    ]);
    await admin('POST', 'reset?key=second');
    expect(await sendPrompt('sk-second-0123456789')).toContain('Hello, model!');
    expect(await sendPrompt()).toContain('for first');
    const { body } = await admin('GET', 'requests');
    expect(body.map(({ faults }: { faults?: unknown }) => faults)).toEqual([
      ['delayMs'],
      undefined,
      ['delayMs'],
    ]);
    const { id, quota } = (await admin('GET', 'keys')).body[1];
    expect(quota.used).toBe(8);
    const { body: stats } = await control(drun, 'POST', '/apikeys-stats', { ids: [id] });
    expect(stats).toMatchObject({ totalUsage: { total: '8' } });
    expect((await admin('POST', 'reset?key=third')).status).toBe(404);
  });

  it('resets to the state of the options', async () => {
    const { drun, admin } = newEmulator();
    await admin('POST', 'keys', { name: 'second' });
    await control(drun, 'GET', '/apikeys');
    await admin('POST', 'reset');
    expect(Array.from(drun.keys, ({ name }) => name)).toEqual(['first']);
    expect([...drun.requests]).toEqual([]);
  });

  it.each<[string, unknown, number, string]>([
    ['keys', '{', 400, 'JSON'],
    ['keys', { nme: 'x' }, 400, 'name'],
    ['keys', { name: 'first', key: KEY }, 409, 'same'],
    ['rules', { reply: 7 }, 400, 'reply'],
    ['faults', { status: 9 }, 400, 'status'],
    ['faults', { mode: 'often' }, 400, '`faults.0.mode` must be `next`, `always` or `random`.'],
    ['keys', { name: 'x', key: 'with a space' }, 400, '`keys.0.key` must be printable ASCII'],
    ['scenario', [], 400, 'object'],
    ['scenario', { models: ['x'] }, 400, '`models` is unknown'],
    ['scenario', { rules: {} }, 400, '`rules`'],
    ['unknown', {}, 404, 'Nothing is served'],
  ])('rejects POST %s with %j', async (path, body, status, message) => {
    const { drun, admin } = newEmulator();
    const response = await admin('POST', path, body);
    expect(response.status).toBe(status);
    expect(response.body.message).toContain(message);
    expect([...drun.requests]).toMatchObject([{ status, reason: response.body.message }]);
  });

  it('serves only the files of the dashboard without a token', async () => {
    const { drun } = newEmulator();
    for (const [file, type] of [
      ['', 'text/html'],
      ['style.css', 'text/css'],
      ['script.js', 'text/javascript'],
    ]) {
      const response = await drun.fetch(`http://127.0.0.1/_emulator/${file}`);
      expect(response.headers.get('content-type')).toContain(type);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(await response.text()).not.toContain(drun.accessToken.reveal());
    }
    expect((await drun.fetch('http://127.0.0.1/_emulator', { redirect: 'manual' })).status).toBe(308);
    expect([...drun.requests]).toEqual([]);
  });

  it('is off by default with `serve`, which logs the rejection', async () => {
    const { drun } = newEmulator();
    await using off = await serve(drun);
    expect((await fetch(`${off.url}/_emulator/`)).status).toBe(404);
    expect([...drun.requests]).toMatchObject([{ status: 404, reason: expect.stringContaining('`admin`') }]);
    await using on = await serve(drun, { admin: true });
    expect((await fetch(`${on.url}/_emulator/`)).status).toBe(200);
  });
});
