import { getEventListeners } from 'node:events';
import {
  type ChatClient,
  type ChatCompletionRequest,
  type ChatMessage,
  defineTool,
  type RunToolsOptions,
  type Tool,
  type ToolContext,
  type ToolStream,
} from 'drun-sdk/chat';
import {
  ConfigurationError,
  MaxToolRoundsError,
  ModelRefusalError,
  OutputTruncatedError,
  RateLimitError,
  StreamFailedError,
  StreamTruncatedError,
  ToolCallError,
} from 'drun-sdk/errors';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { everythingShownOf, rejection, rejectionOf, thrownBy } from '../support/failures.ts';
import { json, type MockResponse, mockNetwork } from '../support/network.ts';
import { delta, events, finishChunk } from '../support/streams.ts';
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

const toolCallReply = (...calls: Call[]): Response =>
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

/** A reply without calls, as vLLM 0.8 sends it. */
const textReply = (content: string): Response =>
  json(
    completion({
      choices: [
        { index: 0, message: { role: 'assistant', content, tool_calls: null }, finish_reason: 'stop' },
      ],
    }),
  );

/** A tool that records the cities in its calls. */
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

/** Makes the model return these replies in turn. Returns a function that lists the received requests. */
function mockReplies(...replies: MockResponse[]): () => SentRequest[] {
  const seen = network.respond('post', COMPLETIONS, ...replies);
  return () => seen.map(({ text }) => JSON.parse(text));
}

const requestWith = (...tools: Tool[]): [ChatCompletionRequest, RunToolsOptions] => [
  { model, messages: [question] },
  { tools },
];

describe('runTools', () => {
  test('returns the completion of a model that calls no tool', async () => {
    const sent = mockReplies(textReply('No'));
    const { weather } = weatherTool();

    const completion = await chatClient().runTools(...requestWith(weather));

    expect(completion.choices[0].message.content).toBe('No');
    expect(completion.rounds).toBe(0);
    expect(completion.messages).toEqual([question, { role: 'assistant', content: 'No' }]);
    expect(sent()).toHaveLength(1);
  });

  test('sends the tools with the schemas of their arguments', async () => {
    const sent = mockReplies(textReply('No'));
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
      stream: false,
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

  test('runs the tool that the model calls, and sends the result', async () => {
    const calls = [call('c1', 'weather', '{"city":"Paris"}')];
    const sent = mockReplies(toolCallReply(...calls), textReply('Yes'));
    const { weather, cities } = weatherTool();

    const completion = await chatClient().runTools(...requestWith(weather));

    expect(cities).toEqual(['Paris']);
    const assistantMessage = { role: 'assistant', content: null, reasoning_content: 'Hm', tool_calls: calls };
    const toolMessage = { role: 'tool', tool_call_id: 'c1', content: 'rain' };
    expect(sent()[1]?.messages).toEqual([question, assistantMessage, toolMessage]);
    expect(completion.rounds).toBe(1);
    expect(completion.messages).toEqual([
      question,
      assistantMessage,
      toolMessage,
      { role: 'assistant', content: 'Yes' },
    ]);
  });

  test.each<[string, unknown, string]>([
    ['a string unchanged', 'rain', 'rain'],
    ['an object as JSON', { rain: true }, '{"rain":true}'],
    ['undefined as an empty string', undefined, ''],
    ['the value of a promise', Promise.resolve(7), '7'],
  ])('sends %s as the result', async (_, result, content) => {
    const sent = mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')), textReply('Yes'));
    const { weather } = weatherTool(() => result);

    await chatClient().runTools(...requestWith(weather));

    expect(sent()[1]?.messages.at(-1)).toEqual({ role: 'tool', tool_call_id: 'c1', content });
  });

  test.each(['', 'null', '[]', ' [ ] '])('treats the arguments %j as none', async (args) => {
    mockReplies(toolCallReply(call('c1', 'now', args)), textReply('Yes'));
    const given: unknown[] = [];
    const now = defineTool({
      name: 'now',
      parameters: z.object({ zone: z.string().default('UTC') }),
      run: (parameters) => given.push(parameters),
    });

    await chatClient().runTools(...requestWith(now));

    expect(given).toEqual([{ zone: 'UTC' }]);
  });

  test('runs the calls of a round in parallel, and sends their results in order', async () => {
    const sent = mockReplies(
      toolCallReply(call('c1', 'weather', '{"city":"Paris"}'), call('c2', 'weather', '{"city":"Rome"}')),
      textReply('Yes'),
    );
    const second = Promise.withResolvers<void>();
    const { weather } = weatherTool(async (parameters) => {
      const { city } = parameters as { city: string };
      // The first call ends only after the second one has started, so sequential calls would never end.
      if (city === 'Paris') await second.promise;
      else second.resolve();
      return city;
    });

    await chatClient().runTools(...requestWith(weather));

    expect(sent()[1]?.messages.slice(-2)).toMatchObject([
      { tool_call_id: 'c1', content: 'Paris' },
      { tool_call_id: 'c2', content: 'Rome' },
    ]);
  });

  test('continues for as many rounds as the model needs', async () => {
    const sent = mockReplies(
      toolCallReply(call('c1', 'weather', '{"city":"Paris"}')),
      toolCallReply(call('c2', 'weather', '{"city":"Rome"}')),
      textReply('Yes'),
    );
    const { weather, cities } = weatherTool();

    const completion = await chatClient().runTools(...requestWith(weather));

    expect(cities).toEqual(['Paris', 'Rome']);
    expect(completion.rounds).toBe(2);
    expect(sent().map(({ messages }) => messages.length)).toEqual([1, 3, 5]);
  });

  test('rejects with MaxToolRoundsError after `maxRounds`, with the conversation so far', async () => {
    const sent = mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')));
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

  test('allows ten rounds by default', async () => {
    mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')));
    const { weather, cities } = weatherTool();

    await rejectionOf(MaxToolRoundsError, chatClient().runTools(...requestWith(weather)));

    expect(cities).toHaveLength(10);
  });

  test('sends `tool_choice` in the first round only', async () => {
    const sent = mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')), textReply('Yes'));
    const { weather } = weatherTool();

    await chatClient().runTools(
      { model, messages: [question], tool_choice: 'required' },
      { tools: [weather] },
    );

    expect(sent().map(({ tool_choice }) => tool_choice)).toEqual(['required', 'auto']);
  });

  test('respects `toJSON` of the request', async () => {
    const sent = mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')), textReply('Yes'));
    const { weather } = weatherTool();
    const request = { toJSON: () => ({ model, messages: [question] }) } as unknown as ChatCompletionRequest;

    const { messages } = await chatClient().runTools(request, { tools: [weather] });

    expect(messages).toHaveLength(4);
    expect(sent().map((one) => one.model)).toEqual([model, model]);
  });

  test('sends no empty array of tools, which vLLM rejects', async () => {
    const sent = mockReplies(textReply('Yes'));

    await chatClient().runTools(...requestWith());

    expect(sent()[0]).not.toHaveProperty('tools');
  });

  test('does not change the request', async () => {
    mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')), textReply('Yes'));
    const { weather } = weatherTool();
    const messages = Object.freeze([question]);

    await chatClient().runTools(Object.freeze({ model, messages }), Object.freeze({ tools: [weather] }));

    expect(messages).toHaveLength(1);
  });
});

describe('a call with wrong arguments', () => {
  const wrong: [string, string, string][] = [
    ['that do not match the schema', '{"city":7}', 'city'],
    ['that are not JSON', '{"city":', 'JSON'],
    ['that are nested too deeply', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'JSON'],
  ];

  test.each(wrong)('%s is reported to the model, which can correct it', async (_, args, message) => {
    const sent = mockReplies(
      toolCallReply(call('c1', 'weather', args)),
      toolCallReply(call('c2', 'weather', '{"city":"Rome"}')),
      textReply('Yes'),
    );
    const { weather, cities } = weatherTool();

    const completion = await chatClient().runTools(...requestWith(weather));

    expect(cities).toEqual(['Rome']);
    expect(completion.choices[0].message.content).toBe('Yes');
    const toolMessage = sent()[1]?.messages.at(-1);
    expect(toolMessage).toMatchObject({ role: 'tool', tool_call_id: 'c1' });
    expect(JSON.parse(toolMessage?.content ?? '')).toEqual({ error: expect.stringContaining(message) });
    // The chat templates of servers accept only JSON objects.
    const repeated = { function: { arguments: expect.stringMatching(/^\{.*\}$/) } };
    expect(sent()[1]?.messages.at(-2)).toMatchObject({ tool_calls: [repeated] });
  });

  test.each(wrong)('%s rejects with ToolCallError the second time', async (_, args, message) => {
    mockReplies(toolCallReply(call('c1', 'weather', args)));
    const { weather, cities } = weatherTool();

    const error = await rejectionOf(ToolCallError, chatClient().runTools(...requestWith(weather)));

    expect(error).toMatchObject({ code: 'invalid_tool_call', toolName: 'weather' });
    expect(error.message).toContain(message);
    expect(error.issues).not.toEqual([]);
    expect(error.messages).toHaveLength(4);
    expect(cities).toEqual([]);
  });

  test('that is repeated ends the run before the other calls of its round run', async () => {
    const invalid = call('c1', 'weather', '{}');
    mockReplies(toolCallReply(invalid), toolCallReply(call('c2', 'weather', '{"city":"Rome"}'), invalid));
    const { weather, cities } = weatherTool();

    await rejectionOf(ToolCallError, chatClient().runTools(...requestWith(weather)));

    expect(cities).toEqual([]);
  });

  test('is reported for each call, and does not prevent the other calls of the round', async () => {
    const sent = mockReplies(
      toolCallReply(
        call('c1', 'weather', '{}'),
        call('c2', 'weather', '{"city":"Rome"}'),
        call('c3', 'weather', '[1]'),
      ),
      textReply('Yes'),
    );
    const { weather, cities } = weatherTool();

    await chatClient().runTools(...requestWith(weather));

    expect(cities).toEqual(['Rome']);
    expect(sent()[1]?.messages.slice(-3)).toMatchObject([
      { tool_call_id: 'c1', content: expect.stringContaining('error') },
      { tool_call_id: 'c2', content: 'rain' },
      { tool_call_id: 'c3', content: expect.stringContaining('error') },
    ]);
  });

  test('of an unknown tool is reported with the known names, once', async () => {
    const sent = mockReplies(toolCallReply(call('c1', 'climate', '{}')));
    const { weather } = weatherTool();

    const error = await rejectionOf(ToolCallError, chatClient().runTools(...requestWith(weather)));

    expect(error.toolName).toBe('climate');
    expect(sent()[1]?.messages.at(-1)?.content).toContain('weather');
  });

  test('does not show the conversation in a printed error', async () => {
    mockReplies(toolCallReply(call('c1', 'weather', '{}')));
    const { weather } = weatherTool();

    const error = await rejectionOf(ToolCallError, chatClient().runTools(...requestWith(weather)));

    expect(JSON.stringify(error)).not.toContain(question.content);
    expect(everythingShownOf({ ...error })).not.toContain(question.content);
  });
});

describe('a run that ends early', () => {
  test('rejects with the error of a tool, and aborts the other tools of the round', async () => {
    const sent = mockReplies(toolCallReply(call('c1', 'breaks', '{}'), call('c2', 'waits', '{}')));
    const mine = new Error('the database is down');
    const waiting = Promise.withResolvers<ToolContext>();
    const fails = defineTool({
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

    await expect(chatClient().runTools(...requestWith(fails, waits))).rejects.toBe(mine);

    const { signal, toolCallId } = await waiting.promise;
    expect(toolCallId).toBe('c2');
    expect(signal.reason).toBe(mine);
    expect(sent()).toHaveLength(1);
  });

  test('rejects with the reason of the signal while a tool runs, and removes its listener', async () => {
    mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')));
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

  test('rejects with the reason of the signal during a request', async () => {
    const user = new AbortController();
    const reason = new Error('the user left');
    mockReplies(() => {
      user.abort(reason);
      return textReply('Too late');
    });
    const { weather } = weatherTool();

    await expect(
      chatClient().runTools({ model, messages: [question] }, { tools: [weather], signal: user.signal }),
    ).rejects.toBe(reason);
  });

  test('rejects with the error of a request', async () => {
    mockReplies(
      toolCallReply(call('c1', 'weather', '{"city":"Paris"}')),
      json(failure('model_rate_limit_exceeded', '', 'slow down'), 429),
    );
    const { weather } = weatherTool();

    await rejectionOf(
      RateLimitError,
      chatClient().runTools({ model, messages: [question] }, { tools: [weather], maxRetries: 0 }),
    );
  });

  test('rejects with OutputTruncatedError when a call is truncated at the token limit', async () => {
    mockReplies(
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

    const error = await rejectionOf(OutputTruncatedError, chatClient().runTools(...requestWith(weather)));

    expect(error.completion.choices[0]?.message.tool_calls).toHaveLength(1);
    expect(cities).toEqual([]);
  });
});

describe('invalid tools', () => {
  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'maxRounds %d throws ConfigurationError',
    async (maxRounds) => {
      const { weather } = weatherTool();

      const error = await rejectionOf(
        ConfigurationError,
        chatClient().runTools({ model, messages: [question] }, { tools: [weather], maxRounds }),
      );

      expect(error.option).toBe('maxRounds');
    },
  );

  test('two tools with one name throw ConfigurationError', async () => {
    const { weather } = weatherTool();

    const error = await rejectionOf(
      ConfigurationError,
      chatClient().runTools(...requestWith(weather, weather)),
    );

    expect(error.option).toBe('tools');
  });

  test.each<[string, unknown]>([
    ['no tools', undefined],
    ['tools that are not an array', {}],
    ['a tool without `run`', [{ type: 'function', function: { name: 'weather' } }]],
    ['a null tool', [null]],
  ])('%s throw ConfigurationError', async (_, tools) => {
    const error = await rejectionOf(
      ConfigurationError,
      chatClient().runTools({ model, messages: [question] }, { tools: tools as Tool[] }),
    );

    expect(error.option).toBe('tools');
  });

  test('a name that was not checked by defineTool() throws ConfigurationError', async () => {
    const tool = { name: 'two words', parameters: z.object({}), run: () => '' };

    const error = await rejectionOf(ConfigurationError, chatClient().runTools(...requestWith(tool)));

    expect(error.option).toBe('name');
  });

  test('messages that are not an array throw ConfigurationError', async () => {
    const { weather } = weatherTool();
    const request = { model } as unknown as ChatCompletionRequest;

    const error = await rejectionOf(ConfigurationError, chatClient().runTools(request, { tools: [weather] }));

    expect(error.option).toBe('messages');
  });

  test.each(['', 'two words', 'a/b', 'ü', 'x'.repeat(65), undefined, 7])(
    'the name %j throws ConfigurationError',
    (name) => {
      const error = thrownBy(ConfigurationError, () =>
        defineTool({ name: name as string, parameters: z.object({}), run: () => '' }),
      );

      expect(error.option).toBe('name');
    },
  );

  test('parameters without a JSON Schema throw ConfigurationError with the name of the tool', async () => {
    const at = defineTool({ name: 'at', parameters: z.object({ when: z.date() }), run: () => '' });

    const error = await rejectionOf(ConfigurationError, chatClient().runTools(...requestWith(at)));

    expect(error.message).toContain('tool at');
  });
});

describe('a tool in complete() and stream()', () => {
  test('is sent as its definition, and not run', async () => {
    const sent = mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}')));
    const { weather, cities } = weatherTool();
    const manualTool = { type: 'function', function: { name: 'other', parameters: {} } } as const;

    const completion = await chatClient().complete({
      model,
      messages: [question],
      tools: [weather, manualTool],
    });

    expect(completion.choices[0].message.tool_calls?.[0]?.function.name).toBe('weather');
    expect(cities).toEqual([]);
    expect(sent()[0]?.tools).toEqual([
      { type: 'function', function: expect.objectContaining({ name: 'weather' }) },
      manualTool,
    ]);
  });
});

describe('calls that are not run', () => {
  const reply = (finish: string | null, message: object): Response =>
    json(
      completion({
        choices: [
          { index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finish },
        ],
      }),
    );
  const calls = { tool_calls: [call('c1', 'weather', '{"city":"Paris"}')] };

  test.each([
    ['truncated', 'max_tokens', calls, OutputTruncatedError],
    [
      'incomplete, without a finish reason',
      null,
      { tool_calls: [call('c1', 'weather', '{"ci')] },
      OutputTruncatedError,
    ],
    ['withheld', 'content_filter', calls, ModelRefusalError],
    ['announced without a call', 'tool_calls', {}, ToolCallError],
    ['of a failed completion', 'abort', calls, StreamFailedError],
  ] as const)(
    'because they are %s cause a rejection with the conversation',
    async (_, finish, message, type) => {
      mockReplies(reply(finish, message));
      const { weather, cities } = weatherTool();

      const error = await rejection(chatClient({ maxRetries: 0 }).runTools(...requestWith(weather)));

      expect(error).toBeInstanceOf(type);
      expect(cities).toEqual([]);
      expect((error as { messages: readonly unknown[] }).messages[0]).toEqual(question);
    },
  );

  test('do not include complete calls of a server that sends no finish reason', async () => {
    mockReplies(reply(null, calls), textReply('rain'));
    const { weather, cities } = weatherTool();

    await chatClient().runTools(...requestWith(weather));

    expect(cities).toEqual(['Paris']);
  });

  test('because the tool is a custom tool are returned to the caller', async () => {
    const custom = { id: 'c1', type: 'custom', custom: { name: 'sql', input: 'SELECT 1' } };
    const sent = mockReplies(reply('tool_calls', { tool_calls: [custom] }));
    const definition = { type: 'custom', custom: { name: 'sql' } } as const;

    const result = await chatClient().runTools({ model, messages: [question] }, { tools: [definition] });

    expect(result.choices[0].message.tool_calls).toEqual([custom]);
    expect(sent()[0]?.tools).toEqual([definition]);
  });
});

describe('a run', () => {
  const withUsage = (response: object, usage: object): Response => json({ ...response, usage });
  const parisCallReply = completion({
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [call('c1', 'weather', '{"city":"Paris"}')],
        },
        finish_reason: 'tool_calls',
      },
    ],
  });

  test('adds up the usage of its rounds', async () => {
    mockReplies(
      withUsage(parisCallReply, { prompt_tokens: 1, completion_tokens: 2, details: { cached_tokens: 1 } }),
      withUsage(completion(), {
        prompt_tokens: 10,
        completion_tokens: 20,
        details: { cached_tokens: 5, other: 1 },
      }),
    );
    const { weather } = weatherTool();

    const { usage } = await chatClient().runTools(...requestWith(weather));

    expect(usage).toEqual({
      prompt_tokens: 11,
      completion_tokens: 22,
      details: { cached_tokens: 6, other: 1 },
    });
  });

  test('parses its last reply with a schema', async () => {
    const sent = mockReplies(json(parisCallReply), textReply('{"umbrella":true}'));
    const { weather } = weatherTool();
    const schema = z.object({ umbrella: z.boolean() });

    const { parsed, rounds } = await chatClient().runTools(
      { model, messages: [question] },
      { tools: [weather], schema },
    );

    expect(parsed).toEqual({ umbrella: true });
    expect(rounds).toBe(1);
    expect(sent()[0]).toHaveProperty('response_format.type', 'json_schema');
  });

  test('accepts the JSON Schema of a tool, as MCP servers provide it', async () => {
    const sent = mockReplies(json(parisCallReply), textReply('Yes'));
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const seen: unknown[] = [];
    const weather = defineTool({ name: 'weather', parameters, run: (args) => seen.push(args) });

    await chatClient().runTools(...requestWith(weather));

    expect(seen).toEqual([{ city: 'Paris' }]);
    expect(sent()[0]).toHaveProperty('tools.0.function.parameters', parameters);
  });

  test('adds the conversation with the previous results to the error of a tool or a request', async () => {
    const mine = new Error('the database is down');
    mockReplies(toolCallReply(call('c1', 'weather', '{"city":"Paris"}'), call('c2', 'breaks', '{}')));
    const { weather } = weatherTool();
    const fails = defineTool({
      name: 'breaks',
      parameters: z.object({}),
      run: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        throw mine;
      },
    });

    await expect(chatClient().runTools(...requestWith(weather, fails))).rejects.toBe(mine);

    expect(mine).toHaveProperty('messages.length', 3);
    expect(mine).toHaveProperty('messages.2', { role: 'tool', tool_call_id: 'c1', content: 'rain' });
    expect(Object.keys(mine)).not.toContain('messages');
  });
});

describe('streamTools', () => {
  const streamed = (...bodies: string[]): ChatClient => {
    const left = [...bodies];
    return chatClient({ fetch: async () => new Response(left.shift()), maxRetries: 0 });
  };
  const callDelta = { index: 0, ...call('c1', 'weather', '{"city":"Paris"}') };
  const round = events(
    delta({ reasoning_content: '', reasoning: 'Hm' }),
    delta({ tool_calls: [callDelta] }),
    delta({}, { finish_reason: 'tool_calls' }),
    '[DONE]',
  );
  const last = events(delta({ content: 'Y' }), delta({ content: 'es' }), finishChunk(), '[DONE]');
  const run = (chat: ChatClient, tools: Tool[]): ToolStream =>
    chat.streamTools({ model, messages: [question] }, { tools });

  test('yields text, reasoning, tool calls and results in order', async () => {
    const { weather } = weatherTool();

    const all = await Array.fromAsync(run(streamed(round, last), [weather]));

    expect(all).toEqual([
      { type: 'reasoning', text: 'Hm' },
      { type: 'tool-call', id: 'c1', name: 'weather', arguments: '{"city":"Paris"}' },
      { type: 'tool-result', id: 'c1', name: 'weather', content: 'rain' },
      { type: 'text', text: 'Y' },
      { type: 'text', text: 'es' },
    ]);
  });

  test('resolves its completion like runTools', async () => {
    const { weather } = weatherTool();
    const stream = run(streamed(round, last), [weather]);

    const result = await stream.completion();

    expect(result.choices[0].message.content).toBe('Yes');
    expect(result.rounds).toBe(1);
    expect(result.messages).toHaveLength(4);
  });

  test('leaves no listener on the signal if it is not read, and ends without a request if it is aborted', async () => {
    const user = new AbortController();
    const stream = chatClient().streamTools(
      { model, messages: [question] },
      { tools: [], signal: user.signal },
    );
    expect(getEventListeners(user.signal, 'abort')).toEqual([]);
    const reason = new Error('enough');

    user.abort(reason);

    await expect(stream.completion()).rejects.toBe(reason);
    expect(reason).not.toHaveProperty('messages');
  });

  test('rejects with the conversation if the signal aborts between two events', async () => {
    const user = new AbortController();
    const stream = streamed(last).streamTools(
      { model, messages: [question] },
      { tools: [], signal: user.signal },
    );
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();

    user.abort(new Error('enough'));

    expect(await rejection(reader.next())).toMatchObject({ message: 'enough', messages: [question] });
  });

  test('has one reader, and can also be awaited with completion()', async () => {
    const { weather } = weatherTool();
    const stream = run(streamed(last), [weather]);
    const reading = Array.fromAsync(stream);

    expect(() => stream[Symbol.asyncIterator]()).toThrow(ConfigurationError);
    expect((await stream.completion()).rounds).toBe(0);
    await reading;
  });

  test('rejects its reader and completion with the error of a request', async () => {
    const { weather } = weatherTool();
    const stream = run(streamed(events(delta({ content: 'a' }))), [weather]);

    const error = await rejectionOf(StreamTruncatedError, Array.fromAsync(stream));

    await expect(stream.completion()).rejects.toBe(error);
  });

  test('ends running tools when it is aborted', async () => {
    const reason = new Error('enough');
    const started = Promise.withResolvers<AbortSignal>();
    const waits = defineTool({
      name: 'weather',
      parameters: z.object({ city: z.string() }),
      run: (_, { signal }) => {
        started.resolve(signal);
        return new Promise(() => {});
      },
    });
    const stream = run(streamed(round, last), [waits]);
    const reading = rejection(Array.fromAsync(stream));

    const signal = await started.promise;
    stream.abort(reason);

    expect(await reading).toBe(reason);
    expect(signal.reason).toBe(reason);
    await expect(stream.completion()).rejects.toBe(reason);
  });

  test('aborts the request when the loop ends early', async () => {
    const canceled = Promise.withResolvers<void>();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(events(delta({ content: 'a' })))),
      cancel: () => canceled.resolve(),
    });
    const { weather } = weatherTool();
    const stream = run(chatClient({ fetch: async () => new Response(body) }), [weather]);

    for await (const _ of stream) break;

    await canceled.promise;
    expect(await rejection(stream.completion())).toMatchObject({ messages: [question] });
  });
});
