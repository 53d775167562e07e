import { getEventListeners } from 'node:events';
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import type { ChatStream, ParsedCompletion } from 'drun-sdk/chat';
import {
  ConfigurationError,
  ModelRefusalError,
  OutputTruncatedError,
  OutputValidationError,
  StreamTruncatedError,
} from 'drun-sdk/errors';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import * as mini from 'zod/mini';
import { KEY } from '../support/credentials.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { json, mockNetwork, type RecordedRequest } from '../support/network.ts';
import { delta, events, finishChunk, streamingFetch, textChunk } from '../support/streams.ts';
import { COMPLETIONS, chatClient, completion } from './requests.ts';

const network = mockNetwork();

const model = 'public/deepseek-r1';
const messages = [{ role: 'user', content: 'Tell me of Paris' }] as const;

/** The same schema in each library that can convert it to JSON Schema. */
const cities = {
  zod: z.object({ name: z.string(), inhabitants: z.number() }),
  'zod/mini': mini.object({ name: mini.string(), inhabitants: mini.number() }),
  valibot: toStandardJsonSchema(v.object({ name: v.string(), inhabitants: v.number() })),
  arktype: type({ name: 'string', inhabitants: 'number' }),
};
const city = cities.zod;
const PARIS = { name: 'Paris', inhabitants: 2_100_000 };

/** A response with one message. */
const reply = (message: Record<string, unknown>, finish_reason = 'stop'): Response =>
  json(completion({ choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason }] }));

const sentBy = ([request]: readonly RecordedRequest[]): Record<string, unknown> =>
  JSON.parse(request?.text ?? '');

/** Both methods of requesting structured output, with a reply of the model. */
const methods: readonly {
  name: string;
  call: (message: { content?: string; refusal?: string }, finish: string) => Promise<{ parsed: unknown }>;
}[] = [
  {
    name: 'parse()',
    call(message, finish) {
      network.respond('post', COMPLETIONS, reply(message, finish));
      return chatClient().parse({ model, messages }, { schema: city });
    },
  },
  {
    name: 'completion() of a stream',
    call({ content = '', ...more }, finish) {
      const chunks = (content.match(/.{1,9}/gs) ?? []).map((text) => textChunk(text));
      const fetch = streamingFetch(events(...chunks, delta(more), finishChunk(finish), '[DONE]'));
      return chatClient({ fetch }).stream({ model, messages }, { schema: city }).completion();
    },
  },
];

describe('the request', () => {
  test.each(Object.entries(cities))('contains the JSON Schema of %s', async (_, schema) => {
    const requests = network.respond('post', COMPLETIONS, reply({ content: JSON.stringify(PARIS) }));

    await chatClient().parse({ model, messages, temperature: 0 }, { schema });

    const { response_format, ...rest } = sentBy(requests);
    expect(rest).toEqual({ model, messages, temperature: 0, stream: false });
    expect(response_format).toEqual({
      type: 'json_schema',
      json_schema: {
        name: 'answer',
        strict: true,
        schema: {
          type: 'object',
          properties: { name: { type: 'string' }, inhabitants: { type: 'number' } },
          required: expect.toSatisfy(
            (required: string[]) => required.toSorted().join() === 'inhabitants,name',
          ),
          additionalProperties: false,
        },
      },
    });
  });

  test('contains the option schemaName', async () => {
    const requests = network.respond('post', COMPLETIONS, reply({ content: JSON.stringify(PARIS) }));

    await chatClient().parse({ model, messages }, { schema: city, schemaName: 'city' });

    expect(sentBy(requests)).toMatchObject({ response_format: { json_schema: { name: 'city' } } });
    expect(sentBy(requests)).not.toHaveProperty('schemaName');
  });

  test('sets `additionalProperties: false` for every object that is not open', async () => {
    const requests = network.respond('post', COMPLETIONS, reply({ content: '{}' }));
    const schema = z.object({
      list: z.array(z.object({ a: z.string() })).optional(),
      either: z.union([z.object({ b: z.string() }), z.null()]).optional(),
      open: z.looseObject({ c: z.string() }).optional(),
    });

    await chatClient().parse({ model, messages }, { schema });

    expect(sentBy(requests)).toMatchObject({
      response_format: {
        json_schema: {
          schema: {
            additionalProperties: false,
            properties: {
              list: { items: { additionalProperties: false } },
              either: { anyOf: [{ additionalProperties: false }, { type: 'null' }] },
              open: { additionalProperties: {} },
            },
          },
        },
      },
    });
  });

  test('of a stream contains the JSON Schema', async () => {
    const bodies: unknown[] = [];
    const completed = streamingFetch(events(textChunk(JSON.stringify(PARIS)), finishChunk(), '[DONE]'));
    const chat = chatClient({
      fetch: async (_, init) => {
        bodies.push(JSON.parse(String(init.body)));
        return completed();
      },
    });

    await chat.stream({ model, messages }, { schema: city }).completion();

    expect(bodies).toMatchObject([{ stream: true, response_format: { type: 'json_schema' } }]);
    expect(bodies[0]).not.toHaveProperty('schema');
  });

  test('does not change the schema or the request', async () => {
    network.respond('post', COMPLETIONS, reply({ content: JSON.stringify(PARIS) }));
    const request = Object.freeze({ model, messages });

    await chatClient().parse(request, Object.freeze({ schema: city }));

    expect(Object.keys(request)).toEqual(['model', 'messages']);
  });
});

describe.each(methods)('$name', ({ call }) => {
  test('returns the output of the schema and the completion', async () => {
    const completion = (await call({ content: JSON.stringify(PARIS) }, 'stop')) as ParsedCompletion<unknown>;

    expect(completion.parsed).toEqual(PARIS);
    expect(completion.choices[0].message.content).toBe(JSON.stringify(PARIS));
    expect(completion.model).toBe(model);
  });

  test('rejects with ModelRefusalError if the model refuses', async () => {
    const error = await rejectionOf(ModelRefusalError, call({ refusal: 'I would rather not' }, 'stop'));

    expect(error).toMatchObject({ code: 'model_refusal', refusal: 'I would rather not' });
    expect(error.completion.choices[0]?.message.refusal).toBe('I would rather not');
  });

  test.each(['content_filter', 'content_filter: RECITATION', 'IMAGE_PROHIBITED_CONTENT', 'MODEL_ARMOR'])(
    'rejects with ModelRefusalError if a filter withholds the reply (%s)',
    async (finish) => {
      const error = await rejectionOf(ModelRefusalError, call({ content: '{"name":' }, finish));

      expect(error).toMatchObject({ code: 'model_refusal', refusal: null });
    },
  );

  test.each(['MAX_TOKENS', 'repetition_truncation', 'time_limit', 'not_finished'])(
    'rejects with OutputTruncatedError for the finish reason %s',
    async (finish) => {
      await rejectionOf(OutputTruncatedError, call({ content: JSON.stringify(PARIS) }, finish));
    },
  );

  test.each([
    ['that is truncated', '{"name":"Par'],
    ['that is truncated to valid JSON', JSON.stringify(PARIS)],
  ])('rejects with OutputTruncatedError for a reply %s at the token limit', async (_, content) => {
    const error = await rejectionOf(OutputTruncatedError, call({ content }, 'length'));

    expect(error.code).toBe('output_truncated');
    expect(error.message).toContain('max_tokens');
    expect(error.completion.choices[0]?.message.content).toBe(content);
  });

  test.each([
    ['no text', '', 'no text'],
    ['text', 'Paris is a city', 'not JSON'],
    ['truncated JSON', '{"name":"Par', 'not JSON'],
  ])('rejects with OutputValidationError for %s', async (_, content, message) => {
    const error = await rejectionOf(OutputValidationError, call({ content }, 'stop'));

    expect(error).toMatchObject({ code: 'output_validation_failed', issues: [] });
    expect(error.message).toContain(message);
  });

  test('rejects with OutputValidationError, with the issues of the schema', async () => {
    const error = await rejectionOf(
      OutputValidationError,
      call({ content: '{"name":"Paris","inhabitants":"many"}' }, 'stop'),
    );

    expect(error.issues).toEqual([{ path: ['inhabitants'], message: expect.stringContaining('number') }]);
    expect(error.message).toContain('inhabitants');
    expect(error.completion.choices).toHaveLength(1);
  });

  test('rejects with OutputValidationError for a reply that is nested too deeply', async () => {
    const content = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const error = await rejectionOf(OutputValidationError, call({ content }, 'stop'));

    expect(error.issues).toEqual([]);
  });
});

describe('parse()', () => {
  test('returns the output of a transform', async () => {
    network.respond('post', COMPLETIONS, reply({ content: '{"day":"2026-11-24"}' }));
    const schema = z.object({ day: z.string() }).transform(({ day }) => new Date(day));

    const { parsed } = await chatClient().parse({ model, messages }, { schema });

    expect(parsed).toEqual(new Date('2026-11-24'));
  });

  test('waits for an asynchronous schema', async () => {
    network.respond('post', COMPLETIONS, reply({ content: '{"name":"Paris"}' }));
    const schema = z.object({ name: z.string().refine(async (name) => name === 'Paris') });

    await expect(chatClient().parse({ model, messages }, { schema })).resolves.toMatchObject({
      parsed: { name: 'Paris' },
    });
  });

  test.each<[string, (signal: AbortSignal, schema: z.ZodType) => Promise<unknown>]>([
    ['a completion', (signal, schema) => chatClient().parse({ model, messages }, { schema, signal })],
    [
      'a stream',
      (signal, schema) => {
        const fetch = streamingFetch(events(textChunk('{"name":"Paris"}'), finishChunk(), '[DONE]'));
        return chatClient({ fetch }).stream({ model, messages }, { schema, signal }).completion();
      },
    ],
  ])('of %s rejects with the reason of the signal during asynchronous validation', async (_, call) => {
    network.respond('post', COMPLETIONS, reply({ content: '{"name":"Paris"}' }));
    const user = new AbortController();
    const mine = new Error('the user left');
    const schema = z.object({
      name: z.string().refine(() => {
        user.abort(mine);
        return new Promise<boolean>(() => {});
      }),
    });

    await expect(call(user.signal, schema)).rejects.toBe(mine);
    expect(getEventListeners(user.signal, 'abort')).toEqual([]);
  });

  test('returns the response with withResponse()', async () => {
    network.respond('post', COMPLETIONS, reply({ content: JSON.stringify(PARIS) }));

    const { data, response } = await chatClient().parse({ model, messages }, { schema: city }).withResponse();

    expect(data.parsed).toEqual(PARIS);
    expect(response.status).toBe(200);
  });

  test('rejects with the error that the schema throws', async () => {
    network.respond('post', COMPLETIONS, reply({ content: '{"name":"Paris"}' }));
    const mine = new Error('my database is down');
    const schema = z.object({
      name: z.string().refine(() => {
        throw mine;
      }),
    });

    await expect(chatClient().parse({ model, messages }, { schema })).rejects.toBe(mine);
  });

  test('redacts a key in the reply that an error contains', async () => {
    network.respond('post', COMPLETIONS, reply({ content: `my key is ${KEY}` }));

    const error = await rejectionOf(
      OutputValidationError,
      chatClient().parse({ model, messages }, { schema: city }),
    );

    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test.each<[string, unknown, string]>([
    ['no schema', undefined, 'schema'],
    ['an instance of a class', new URL('https://d.run'), 'schema'],
    ['a schema that cannot be converted to JSON Schema', z.object({ at: z.date() }), 'schema'],
    ['a schema of zod/mini that cannot be converted', mini.object({ at: mini.date() }), 'schema'],
    ['a plain schema of valibot', v.object({ a: v.string() }), '@valibot/to-json-schema'],
  ])('throws ConfigurationError for %s, and sends nothing', async (_, schema, message) => {
    const error = await rejectionOf(
      ConfigurationError,
      chatClient().parse({ model, messages }, { schema: schema as typeof city }),
    );

    expect(error.option).toBe('schema');
    expect(error.message).toContain(message);
  });

  test('throws ConfigurationError if the request has several choices', async () => {
    const n = 2 as 1;
    const error = await rejectionOf(
      ConfigurationError,
      chatClient().parse({ model, messages, n }, { schema: city }),
    );

    expect(error.option).toBe('n');
  });
});

describe('a stream with a schema', () => {
  const streamOf = (...data: unknown[]): ChatStream<ParsedCompletion<typeof PARIS>> =>
    chatClient({ fetch: streamingFetch(events(...data)) }).stream({ model, messages }, { schema: city });

  test('yields its text, and resolves with the output of the schema', async () => {
    const stream = streamOf(
      textChunk('{"name":"Paris",'),
      textChunk('"inhabitants":1}'),
      finishChunk(),
      '[DONE]',
    );

    const texts: string[] = [];
    for await (const text of stream.textStream) texts.push(text);

    expect(texts).toEqual(['{"name":"Paris",', '"inhabitants":1}']);
    expect((await stream.completion()).parsed).toEqual({ name: 'Paris', inhabitants: 1 });
  });

  test('rejects with StreamTruncatedError if it is truncated, regardless of its text', async () => {
    await rejectionOf(StreamTruncatedError, streamOf(textChunk(JSON.stringify(PARIS))).completion());
  });

  test('resolves its completion even if the signal aborts after the end', async () => {
    const user = new AbortController();
    const fetch = streamingFetch(events(textChunk(JSON.stringify(PARIS)), finishChunk(), '[DONE]'));
    const stream = chatClient({ fetch }).stream({ model, messages }, { schema: city, signal: user.signal });
    for await (const _ of stream);

    user.abort();

    expect((await stream.completion()).parsed).toEqual(PARIS);
  });

  test('leaves no unhandled rejection if completion() is not called', async () => {
    const stream = streamOf(textChunk('no JSON'), finishChunk(), '[DONE]');

    for await (const _ of stream);

    await rejectionOf(OutputValidationError, stream.completion());
  });
});

describe('the text of a reply', () => {
  const json = JSON.stringify(PARIS);

  test.each([
    ['a fence', `\`\`\`json\n${json}\n\`\`\``],
    ['a fence without a language', `\`\`\`\n${json}\n\`\`\`\n`],
    ['a fence with CRLF', `\`\`\`json\r\n${json}\r\n\`\`\``],
    ['a fence in one line', `\`\`\`json ${json} \`\`\``],
    ['a fence of four backticks', `\`\`\`\`json\n${json}\n\`\`\`\``],
    ['a fence with a media type', `\`\`\` application/json\n${json}\n\`\`\``],
    ['a fence of tildes', `~~~json\n${json}\n~~~`],
    ['a fence with much white space', `\`\`\`json\n{${'\n'.repeat(100_000)}${json.slice(1)}\n\`\`\``],
    ['a fence that a stop sequence left open', `\`\`\`json\n${json}\n`],
    ['reasoning', `<think>\nIt is {"name":1}.\n</think>\n\n${json}`],
    ['reasoning of MiniMax', `<mm:think>Hm</mm:think>\n${json}`],
    ['reasoning of Seed', `<seed:think>Hm</seed:think>${json}`],
    ['reasoning in another tag', `<thinking>Hm</thinking>${json}`],
    ['reasoning whose start tag is in the template', `It is big.</think>${json}`],
    ['reasoning and a fence', `<think>Hm</think>\n\`\`\`json\n${json}\n\`\`\``],
    ['two blocks of reasoning', `<think>Hm</think>\n<think>Yes</think>${json}`],
    ['a fence and the end of reasoning in a string', `\`\`\`\n{"note":"</think>",${json.slice(1)}\n\`\`\``],
    ['a byte order mark', `\uFEFF${json}`],
  ])('may have %s', async (_, content) => {
    network.respond('post', COMPLETIONS, reply({ content }));

    const { parsed, choices } = await chatClient().parse({ model, messages }, { schema: city });

    expect(parsed).toEqual(PARIS);
    expect(choices[0].message.reasoning_content !== undefined).toBe(/<\/.*think.*>(?!")/.test(content));
  });

  test.each([null, false, 0, ''])('may be %j', async (value) => {
    network.respond('post', COMPLETIONS, reply({ content: JSON.stringify(value) }));
    const schema = z.union([z.null(), z.boolean(), z.number(), z.string()]);

    expect(await chatClient().parse({ model, messages }, { schema })).toMatchObject({ parsed: value });
  });

  test.each([
    ['text before a fence', `Here it is:\n\`\`\`json\n${json}\n\`\`\``],
    ['two fences', `\`\`\`json\n${json}\n\`\`\`\n\`\`\`json\n${json}\n\`\`\``],
    ['text after the JSON', `${json} I hope this helps.`],
    ['reasoning alone', `<think>${json}`],
  ])('must not have %s', async (_, content) => {
    network.respond('post', COMPLETIONS, reply({ content }));

    const error = await rejectionOf(
      OutputValidationError,
      chatClient().parse({ model, messages }, { schema: city }),
    );

    expect(error.message).toContain('not JSON');
  });

  test('is not needed if the model calls a function in the older format', async () => {
    const function_call = { name: 'f', arguments: '{}' };
    network.respond('post', COMPLETIONS, reply({ content: null, function_call }));

    const { parsed, choices } = await chatClient().parse({ model, messages }, { schema: city });

    expect(parsed).toBeNull();
    expect(choices[0].message.function_call).toEqual(function_call);
  });
});
