import { toJsonSchema } from '@valibot/to-json-schema';
import { type as arktype } from 'arktype';
import { createEmulator, type EmulatorOptions, type Reply } from 'drun-sdk/emulator';
import * as v from 'valibot';
import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { chat, events, withKey } from './wire.ts';

interface Message {
  role?: string;
  content: string | null;
  reasoning_content?: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

interface Choice {
  readonly index: number;
  readonly message: Message;
  readonly finish_reason?: string;
  readonly stop_reason?: string | null;
}

interface Body {
  readonly choices: [Choice, ...Choice[]];
  readonly error: { readonly code: unknown; readonly message: string };
  readonly [field: string]: unknown;
}

async function complete(
  options: EmulatorOptions,
  request: object = {},
): Promise<{ status: number; body: Body }> {
  const { drun, key } = await withKey(options);
  const response = await chat(drun, key, request);
  return { status: response.status, body: (await response.json()) as Body };
}

/** Streams a reply, and joins the deltas of each choice. */
async function streamToChoices(options: EmulatorOptions, request: object = {}): Promise<Choice[]> {
  const { drun, key } = await withKey(options);
  const choices: Choice[] = [];
  const data = await events(await chat(drun, key, { stream: true, ...request }));
  expect(data.at(-1)).toBe('[DONE]');
  for (const { index, delta, ...rest } of data.slice(0, -1).flatMap((text) => JSON.parse(text).choices)) {
    const choice: Choice = choices[index] ?? { index, message: { content: null } };
    choices[index] = choice;
    for (const field of ['content', 'reasoning_content'] as const) {
      if (typeof delta[field] === 'string')
        choice.message[field] = (choice.message[field] ?? '') + delta[field];
    }
    for (const { index: at, function: functionDelta, ...call } of delta.tool_calls ?? []) {
      const calls = choice.message.tool_calls ?? [];
      choice.message.tool_calls = calls;
      const toolCall = calls[at] ?? { ...call, function: { name: functionDelta.name, arguments: '' } };
      calls[at] = toolCall;
      toolCall.function.arguments += functionDelta.arguments ?? '';
    }
    if (rest.finish_reason !== null) Object.assign(choice, rest);
  }
  return choices;
}

const REPLIES: readonly (readonly [string, EmulatorOptions['reply'], object])[] = [
  ['a string', 'Good morning!', { content: 'Good morning!' }],
  ['an empty string', '', { content: '' }],
  ['a promise', async () => 'Good morning!', { content: 'Good morning!' }],
  [
    'an iterable',
    async function* () {
      yield 'Good ';
      yield { content: 'morning!' };
    },
    { content: 'Good morning!' },
  ],
  ['reasoning', { reasoning: 'hm 👋🏽', content: 'Yes' }, { reasoning_content: 'hm 👋🏽', content: 'Yes' }],
  [
    'tool calls',
    {
      toolCalls: [
        { name: 'weather', arguments: { city: 'Oslo' } },
        { name: 'time', id: 'mine' },
      ],
    },
    {
      tool_calls: [
        { function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
        { id: 'mine', function: { name: 'time', arguments: '{}' } },
      ],
    },
  ],
  [
    'chunks',
    {
      chunks: [
        { reasoning: 'hm' },
        'Good ',
        'morning!',
        { toolCalls: [{ name: 'time', arguments: '{' }] },
        { toolCalls: [{ arguments: '}' }] },
      ],
    },
    {
      reasoning_content: 'hm',
      content: 'Good morning!',
      tool_calls: [{ function: { name: 'time', arguments: '{}' } }],
    },
  ],
  [
    'a completion',
    { choices: [{ message: { content: 'Good morning!', reasoning_content: 'hm' } }] },
    { content: 'Good morning!', reasoning_content: 'hm' },
  ],
];

describe.each(REPLIES)('a reply that is %s', (_, reply, message) => {
  it('is sent as a completion', async () => {
    const { body } = await complete({ reply });
    expect(body).toMatchObject({ object: 'chat.completion', choices: [{ index: 0, message }] });
  });

  it('is sent as a stream', async () => {
    expect(await streamToChoices({ reply })).toMatchObject([{ index: 0, message }]);
  });
});

describe('a completion', () => {
  it('has a new id, and so has each tool call', async () => {
    const { drun, key } = await withKey({ reply: { toolCalls: [{ name: 'a' }, { name: 'b' }] } });
    const ids: string[] = [];
    for (let round = 0; round < 3; round++) {
      const { id, choices } = (await (await chat(drun, key, { n: 2 })).json()) as {
        id: string;
        choices: Choice[];
      };
      ids.push(id, ...choices.flatMap(({ message }) => (message.tool_calls ?? []).map((call) => call.id)));
    }
    expect(new Set(ids).size).toBe(15);
    const [choice] = await streamToChoices({ reply: { toolCalls: [{ name: 'a' }] } });
    expect(choice?.message.tool_calls?.[0]?.id).toMatch(/^chatcmpl-tool-[0-9a-f]{16}$/);
  });

  it('has the same null fields and the same usage as in vLLM', async () => {
    const { body } = await complete({ reply: 'Good morning!' });
    expect(body.choices[0]).toMatchObject({ logprobs: null, stop_reason: null, token_ids: null });
    expect(body.choices[0].message).toMatchObject({ refusal: null, audio: null, reasoning_content: null });
    // "Hello, model!" and "Good morning!" have 13 characters each.
    expect(body.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 });
  });

  it('has the reasoning field of its model', async () => {
    const models = [{ id: 'public/deepseek-r1', reasoningField: 'reasoning' as const }];
    const { body } = await complete({ models, reply: { reasoning: 'hm', content: 'x' } });
    expect(body.choices[0].message).toMatchObject({ reasoning: 'hm' });
    expect(body.choices[0].message).not.toHaveProperty('reasoning_content');
  });

  it.each([{ total_tokens: 7 }, null])('in wire format is sent unchanged with usage %j', async (usage) => {
    const reply = {
      system_fingerprint: 'fp',
      usage,
      choices: [{ message: { content: 'x', y: [1] } }],
    };
    const { body } = await complete({ reply }, { n: 2, max_tokens: 1 });
    expect(body).toMatchObject({
      model: 'public/deepseek-r1',
      system_fingerprint: 'fp',
      usage,
      choices: [{ index: 0, message: { role: 'assistant', content: 'x', y: [1] }, finish_reason: 'stop' }],
    });
    expect(body.choices).toHaveLength(1);
    const { drun, key } = await withKey({ reply });
    const request = { stream: true, stream_options: { include_usage: true } };
    const [, last] = (await events(await chat(drun, key, request))).reverse();
    expect(JSON.parse(last ?? '')).toMatchObject({ choices: [], usage });
  });

  it('is assembled from chunks in wire format that lack fields or have a high index', async () => {
    const chunks = [
      { choices: [{ index: 2 ** 31, delta: { content: 'y' } }] },
      { choices: [{ delta: { content: 'x' } }] },
      { choices: [{ finish_reason: 'stop' }] },
    ];
    const { body } = await complete({ reply: { chunks } });
    expect(body.choices).toMatchObject([
      { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' },
      { index: 2 ** 31, message: { content: 'y' }, finish_reason: null },
    ]);
  });
});

describe.each(['completion', 'stream'])('a request for a %s', (form) => {
  const choices = async (reply: Reply, request: object, options: EmulatorOptions = {}): Promise<Choice[]> =>
    form === 'completion'
      ? (await complete({ reply, ...options }, request)).body.choices
      : streamToChoices({ reply, ...options }, request);

  it('receives the requested number of choices', async () => {
    const all = await choices('Hi', { n: 3 });
    expect(all.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'Hi'],
      [1, 'Hi'],
      [2, 'Hi'],
    ]);
  });

  it.each<[Reply, string]>([
    ['one two three', 'one '],
    [{ chunks: ['one t', 'w', 'o three'] }, 'one '],
    [{ chunks: ['one ', 't', 'hree two'] }, 'one three '],
  ])('receives the reply up to a stop string: %j', async (reply, content) => {
    const [choice] = await choices(reply, { stop: ['two', 'xyz'] });
    expect(choice).toMatchObject({ message: { content }, finish_reason: 'stop', stop_reason: 'two' });
  });

  it('receives text that is only the start of a stop string', async () => {
    const [choice] = await choices({ chunks: ['one t', 'w'] }, { stop: 'two' });
    expect(choice).toMatchObject({
      message: { content: 'one tw' },
      finish_reason: 'stop',
      stop_reason: null,
    });
  });

  it.each([{ max_tokens: 2 }, { max_completion_tokens: 2, max_tokens: 9 }])(
    'receives at most %j',
    async (limit) => {
      const [choice] = await choices('123456789', limit);
      expect(choice).toMatchObject({ message: { content: '12345678' }, finish_reason: 'length' });
      const [short] = await choices('12345678', limit);
      expect(short).toMatchObject({ message: { content: '12345678' }, finish_reason: 'stop' });
    },
  );

  it('receives the finish reason with the text of the last chunk', async () => {
    const reply = { chunks: ['one ', { content: 'two', finishReason: 'length' }, 'three'] };
    const [choice] = await choices(reply, {});
    expect(choice).toMatchObject({ message: { content: 'one two' }, finish_reason: 'length' });
    const [stopped] = await choices(reply, { stop: 'three' });
    expect(stopped).toMatchObject({ message: { content: 'one two' }, finish_reason: 'length' });
  });

  it('receives reasoning and tool calls within the limit', async () => {
    const reply = { reasoning: '1234', toolCalls: [{ name: 'x', arguments: '{"a":1}' }] };
    const [choice] = await choices(reply, { max_tokens: 2 });
    expect(choice).toMatchObject({
      message: { reasoning_content: '1234', tool_calls: [{ function: { arguments: '{"a"' } }] },
      finish_reason: 'length',
    });
  });

  it('receives at most what fits into the context of the model', async () => {
    const models = [{ id: 'public/deepseek-r1', contextLength: 6 }];
    const [choice] = await choices('123456789', {}, { models });
    expect(choice).toMatchObject({ message: { content: '12345678' }, finish_reason: 'length' });
  });
});

describe('a reply function', () => {
  it('receives the request with unknown fields, and the key', async () => {
    const reply = vi.fn(() => 'x');
    await complete({ reply }, { top_k: 3 });
    expect(reply).toHaveBeenCalledWith({
      request: expect.objectContaining({ model: 'public/deepseek-r1', top_k: 3 }),
      key: expect.objectContaining({ name: 'checkout', maskedKey: expect.stringMatching(/^sk-\*{6}/) }),
      signal: expect.any(AbortSignal),
    });
  });

  it.each<[string, EmulatorOptions['reply']]>([
    [
      'throws',
      () => {
        throw new Error('out of memory');
      },
    ],
    ['rejects', () => Promise.reject(new Error('out of memory'))],
  ])('that %s causes a 500, as a failing model server does', async (_, reply) => {
    for (const stream of [false, true]) {
      const { status, body } = await complete({ reply }, { stream });
      expect(status).toBe(500);
      expect(body).toEqual({
        error: { code: '500', message: 'out of memory', param: null, type: 'InternalServerError' },
      });
    }
  });

  it.each([
    ['gateway', 'data: null\n\n'],
    ['none', ', "code": 500}}\n\ndata: [DONE]\n\n'],
  ] as const)(
    'that fails during a stream ends it like a failing model server with %s',
    async (behind, ending) => {
      const { drun, key } = await withKey({
        behind,
        async *reply() {
          yield 'Once upon ';
          throw new Error('out of memory');
        },
      });
      const text = await (await chat(drun, key, { stream: true })).text();
      expect(text).toContain('Once upon ');
      expect(text.endsWith(ending)).toBe(true);
      expect(text.includes('out of memory')).toBe(behind === 'none');
    },
  );

  it.each([
    undefined,
    7,
    ['x'],
    {},
    { content: 'x', typo: 1 },
    { content: 'x', chunks: [] },
    { choices: [{}] },
  ])('that returns %j causes an error that explains the mistake', async (reply) => {
    const { status, body } = await complete({ reply: () => reply as never });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_reply', type: 'emulator_error' });
  });

  it.each([7, null, { text: 'x' }])('that yields %j fails the response', async (chunk) => {
    const { status, body } = await complete({
      async *reply() {
        yield chunk as never;
      },
    });
    expect(status).toBe(500);
    expect(body.error.message).toContain('`reply` must yield strings or deltas');
  });

  it('is read only as fast as the client reads', async () => {
    let yielded = 0;
    const { drun, key } = await withKey({
      async *reply() {
        for (;;) yield `chunk ${++yielded} `;
      },
    });
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    expect(yielded).toBe(0);
    await reader?.read();
    await reader?.read();
    expect(yielded).toBe(2);
    await reader?.cancel();
  });

  it.each(['stream', 'completion'])('ends when the client aborts its %s', async (form) => {
    const replyEnded = Promise.withResolvers<void>();
    const replyStarted = Promise.withResolvers<void>();
    let signal: AbortSignal | undefined;
    const { drun, key } = await withKey({
      async *reply(context) {
        signal = context.signal;
        try {
          for (;;) {
            yield 'more ';
            replyStarted.resolve();
            await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          replyEnded.resolve();
        }
      },
    });
    const controller = new AbortController();
    const response = chat(drun, key, { stream: form === 'stream' }, { signal: controller.signal });
    const text = response.then((each) => each.text());
    await replyStarted.promise;
    controller.abort(new Error('gone'));
    await expect(text).rejects.toThrow('gone');
    await replyEnded.promise;
    expect(signal?.aborted).toBe(true);
  });

  it('that hangs does not prevent the client from canceling', async () => {
    const replyStarted = Promise.withResolvers<void>();
    const { drun, key } = await withKey({
      async *reply() {
        replyStarted.resolve();
        yield await new Promise<string>(() => {});
      },
    });
    const reader = (await chat(drun, key, { stream: true })).body?.getReader();
    await reader?.read();
    const pending = reader?.read();
    await replyStarted.promise;
    await reader?.cancel();
    expect(await pending).toEqual({ done: true, value: undefined });
  });
});

it('cannot be a generator, which could be read only once', () => {
  const once = (async function* () {
    yield 'once';
  })();
  expect(() => createEmulator({ reply: once })).toThrow('`reply` can be read only once');
  expect(() => createEmulator().rules.add({ reply: once })).toThrow('`reply` can be read only once');
});

const jsonFormat = (schema: unknown, strict = true): object => ({
  response_format: { type: 'json_schema', json_schema: { name: 'x', strict, schema } },
});
const weather = {
  type: 'object',
  properties: { city: { type: 'string', minLength: 2 } },
  required: ['city'],
};
const tool = (strict: boolean): object => ({
  tools: [{ type: 'function', function: { name: 'weather', strict, parameters: weather } }],
});

describe('a scripted reply', () => {
  it.each<[Reply, object, string]>([
    ['not JSON', jsonFormat(weather), 'it is not JSON'],
    ['{"city":1}', jsonFormat(weather), 'at $.city'],
    [{ content: '{}' }, jsonFormat(weather), 'at $.city'],
    [
      '{}',
      jsonFormat({ type: 'object', required: ['a'], additionalProperties: { type: 'number' } }),
      'at $.a',
    ],
    [
      '{}',
      jsonFormat({ type: 'object', properties: { a: { type: 'number', default: 3 } }, required: ['a'] }),
      'at $.a',
    ],
    [{ toolCalls: [{ name: 'weather', arguments: { city: 'O' } }] }, tool(true), 'at $.city'],
    [{ chunks: ['{"city"', { content: ':1}' }] }, jsonFormat(weather), 'at $.city'],
    [
      { chunks: [{ toolCalls: [{ name: 'weather' }] }, { toolCalls: [{ arguments: '{"city":"O"}' }] }] },
      tool(true),
      'at $.city',
    ],
  ])(
    '%j that violates a strict schema causes an error that explains the mistake',
    async (reply, request, problem) => {
      const { status, body } = await complete({ reply }, request);
      expect(status).toBe(400);
      expect(body.error.code).toBe('reply_violates_schema');
      expect(body.error.message).toContain(problem);
    },
  );

  it.each<[Reply, object]>([
    ['{"city":"Oslo"}', jsonFormat(weather)],
    ['{"city":1}', jsonFormat(weather, false)],
    ['{}', jsonFormat({ type: 'object', properties: { a: { type: 'number', default: 3 } } })],
    [{ content: '{"ci', finishReason: 'length' }, jsonFormat(weather)],
    [{ chunks: [{ content: '{"ci', finishReason: 'length' }] }, jsonFormat(weather)],
    [{ refusal: 'No.' }, jsonFormat(weather)],
    [{ choices: [{ message: { content: 'not JSON' } }] }, jsonFormat(weather)],
    [{ toolCalls: [{ name: 'weather', arguments: '{' }] }, tool(false)],
  ])('%j is sent', async (reply, request) => {
    expect((await complete({ reply }, request)).status).toBe(200);
  });
});

const tree = z.object({
  value: z.number(),
  get children() {
    return z.array(tree);
  },
});

const chain = z.object({
  value: z.string(),
  get next() {
    return chain.nullable();
  },
});

// The first alternative is infinitely recursive.
const operation = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('sum'),
    get parts() {
      return z.array(operation).min(2);
    },
  }),
  z.object({ type: z.literal('number'), value: z.number().gt(0.25).lt(0.5) }),
]);

const SCHEMAS: readonly (readonly [
  string,
  { safeParse: (value: unknown) => { success: boolean } },
  unknown,
])[] = [
  z.object({ name: z.string().min(3), age: z.int().min(18).max(99), tags: z.array(z.string()).min(2) }),
  z.object({ email: z.email(), id: z.uuid(), at: z.iso.datetime(), url: z.url(), day: z.iso.date() }),
  z.object({ kind: z.literal('a'), color: z.enum(['red', 'green']), maybe: z.string().nullable() }),
  z.union([z.object({ a: z.number().gt(1).lt(2) }), z.object({ b: z.boolean() })]),
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('x'), x: z.number() }),
    z.object({ type: z.literal('y') }),
  ]),
  z.intersection(z.object({ a: z.string() }), z.object({ b: z.number().multipleOf(5).min(12) })),
  z.object({ pair: z.tuple([z.string(), z.number()]), map: z.record(z.string(), z.number()) }),
  z.strictObject({
    nested: z.object({ deep: z.object({ value: z.number().positive() }) }),
    d: z.string().default('x'),
  }),
  z.object({ tree, list: z.array(tree).min(1) }),
  z.object({ chain, some: z.any(), rest: z.tuple([z.string()], z.number()) }),
  z.object({ named: z.object({ a: z.string() }).meta({ id: 'Named' }) }),
  z.object({ scores: z.record(z.enum(['a', 'b']), z.object({ points: z.int().min(1) })) }),
  z.object({ time: z.iso.time(), at: z.iso.datetime({ precision: 3 }), mail: z.email().min(30) }),
  z.intersection(z.looseObject({ a: z.string() }), z.looseObject({ a: z.string().min(3) })),
  operation,
].flatMap((schema, index) =>
  (['draft-2020-12', 'draft-7'] as const).map((target) => {
    const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'output', target });
    return [`zod ${index} in ${target}`, schema, json] as const;
  }),
);

describe('the default reply', () => {
  it('repeats the last user message, even if it is JSON', async () => {
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: '{"a":' },
          { type: 'text', text: '1}' },
        ],
      },
    ];
    expect((await complete({}, { messages })).body.choices[0].message.content).toBe('{"a":1}');
    const { body } = await complete({}, { messages, ...jsonFormat(weather) });
    expect(JSON.parse(body.choices[0].message.content ?? '')).toEqual({ city: 'xx' });
  });

  it.each([
    ['required', 'weather'],
    [{ type: 'function', function: { name: 'weather' } }, 'weather'],
  ])('calls the tool that %j requires, with valid arguments', async (tool_choice, name) => {
    const { body } = await complete({}, { ...tool(true), tool_choice });
    expect(body.choices[0]).toMatchObject({
      message: { tool_calls: [{ function: { name, arguments: '{"city":"xx"}' } }] },
      finish_reason: 'tool_calls',
    });
  });

  it.each(SCHEMAS)('is valid for a schema of %s', async (_, schema, json) => {
    const { status, body } = await complete({}, jsonFormat(json));
    expect(status, JSON.stringify(body)).toBe(200);
    expect(schema.safeParse(JSON.parse(body.choices[0].message.content ?? ''))).toMatchObject({
      success: true,
    });
  });

  it('is valid for schemas of valibot and arktype', async () => {
    interface Tree {
      children: Tree[];
    }
    const tree: v.GenericSchema<Tree> = v.object({ children: v.array(v.lazy(() => tree)) });
    const valibot = v.object({
      name: v.pipe(v.string(), v.minLength(2)),
      size: v.pipe(v.number(), v.integer(), v.minValue(3)),
      kind: v.variant('type', [
        v.object({ type: v.literal('a') }),
        v.object({ type: v.literal('b'), n: v.number() }),
      ]),
      list: v.pipe(v.array(v.picklist(['x', 'y'])), v.minLength(1)),
      tree,
    });
    const first = await complete({}, jsonFormat(toJsonSchema(valibot)));
    expect(v.safeParse(valibot, JSON.parse(first.body.choices[0].message.content ?? '')).success).toBe(true);
    const ark = arktype({
      name: 'string >= 2',
      size: '3 <= number.integer < 9',
      'tag?': 'string',
      kind: "'a' | 'b'",
    });
    const second = await complete({}, jsonFormat(ark.toJsonSchema()));
    expect(ark.allows(JSON.parse(second.body.choices[0].message.content ?? ''))).toBe(true);
  });

  it.each<[object, unknown]>([
    [{ type: ['string', 'null'], minLength: 2 }, 'xx'],
    [
      {
        properties: { a: { minimum: 3, type: 'integer' }, b: { $ref: '#/properties/a' } },
        required: ['a', 'b'],
      },
      { a: 3, b: 3 },
    ],
    [{ type: 'object', required: ['a'], additionalProperties: { type: 'boolean' } }, { a: false }],
    [{ type: 'object', properties: { a: { type: 'number', default: 3 } }, required: [] }, {}],
    [
      { type: 'object', minProperties: 2, additionalProperties: { const: 1 } },
      { x0: 1, x1: 1 },
    ],
    [{ type: 'number', exclusiveMinimum: true, minimum: 3 }, 4],
  ])('is a simple value of %j', async (schema, value) => {
    const { body } = await complete({}, jsonFormat(schema));
    expect(JSON.parse(body.choices[0].message.content ?? '')).toEqual(value);
  });

  it.each([
    [{ type: 'string', pattern: '^[0-9]{3}-[a-z]{4}$' }],
    [{ type: 'object', properties: { a: { type: 'string', pattern: '^\\d{3}-x$' } }, required: ['a'] }],
    [false],
    [{ type: 'number', minimum: 5, maximum: 3 }],
    [{ type: 'array', minItems: 1e9, items: { type: 'null' } }],
    [{ type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }],
    [{ $ref: '#/$defs/missing' }],
  ])('requests a scripted reply if it cannot generate a value for %j', async (schema) => {
    const { status, body } = await complete({}, jsonFormat(schema));
    expect(status).toBe(400);
    expect(body.error).toMatchObject({
      code: 'scripted_reply_needed',
      message: expect.stringContaining('`rules`'),
    });
  });
});

describe('a request that vLLM rejects', () => {
  const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{}' } };
  const user = { role: 'user', content: 'Hi' };
  it.each<[string, object, string]>([
    ['no messages', { messages: undefined }, '`messages` is missing'],
    ['an empty array of messages', { messages: [] }, '`messages`'],
    ['a message without a role', { messages: [{ content: 'x' }] }, '`messages.0.role`'],
    ['an unknown role', { messages: [{ role: 'robot', content: 'x' }] }, 'role'],
    ['a part without a type', { messages: [{ role: 'user', content: [{ text: 'x' }] }] }, 'messages'],
    [
      'a result without its call',
      { messages: [user, { role: 'tool', tool_call_id: 'c1', content: 'x' }] },
      'c1',
    ],
    [
      'a call without its result',
      { messages: [user, { role: 'assistant', tool_calls: [call] }, user] },
      'c1',
    ],
    [
      'a call without its result at the end',
      { messages: [user, { role: 'assistant', tool_calls: [call] }] },
      'c1',
    ],
    ['a result without an id', { messages: [{ role: 'tool', content: 'x' }] }, 'tool_call_id'],
    ['`stream` that is not a boolean', { stream: 'yes' }, '`stream`'],
    [
      '`stream_options` without `stream`',
      { stream_options: { include_usage: true } },
      'Stream options can only be defined when `stream=True`.',
    ],
    ['`max_tokens` 0', { max_tokens: 0 }, 'max_tokens must be at least 1, got 0.'],
    ['`max_completion_tokens` -1', { max_completion_tokens: -1 }, 'max_completion_tokens must be at least 1'],
    ['fractional `max_tokens`', { max_tokens: 1.5 }, 'max_tokens'],
    ['negative `temperature`', { temperature: -1 }, 'temperature must be non-negative, got -1.'],
    ['`top_p` 0', { top_p: 0 }, 'top_p must be in (0, 1], got 0.'],
    ['`top_k` -2', { top_k: -2 }, 'top_k'],
    ['`min_p` 2', { min_p: 2 }, 'min_p must be in [0, 1]'],
    ['`presence_penalty` 3', { presence_penalty: 3 }, 'presence_penalty must be in [-2, 2], got 3.'],
    ['`frequency_penalty` -3', { frequency_penalty: -3 }, 'frequency_penalty'],
    ['`repetition_penalty` 0', { repetition_penalty: 0 }, 'repetition_penalty must be greater than zero'],
    ['`n` 0', { n: 0 }, 'n must be from 1 to 128, got 0.'],
    [
      '`tool_choice` without tools',
      { tool_choice: 'required' },
      'When using `tool_choice`, `tools` must be set.',
    ],
    [
      '`tool_choice` that names no tool',
      { ...tool(false), tool_choice: { type: 'function', function: { name: 'x' } } },
      'does not match any',
    ],
    ['an unknown `tool_choice`', { ...tool(false), tool_choice: 'always' }, '`tool_choice`'],
    ['an unknown `response_format.type`', { response_format: { type: 'xml' } }, 'response_format'],
    [
      '`json_schema` without its field',
      { response_format: { type: 'json_schema' } },
      "the 'json_schema' field must be provided",
    ],
    ['a schema without a name', { response_format: { type: 'json_schema', json_schema: {} } }, 'name'],
  ])('for %s receives 400 and the reason', async (_, request, message) => {
    const gateway = await complete({}, request);
    expect(gateway.status).toBe(400);
    expect(gateway.body.error).toMatchObject({ code: '400', type: 'BadRequestError' });
    expect(gateway.body.error.message).toContain(message);
    const bare = await complete({ behind: 'none' }, request);
    expect(bare.body.error).toMatchObject({ code: 400, type: 'BadRequestError' });
  });

  it.each<object>([
    { tool_choice: 'auto', tools: [] },
    { tool_choice: 'none' },
    { temperature: 5 },
    { top_k: -1 },
    { unknown_field: { x: 1 } },
    { response_format: { type: 'text' } },
    {
      messages: [
        user,
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c1', content: 'x' },
      ],
    },
  ])('does not include %j', async (request) => {
    expect((await complete({}, request)).status).toBe(200);
  });

  it('exceeds the context of its model', async () => {
    const models = [{ id: 'public/deepseek-r1', contextLength: 8 }];
    const long = await complete({ models }, { messages: [{ role: 'user', content: 'x'.repeat(200) }] });
    expect(long.body.error).toMatchObject({
      code: '400',
      param: 'input_text',
      message: expect.stringContaining('maximum context length is 8 tokens'),
    });
    const requested = await complete({ models }, { max_tokens: 5 });
    expect(requested.body.error).toMatchObject({
      code: '400',
      message: expect.stringContaining(
        'you requested 5 output tokens and your prompt contains at least 4 input tokens',
      ),
    });
  });
});
