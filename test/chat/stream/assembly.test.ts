import type { ChatCompletion } from 'drun-sdk/chat';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chunkOf,
  delta,
  events,
  fetchOf,
  finishes,
  READERS,
  says,
  servePieces,
} from '../../support/streams.ts';
import { chatClient, request } from '../requests.ts';

/** The completion of a stream of these events. */
async function assembled(...data: unknown[]): Promise<ChatCompletion> {
  const { url } = await servePieces(events(...data, '[DONE]'));
  return chatClient({ baseUrl: url }).stream(request()).completion();
}

/** A chunk that adds to a choice. */
const at = (index: number, added: unknown, fields: Record<string, unknown> = {}): Record<string, unknown> =>
  chunkOf([{ index, delta: added, finish_reason: null, ...fields }]);

/** A chunk that adds pieces of tool calls to the first choice. */
const calls = (...pieces: unknown[]): Record<string, unknown> => delta({ tool_calls: pieces });

describe('completion()', () => {
  test('has the fields of the chunks, but for what kind of object it is', async () => {
    const { id, object, created, model, choices } = await assembled(says('Hi'), says('!'), finishes());

    expect({ id, object, created, model, choices }).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_772_000_000,
      model: 'public/deepseek-r1',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi!' }, finish_reason: 'stop' }],
    });
  });

  test.each(['content', 'reasoning_content', 'reasoning', 'refusal', 'some_other_text'])(
    'joins the pieces of %s',
    async (field) => {
      const { choices } = await assembled(
        delta({ role: 'assistant', [field]: '' }),
        delta({ [field]: 'one ' }),
        delta({ [field]: null }),
        delta({ [field]: 'two' }),
        finishes(),
      );

      expect(choices[0].message[field]).toBe('one two');
    },
  );

  test('has a content of null where no text came', async () => {
    const { choices } = await assembled(delta({ role: 'assistant', reasoning: 'Hm' }), finishes());

    expect(choices[0].message).toEqual({ role: 'assistant', content: null, reasoning: 'Hm' });
  });

  test('keeps answers apart that come in turns, in the order of their indexes', async () => {
    const { choices } = await assembled(
      at(1, { content: 'b1' }),
      at(0, { content: 'a1' }),
      chunkOf([
        { index: 1, delta: { content: 'b2' }, finish_reason: 'length' },
        { index: 0, delta: { content: 'a2' }, finish_reason: 'stop' },
      ]),
    );

    expect(
      choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
    ).toEqual([
      [0, 'a1a2', 'stop'],
      [1, 'b1b2', 'length'],
    ]);
  });

  test('takes an answer without an index for the one at its position', async () => {
    const { choices } = await assembled(
      chunkOf([{ delta: { content: 'a1' } }, { delta: { content: 'b1' } }]),
      chunkOf([
        { delta: { content: 'a2' }, finish_reason: 'stop' },
        { delta: {}, finish_reason: 'stop' },
      ]),
    );

    expect(choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'a1a2'],
      [1, 'b1'],
    ]);
  });

  test('keeps the usage of a chunk without choices, and later nulls do not take it away', async () => {
    const usage = {
      prompt_tokens: 5,
      completion_tokens: 2,
      total_tokens: 7,
      prompt_tokens_details: { cached_tokens: 3 },
    };

    const completion = await assembled(
      says('Hi'),
      finishes(),
      chunkOf([], { usage }),
      chunkOf([], { usage: null }),
    );

    expect(completion.usage).toEqual(usage);
    expect(completion.choices).toHaveLength(1);
  });

  test('has the last of usages that grow', async () => {
    const usage = (total: number): unknown => ({ usage: { prompt_tokens: 5, total_tokens: total } });

    const completion = await assembled(
      { ...says('a'), ...(usage(6) as object) },
      { ...finishes(), ...(usage(7) as object) },
    );

    expect(completion.usage?.total_tokens).toBe(7);
  });

  test('appends the log probabilities', async () => {
    const token = (name: string): unknown => ({ token: name, logprob: -0.5, bytes: null, top_logprobs: [] });

    const { choices } = await assembled(
      delta({ content: 'a' }, { logprobs: { content: [token('a')], refusal: null } }),
      delta({}, { logprobs: null }),
      delta({ content: 'bc' }, { logprobs: { content: [token('b'), token('c')], refusal: null } }),
      finishes(),
    );

    expect(choices[0].logprobs).toEqual({ content: [token('a'), token('b'), token('c')], refusal: null });
  });

  test('keeps fields that nobody knows, of the chunk, the choice and the message', async () => {
    const completion = await assembled(
      {
        ...delta({ content: 'a', annotations: [{ n: 1 }] }, { token_ids: [1] }),
        system_fingerprint: 'fp',
        x: { y: 1 },
      },
      delta({ annotations: [{ n: 2 }], audio: { id: 'au' } }, { stop_reason: 42 }),
      finishes(),
    );

    expect(completion).toMatchObject({ system_fingerprint: 'fp', x: { y: 1 } });
    expect(completion.choices[0]).toMatchObject({ token_ids: [1], stop_reason: 42 });
    expect(completion.choices[0].message).toMatchObject({
      annotations: [{ n: 1 }, { n: 2 }],
      audio: { id: 'au' },
    });
  });

  test('takes a field called __proto__ for a field like any other', async () => {
    const evil = '"__proto__":{"polluted":true}';
    const pieces = [
      `{${evil},"id":"1","choices":[{"index":0,${evil},"delta":{"content":"a",${evil}},"logprobs":{${evil}}}]}`,
      `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c",${evil},"function":{"name":"f","arguments":"{}",${evil}}}]},"finish_reason":"stop"}]}`,
    ];

    const completion = await assembled(...pieces);

    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    for (const object of [completion, completion.choices[0], completion.choices[0].message]) {
      expect((object as Record<string, unknown>).polluted).toBeUndefined();
      expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
      expect(Object.hasOwn(object, '__proto__'), 'it is kept').toBe(true);
    }
    expect(completion.choices[0].message.content).toBe('a');
  });

  test.each([
    ['a choice that is null', chunkOf([null])],
    ['a choice that is a text', chunkOf(['a'])],
    ['a delta that is null', at(0, null)],
    ['no delta', chunkOf([{ index: 0, finish_reason: null }])],
    ['choices that are null', { id: 'chatcmpl-1', choices: null }],
    ['no choices', { id: 'chatcmpl-1' }],
    ['an index that is a text', chunkOf([{ index: 'a', delta: {} }])],
    ['a content that is a number', delta({ content: 7 })],
    ['tool calls that are null', delta({ tool_calls: null })],
    ['tool calls of null', delta({ tool_calls: [null] })],
    ['a tool call without a function', delta({ tool_calls: [{ index: 0, function: null }] })],
  ])('and every other reader go on after a chunk with %s', async (_, strange) => {
    for (const { read } of READERS.filter(({ name }) => name !== 'the iteration')) {
      const { url } = await servePieces(events(strange, says('Hi'), finishes(), '[DONE]'));

      expect(await read(chatClient({ baseUrl: url }).stream(request()))).toBe('Hi');
    }
  });

  test('is not changed by what the reader does to the chunks', async () => {
    const { url } = await servePieces(
      events(
        delta({ content: 'a', notes: ['x'] }),
        delta({ content: 'b', notes: ['y'] }),
        finishes(),
        '[DONE]',
      ),
    );
    const stream = chatClient({ baseUrl: url }).stream(request());

    for await (const chunk of stream) {
      (chunk.choices[0]?.delta.notes as string[] | undefined)?.push('mine');
      (chunk.choices as unknown[]).length = 0;
    }

    const { choices } = await stream.completion();
    expect(choices[0].message).toMatchObject({ content: 'ab', notes: ['x', 'y'] });
  });
});

describe('a tool call', () => {
  const call = (id: string, name: string, args: string): unknown => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  });

  async function toolCalls(...chunks: unknown[]): Promise<unknown> {
    const { choices } = await assembled(...chunks, finishes('tool_calls'));
    return choices[0].message.tool_calls;
  }

  test('is put together from the pieces of its arguments', async () => {
    expect(
      await toolCalls(
        calls({ index: 0, id: 'c1', type: 'function', function: { name: 'weather', arguments: '' } }),
        calls({ index: 0, function: { arguments: '{"city":' } }),
        calls({ index: 0, function: { arguments: '"上海"}' } }),
      ),
    ).toEqual([call('c1', 'weather', '{"city":"上海"}')]);
  });

  test('is told from others by its index, whatever the order', async () => {
    expect(
      await toolCalls(
        calls({ index: 1, id: 'c2', type: 'function', function: { name: 'b', arguments: '[' } }),
        calls({ index: 0, id: 'c1', type: 'function', function: { name: 'a', arguments: '{' } }),
        calls({ index: 1, function: { arguments: ']' } }, { index: 0, function: { arguments: '}' } }),
      ),
    ).toEqual([call('c1', 'a', '{}'), call('c2', 'b', '[]')]);
  });

  test('is one where its server repeats the id, the type and the name', async () => {
    const piece = (args: string): unknown => ({ index: 0, ...(call('c1', 'a', args) as object) });

    expect(await toolCalls(calls(piece('{')), calls(piece('}')))).toEqual([call('c1', 'a', '{}')]);
  });

  test.each([
    ['empty', ''],
    ['null', null],
  ])('is one where the id is %s in later pieces', async (_, empty) => {
    expect(
      await toolCalls(
        calls({ index: 0, ...(call('c1', 'a', '{') as object) }),
        calls({ index: 0, id: empty, type: empty, function: { name: empty, arguments: '}' } }),
      ),
    ).toEqual([call('c1', 'a', '{}')]);
  });

  test('without an index is told from others by its id', async () => {
    expect(
      await toolCalls(
        calls(call('c1', 'a', '{')),
        calls({ function: { arguments: '}' } }),
        calls(call('c2', 'b', '[')),
        calls({ id: 'c2', function: { arguments: ']' } }),
      ),
    ).toEqual([call('c1', 'a', '{}'), call('c2', 'b', '[]')]);
  });

  test('without an index and whole comes one beside the other', async () => {
    expect(await toolCalls(calls(call('c1', 'a', '{}'), call('c2', 'a', '{}')))).toEqual([
      call('c1', 'a', '{}'),
      call('c2', 'a', '{}'),
    ]);
  });

  test('keeps fields that nobody knows, also of its function', async () => {
    expect(
      await toolCalls(
        calls({
          index: 0,
          id: 'c1',
          type: 'function',
          extra: { a: 1 },
          function: { name: 'a', arguments: '{}', strict: true },
        }),
      ),
    ).toEqual([
      { id: 'c1', type: 'function', extra: { a: 1 }, function: { name: 'a', arguments: '{}', strict: true } },
    ]);
  });

  test('belongs to its own answer', async () => {
    const { choices } = await assembled(
      at(0, { tool_calls: [{ index: 0, id: 'c1', function: { name: 'a', arguments: '1' } }] }),
      at(1, { tool_calls: [{ index: 0, id: 'd1', function: { name: 'b', arguments: '2' } }] }),
    );

    expect(choices.map(({ message }) => message.tool_calls?.[0]?.function.name)).toEqual(['a', 'b']);
  });
});

describe('any chunks', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const some = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null | undefined> =>
    fc.oneof(values, fc.constantFrom(null, undefined));
  const toolCall = fc.record({
    index: some(fc.nat(2)),
    id: some(fc.constantFrom('', 'c1', 'c2')),
    function: fc.record({ name: some(fc.constantFrom('', 'f')), arguments: some(text) }),
  });
  const choice = fc.record({
    index: fc.nat(2),
    delta: fc.record(
      {
        role: fc.constant('assistant'),
        content: some(text),
        reasoning_content: some(text),
        tool_calls: some(fc.array(toolCall, { maxLength: 3 })),
      },
      { requiredKeys: [] },
    ),
    finish_reason: some(fc.constantFrom('stop', 'length')),
    logprobs: some(
      fc.record({ content: fc.array(fc.record({ token: text, logprob: fc.integer() }), { maxLength: 2 }) }),
    ),
  });
  const chunk = fc.record(
    {
      id: text,
      choices: fc.array(choice, { maxLength: 3 }),
      usage: some(fc.record({ prompt_tokens: fc.nat(), total_tokens: fc.nat() })),
      extra: fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: ['choices'] },
  );
  const stream = fc
    .tuple(fc.array(chunk, { minLength: 1, maxLength: 6 }), fc.constantFrom('\n', '\r\n', '\r'))
    .map(([chunks, lineEnd]) => events(...chunks, '[DONE]').replaceAll('\n', lineEnd));
  const completionOf = (...pieces: Uint8Array<ArrayBuffer>[]): Promise<ChatCompletion> =>
    chatClient({ fetch: fetchOf(...pieces) })
      .stream(request())
      .completion();

  test('add up to the same completion however their bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.nat(), { maxLength: 20 }), async (events, positions) => {
        const bytes = new TextEncoder().encode(events);
        const cuts = [...positions.map((position) => position % bytes.length), 0, bytes.length].sort(
          (a, b) => a - b,
        );
        const pieces = cuts.slice(1).map((end, i) => bytes.slice(cuts[i], end));

        expect(await completionOf(...pieces)).toEqual(await completionOf(bytes));
      }),
      { numRuns: 200 },
    );
  });

  test('add up to the texts that they were made of', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 20 }), async (texts) => {
        const bytes = new TextEncoder().encode(events(...texts.map(says), '[DONE]'));

        const completion = await completionOf(bytes);

        expect(completion.choices[0].message.content).toBe(texts.join(''));
      }),
      { numRuns: 100 },
    );
  });
});
