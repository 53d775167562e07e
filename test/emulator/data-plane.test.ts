import { createEmulator, type EmulatorOptions, type ReplyContext } from 'drun-sdk/emulator';
import { describe, expect, it, vi } from 'vitest';
import { CHAT, chat, control, createKey, events, withKey } from './wire.ts';

interface WireCompletion {
  readonly id: string;
  readonly choices: readonly { readonly message: Record<string, unknown>; readonly finish_reason: string }[];
  readonly usage: Record<string, unknown>;
}

const error = (code: string | null, type: string, message?: string): unknown => ({
  error: {
    code,
    type,
    message: message ?? expect.any(String),
    param: expect.toSatisfy((param) => param === null || typeof param === 'string'),
  },
});

describe('the list of models', () => {
  it('names those that there are', async () => {
    const { drun, key } = await withKey({ models: ['public/one', 'two'], now: () => 1_700_000_000_500 });
    const response = await drun.fetch(`${CHAT}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toEqual({
      object: 'list',
      data: [
        { id: 'public/one', object: 'model', created: 1_700_000_000, owned_by: 'public' },
        { id: 'two', object: 'model', created: 1_700_000_000, owned_by: 'two' },
      ],
    });
  });

  it('needs a key', async () => {
    const drun = createEmulator();
    expect((await drun.fetch(`${CHAT}/v1/models`)).status).toBe(401);
  });
});

describe('a chat completion', () => {
  it('repeats the last user message where no reply is given', async () => {
    const { drun, key } = await withKey({ now: () => 1_700_000_000_000 });
    const response = await chat(drun, key, {
      messages: [
        { role: 'user', content: 'first' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hel' },
            { type: 'image_url', image_url: { url: 'data:,' } },
            { type: 'text', text: 'lo!' },
          ],
        },
        { role: 'assistant', content: null },
      ],
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^chatcmpl-\w{24}$/),
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'public/deepseek-r1',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello!' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
  });

  it('tells the reply the request, with fields that nobody knows, and the key, masked', async () => {
    const seen: ReplyContext[] = [];
    const { drun, key } = await withKey({
      reply: (context) => {
        seen.push(context);
        return 'ok';
      },
    });
    await chat(drun, key, { top_k: 40 });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.request).toMatchObject({ model: 'public/deepseek-r1', top_k: 40 });
    expect(seen[0]?.key).toMatchObject({ name: 'checkout', lastUsedAt: expect.any(Date) });
    expect(JSON.stringify(seen)).not.toContain(key);
  });

  const replies: [string, EmulatorOptions['reply']][] = [
    ['a string', () => 'Good morning!'],
    ['a promise', async () => 'Good morning!'],
    [
      'an async iterable',
      async function* () {
        yield 'Good ';
        yield 'morning!';
      },
    ],
  ];
  it.each(replies)('says what %s says', async (_, reply) => {
    const { drun, key } = await withKey({ reply });
    const { choices, usage } = (await (await chat(drun, key)).json()) as WireCompletion;
    expect(choices[0]?.message).toEqual({ role: 'assistant', content: 'Good morning!' });
    expect(usage.completion_tokens).toBe(4);
  });

  it('passes a whole completion on and fills in what it leaves out', async () => {
    const { drun, key } = await withKey({
      reply: () => ({
        id: 'mine',
        choices: [
          { message: { content: null, tool_calls: [{ id: 'call' }] }, finish_reason: 'tool_calls' },
          { message: { content: 'four', reasoning_content: 'four' } },
        ],
      }),
    });
    expect(await (await chat(drun, key)).json()).toEqual({
      id: 'mine',
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'public/deepseek-r1',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: null, tool_calls: [{ id: 'call' }] },
          finish_reason: 'tool_calls',
        },
        {
          index: 1,
          message: { role: 'assistant', content: 'four', reasoning_content: 'four' },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 },
    });
  });

  const failures: [string, EmulatorOptions['reply']][] = [
    [
      'throws',
      () => {
        throw new Error('out of memory');
      },
    ],
    ['rejects', () => Promise.reject(new Error('out of memory'))],
    [
      'fails while it is read',
      // biome-ignore lint/correctness/useYield: it fails before its first piece
      async function* () {
        throw new Error('out of memory');
      },
    ],
  ];
  it.each(failures)('is a 502 where the reply %s', async (_, reply) => {
    const { drun, key } = await withKey({ reply });
    const response = await chat(drun, key);
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual(error(null, 'upstream_error', 'The model failed: out of memory'));
  });

  it.each([undefined, 7, ['Hello!'], {}, { choices: [{}] }])(
    'is a 500 that names `reply` where that gives %o',
    async (value) => {
      const { drun, key } = await withKey({ reply: (() => value) as unknown as () => string });
      const response = await chat(drun, key);
      expect(response.status).toBe(500);
      expect(await response.json()).toEqual(
        error(null, 'internal_error', expect.stringContaining('`reply`') as unknown as string),
      );
    },
  );
});

it.each([7, undefined, null, { content: 'Hello!' }])(
  'a piece of a reply that is no text, such as %o, fails the answer',
  async (piece) => {
    const { drun, key } = await withKey({
      async *reply() {
        yield 'Once upon ';
        yield piece as unknown as string;
      },
    });
    const whole = await chat(drun, key);
    expect(whole.status).toBe(502);
    expect(await whole.text()).toContain('`reply`');
    const stream = await events(await chat(drun, key, { stream: true }));
    expect(stream.at(-1)).toContain('"delta":{"content":"Once upon "}');
  },
);

describe('what the gateway refuses', () => {
  it.each([
    ['no header', undefined],
    ['another scheme', 'Basic dXNlcjpwYXNzd29yZA=='],
    ['no key', 'Bearer '],
    ['two keys', 'Bearer sk-one sk-two'],
  ])('is %s, without a code', async (_, authorization) => {
    const drun = createEmulator();
    const response = await chat(drun, '', {}, { headers: authorization ? { authorization } : {} });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual(error(null, 'invalid_request_error'));
  });

  it('is a key that it did not issue, and it repeats that whole', async () => {
    const drun = createEmulator();
    const response = await chat(drun, 'sk-somebody-elses-key');
    expect(response.status).toBe(401);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toEqual(
      error('invalid_api_key', 'invalid_request_error', 'Incorrect API key provided: sk-somebody-elses-key'),
    );
  });

  it('is the access token', async () => {
    const drun = createEmulator();
    expect((await chat(drun, drun.accessToken.reveal())).status).toBe(401);
  });

  it('is a key of another emulator, of before a reset, and one that was deleted', async () => {
    const other = await withKey();
    const { drun, key } = await withKey();
    expect((await chat(drun, other.key)).status).toBe(401);
    drun.reset();
    expect((await chat(drun, key)).status).toBe(401);
    const created = await createKey(drun);
    expect((await chat(drun, created.key)).status).toBe(200);
    await control(drun, 'DELETE', `/apikeys/${created.id}`, {});
    expect((await chat(drun, created.key)).status).toBe(401);
  });

  it('is a key from the moment of its expiry', async () => {
    let now = Date.UTC(2026, 0, 1);
    const drun = createEmulator({ now: () => now });
    const { key } = await createKey(drun, { expireTime: '2026-01-02T00:00:00Z' });
    now = Date.UTC(2026, 0, 2) - 1;
    expect((await chat(drun, key)).status).toBe(200);
    now = Date.UTC(2026, 0, 2);
    const rejected = await chat(drun, key);
    expect(rejected.status).toBe(401);
    expect(await rejected.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    expect([...drun.keys][0]?.lastUsedAt).toEqual(new Date(Date.UTC(2026, 0, 2) - 1));
  });

  it('is a wrong key before the body is looked at', async () => {
    const drun = createEmulator();
    expect((await chat(drun, 'sk-wrong', {}, { body: 'no JSON' })).status).toBe(401);
  });

  it.each([
    ['a body that is not JSON', 'no JSON'],
    ['no body', null],
    ['a list', '[]'],
    ['null', 'null'],
    ['no model', '{"messages":[{"role":"user","content":"Hello!"}]}'],
    ['an empty model', '{"model":"","messages":[{"role":"user","content":"Hello!"}]}'],
    ['no messages', '{"model":"public/deepseek-r1"}'],
    ['messages that are empty', '{"model":"public/deepseek-r1","messages":[]}'],
    ['a message without a role', '{"model":"public/deepseek-r1","messages":[{"content":"Hello!"}]}'],
    [
      'a `stream` that is no boolean',
      '{"model":"public/deepseek-r1","messages":[{"role":"user"}],"stream":"yes"}',
    ],
  ])('is %s', async (_, body) => {
    const { drun, key } = await withKey();
    const response = await chat(drun, key, {}, { body });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(error(null, 'invalid_request_error'));
  });

  it('is a model that there is not, before the messages are looked at', async () => {
    const { drun, key } = await withKey();
    const response = await chat(drun, key, { model: 'public/unknown', messages: [] });
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual(error('model_not_found', 'invalid_request_error'));
  });

  it.each([
    ['GET', '/v1/chat/completions'],
    ['POST', '/v1/models'],
    ['POST', '/v1/embeddings'],
    ['GET', '/v1/chat/completions/'],
    ['GET', '/elsewhere'],
  ])('is %s %s, which it does not serve', async (method, path) => {
    const { drun, key } = await withKey();
    const response = await drun.fetch(CHAT + path, { method, headers: { authorization: `Bearer ${key}` } });
    expect(response.status).toBe(404);
    expect(await response.text()).toBe('404 page not found\n');
  });
});

describe('a streamed completion', () => {
  it('is a role, the content in pieces, the end, the usage and the mark', async () => {
    const { drun, key } = await withKey({ now: () => 1_700_000_000_000 });
    const response = await chat(drun, key, {
      stream: true,
      messages: [{ role: 'user', content: '你好 world 👋🏽' }],
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const data = await events(response);
    expect(data.at(-1)).toBe('[DONE]');
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text));
    const head = {
      id: chunks[0].id,
      object: 'chat.completion.chunk',
      created: 1_700_000_000,
      model: 'public/deepseek-r1',
    };
    const delta = (fields: object, finish_reason: string | null = null): object => ({
      ...head,
      choices: [{ index: 0, delta: fields, finish_reason }],
    });
    expect(chunks).toEqual([
      delta({ role: 'assistant', content: '' }),
      delta({ content: '你好 ' }),
      delta({ content: 'wor' }),
      delta({ content: 'ld ' }),
      delta({ content: '👋🏽' }),
      delta({}, 'stop'),
      {
        ...head,
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
      },
    ]);
  });

  it.each(['', 'a', 'ab', 'abcde', 'abcdefghi'])('puts "%s" together again', async (text) => {
    const { drun, key } = await withKey({ reply: () => text });
    const data = await events(await chat(drun, key, { stream: true }));
    const pieces = data.slice(1, -3).map((chunk) => JSON.parse(chunk).choices[0].delta.content);
    expect(pieces.join('')).toBe(text);
    expect(pieces).not.toContain('');
  });

  it('has the deltas of a whole completion, choice by choice, with its own usage', async () => {
    const { drun, key } = await withKey({
      reply: () => ({
        system_fingerprint: 'fp',
        usage: { total_tokens: 1 },
        choices: [
          {
            message: { reasoning_content: 'ab', content: 'c', tool_calls: [{ id: 'call' }] },
            finish_reason: 'x',
          },
          { index: 4, message: { content: null } },
        ],
      }),
    });
    const data = await events(await chat(drun, key, { stream: true }));
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text));
    expect(chunks.every((chunk) => chunk.system_fingerprint === 'fp')).toBe(true);
    expect(chunks.flatMap(({ choices }) => choices)).toEqual([
      { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null },
      { index: 0, delta: { reasoning_content: 'a' }, finish_reason: null },
      { index: 0, delta: { reasoning_content: 'b' }, finish_reason: null },
      { index: 0, delta: { content: 'c' }, finish_reason: null },
      { index: 0, delta: { tool_calls: [{ index: 0, id: 'call' }] }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'x' },
      { index: 4, delta: { role: 'assistant', content: null }, finish_reason: null },
      { index: 4, delta: {}, finish_reason: 'stop' },
    ]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 1 } });
  });

  it('just ends, without the mark, where the model fails in the middle', async () => {
    const { drun, key } = await withKey({
      async *reply() {
        yield 'Once upon ';
        throw new Error('out of memory');
      },
    });
    const text = await (await chat(drun, key, { stream: true })).text();
    expect(text).toContain('Once upon ');
    expect(text).not.toMatch(/error|DONE|out of memory/);
  });

  it('is a 502 where the model fails before it began', async () => {
    const { drun, key } = await withKey({ reply: () => Promise.reject(new Error('down')) });
    expect((await chat(drun, key, { stream: true })).status).toBe(502);
  });

  it('asks the model for the next piece only when its reader wants one', async () => {
    let asked = 0;
    const { drun, key } = await withKey({
      async *reply() {
        for (;;) yield `piece ${++asked} `;
      },
    });
    const response = await chat(drun, key, { stream: true });
    const reader = response.body?.getReader();
    await reader?.read();
    expect(asked).toBe(0);
    await reader?.read();
    await reader?.read();
    expect(asked).toBe(2);
    await reader?.cancel();
  });

  it('ends the model when its reader leaves', async () => {
    const left = vi.fn();
    const { drun, key } = await withKey({
      async *reply() {
        try {
          for (;;) yield 'more ';
        } finally {
          left();
        }
      },
    });
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.read();
    await reader?.cancel();
    await vi.waitFor(() => expect(left).toHaveBeenCalledOnce());
  });

  it('lets its reader leave although the model is stuck', async () => {
    const stuck = Promise.withResolvers<void>();
    const { drun, key } = await withKey({
      async *reply() {
        stuck.resolve();
        yield await new Promise<string>(() => {});
      },
    });
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    const pending = reader?.read();
    await stuck.promise;
    await reader?.cancel();
    expect(await pending).toEqual({ done: true, value: undefined });
  });
});
