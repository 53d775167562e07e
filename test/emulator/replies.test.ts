import type { createEmulator, EmulatorOptions, Reply } from 'drun-sdk/emulator';
import { describe, expect, it } from 'vitest';
import { CHAT, chat, events, withKey } from './wire.ts';

interface WireChunk {
  readonly object: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: Readonly<Record<string, unknown>>;
    readonly text?: string;
    readonly finish_reason: string | null;
  }[];
  readonly usage?: Readonly<Record<string, number>>;
}

async function whole(options: EmulatorOptions, request: object = {}): Promise<Record<string, unknown>> {
  const { drun, key } = await withKey(options);
  return (await (await chat(drun, key, request)).json()) as Record<string, unknown>;
}

async function chunks(options: EmulatorOptions, request: object = {}): Promise<WireChunk[]> {
  const { drun, key } = await withKey(options);
  const data = await events(await chat(drun, key, { stream: true, ...request }));
  expect(data.at(-1)).toBe('[DONE]');
  return data.slice(0, -1).map((text) => JSON.parse(text) as WireChunk);
}

const deltas = (all: readonly WireChunk[]): unknown[] => all.flatMap(({ choices }) => choices);

describe('a reply', () => {
  const constants: [string, Reply][] = [
    ['a text', 'Good morning!'],
    ['an answer', { content: 'Good morning!' }],
    ['a completion', { choices: [{ message: { content: 'Good morning!' } }] }],
    [
      'an iterable that can be read again',
      {
        async *[Symbol.asyncIterator]() {
          yield 'Good ';
          yield 'morning!';
        },
      },
    ],
  ];
  it.each(constants)('can be %s, the same for every call', async (_, reply) => {
    const { drun, key } = await withKey({ reply });
    for (let call = 0; call < 2; call++) {
      expect(await (await chat(drun, key)).json()).toMatchObject({
        choices: [{ message: { role: 'assistant', content: 'Good morning!' }, finish_reason: 'stop' }],
      });
    }
  });

  it.each([
    [
      'a generator',
      (async function* () {
        yield 'once';
      })(),
    ],
    [
      'a stream',
      new ReadableStream({
        start(controller) {
          controller.enqueue('once');
          controller.close();
        },
      }) as unknown as AsyncIterable<string>,
    ],
  ])('that is %s can be read once, and says so the second time', async (_, reply) => {
    const { drun, key } = await withKey({ reply });
    expect((await (await chat(drun, key)).json()) as unknown).toMatchObject({
      choices: [{ message: { content: 'once' } }],
    });
    const second = await chat(drun, key);
    expect(second.status).toBe(502);
    expect(await second.text()).toContain('can be read only once');
  });

  it('is told when nobody waits for it any more', async () => {
    const asked = Promise.withResolvers<AbortSignal>();
    const { drun, key } = await withKey({
      reply: ({ signal }) => {
        asked.resolve(signal);
        return new Promise(() => {});
      },
    });
    const controller = new AbortController();
    const answer = chat(drun, key, {}, { signal: controller.signal });
    const signal = await asked.promise;
    controller.abort(new Error('gone'));
    await expect(answer).rejects.toThrow('gone');
    expect(signal.aborted).toBe(true);
  });

  it('is told when the reader of its stream leaves', async () => {
    let seen: AbortSignal | undefined;
    const { drun, key } = await withKey({
      async *reply({ signal }) {
        seen = signal;
        yield 'first';
        await new Promise(() => {});
      },
    });
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    await reader?.read();
    expect(seen?.aborted).toBe(false);
    await reader?.cancel();
    expect(seen?.aborted).toBe(true);
  });

  it('that never ends is left when nobody waits for the whole of it', async () => {
    const left = Promise.withResolvers<void>();
    const talking = Promise.withResolvers<void>();
    const { drun, key } = await withKey({
      async *reply() {
        try {
          for (;;) {
            yield 'more ';
            talking.resolve();
            await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          left.resolve();
        }
      },
    });
    const controller = new AbortController();
    const answer = chat(drun, key, {}, { signal: controller.signal });
    await talking.promise;
    controller.abort(new Error('gone'));
    await expect(answer).rejects.toThrow('gone');
    await left.promise;
  });
});

describe('an answer with reasoning', () => {
  const reply = { reasoning: 'abcd', content: 'efgh' };

  it('has it beside its content', async () => {
    expect(await whole({ reply })).toMatchObject({
      choices: [{ message: { role: 'assistant', reasoning_content: 'abcd', content: 'efgh' } }],
      usage: { completion_tokens: 2 },
    });
  });

  it('streams it before its content', async () => {
    const all = await chunks({ reply });
    expect(deltas(all)).toMatchObject([
      { delta: { role: 'assistant', content: '' } },
      ...['a', 'b', 'c', 'd'].map((text) => ({ delta: { reasoning_content: text } })),
      ...['e', 'f', 'g', 'h'].map((text) => ({ delta: { content: text } })),
      { delta: {}, finish_reason: 'stop' },
    ]);
    expect(all.at(-1)?.usage).toMatchObject({ completion_tokens: 2 });
  });
});

describe('an answer with tool calls', () => {
  const reply = {
    toolCalls: [
      { name: 'weather', arguments: { city: 'Paris' } },
      { name: 'time', id: 'mine' },
    ],
  };

  it('has them instead of content', async () => {
    expect(await whole({ reply })).toMatchObject({
      choices: [
        {
          message: {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: expect.stringMatching(/^chatcmpl-tool-[0-9a-f]{16}$/),
                type: 'function',
                function: { name: 'weather', arguments: '{"city":"Paris"}' },
              },
              { id: 'mine', type: 'function', function: { name: 'time', arguments: '{}' } },
            ],
          },
          finish_reason: 'tool_calls',
        },
      ],
      // weather, {"city":"Paris"}, time, {}: 29 characters.
      usage: { completion_tokens: 8 },
    });
  });

  it('streams the arguments in pieces, each with the number of its call', async () => {
    const all = await chunks({ reply });
    expect(deltas(all)[0]).toMatchObject({ delta: { role: 'assistant', content: null } });
    const calls = new Map<number, { id?: string; name?: string; text: string }>();
    for (const { delta } of all.flatMap(({ choices }) => choices)) {
      for (const call of (delta.tool_calls ?? []) as {
        index: number;
        id?: string;
        function: { name?: string; arguments: string };
      }[]) {
        const known = calls.get(call.index) ?? { text: '' };
        calls.set(call.index, {
          ...known,
          ...(call.id && { id: call.id }),
          ...(call.function.name && { name: call.function.name }),
          text: known.text + call.function.arguments,
        });
      }
    }
    expect([...calls]).toEqual([
      [0, { id: expect.any(String), name: 'weather', text: '{"city":"Paris"}' }],
      [1, { id: 'mine', name: 'time', text: '{}' }],
    ]);
    expect(deltas(all).at(-1)).toMatchObject({ delta: {}, finish_reason: 'tool_calls' });
    expect(all.at(-1)?.usage).toMatchObject({ completion_tokens: 8 });
  });

  it('has a new id for each tool call of each completion', async () => {
    const { drun, key } = await withKey({ reply: { toolCalls: [{ name: 'a' }, { name: 'b' }] } });
    const ids: string[] = [];
    for (let round = 0; round < 3; round++) {
      const { id, choices } = (await (await chat(drun, key, { n: 2 })).json()) as {
        id: string;
        choices: { message: { tool_calls: { id: string }[] } }[];
      };
      ids.push(id, ...choices.flatMap(({ message }) => message.tool_calls.map((call) => call.id)));
    }
    expect(new Set(ids).size).toBe(15);
  });

  it('may have arguments that are no JSON, and a reason of its own to finish', async () => {
    const { choices } = (await whole({
      reply: { toolCalls: [{ name: 'weather', arguments: '{"city":' }], finishReason: 'length' },
    })) as { choices: unknown[] };
    expect(choices).toMatchObject([
      { message: { tool_calls: [{ function: { arguments: '{"city":' } }] }, finish_reason: 'length' },
    ]);
  });

  it('that is misspelt is a 500 instead of an answer that says nothing', async () => {
    const { drun, key } = await withKey({ reply: (() => ({ contents: 'Hello!' })) as never });
    expect((await chat(drun, key)).status).toBe(500);
  });
});

describe('without a reply, the model', () => {
  const tools = [
    { type: 'function', function: { name: 'weather' } },
    { type: 'function', function: { name: 'time' } },
  ];
  const named = { type: 'function', function: { name: 'time' } };
  const messages = (content: string): object => ({ messages: [{ role: 'user', content }] });

  it.each([
    ['the one that is named', named, 'Hello!', 'time', '{}'],
    ['the first one where any will do', 'required', 'Hello!', 'weather', '{}'],
    ['with what was said for arguments', named, '{"zone":"UTC"}', 'time', '{"zone":"UTC"}'],
  ])('calls a tool that it has to call: %s', async (_, tool_choice, said, name, args) => {
    const body = await whole({}, { tools, tool_choice, ...messages(said) });
    expect(body).toMatchObject({
      choices: [
        {
          message: { content: null, tool_calls: [{ function: { name, arguments: args } }] },
          finish_reason: 'tool_calls',
        },
      ],
    });
  });

  it('gives a tool what its parameters have to be', async () => {
    const parameters = {
      type: 'object',
      properties: { city: { enum: ['Paris', 'Rome'] }, days: { type: 'integer', minimum: 1 }, unit: {} },
      required: ['city', 'days'],
    };
    const tool = { type: 'function', function: { name: 'weather', parameters } };
    const body = await whole({}, { tools: [tool], tool_choice: 'required', ...messages('Hello!') });
    expect(body).toMatchObject({
      choices: [{ message: { tool_calls: [{ function: { arguments: '{"city":"Paris","days":1}' } }] } }],
    });
  });

  it.each([
    [{ type: 'json_object' }, 'Hello!', '{}'],
    [{ type: 'json_object' }, '{"a":1}', '{"a":1}'],
    [{ type: 'text' }, 'Hello!', 'Hello!'],
    [
      {
        type: 'json_schema',
        json_schema: {
          schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        },
      },
      'Hello!',
      '{"a":""}',
    ],
  ])('answers in JSON where it has to: %o', async (response_format, said, content) => {
    const body = await whole({}, { response_format, ...messages(said) });
    expect(body).toMatchObject({ choices: [{ message: { content }, finish_reason: 'stop' }] });
  });

  it('calls none that it may leave', async () => {
    const body = await whole({}, { tools, tool_choice: 'auto', ...messages('Hello!') });
    expect(body).toMatchObject({ choices: [{ message: { content: 'Hello!' }, finish_reason: 'stop' }] });
  });

  it.each([
    { reasoning_effort: 'low' },
    { chat_template_kwargs: { enable_thinking: true } },
    { chat_template_kwargs: { thinking: true } },
  ])('reasons where it is asked to: %o', async (asked) => {
    const body = await whole({}, { ...asked, ...messages('Hello!') });
    expect(body).toMatchObject({
      choices: [{ message: { reasoning_content: 'The user said: Hello!', content: 'Hello!' } }],
    });
  });

  it.each([{ reasoning_effort: 'none' }, { chat_template_kwargs: { enable_thinking: false } }])(
    'does not where it is asked not to: %o',
    async (asked) => {
      const { choices } = (await whole({}, { ...asked, ...messages('Hello!') })) as { choices: object[] };
      expect(JSON.stringify(choices)).not.toContain('reasoning');
    },
  );

  it.each(['max_tokens', 'max_completion_tokens'])('stops at %s', async (field) => {
    const body = await whole({}, { [field]: 2, ...messages('Hello, model!') });
    expect(body).toMatchObject({
      choices: [{ message: { content: 'Hello, m' }, finish_reason: 'length' }],
      usage: { completion_tokens: 2 },
    });
  });

  it('answers as often as it is asked to', async () => {
    const body = (await whole({}, { n: 3, ...messages('Hello!') })) as { choices: { index: number }[] };
    expect(body.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const all = await chunks({ reply: 'abcd' }, { n: 2, ...messages('Hello!') });
    expect(deltas(all).slice(0, 4)).toMatchObject([
      { index: 0, delta: { role: 'assistant' } },
      { index: 1, delta: { role: 'assistant' } },
      { index: 0, delta: { content: 'a' } },
      { index: 1, delta: { content: 'a' } },
    ]);
  });
});

describe('a chat request', () => {
  it.each([
    ['temperature', 'hot'],
    ['max_tokens', 1.5],
    ['n', 0],
    ['n', 1000],
    ['stop', [7]],
    ['tools', [{ type: 'function' }]],
    ['tools', 'weather'],
    ['response_format', 'json'],
    ['stream_options', true],
    ['logprobs', 'yes'],
    ['messages', [{ role: 'user', content: [{ text: 'no type' }] }]],
  ])('with a wrong %s: %o, is rejected, with the name of the field', async (field, value) => {
    const { drun, key } = await withKey();
    const response = await chat(drun, key, { [field]: value });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: field, type: 'invalid_request_error' } });
  });

  it('may have null for what is optional, and fields that OpenAI does not have', async () => {
    const { drun, key } = await withKey();
    const request = {
      temperature: null,
      tools: null,
      n: null,
      stop: null,
      top_k: 40,
      repetition_penalty: 1.1,
    };
    expect((await chat(drun, key, request)).status).toBe(200);
  });
});

describe('the endpoint without chat', () => {
  const complete = (drun: ReturnType<typeof createEmulator>, key: string, body: object): Promise<Response> =>
    drun.fetch(`${CHAT}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'public/deepseek-r1', ...body }),
    });

  it('answers a prompt with a text', async () => {
    const { drun, key } = await withKey({ now: () => 1_700_000_000_000 });
    const response = await complete(drun, key, { prompt: 'Hello, model!' });
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^cmpl-\w{24}$/),
      object: 'text_completion',
      created: 1_700_000_000,
      model: 'public/deepseek-r1',
      choices: [{ index: 0, text: 'Hello, model!', logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 },
    });
  });

  it('streams it', async () => {
    const { drun, key } = await withKey({ reply: 'abcd' });
    const data = await events(await complete(drun, key, { prompt: ['Hello!'], stream: true }));
    const all = data.slice(0, -1).map((text) => JSON.parse(text) as WireChunk);
    expect(data.at(-1)).toBe('[DONE]');
    expect(new Set(all.map(({ object }) => object))).toEqual(new Set(['text_completion']));
    expect(deltas(all)).toEqual([
      ...['a', 'b', 'c', 'd'].map((text) => ({ index: 0, text, logprobs: null, finish_reason: null })),
      { index: 0, text: '', logprobs: null, finish_reason: 'stop' },
    ]);
    expect(all.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 1 } });
  });

  it.each([{}, { prompt: 7 }, { prompt: [[1, 2]] }])('refuses %o', async (body) => {
    const { drun, key } = await withKey();
    const response = await complete(drun, key, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'prompt' } });
  });
});

describe('the endpoint for images', () => {
  const draw = (drun: ReturnType<typeof createEmulator>, key: string, body: string): Promise<Response> =>
    drun.fetch(`${CHAT}/v1/images/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body,
    });

  it("checks what the gateway checks, and passes on a chat model server's 404", async () => {
    const { drun, key } = await withKey();
    expect((await draw(drun, 'sk-wrong', 'no JSON')).status).toBe(401);
    expect((await draw(drun, key, 'no JSON')).status).toBe(400);
    const unknown = await draw(drun, key, '{"model":"unknown","prompt":"a cat"}');
    expect(await unknown.json()).toMatchObject({ error: { code: 'model_not_found' } });
    const response = await draw(drun, key, '{"model":"public/deepseek-r1","prompt":"a cat"}');
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ detail: 'Not Found' });
  });
});
