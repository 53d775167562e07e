import { getEventListeners } from 'node:events';
import {
  type ChatCompletionRequest,
  type ChatMessage,
  defineTool,
  type RunToolsOptions,
  type Tool,
  type ToolContext,
} from 'drun-sdk/chat';
import {
  ConfigurationError,
  MaxToolRoundsError,
  OutputTruncatedError,
  RateLimitError,
  ToolCallError,
} from 'drun-sdk/errors';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { everythingShownOf, rejectionOf, thrownBy } from '../support/failures.ts';
import { json, mockNetwork, type Reply } from '../support/network.ts';
import { COMPLETIONS, chatClient, completion, failure } from './requests.ts';

const network = mockNetwork();

const model = 'public/deepseek-r1';
const question = { role: 'user', content: 'Do I need an umbrella?' } as const;

interface Call {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

const call = (id: string, name: string, args: string): Call => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

const asksFor = (...calls: Call[]): Response =>
  json(
    completion({
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: null, reasoning_content: 'Hm', tool_calls: calls },
          finish_reason: 'tool_calls',
        },
      ],
    }),
  );

const says = (content: string): Response =>
  json(
    completion({ choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }] }),
  );

/** A tool that says in which cities it was asked for. */
function weatherTool(run: Tool['run'] = () => 'rain'): { weather: Tool; cities: unknown[] } {
  const cities: unknown[] = [];
  const weather = defineTool({
    name: 'weather',
    description: 'The weather in a city',
    parameters: z.object({ city: z.string() }),
    run(parameters, context) {
      cities.push(parameters.city);
      return run(parameters, context);
    },
  });
  return { weather, cities };
}

interface SentRequest {
  readonly messages: readonly (ChatMessage & { readonly content: string })[];
  readonly [field: string]: unknown;
}

/** A model that gives these answers in turn, and the requests that it was sent. */
function modelThat(...replies: Reply[]): () => SentRequest[] {
  const seen = network.answer('post', COMPLETIONS, ...replies);
  return () => seen.map(({ text }) => JSON.parse(text));
}

const asking = (...tools: Tool[]): [ChatCompletionRequest, RunToolsOptions] => [
  { model, messages: [question] },
  { tools },
];

describe('runTools', () => {
  test('gives the answer of a model that calls no tool', async () => {
    const sent = modelThat(says('No'));
    const { weather } = weatherTool();

    const answer = await chatClient().runTools(...asking(weather));

    expect(answer.choices[0].message.content).toBe('No');
    expect(answer.rounds).toBe(0);
    expect(answer.messages).toEqual([question, { role: 'assistant', content: 'No' }]);
    expect(sent()).toHaveLength(1);
  });

  test('tells the model of its tools, with the schema of their arguments', async () => {
    const sent = modelThat(says('No'));
    const { weather } = weatherTool();
    const strict = defineTool({ name: 'now', parameters: z.object({}), strict: true, run: () => 0 });

    await chatClient().runTools(
      { model, messages: [question], temperature: 0 },
      { tools: [weather, strict], maxRounds: 3 },
    );

    expect(sent()[0]).toEqual({
      model,
      messages: [question],
      temperature: 0,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'The weather in a city',
            parameters: {
              type: 'object',
              properties: { city: { type: 'string' } },
              required: ['city'],
              additionalProperties: false,
            },
          },
        },
        {
          type: 'function',
          function: {
            name: 'now',
            parameters: { type: 'object', properties: {}, additionalProperties: false },
            strict: true,
          },
        },
      ],
    });
  });

  test('runs the tool that the model calls, and tells it the result', async () => {
    const calls = [call('c1', 'weather', '{"city":"Paris"}')];
    const sent = modelThat(asksFor(...calls), says('Yes'));
    const { weather, cities } = weatherTool();

    const answer = await chatClient().runTools(...asking(weather));

    expect(cities).toEqual(['Paris']);
    const asked = { role: 'assistant', content: null, reasoning_content: 'Hm', tool_calls: calls };
    const told = { role: 'tool', tool_call_id: 'c1', content: 'rain' };
    expect(sent()[1]?.messages).toEqual([question, asked, told]);
    expect(answer.rounds).toBe(1);
    expect(answer.messages).toEqual([question, asked, told, { role: 'assistant', content: 'Yes' }]);
  });

  test.each<[string, unknown, string]>([
    ['a text as it is', 'rain', 'rain'],
    ['an object as JSON', { rain: true }, '{"rain":true}'],
    ['nothing as an empty text', undefined, ''],
    ['what a promise comes to', Promise.resolve(7), '7'],
  ])('tells the model %s', async (_, result, content) => {
    const sent = modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')), says('Yes'));
    const { weather } = weatherTool(() => result);

    await chatClient().runTools(...asking(weather));

    expect(sent()[1]?.messages.at(-1)).toEqual({ role: 'tool', tool_call_id: 'c1', content });
  });

  test('takes empty arguments for none', async () => {
    modelThat(asksFor(call('c1', 'now', '')), says('Yes'));
    const given: unknown[] = [];
    const now = defineTool({
      name: 'now',
      parameters: z.object({ zone: z.string().default('UTC') }),
      run: (parameters) => given.push(parameters),
    });

    await chatClient().runTools(...asking(now));

    expect(given).toEqual([{ zone: 'UTC' }]);
  });

  test('runs the calls of a round side by side, and tells their results in the order of the calls', async () => {
    const sent = modelThat(
      asksFor(call('c1', 'weather', '{"city":"Paris"}'), call('c2', 'weather', '{"city":"Rome"}')),
      says('Yes'),
    );
    const second = Promise.withResolvers<void>();
    const { weather } = weatherTool(async (parameters) => {
      const { city } = parameters as { city: string };
      // The first call ends only after the second one has: one after the other, they would never end.
      if (city === 'Paris') await second.promise;
      else second.resolve();
      return city;
    });

    await chatClient().runTools(...asking(weather));

    expect(sent()[1]?.messages.slice(-2)).toMatchObject([
      { tool_call_id: 'c1', content: 'Paris' },
      { tool_call_id: 'c2', content: 'Rome' },
    ]);
  });

  test('goes on for as many rounds as the model needs', async () => {
    const sent = modelThat(
      asksFor(call('c1', 'weather', '{"city":"Paris"}')),
      asksFor(call('c2', 'weather', '{"city":"Rome"}')),
      says('Yes'),
    );
    const { weather, cities } = weatherTool();

    const answer = await chatClient().runTools(...asking(weather));

    expect(cities).toEqual(['Paris', 'Rome']);
    expect(answer.rounds).toBe(2);
    expect(sent().map(({ messages }) => messages.length)).toEqual([1, 3, 5]);
  });

  test('is a MaxToolRoundsError after as many rounds as are allowed, with the conversation so far', async () => {
    const sent = modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')));
    const { weather, cities } = weatherTool();

    const error = await rejectionOf(
      MaxToolRoundsError,
      chatClient().runTools({ model, messages: [question] }, { tools: [weather], maxRounds: 2 }),
    );

    expect(error).toMatchObject({ code: 'max_tool_rounds_exceeded', maxRounds: 2 });
    expect(cities).toHaveLength(2);
    expect(sent()).toHaveLength(3);
    expect(error.messages).toHaveLength(6);
  });

  test('allows ten rounds where nothing else is said', async () => {
    modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')));
    const { weather, cities } = weatherTool();

    await rejectionOf(MaxToolRoundsError, chatClient().runTools(...asking(weather)));

    expect(cities).toHaveLength(10);
  });

  test('asks for the chosen tool in the first round only', async () => {
    const sent = modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')), says('Yes'));
    const { weather } = weatherTool();

    await chatClient().runTools(
      { model, messages: [question], tool_choice: 'required' },
      { tools: [weather] },
    );

    expect(sent().map(({ tool_choice }) => tool_choice)).toEqual(['required', 'auto']);
  });

  test('leaves the request as it was', async () => {
    modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')), says('Yes'));
    const { weather } = weatherTool();
    const messages = Object.freeze([question]);

    await chatClient().runTools(Object.freeze({ model, messages }), Object.freeze({ tools: [weather] }));

    expect(messages).toHaveLength(1);
  });
});

describe('a call with wrong arguments', () => {
  const wrong: [string, string, string][] = [
    ['that are not of the schema', '{"city":7}', 'city'],
    ['that are no JSON', '{"city":', 'JSON'],
    ['that nest too deeply', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'JSON'],
  ];

  test.each(wrong)('%s is told to the model, which may do better', async (_, args, said) => {
    const sent = modelThat(
      asksFor(call('c1', 'weather', args)),
      asksFor(call('c2', 'weather', '{"city":"Rome"}')),
      says('Yes'),
    );
    const { weather, cities } = weatherTool();

    const answer = await chatClient().runTools(...asking(weather));

    expect(cities).toEqual(['Rome']);
    expect(answer.choices[0].message.content).toBe('Yes');
    const told = sent()[1]?.messages.at(-1);
    expect(told).toMatchObject({ role: 'tool', tool_call_id: 'c1' });
    expect(JSON.parse(told?.content ?? '')).toEqual({ error: expect.stringContaining(said) });
  });

  test.each(wrong)('%s is a ToolCallError the second time', async (_, args, said) => {
    modelThat(asksFor(call('c1', 'weather', args)));
    const { weather, cities } = weatherTool();

    const error = await rejectionOf(ToolCallError, chatClient().runTools(...asking(weather)));

    expect(error).toMatchObject({ code: 'invalid_tool_call', toolName: 'weather' });
    expect(error.message).toContain(said);
    expect(error.issues).not.toEqual([]);
    expect(error.messages).toHaveLength(4);
    expect(cities).toEqual([]);
  });

  test('is told for each call of a round, and the others of the round run', async () => {
    const sent = modelThat(
      asksFor(
        call('c1', 'weather', '{}'),
        call('c2', 'weather', '{"city":"Rome"}'),
        call('c3', 'weather', '[]'),
      ),
      says('Yes'),
    );
    const { weather, cities } = weatherTool();

    await chatClient().runTools(...asking(weather));

    expect(cities).toEqual(['Rome']);
    expect(sent()[1]?.messages.slice(-3)).toMatchObject([
      { tool_call_id: 'c1', content: expect.stringContaining('error') },
      { tool_call_id: 'c2', content: 'rain' },
      { tool_call_id: 'c3', content: expect.stringContaining('error') },
    ]);
  });

  test('of a tool that there is not is told the names of those that there are, once', async () => {
    const sent = modelThat(asksFor(call('c1', 'climate', '{}')));
    const { weather } = weatherTool();

    const error = await rejectionOf(ToolCallError, chatClient().runTools(...asking(weather)));

    expect(error.toolName).toBe('climate');
    expect(sent()[1]?.messages.at(-1)?.content).toContain('weather');
  });

  test('shows nothing of the conversation where its error is printed or logged', async () => {
    modelThat(asksFor(call('c1', 'weather', '{}')));
    const { weather } = weatherTool();

    const error = await rejectionOf(ToolCallError, chatClient().runTools(...asking(weather)));

    expect(JSON.stringify(error)).not.toContain(question.content);
    expect(everythingShownOf({ ...error })).not.toContain(question.content);
  });
});

describe('a run that ends early', () => {
  test('rejects with what a tool throws, and tells the other tools of the round', async () => {
    const sent = modelThat(asksFor(call('c1', 'breaks', '{}'), call('c2', 'waits', '{}')));
    const mine = new Error('the database is down');
    const waiting = Promise.withResolvers<ToolContext>();
    const breaks = defineTool({
      name: 'breaks',
      parameters: z.object({}),
      async run() {
        await waiting.promise;
        throw mine;
      },
    });
    const waits = defineTool({
      name: 'waits',
      parameters: z.object({}),
      run(_, context) {
        waiting.resolve(context);
        return new Promise(() => {});
      },
    });

    await expect(chatClient().runTools(...asking(breaks, waits))).rejects.toBe(mine);

    const { signal, toolCallId } = await waiting.promise;
    expect(toolCallId).toBe('c2');
    expect(signal.reason).toBe(mine);
    expect(sent()).toHaveLength(1);
  });

  test('rejects with the reason of the signal while a tool works, and leaves no listener', async () => {
    modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')));
    const user = new AbortController();
    const reason = new Error('the user left');
    const { weather } = weatherTool((_, { signal }) => {
      signal.addEventListener('abort', () => {});
      user.abort(reason);
      return new Promise(() => {});
    });

    await expect(
      chatClient().runTools({ model, messages: [question] }, { tools: [weather], signal: user.signal }),
    ).rejects.toBe(reason);

    expect(getEventListeners(user.signal, 'abort')).toHaveLength(0);
  });

  test('rejects with the reason of the signal while the model is asked', async () => {
    const user = new AbortController();
    const reason = new Error('the user left');
    modelThat(() => {
      user.abort(reason);
      return says('Too late');
    });
    const { weather } = weatherTool();

    await expect(
      chatClient().runTools({ model, messages: [question] }, { tools: [weather], signal: user.signal }),
    ).rejects.toBe(reason);
  });

  test('rejects with what a call of the model rejects with', async () => {
    modelThat(
      asksFor(call('c1', 'weather', '{"city":"Paris"}')),
      json(failure('model_rate_limit_exceeded', '', 'slow down'), 429),
    );
    const { weather } = weatherTool();

    await rejectionOf(
      RateLimitError,
      chatClient().runTools({ model, messages: [question] }, { tools: [weather], maxRetries: 0 }),
    );
  });

  test('is an OutputTruncatedError where a call was cut off at the limit of tokens', async () => {
    modelThat(
      json(
        completion({
          choices: [
            {
              index: 0,
              message: { role: 'assistant', content: null, tool_calls: [call('c1', 'weather', '{"ci')] },
              finish_reason: 'length',
            },
          ],
        }),
      ),
    );
    const { weather, cities } = weatherTool();

    const error = await rejectionOf(OutputTruncatedError, chatClient().runTools(...asking(weather)));

    expect(error.completion.choices[0]?.message.tool_calls).toHaveLength(1);
    expect(cities).toEqual([]);
  });
});

describe('tools that cannot be', () => {
  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'maxRounds of %d is a ConfigurationError',
    async (maxRounds) => {
      const { weather } = weatherTool();

      const error = await rejectionOf(
        ConfigurationError,
        chatClient().runTools({ model, messages: [question] }, { tools: [weather], maxRounds }),
      );

      expect(error.option).toBe('maxRounds');
    },
  );

  test('two tools of one name are a ConfigurationError, and nothing is sent', async () => {
    const { weather } = weatherTool();

    const error = await rejectionOf(ConfigurationError, chatClient().runTools(...asking(weather, weather)));

    expect(error.option).toBe('tools');
  });

  test.each<[string, unknown]>([
    ['no tools', undefined],
    ['tools that are no list', {}],
    ['a tool that cannot be run', [{ type: 'function', function: { name: 'weather' } }]],
    ['a tool of null', [null]],
  ])('%s are a ConfigurationError, and nothing is sent', async (_, tools) => {
    const error = await rejectionOf(
      ConfigurationError,
      chatClient().runTools({ model, messages: [question] }, { tools: tools as Tool[] }),
    );

    expect(error.option).toBe('tools');
  });

  test('messages that are no list are a ConfigurationError', async () => {
    const { weather } = weatherTool();
    const request = { model } as unknown as ChatCompletionRequest;

    const error = await rejectionOf(ConfigurationError, chatClient().runTools(request, { tools: [weather] }));

    expect(error.option).toBe('messages');
  });

  test.each(['', 'two words', 'a/b', 'ü', 'x'.repeat(65)])('the name %j is a ConfigurationError', (name) => {
    const error = thrownBy(ConfigurationError, () =>
      defineTool({ name, parameters: z.object({}), run: () => '' }),
    );

    expect(error.option).toBe('name');
  });

  test('arguments that cannot be written as JSON Schema are a ConfigurationError that names the tool', async () => {
    const at = defineTool({ name: 'at', parameters: z.object({ when: z.date() }), run: () => '' });

    const error = await rejectionOf(ConfigurationError, chatClient().runTools(...asking(at)));

    expect(error.message).toContain('the tool at');
  });
});

describe('a tool in complete() and stream()', () => {
  test('is sent like a definition, and not run', async () => {
    const sent = modelThat(asksFor(call('c1', 'weather', '{"city":"Paris"}')));
    const { weather, cities } = weatherTool();
    const byHand = { type: 'function', function: { name: 'other', parameters: {} } } as const;

    const answer = await chatClient().complete({ model, messages: [question], tools: [weather, byHand] });

    expect(answer.choices[0].message.tool_calls?.[0]?.function.name).toBe('weather');
    expect(cities).toEqual([]);
    expect(sent()[0]?.tools).toEqual([
      { type: 'function', function: expect.objectContaining({ name: 'weather' }) },
      byHand,
    ]);
  });
});
