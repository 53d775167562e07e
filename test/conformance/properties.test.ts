import { ChatClient, type ChatCompletion } from 'drun-sdk/chat';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KEY } from '../support/credentials.ts';
import { events } from './cases.ts';

const request = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };

/** Creates a client whose responses arrive in chunks with these lengths, which are repeated cyclically. */
function clientFor(body: string, lengths: readonly number[]): ChatClient {
  const bytes = new TextEncoder().encode(body);
  const fetch = async (): Promise<Response> => {
    let start = 0;
    let part = 0;
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const end = start + (lengths[part++ % lengths.length] ?? 1);
        if (start < bytes.length) controller.enqueue(bytes.slice(start, end));
        else controller.close();
        start = end;
      },
    });
    return new Response(stream);
  };
  return new ChatClient({ apiKey: KEY, fetch, maxRetries: 0 });
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
/** Generates consecutive parts of a string. */
const parts = (unit: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.array(unit, { minLength: 1, maxLength: 5 });

const call = fc.record({ name: fc.stringMatching(/^[a-z_]{1,12}$/), arguments: parts(text) });
/** The name of an unknown field. Names that have a meaning for the client are excluded. */
const custom = fc.stringMatching(/^x_[a-z]{1,8}[a-z]$/).filter((name) => !name.endsWith('_id'));

const choice = fc.record({
  content: fc.option(parts(text)),
  reasoning: fc.option(parts(text)),
  calls: fc.array(call, { maxLength: 3 }),
  unknown: fc.dictionary(custom, parts(text), { maxKeys: 2 }),
  finish: fc.constantFrom('stop', 'length', 'tool_calls'),
});
type Choice = typeof choice extends fc.Arbitrary<infer T> ? T : never;

const join = (list: readonly string[] | null): string | null => list?.join('') ?? null;

function message(of: Choice, index: number): object {
  return {
    role: 'assistant',
    content: join(of.content),
    ...(of.reasoning && { reasoning_content: join(of.reasoning) }),
    ...Object.fromEntries(Object.entries(of.unknown).map(([name, list]) => [name, join(list)])),
    ...(of.calls.length > 0 && {
      tool_calls: of.calls.map((one, position) => ({
        id: `call_${index}_${position}`,
        type: 'function',
        function: { name: one.name, arguments: join(one.arguments) },
      })),
    }),
  };
}

function deltas(of: Choice, index: number): object[] {
  const field = (name: string, list: readonly string[] | null): object[] =>
    (list ?? []).map((part) => ({ [name]: part }));
  return [
    { role: 'assistant', content: null },
    ...field('reasoning_content', of.reasoning),
    ...field('content', of.content),
    ...Object.entries(of.unknown).flatMap(([name, list]) => field(name, list)),
    ...of.calls.flatMap((one, position) => [
      {
        tool_calls: [
          {
            index: position,
            id: `call_${index}_${position}`,
            type: 'function',
            function: { name: one.name, arguments: '' },
          },
        ],
      },
      ...one.arguments.map((part) => ({ tool_calls: [{ index: position, function: { arguments: part } }] })),
    ]),
  ];
}

const head = { id: 'chatcmpl-1', created: 7, model: 'm' };

const completions = fc.array(choice, { minLength: 1, maxLength: 3 }).chain((choices) => {
  const expected = {
    ...head,
    object: 'chat.completion',
    choices: choices.map((one, index) => ({
      index,
      message: message(one, index),
      finish_reason: one.finish,
    })),
  };
  const chunksByChoice = choices.map((one, index) => [
    ...deltas(one, index).map((delta) => ({ index, delta, finish_reason: null })),
    { index, delta: {}, finish_reason: one.finish },
  ]);
  // The deltas of each choice remain in order. Those of different choices are interleaved.
  const order = fc.shuffledSubarray(
    chunksByChoice.flatMap((list, index) => list.map(() => index)),
    { minLength: chunksByChoice.flat().length },
  );
  return order.map((turns) => {
    const remaining = chunksByChoice.map((list) => [...list]);
    const chunks = turns.map((index) => ({
      ...head,
      object: 'chat.completion.chunk',
      choices: [remaining[index]?.shift()],
    }));
    return { n: choices.length, expected, chunks };
  });
});

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
const newline = fc.constantFrom('\n', '\r\n', '\r');

it('any completion is the same with and without streaming, however its bytes are split', async () => {
  await fc.assert(
    fc.asyncProperty(completions, lengths, newline, async ({ n, expected, chunks }, sizes, end) => {
      const sse = events(...chunks, '[DONE]').replaceAll('\n', end);
      const options = { ...request, n };

      const received = await Promise.all([
        clientFor(JSON.stringify(expected), sizes).complete(options),
        clientFor(JSON.stringify(expected), sizes).stream(options).completion(),
        clientFor(sse, sizes).complete(options),
        clientFor(sse, sizes).stream(options).completion(),
      ]);

      for (const completion of received)
        expect(normalize(completion)).toEqual(normalize(expected as unknown as ChatCompletion));
    }),
    { numRuns: 60 },
  );
});

/** Replaces empty arguments, which have several representations, by `{}`. */
function normalize(completion: ChatCompletion): unknown {
  return JSON.parse(
    JSON.stringify(completion, (name, value) =>
      name === 'arguments' && /^(?:\s*|\s*null\s*)$/.test(value) ? '{}' : value,
    ),
  );
}

it('a truncated completion is never reported as complete', async () => {
  await fc.assert(
    fc.asyncProperty(
      completions,
      fc.double({ min: 0, max: 1, noNaN: true }),
      lengths,
      async ({ n, chunks }, where, sizes) => {
        const sse = events(...chunks, '[DONE]');
        // Truncates the stream before the last finish reason.
        const limit = sse.lastIndexOf('"finish_reason":"');
        const cut = sse.slice(0, Math.floor(limit * where));

        await expect(
          clientFor(cut, sizes)
            .stream({ ...request, n })
            .completion(),
        ).rejects.toMatchObject({
          code: 'stream_truncated',
        });
      },
    ),
    { numRuns: 60 },
  );
});

it('any JSON in an event leads to a completion or to an error of this package', async () => {
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.string(),
    fc.constantFrom(null, [], {}, [null], [{}], 0, true, 'error: x'),
  );
  const names = [
    'choices',
    'index',
    'delta',
    'message',
    'content',
    'tool_calls',
    'function',
    'error',
    'usage',
    'id',
  ];
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 5 }, odd, tie('object'), fc.array(tie('value'), { maxLength: 3 })),
    object: fc.dictionary(
      fc.constantFrom(...names, 'arguments', 'name', 'reasoning', '__proto__'),
      tie('value'),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 5 }), async (list) => {
      const body = events(
        ...list,
        { choices: [{ delta: { content: 'a' }, finish_reason: 'stop' }] },
        '[DONE]',
      );
      const failure = await (async () => {
        const stream = clientFor(body, [17]).stream(request);
        let length = 0;
        for await (const chunk of stream) length += (chunk.choices[0]?.delta.content ?? '').length;
        expect((await stream.completion()).choices.length).toBeGreaterThan(0);
        expect(length).toBeGreaterThan(0);
      })().catch((error: unknown) => error);
      if (failure !== undefined) expect(failure).toHaveProperty('code');
    }),
    { numRuns: 200 },
  );
});
