import type {
  CallResponse,
  ChatClient,
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  ChatMessage,
  ChatStream,
  CompletionChoice,
  defineTool,
  KeyCheck,
  Model,
  ParsedCompletion,
  Tool,
  ToolEvent,
} from 'drun-sdk/chat';
import type OpenAI from 'openai';
import { expectTypeOf, test } from 'vitest';
import * as zod from 'zod';

declare const chat: ChatClient;

const model = 'public/deepseek-r1';
const messages = [{ role: 'user', content: 'Hello, model!' }] as const;

test('a request needs a model and messages', () => {
  // @ts-expect-error: the messages are missing
  void chat.complete({ model });
  // @ts-expect-error: the model is missing
  void chat.complete({ messages });
});

test('a request with a field of a wrong type does not compile', () => {
  // @ts-expect-error: not a number
  void chat.complete({ model, messages, temperature: 'hot' });
  // @ts-expect-error: no such role
  void chat.complete({ model, messages: [{ role: 'wizard', content: 'a' }] });
  // @ts-expect-error: the message of a tool needs the id of its call
  void chat.complete({ model, messages: [{ role: 'tool', content: 'a' }] });
  // @ts-expect-error: complete() does not stream
  void chat.complete({ model, messages, stream: true });
});

test('a request accepts unknown fields from a variable and the interface of a caller', () => {
  void chat.complete({ model, messages, guided_choice: ['a'], top_k: 1, chat_template_kwargs: { a: 1 } });
  expectTypeOf<{ model: string; messages: []; anything: symbol }>().toExtend<ChatCompletionRequest>();
  interface OwnRequest {
    model: string;
    messages: { role: 'user'; content: string }[];
    own_field: Date;
  }
  expectTypeOf<OwnRequest>().toExtend<ChatCompletionRequest>();
});

test('a misspelled field of a request does not compile', () => {
  // @ts-expect-error: `temperature` is misspelled
  void chat.complete({ model, messages, temprature: 1 });
  // @ts-expect-error: the signal is an option
  void chat.complete({ model, messages, signal: AbortSignal.timeout(1) });
  // @ts-expect-error: `schema` is an option
  void chat.complete({ model, messages, schema: zod.object({}) });
});

test('fields of OpenAI and vLLM are typed', () => {
  void chat.complete({
    model,
    messages: [
      { role: 'developer', content: 'Be brief' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,', detail: 'low' } },
          { type: 'input_audio', input_audio: { data: '', format: 'wav' } },
        ],
      },
    ],
    n: 2,
    logprobs: true,
    top_logprobs: 3,
    seed: 7,
    stop: ['\n'],
    tools: [{ type: 'function', function: { name: 'now' } }],
    tool_choice: { type: 'function', function: { name: 'now' } },
    parallel_tool_calls: false,
    response_format: { type: 'json_object' },
    user: 'u-1',
    top_k: 1,
    min_p: 0.1,
    repetition_penalty: 1.1,
    stop_token_ids: [1],
    chat_template_kwargs: { enable_thinking: false },
  });
  void chat.stream({ model, messages, stream_options: { include_usage: true } });
  // @ts-expect-error: no such part
  void chat.complete({ model, messages: [{ role: 'user', content: [{ type: 'smell' }] }] });
  // @ts-expect-error: not a number
  void chat.complete({ model, messages, seed: '7' });
  // @ts-expect-error: no such choice
  void chat.complete({ model, messages, tool_choice: 'perhaps' });
  // @ts-expect-error: no such format
  void chat.complete({ model, messages, response_format: { type: 'xml' } });
  // @ts-expect-error: not a number
  void chat.complete({ model, messages, top_k: 'a' });
  // @ts-expect-error: not an object
  void chat.stream({ model, messages, stream_options: true });
});

test('parsed has the output type of the schema', () => {
  const schema = zod.object({ city: zod.string(), at: zod.string().transform((text) => new Date(text)) });
  interface Parsed {
    city: string;
    at: Date;
  }

  const call = chat.parse({ model, messages }, { schema });
  expectTypeOf(call).resolves.toExtend<ChatCompletion>();
  expectTypeOf<Awaited<typeof call>['parsed']>().toEqualTypeOf<Parsed>();
  const stream = chat.stream({ model, messages }, { schema });
  expectTypeOf<Awaited<ReturnType<typeof stream.completion>>['parsed']>().toEqualTypeOf<Parsed>();
  expectTypeOf(stream).toEqualTypeOf<ChatStream<ParsedCompletion<Parsed>>>();

  // @ts-expect-error: complete() does not parse
  void chat.complete({ model, messages }).then(({ parsed }: { parsed: Parsed }) => parsed);
  // @ts-expect-error: the schema is missing
  void chat.parse({ model, messages }, {});
});

test('a stream without a schema has chunks and a plain completion', () => {
  const stream = chat.stream({ model, messages });

  expectTypeOf(stream).toExtend<AsyncIterable<ChatCompletionChunk>>();
  expectTypeOf(stream.textStream).toExtend<AsyncIterable<string>>();
  expectTypeOf(stream.completion()).resolves.toEqualTypeOf<ChatCompletion>();
  expectTypeOf(stream.response).toEqualTypeOf<CallResponse | undefined>();
});

test('a tool receives the output of its schema', () => {
  const weather = {} as typeof defineTool;
  const tool = weather({
    name: 'weather',
    parameters: zod.object({ city: zod.string(), days: zod.number().default(1) }),
    run(parameters, { signal, toolCallId }) {
      expectTypeOf(parameters).toEqualTypeOf<{ city: string; days: number }>();
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      expectTypeOf(toolCallId).toEqualTypeOf<string>();
    },
  });
  expectTypeOf(tool).toExtend<Tool>();
  void chat.runTools({ model, messages }, { tools: [tool], maxRounds: 3 });

  // @ts-expect-error: a definition alone cannot be run
  void chat.runTools({ model, messages }, { tools: [{ type: 'function', function: { name: 'now' } }] });
  // @ts-expect-error: the tools are missing
  void chat.runTools({ model, messages }, {});
});

test('tools without defineTool() are typed by their schemas too', () => {
  const tools = [
    {
      name: 'weather',
      parameters: zod.object({ city: zod.string() }),
      run: ({ city }: { city: string }) => city,
    },
  ] as const;
  void chat.runTools({ model, messages }, { tools });
  void chat.runTools(
    { model, messages },
    {
      tools: [
        {
          name: 'weather',
          parameters: zod.object({ city: zod.string() }),
          run: ({ city }) => expectTypeOf(city).toEqualTypeOf<string>(),
        },
        {
          name: 'add',
          parameters: zod.object({ n: zod.number() }),
          run: ({ n }) => expectTypeOf(n).toEqualTypeOf<number>(),
        },
        {
          name: 'mcp',
          parameters: { type: 'object' },
          run: (parameters) => expectTypeOf(parameters).toEqualTypeOf<unknown>(),
        },
      ],
    },
  );
  const schema = zod.object({ a: zod.string() });
  const stream = chat.streamTools(
    { model, messages },
    {
      schema,
      tools: [
        {
          name: 'weather',
          parameters: zod.object({ city: zod.string() }),
          run: ({ city }) => expectTypeOf(city).toEqualTypeOf<string>(),
        },
      ],
    },
  );
  expectTypeOf<Awaited<ReturnType<typeof stream.completion>>['parsed']>().toEqualTypeOf<{ a: string }>();
  const list: Tool[] = [];
  void chat.runTools({ model, messages }, { tools: [...list, { type: 'custom', custom: { name: 'sql' } }] });
});

test('messages of completions and of tools can be appended to a conversation', async () => {
  const completion = await chat.complete({ model, messages });
  const [{ message }] = completion.choices;
  const own: ChatMessage[] = [...messages];
  own.push(message);
  const theirs: OpenAI.ChatCompletionMessageParam[] = [];
  theirs.push(message);
  const { messages: all } = await chat.runTools({ model, messages: own }, { tools: [] });
  own.push(...all);
  void chat.complete({ model, messages: all });
  const sent: OpenAI.ChatCompletionMessageParam[] = [{ role: 'assistant', content: 'a', tool_calls: [] }];
  void sent;
});

test('withResponse() resolves with completion and response', () => {
  expectTypeOf(chat.complete({ model, messages }).withResponse()).resolves.toExtend<{
    readonly data: ChatCompletion;
    readonly response: { readonly requestId?: string | undefined; readonly headers: Headers };
  }>();
});

test('the message of a completion can be sent back', () => {
  expectTypeOf<ChatCompletion['choices'][0]['message']>().toExtend<
    ChatCompletionRequest['messages'][number]
  >();
});

test('a completion has a first choice', () => {
  expectTypeOf<ChatCompletion['choices'][0]>().toEqualTypeOf<CompletionChoice>();
  expectTypeOf<CompletionChoice['message']['content']>().toEqualTypeOf<string | null>();
});

test('reasoning is typed', () => {
  type Message = CompletionChoice['message'];
  expectTypeOf<Message['reasoning_content']>().toEqualTypeOf<string | null | undefined>();
  expectTypeOf<Message['reasoning']>().toEqualTypeOf<string | null | undefined>();
});

test('a finish reason can be any string', () => {
  expectTypeOf<'abort'>().toExtend<CompletionChoice['finish_reason']>();
});

test('a rejected key has a code', () => {
  expectTypeOf(chat.checkKey()).resolves.toEqualTypeOf<KeyCheck>();
  const check = {} as KeyCheck;
  if (!check.accepted) {
    expectTypeOf(check.code).toEqualTypeOf<
      'authentication_failed' | 'insufficient_quota' | 'permission_denied'
    >();
  }
  // @ts-expect-error: an accepted key has no code
  if (check.accepted) void check.code;
});

test('models() resolves with models', () => {
  expectTypeOf(chat.models()).resolves.toEqualTypeOf<Model[]>();
});

test('a message of a completion is accepted by the openai client', () => {
  expectTypeOf<ChatCompletion['choices'][0]['message']>().toExtend<OpenAI.ChatCompletionMessageParam>();
});

test('a JSON Schema has values of unknown type', () => {
  const call = chat.parse({ model, messages }, { schema: { type: 'object' } });
  expectTypeOf<Awaited<typeof call>['parsed']>().toEqualTypeOf<unknown>();
});

test('a run of tools with a schema has its value', () => {
  const schema = zod.object({ city: zod.string() });
  const run = chat.runTools({ model, messages }, { tools: [], schema });
  expectTypeOf<Awaited<typeof run>['parsed']>().toEqualTypeOf<{ city: string }>();
  const stream = chat.streamTools({ model, messages }, { tools: [], schema });
  expectTypeOf<Awaited<ReturnType<typeof stream.completion>>['parsed']>().toEqualTypeOf<{ city: string }>();
  expectTypeOf(chat.streamTools({ model, messages }, { tools: [] })).toExtend<AsyncIterable<ToolEvent>>();
});

test('a request accepts tools of every kind', () => {
  void chat.complete({
    model,
    messages,
    tools: [
      { type: 'function', function: { name: 'now' } },
      { type: 'custom', custom: { name: 'sql' } },
    ],
    response_format: zod.object({ city: zod.string() }),
  });
});
