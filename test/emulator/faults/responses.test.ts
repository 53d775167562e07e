import { createEmulator, type Emulator, type EmulatorOptions, type Fault } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { type VirtualClock, virtualClock } from '../virtual-clock.ts';
import { CHAT, chat, control, createKey, events, type WireList } from '../wire.ts';

interface Setup {
  readonly drun: Emulator;
  readonly key: string;
}

/** Creates an emulator whose streams have 8 events: the role, `a` to `d`, the finish reason, the usage and `[DONE]`. */
function setUp(fault?: Fault, options: EmulatorOptions = {}): Setup {
  const drun = createEmulator({ reply: 'abcd', ...options });
  const key = drun.keys.create({ name: 'checkout' }).secret.reveal();
  if (fault) drun.faults.next(fault);
  return { drun, key };
}

const CONNECTION_RESET = { name: 'TypeError', message: 'fetch failed', cause: { code: 'ECONNRESET' } };

/** Reads the events until the stream ends or fails. */
async function readEvents(response: Response): Promise<{ data: string[]; error?: unknown }> {
  let text = '';
  const decoder = new TextDecoder();
  const split = (): string[] => text.split('\n\n').flatMap((block) => (block === '' ? [] : [block]));
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
  } catch (error) {
    return { data: split(), error };
  }
  return { data: split() };
}

/** Counts the chunks of a stream as they arrive. */
function countChunks(response: Response): { readonly count: number; readonly end: Promise<void> } {
  let count = 0;
  const end = (async () => {
    for await (const _ of response.body ?? []) count++;
  })();
  return {
    end,
    get count() {
      return count;
    },
  };
}

describe('a status', () => {
  it.each([
    [400, { code: null, type: 'invalid_request_error' }],
    [401, { code: 'invalid_api_key', type: 'invalid_request_error' }],
    [402, { code: 'insufficient_quota', type: 'insufficient_quota' }],
    [403, { code: 'model_access_denied', type: 'invalid_request_error' }],
    [404, { code: 'model_not_found', type: 'invalid_request_error' }],
    [429, { code: 'model_rate_limit_exceeded', type: '' }],
    [500, { code: null, type: 'internal_error' }],
    [502, { code: null, type: 'upstream_error' }],
    [503, { code: null, type: 'internal_error' }],
    [504, { code: null, type: '' }],
  ])("of %d has the gateway's body", async (status, error) => {
    const { drun, key } = setUp({ status });
    const response = await chat(drun, key);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.has('retry-after')).toBe(false);
    expect(await response.json()).toEqual({ error: { ...error, message: expect.any(String), param: null } });
  });

  it('of 401 includes the key, as the gateway does', async () => {
    const { drun, key } = setUp({ status: 401 });
    expect(await (await chat(drun, key)).text()).toContain(key);
  });

  it.each([400, 401, 403, 404, 409, 429, 500, 503, 599])(
    'of %d on the control plane has an id and a message, in either language',
    async (status) => {
      const drun = createEmulator();
      drun.faults.next({ status, times: 2 });
      const english = await control(drun, 'GET', '/apikeys');
      expect(english.status).toBe(status);
      expect(english.body).toEqual({ id: expect.any(String), message: expect.any(String) });
      const chinese = await control(drun, 'GET', '/apikeys', undefined, { 'accept-language': 'zh' });
      expect((chinese.body as { message: string }).message).toMatch(/\p{Script=Han}/u);
    },
  );

  it.each<[string, Fault, string, string]>([
    ['a string', { status: 500, body: 'Internal Server Error' }, 'Internal Server Error', 'text/plain'],
    ['nothing', { status: 500, body: '' }, '', 'text/plain'],
    [
      'JSON',
      { status: 200, body: { error: { message: 'no' } } },
      '{"error":{"message":"no"}}',
      'application/json',
    ],
    ['null', { status: 200, body: null }, 'null', 'application/json'],
    ['an empty body with a success status', { status: 200 }, '', 'text/plain'],
    [
      'an HTML page',
      { status: 502, body: '<h1>No', headers: { 'content-type': 'text/html' } },
      '<h1>No',
      'text/html',
    ],
  ])('may have any body: %s', async (_, fault, body, type) => {
    const { drun, key } = setUp(fault);
    const response = await chat(drun, key);
    expect(response.status).toBe(fault.status ?? 200);
    expect(response.headers.get('content-type')).toContain(type);
    const text = await response.text();
    expect(text.startsWith(body)).toBe(true);
    if (body === '') expect(text).toBe('');
  });

  it('may have headers, and has no body if the status allows none', async () => {
    const { drun, key } = setUp({ status: 429, headers: { 'retry-after': '7', 'content-type': 'text/x' } });
    const { headers } = await chat(drun, key);
    expect(headers.get('retry-after')).toBe('7');
    expect(headers.get('content-type')).toBe('text/x');
    drun.faults.next({ status: 204 });
    const empty = await chat(drun, key);
    expect(empty.body).toBeNull();
    expect(empty.headers.has('content-type')).toBe(false);
  });

  it('prevents the request from being applied', async () => {
    const { drun, key } = setUp({ status: 503 });
    await chat(drun, key);
    expect([...drun.keys][0]?.quota.used).toBe(0);
    drun.faults.next({ status: 200 });
    await control(drun, 'POST', '/apikeys', { name: 'second' });
    expect([...drun.keys]).toHaveLength(1);
  });

  it('may be sent although the request is applied', async () => {
    const { drun, key } = setUp({ status: 503, applied: true });
    expect((await control(drun, 'POST', '/apikeys', { name: 'second' })).status).toBe(503);
    expect(Array.from(drun.keys, ({ name }) => name)).toEqual(['checkout', 'second']);
    drun.faults.next({ status: 502, applied: true });
    await chat(drun, key, { stream: true });
    expect([...drun.keys][0]?.quota.used).toBeGreaterThan(0);
  });
});

describe('a lost connection', () => {
  it('before the response rejects like fetch, and nothing is applied', async () => {
    const { drun } = setUp({ dropConnection: true });
    await expect(control(drun, 'POST', '/apikeys', { name: 'second' })).rejects.toMatchObject(
      CONNECTION_RESET,
    );
    expect([...drun.keys]).toHaveLength(1);
    expect([...drun.requests].at(-1)).not.toHaveProperty('status');
  });

  it('may be sent although the request is applied', async () => {
    const { drun } = setUp({ dropConnection: true, applied: true });
    await expect(control(drun, 'POST', '/apikeys', { name: 'second' })).rejects.toMatchObject(
      CONNECTION_RESET,
    );
    expect(Array.from(drun.keys, ({ name }) => name)).toEqual(['checkout', 'second']);
  });

  it.each([0, 1, 3])('during a stream occurs after %d chunks', async (dropAfterChunks) => {
    const { drun, key } = setUp({ dropAfterChunks });
    const { data, error } = await readEvents(await chat(drun, key, { stream: true }));
    expect(data).toHaveLength(dropAfterChunks);
    expect(error).toMatchObject(CONNECTION_RESET);
  });

  it('occurs before [DONE] at the latest', async () => {
    const { drun, key } = setUp({ dropAfterChunks: 100 });
    const { data, error } = await readEvents(await chat(drun, key, { stream: true }));
    expect(data).toHaveLength(7);
    expect(error).toMatchObject(CONNECTION_RESET);
  });

  it.each([0, 1])('during a JSON response with status %d truncates it', async (dropAfterChunks) => {
    const { drun, key } = setUp({ dropAfterChunks });
    const response = await chat(drun, key);
    expect(response.status).toBe(200);
    const { data, error } = await readEvents(response);
    expect(data.join('').length > 0).toBe(dropAfterChunks > 0);
    expect(error).toMatchObject(CONNECTION_RESET);
    expect(() => JSON.parse(data.join(''))).toThrow();
  });
});

describe('a stream', () => {
  it.each([
    [0, 0],
    [2, 2],
    [100, 7],
  ])(
    'that is truncated after %d chunks ends without an error after %d chunks',
    async (truncateAfterChunks, count) => {
      const { drun, key } = setUp({ truncateAfterChunks });
      const { data, error } = await readEvents(await chat(drun, key, { stream: true }));
      expect(error).toBeUndefined();
      expect(data).toHaveLength(count);
      expect(data.join()).not.toContain('[DONE]');
    },
  );

  it('without [DONE] is otherwise complete', async () => {
    const { drun, key } = setUp({ omitDone: true });
    const { data } = await readEvents(await chat(drun, key, { stream: true }));
    expect(data).toHaveLength(7);
    expect(data.at(-1)).toContain('usage');
  });

  it('may end with an error event', async () => {
    const { drun, key } = setUp({ errorAfterChunks: 2 });
    const first = await events(await chat(drun, key, { stream: true }));
    expect(first).toHaveLength(3);
    expect(JSON.parse(first[2] ?? '')).toMatchObject({ error: { type: 'internal_error' } });
    drun.faults.next({ errorAfterChunks: 0, errorEvent: { message: 'mine' } });
    const second = await events(await chat(drun, key, { stream: true }));
    expect(second).toEqual(['{"error": {"message": "mine"}}']);
  });

  it.each<[string, Fault, string]>([
    ['data: null', { nullEventAfterChunks: 2 }, 'data: null\n\n'],
    [
      'an error body without `data:`',
      { errorBodyAfterChunks: 2 },
      '{"error":{"code":null,"message":"internal error","param":null,"type":"internal_error"}}',
    ],
    [
      'an error of an older vLLM, then [DONE]',
      { errorObjectAfterChunks: 2 },
      'data: {"code":500,"message":"EngineCore died","object":"error","param":null,"type":"InternalServerError"}\n\ndata: [DONE]\n\n',
    ],
    ['the previous chunks', { truncateAfterChunks: 2 }, ''],
  ])('ends as the gateway ends a failed stream: with %s', async (_, fault, ending) => {
    const { drun, key } = setUp(fault);
    const text = await (await chat(drun, key, { stream: true })).text();
    const chunks = text
      .slice(0, text.length - ending.length)
      .split('\n\n')
      .slice(0, -1);
    expect(chunks).toHaveLength(2);
    for (const chunk of chunks) expect(JSON.parse(chunk.slice(6))).toHaveProperty('id');
    expect(text.endsWith(ending)).toBe(true);
  });

  it.each<[Fault, number]>([
    [{ malformedJson: true }, 0],
    [{ malformedJson: 3 }, 3],
  ])('may contain an event that is not JSON: %o', async (fault, place) => {
    const { drun, key } = setUp(fault);
    const data = await events(await chat(drun, key, { stream: true }));
    expect(data).toHaveLength(8);
    expect(data.at(-1)).toBe('[DONE]');
    for (const [index, text] of data.slice(0, -1).entries()) {
      if (index === place) expect(() => JSON.parse(text)).toThrow();
      else expect(JSON.parse(text)).toHaveProperty('id');
    }
  });

  it('has usage for the chunks that were sent', async () => {
    const { drun, key } = setUp({ truncateAfterChunks: 3 });
    await (await chat(drun, key, { stream: true })).text();
    // "Hello, model!" and two letters, plus a third letter that was already generated.
    expect([...drun.keys][0]?.quota.used).toBe(5);
  });
});

describe('a JSON response', () => {
  it.each<Fault>([{ truncateAfterChunks: 1 }, { malformedJson: true }, { malformedJson: 4 }])(
    'is invalid JSON with %o',
    async (fault) => {
      const { drun, key } = setUp(fault);
      const response = await chat(drun, key);
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(text).toContain('chatcmpl');
      expect(() => JSON.parse(text)).toThrow();
    },
  );

  it('is empty if it is truncated after 0 chunks, and an error with status 200 if it fails', async () => {
    const { drun, key } = setUp({ truncateAfterChunks: 0 });
    expect(await (await chat(drun, key)).text()).toBe('');
    drun.faults.next({ errorAfterChunks: 1 });
    const response = await chat(drun, key);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ error: { type: 'internal_error' } });
  });

  it('of the control plane is truncated in the same way', async () => {
    const drun = createEmulator();
    await createKey(drun);
    drun.faults.next({ truncateAfterChunks: 1 });
    const response = await drun.fetch('https://console.d.run/apis/hydra.io/v1alpha1/apikeys', {
      headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
    });
    const text = await response.text();
    expect(() => JSON.parse(text)).toThrow();
    expect((await control<WireList>(drun, 'GET', '/apikeys')).body.items).toHaveLength(1);
  });
});

describe('a delay', () => {
  async function settlesWithin(clock: VirtualClock, promise: Promise<unknown>, ms: number): Promise<boolean> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await clock.advance(ms);
    return settled;
  }

  it('before the response uses `sleep`', async () => {
    const clock = virtualClock();
    const { drun, key } = setUp({ delayMs: 5000 }, { now: clock.now, sleep: clock.sleep });
    const pending = chat(drun, key);
    expect(await settlesWithin(clock, pending, 4999)).toBe(false);
    expect(await settlesWithin(clock, pending, 1)).toBe(true);
    expect([...drun.requests].at(-1)).toMatchObject({ status: 200, durationMs: 5000, faults: ['delayMs'] });
  });

  it('can be aborted', async () => {
    const clock = virtualClock();
    const { drun, key } = setUp({ delayMs: 5000 }, { now: clock.now, sleep: clock.sleep });
    const controller = new AbortController();
    const pending = chat(drun, key, {}, { signal: controller.signal });
    await clock.advance(1);
    controller.abort(new Error('impatient'));
    await expect(pending).rejects.toThrow('impatient');
    expect(clock.sleeping).toBe(0);
    expect([...drun.keys][0]?.quota.used).toBe(0);
  });

  it('during a stream starts after the given number of chunks', async () => {
    const clock = virtualClock();
    const { drun, key } = setUp(
      { stallAfterChunks: 1, stallMs: 100 },
      { now: clock.now, sleep: clock.sleep },
    );
    const chunks = countChunks(await chat(drun, key, { stream: true }));
    await clock.advance(0);
    expect(chunks.count).toBe(1);
    await clock.advance(99);
    expect(chunks.count).toBe(1);
    await clock.advance(1);
    await chunks.end;
    expect(chunks.count).toBe(8);
  });

  it('during a stream can be aborted', async () => {
    const clock = virtualClock();
    const { drun, key } = setUp(
      { stallAfterChunks: 1, stallMs: 100 },
      { now: clock.now, sleep: clock.sleep },
    );
    const controller = new AbortController();
    const response = await chat(drun, key, { stream: true }, { signal: controller.signal });
    const reading = response.text();
    await clock.advance(50);
    controller.abort(new Error('impatient'));
    await expect(reading).rejects.toThrow('impatient');
    expect(clock.sleeping).toBe(0);
  });

  it('separates the chunks of a stream', async () => {
    const clock = virtualClock();
    const { drun, key } = setUp({ chunkDelayMs: 100 }, { now: clock.now, sleep: clock.sleep });
    const chunks = countChunks(await chat(drun, key, { stream: true }));
    await clock.advance(0);
    expect(chunks.count).toBe(1);
    await clock.advance(100);
    expect(chunks.count).toBe(2);
    await clock.advance(600);
    await chunks.end;
    expect(chunks.count).toBe(8);
  });

  it('can be combined with any other fault', async () => {
    const clock = virtualClock();
    const { drun, key } = setUp({ delayMs: 1000, status: 503 }, { now: clock.now, sleep: clock.sleep });
    const pending = chat(drun, key);
    expect(await settlesWithin(clock, pending, 999)).toBe(false);
    await clock.advance(1);
    expect((await pending).status).toBe(503);
  });
});

describe('a fault', () => {
  it('is logged with the requests to which it applied, and counts them', async () => {
    const { drun, key } = setUp();
    const fault = drun.faults.next({ status: 503, times: 2 });
    expect(fault.hits).toBe(0);
    await chat(drun, key);
    await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    await chat(drun, key);
    expect(fault.hits).toBe(2);
    expect(Array.from(drun.requests, ({ status, faults }) => ({ status, faults }))).toEqual([
      { status: 503, faults: ['status'] },
      { status: 503, faults: ['status'] },
      { status: 200, faults: undefined },
    ]);
  });
});
