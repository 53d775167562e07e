import {
  type Case,
  choice,
  completionOf,
  events,
  finishChunk,
  message,
  stream,
  type Table,
  textChunk,
} from './cases.ts';

const failed = (fields: object = {}): NonNullable<Case['error']> => ({
  name: 'StreamFailedError',
  ...fields,
});
const truncated = (content: string): NonNullable<Case['error']> => ({
  name: 'StreamTruncatedError',
  completion: message({ content }),
});
const partial = (content: string): object => ({ completion: message({ content }) });

/** All shapes of error events, sent after a chunk and before `[DONE]`. */
const errorEvents: readonly Case[] = (
  [
    [
      'an envelope',
      { error: { message: 'boom', type: 'server_error', code: 'engine', param: 'model' } },
      { serviceCode: 'engine', serviceType: 'server_error', param: 'model' },
    ],
    ['an envelope with a string', { error: 'boom' }],
    ['an envelope with a numeric code', { error: { message: 'boom', code: 500 } }, { serviceCode: '500' }],
    ['an envelope in an array', [{ error: { message: 'boom', code: 503, status: 'UNAVAILABLE' } }]],
    ['a flat object of vLLM', { object: 'error', message: 'boom', type: 'BadRequestError', code: 400 }],
    [
      'an error of Anthropic',
      { type: 'error', error: { type: 'overloaded_error', message: 'boom' } },
      { serviceType: 'overloaded_error' },
    ],
    ['a message', { message: 'boom' }],
    ['a detail', { detail: 'boom' }],
    ['an array of details', { detail: [{ loc: ['body', 'messages'], msg: 'boom' }] }],
    ['a code and a message', { code: 'E1001', message: 'boom' }, { serviceCode: 'E1001' }],
    ['an error of FastChat', { text: 'boom', error_code: 50002 }, { serviceCode: '50002' }],
    ['an error of Spark', { code: 10013, message: 'boom', sid: 'x' }],
    ['an error with empty choices', { choices: [], error: { message: 'boom', code: 502 } }],
    ['an error with the code 0', { choices: [], error: { code: 0, message: 'boom' } }, { serviceCode: '0' }],
    ['a detail with empty choices', { choices: [], error: { detail: 'boom' } }],
    [
      'an error with a choice',
      {
        error: { message: 'boom', code: 502 },
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
      },
    ],
    ['a status and a message', { status: 500, message: 'boom' }],
    [
      'fields of an error in addition to those of a chunk (DeepInfra)',
      {
        id: 'c',
        created: 1,
        model: 'm',
        choices: null,
        error_type: 'BadRequestError',
        error_message: 'boom',
      },
    ],
    [
      'a `base_resp` of MiniMax',
      { id: 'c', model: 'm', choices: null, base_resp: { status_code: 1027, status_msg: 'boom' } },
      { serviceCode: '1027' },
    ],
    ['plain text', 'error: boom'],
    ['plain text in capitals', 'ERROR: boom'],
  ] as [string, unknown, object?][]
).flatMap(([name, event, fields = {}]): Case[] => [
  {
    name: `${name}, after a chunk`,
    body: events(textChunk('Hel'), event),
    error: failed({ ...fields, ...partial('Hel') }),
    message: ': boom.',
  },
  {
    name: `${name}, before [DONE]`,
    body: events(textChunk('Hel'), event, '[DONE]'),
    error: failed({ ...fields, ...partial('Hel') }),
    message: 'boom',
  },
]);

const firstEvents: readonly Case[] = [
  ...(
    [
      [400, 'InvalidRequestError'],
      ['401', 'AuthenticationError'],
      [404, 'NotFoundError'],
      ['429', 'RateLimitError'],
      [500, 'ServerError'],
      ['503', 'ServerError'],
    ] as const
  ).map(([code, name]) => ({
    name: `an error with the code ${JSON.stringify(code)} before the first chunk`,
    body: events({ error: { message: 'boom', type: 'x', code } }, '[DONE]'),
    error: { name, status: Number(code) },
    message: 'boom',
  })),
  {
    name: 'an error without a status before the first chunk',
    body: events({ error: { message: 'boom', type: 'x', code: 'engine_dead' } }),
    error: failed({ serviceCode: 'engine_dead' }),
    message: 'boom',
  },
  ...[events, (chunk: object) => ({ ...chunk, id: 'c1' })].map(
    (write, index): Case => ({
      name: `an error in a choice without a finish reason, ${index === 0 ? 'streamed' : 'whole'}`,
      body: write(
        choice({
          [index === 0 ? 'delta' : 'message']: { content: 'Hel' },
          error: { message: 'boom', code: 502 },
        }),
      ),
      error: failed({ serviceCode: '502', ...partial('Hel') }),
      message: 'boom',
    }),
  ),
  {
    name: 'an error without data:, after chunks',
    body: `${events(textChunk('Hel'))}{"error":{"code":null,"message":"boom","param":null,"type":"internal_error"}}`,
    error: failed({ serviceType: 'internal_error', ...partial('Hel') }),
    message: 'boom',
  },
  {
    name: 'an error in several lines without data:, before [DONE]',
    body: `${events(textChunk('Hel'))}{\n  "error": {\n    "message": "boom"\n  }\n}\n\ndata: [DONE]\n\n`,
    error: failed(partial('Hel')),
    message: 'boom',
  },
  {
    name: 'an error after a truncated event',
    body: `${events(textChunk('Hel'))}data: {"choices":[{"index":0,"del\ndata: {"type":"error","error":{"message":"boom"}}\n\n`,
    error: failed(partial('Hel')),
    message: 'boom',
  },
  ...[
    ['an error without data:, after a truncated event', 'data: {"choices":[{"index":0,"del\n'],
    ['an error without data:, after other text', 'upstream closed\n'],
  ].map(([name = '', before]) => ({
    name,
    body: `${events(textChunk('Hel'))}${before}{"error":{"message":"boom","code":"x"}}\n\n`,
    error: failed({ serviceCode: 'x', ...partial('Hel') }),
    message: 'boom',
  })),
  ...[
    ['an event named error without data', 'event: error\n\n'],
    ['an event named error without data, after other text', 'upstream closed\nevent: error\n\n'],
    ['the name error after the data', 'data: {"phase":"overloaded"}\nevent: error\n\n'],
  ].map(([name = '', event]) => ({
    name,
    body: `${events(textChunk('Hel'))}${event}${events(finishChunk(), '[DONE]')}`,
    error: failed(partial('Hel')),
    message: 'failed: the service reported an error.',
  })),
  {
    name: 'an error field of llama.cpp',
    body: `${events(textChunk('Hel'))}error: {"code":500,"message":"boom","type":"server_error"}\n\n`,
    error: failed({ serviceCode: '500', serviceType: 'server_error', ...partial('Hel') }),
    message: 'boom',
  },
  {
    name: 'an event named error with text',
    body: `${events(textChunk('Hel'))}event: error\ndata: boom\n\n`,
    error: failed(partial('Hel')),
    message: 'boom',
  },
  {
    name: 'an event named error with several lines of text',
    body: `${events(textChunk('Hel'))}event: error\ndata: boom\ndata:  at x\n\n`,
    error: failed(partial('Hel')),
    message: 'failed: boom\n at x.',
  },
  {
    name: 'an event named error with JSON',
    body: `${events(textChunk('Hel'))}event: error\ndata: {"message":"boom","code":7}\n\n`,
    error: failed({ serviceCode: '7' }),
    message: 'boom',
  },
  {
    name: 'an event named error without a message',
    body: `${events(textChunk('Hel'))}event: error\ndata: {"choices":[{"index":0,"delta":{}}]}\n\n`,
    error: failed(partial('Hel')),
    message: 'failed: the service reported an error.',
  },
  {
    name: 'an error after the last choice has finished',
    body: events(textChunk('Hello'), finishChunk(), { error: { message: 'boom' } }),
    error: failed(partial('Hello')),
    message: 'boom',
  },
];

const endings: readonly Case[] = [
  {
    name: 'data: null',
    body: events('null'),
    error: { name: 'StreamTruncatedError', completion: { choices: [] } },
  },
  { name: 'comments only', body: ': a\n\n: b\n\n', error: { name: 'StreamTruncatedError' } },
  { name: '[DONE] only', body: events('[DONE]'), error: { name: 'StreamTruncatedError' } },
  { name: 'chunks, then data: null', body: events(textChunk('Hel'), 'null'), error: truncated('Hel') },
  {
    name: 'a line that the next one should continue',
    body: `${events(textChunk('Hel'))}data: {"choices":\n`,
    error: truncated('Hel'),
  },
  { name: 'chunks only', body: events(textChunk('Hel'), textChunk('lo')), error: truncated('Hello') },
  {
    name: 'chunks and [DONE]',
    body: events(textChunk('Hel'), textChunk('lo'), '[DONE]'),
    error: truncated('Hello'),
  },
  {
    name: 'an empty finish reason and [DONE]',
    body: events(textChunk('Hel'), finishChunk(''), '[DONE]'),
    error: truncated('Hel'),
  },
  {
    name: 'the expiry of the audio instead of a finish reason (openai-node#1206)',
    body: events(
      ...[{ id: 'a', data: 'AA' }, { data: 'BB', transcript: 'Hi' }, { expires_at: 9 }].map((audio) =>
        choice({ delta: { audio }, finish_reason: null }),
      ),
      '[DONE]',
    ),
    completion: {
      choices: [
        {
          message: { content: null, audio: { id: 'a', data: 'AABB', transcript: 'Hi', expires_at: 9 } },
          finish_reason: 'stop',
        },
      ],
    },
    text: '',
  },
  ...[
    [{ id: 'a', data: 'AA', transcript: 'Hi', expires_at: 9 }],
    [{ id: 'a', data: 'AA' }, { expires_at: 9 }],
    [{ id: 'a', data: 'AA', transcript: 'Hi' }, { expires_at: 9 }, { data: 'BB' }],
  ].map(
    (parts, index): Case => ({
      name: `incomplete audio ${index}`,
      body: events(...parts.map((audio) => choice({ delta: { audio } })), '[DONE]'),
      error: { name: 'StreamTruncatedError' },
    }),
  ),
  {
    name: 'a truncated chunk',
    body: `${events(textChunk('Hel'))}data: {"choices":[{"index":0,"delta":{"conte`,
    error: truncated('Hel'),
  },
  {
    name: 'one of two choices unfinished, without [DONE]',
    n: 2,
    body: events(textChunk('a'), finishChunk(), { choices: [{ index: 1, delta: { content: 'b' } }] }),
    error: { name: 'StreamTruncatedError' },
  },
  {
    name: 'the second of two choices missing, without [DONE]',
    n: 2,
    body: events(textChunk('a'), finishChunk(), 'null'),
    error: { name: 'StreamTruncatedError' },
  },
  {
    name: 'one of two choices unfinished, with [DONE]',
    n: 2,
    body: events(
      textChunk('a'),
      finishChunk(),
      { choices: [{ index: 1, delta: { content: 'b' } }] },
      '[DONE]',
    ),
    completion: { choices: [{ finish_reason: 'stop' }, { message: { content: 'b' }, finish_reason: null }] },
    text: 'a',
  },
  {
    name: 'the last choice finished, then data: null',
    body: events(textChunk('Hello'), finishChunk(), 'null'),
    completion: message({ content: 'Hello' }),
  },
  {
    name: 'the last choice finished',
    body: events(textChunk('Hello'), finishChunk()),
    completion: message({ content: 'Hello' }),
  },
  {
    name: 'the last chunk without an empty line',
    body: events(textChunk('Hello'), finishChunk()).trimEnd(),
    completion: message({ content: 'Hello' }),
  },
  ...['[done]', 'end', 'OK'].map((word) => ({
    name: `the last choice finished, then the word ${word}`,
    body: events(textChunk('Hello'), finishChunk(), word),
    completion: message({ content: 'Hello' }),
  })),
  {
    name: 'a word before the last choice has finished',
    body: events(textChunk('Hel'), 'end'),
    error: failed(partial('Hel')),
  },
  {
    name: 'empty choices and [DONE]',
    body: events({ choices: [] }, { choices: [], usage: { total_tokens: 1 } }, '[DONE]'),
    error: { name: 'InvalidResponseError', status: 200 },
  },
];

const finishReasons: readonly Case[] = [
  ...[
    'stop',
    'tool_calls',
    'function_call',
    'tool_use',
    'end_turn',
    'eos',
    'STOP',
    'stop_sequence',
    'whatever',
  ],
  ...['length', 'max_tokens', 'MAX_TOKENS', 'model_length', 'model_context_window_exceeded'],
  ...['content_filter', 'SAFETY', 'refusal', 'RECITATION', 'content_filter: RECITATION'],
].flatMap((reason): Case[] => [
  {
    name: `${reason}, streamed`,
    body: events(textChunk('Hello'), finishChunk(reason), '[DONE]'),
    completion: { choices: [{ message: { content: 'Hello' }, finish_reason: reason }] },
  },
  {
    name: `${reason}, whole`,
    body: completionOf({ content: 'Hello' }, {}, reason),
    completion: { choices: [{ message: { content: 'Hello' }, finish_reason: reason }] },
  },
]);

const failedReasons: readonly Case[] = [
  ...['error', 'abort', 'parse_error', 'insufficient_system_resource', 'overloaded_error', 'api_error'],
  ...['ERROR', 'network_error', 'MALFORMED_FUNCTION_CALL', 'cancelled'],
  ...['function_call_filter: MALFORMED_FUNCTION_CALL', 'malformed_tool_use', 'USER_CANCEL'],
  ...['UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS', 'overloaded'],
].flatMap((reason): Case[] => [
  {
    name: `${reason}, streamed`,
    body: events(textChunk('Hel'), finishChunk(reason), '[DONE]'),
    error: failed({ completion: { choices: [{ message: { content: 'Hel' }, finish_reason: reason }] } }),
    message: reason,
  },
  {
    name: `${reason}, whole`,
    body: completionOf({ content: 'Hel' }, {}, reason),
    error: failed({ completion: { choices: [{ message: { content: 'Hel' }, finish_reason: reason }] } }),
    message: reason,
  },
]);

const anthropic = ['message_start', 'content_block_delta', 'message_stop'].map(
  (type) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, message: { id: 'm' }, delta: { text: 'Hi' } })}\n\n`,
);
const otherFormats: readonly Case[] = [
  ...[
    ['events of the Anthropic API', anthropic.join('')],
    ['events of the Responses API', events({ type: 'response.created', response: {} }, '[DONE]')],
    ['chunks without choices', events({ id: 'a', object: 'chat.completion.chunk' }, '[DONE]')],
    ['an event that is a number', events(7)],
    ['an event that is an array', events([])],
    ['an event that is plain text', events('hello')],
    ['HTML', '<!doctype html><title>Sign in</title>'],
    ['HTML after white space', '\n\n  <html></html>'],
    ['plain text', 'Everything is fine'],
    ['a JSON string', '"hello"'],
    ['a JSON array', '[]'],
    ['an object without choices', { id: 'a', model: 'm' }],
    ['an empty object', {}],
    ['empty choices', { choices: [] }],
    ['null choices', { choices: null, usage: { total_tokens: 1 } }],
    ['choices that are not objects', { choices: [null, 1] }],
    ['a list of models', { object: 'list', data: [{ id: 'a' }] }],
  ].map(([name, body]) => ({
    name: name as string,
    body,
    error: { name: 'InvalidResponseError', status: 200 },
  })),
  {
    name: 'an error in JSON',
    body: { error: { code: '500', message: 'boom', param: null, type: 'BadRequestError' } },
    error: { name: 'ServerError', status: 500, serviceCode: '500' },
    message: 'boom',
  },
  {
    name: 'an error of MiniMax',
    body: { choices: null, model: 'm', base_resp: { status_code: 1004, status_msg: 'boom' } },
    error: { name: 'ApiError', status: 200, serviceCode: '1004' },
    message: 'boom',
  },
  {
    name: 'an error in JSON, without a status',
    body: { error: { message: 'boom', type: 'x' } },
    error: { name: 'ApiError', status: 200 },
    message: 'boom',
  },
];

const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
const call = (fields: object): object => ({ tool_calls: [fields] });
const preserved: readonly Case[] = [
  {
    name: 'parts of Mistral, streamed',
    body: stream(
      { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm ' }] }] },
      { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'yes' }] }] },
      { content: [{ type: 'text', text: 'Hel' }] },
      { content: 'lo' },
    ),
    completion: message({ content: 'Hello', reasoning_content: 'hm yes' }),
  },
  {
    name: 'parts of Mistral, without streaming',
    body: completionOf({
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'hm yes' }] },
        { type: 'text', text: 'Hello' },
      ],
    }),
    completion: message({ content: 'Hello', reasoning_content: 'hm yes' }),
  },
  {
    name: 'parts that are neither text nor thinking',
    body: completionOf({
      content: [
        { type: 'text', text: 'Hi' },
        { type: 'text', text: null },
        { type: 'reference', reference_ids: [1] },
      ],
    }),
    completion: message({ content: 'Hi', content_parts: [{ type: 'reference', reference_ids: [1] }] }),
  },
  {
    name: 'a summary of the reasoning',
    body: completionOf({
      content: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
        { type: 'text', text: 'Hi' },
      ],
    }),
    completion: message({ content: 'Hi', reasoning_content: 'hm' }),
  },
  {
    name: 'content as an object',
    body: completionOf({ content: { city: 'Paris' } }),
    completion: message({ content: '{"city":"Paris"}' }),
  },
  {
    name: 'content as a number',
    body: completionOf({ content: 42 }),
    completion: message({ content: '42' }),
  },
  {
    name: 'reasoning as an object',
    body: completionOf({ content: 'a', reasoning: { summary: 'short' } }),
    completion: message({ content: 'a', reasoning: '{"summary":"short"}' }),
  },
  {
    name: 'both names of reasoning',
    body: stream(
      { reasoning: 'a', reasoning_content: 'a' },
      { reasoning: 'b', reasoning_content: 'b' },
      { content: 'c' },
    ),
    completion: message({ reasoning: 'ab', reasoning_content: 'ab', content: 'c' }),
  },
  {
    name: 'audio',
    body: stream(
      { audio: { id: 'a1', transcript: 'Hel' } },
      { audio: { id: 'a1', transcript: 'lo', data: 'AA' } },
      { audio: { data: 'BB', expires_at: 9 } },
    ),
    completion: message({
      content: null,
      audio: { id: 'a1', transcript: 'Hello', data: 'AABB', expires_at: 9 },
    }),
    text: '',
  },
  {
    name: 'an empty function call beside text, in a stream (workbuddy-gateway#3)',
    body: stream({ content: 'a' }, { content: '', function_call: { name: '', arguments: '' } }),
    completion: message({ content: 'a', function_call: null }),
  },
  {
    name: 'an empty function call beside text',
    body: completionOf({ content: 'a', function_call: { name: '', arguments: '' } }),
    completion: message({ content: 'a', function_call: null }),
  },
  {
    name: 'the older function call',
    body: stream(
      { function_call: { name: 'f', arguments: '{"a"' } },
      { function_call: { arguments: ':1}' } },
    ),
    completion: message({ function_call: { name: 'f', arguments: '{"a":1}' } }),
    text: '',
  },
  {
    name: 'calls of custom tools',
    body: stream(
      call({ index: 0, id: 'c1', type: 'custom', custom: { name: 'sql', input: 'SELECT ' } }),
      call({ index: 0, custom: { input: '1' } }),
    ),
    completion: message({
      tool_calls: [{ id: 'c1', type: 'custom', custom: { name: 'sql', input: 'SELECT 1' } }],
    }),
    text: '',
  },
  {
    name: 'thinking as an object',
    body: stream(
      { thinking: { content: 'h' } },
      { thinking: { content: 'm', signature: 's' } },
      { content: 'a' },
    ),
    completion: message({ thinking: { content: 'hm', signature: 's' }, content: 'a' }),
  },
  {
    name: 'fragments of reasoning blocks (OpenRouter)',
    body: stream(
      { reasoning_details: [{ type: 'reasoning.text', text: 'h', index: 0, format: 'f' }] },
      { reasoning_details: [{ type: 'reasoning.text', text: 'm', index: 0, format: 'f' }] },
      { reasoning_details: [{ type: 'reasoning.text', signature: 's', index: 0, format: 'f' }] },
      { reasoning_details: [{ type: 'reasoning.encrypted', data: 'e', index: 1 }], content: 'a' },
    ),
    completion: message({
      content: 'a',
      reasoning_details: [
        { type: 'reasoning.text', text: 'hm', index: 0, format: 'f', signature: 's' },
        { type: 'reasoning.encrypted', data: 'e', index: 1 },
      ],
    }),
  },
  {
    name: 'fragments of thinking blocks (LiteLLM)',
    body: stream(
      { thinking_blocks: [{ type: 'thinking', thinking: 'h', signature: null }] },
      { thinking_blocks: [{ type: 'thinking', thinking: 'm', signature: 's1' }] },
      { thinking_blocks: [{ type: 'thinking', thinking: 'n', signature: 's2' }], content: 'a' },
    ),
    completion: message({
      content: 'a',
      thinking_blocks: [
        { type: 'thinking', thinking: 'hm', signature: 's1' },
        { type: 'thinking', thinking: 'n', signature: 's2' },
      ],
    }),
  },
  {
    name: 'lists of a delta',
    body: stream({ annotations: [{ url: 'a' }] }, { annotations: [{ url: 'b' }], content: 'x' }),
    completion: message({ annotations: [{ url: 'a' }, { url: 'b' }] }),
    text: 'x',
  },
  {
    name: 'token ids and log probabilities',
    body: events(
      choice({
        delta: { content: 'a' },
        token_ids: [1],
        logprobs: { content: [{ token: 'a' }], refusal: null },
      }),
      choice({ delta: { content: 'b' }, token_ids: [2, 3], logprobs: { content: [{ token: 'b' }] } }),
      choice({ delta: {}, token_ids: null, logprobs: null, finish_reason: 'stop', stop_reason: 7 }),
    ),
    completion: {
      choices: [
        {
          token_ids: [1, 2, 3],
          logprobs: { content: [{ token: 'a' }, { token: 'b' }], refusal: null },
          stop_reason: 7,
        },
      ],
    },
    text: 'ab',
  },
  {
    name: 'later null, empty and zero fields',
    body: events(
      { id: 'c1', model: 'm', created: 7, system_fingerprint: 'fp', usage, ...textChunk('Hello') },
      { id: '', model: '', created: 0, system_fingerprint: null, usage: null, ...finishChunk() },
      '[DONE]',
    ),
    completion: {
      id: 'c1',
      model: 'm',
      created: 7,
      system_fingerprint: 'fp',
      usage,
      ...message({ content: 'Hello' }),
    },
  },
  {
    name: 'the empty first chunk of Azure',
    body: events(
      {
        id: '',
        model: '',
        created: 0,
        object: '',
        choices: [],
        prompt_filter_results: [{ prompt_index: 0 }],
      },
      { id: 'c1', model: 'gpt', created: 7, object: 'chat.completion.chunk', ...textChunk('Hello') },
      finishChunk(),
      '[DONE]',
    ),
    completion: {
      id: 'c1',
      model: 'gpt',
      created: 7,
      object: 'chat.completion',
      prompt_filter_results: [{ prompt_index: 0 }],
      ...message({ content: 'Hello' }),
    },
  },
  {
    name: 'the complete message in addition to each delta',
    body: events(
      choice({ delta: { content: 'Hel' }, message: { role: 'assistant', content: 'Hel' } }),
      choice({
        delta: { content: 'lo' },
        message: { role: 'assistant', content: 'Hello', citations: ['u'] },
        finish_reason: 'stop',
      }),
    ),
    completion: message({ content: 'Hello', citations: ['u'] }),
  },
  {
    name: 'the complete message after the deltas',
    body: events(
      textChunk('Hel'),
      textChunk('lo'),
      choice({ message: { content: 'Hello', extra: 'x' }, finish_reason: 'stop' }),
    ),
    completion: message({ content: 'Hello', extra: 'x' }),
  },
  {
    name: 'fields named like those of Object.prototype, in a message beside a delta',
    body: events(
      choice({ delta: { content: 'Hi' }, message: { content: 'Hi', constructor: 'x' } }),
      choice({ message: { content: 'Hi', valueOf: 'y' }, finish_reason: 'stop' }),
    ),
    completion: message({ content: 'Hi', constructor: 'x', valueOf: 'y' }),
  },
  {
    name: 'a message instead of the delta in each chunk',
    body: events(
      choice({ message: { content: 'Hel' } }),
      choice({ message: { content: 'lo' }, finish_reason: 'stop' }),
    ),
    completion: message({ content: 'Hello' }),
  },
  {
    name: 'pings and obfuscation',
    body: events(
      { type: 'ping' },
      { ...textChunk('Hel'), obfuscation: 'xyz' },
      {},
      { type: 'ping', obfuscation: 'q' },
      textChunk('lo'),
      finishChunk(),
      '[DONE]',
    ).replace('data: {}', 'event: heartbeat\ndata: {"time":1}'),
    completion: { object: 'chat.completion', choices: [{ message: { content: 'Hello' } }] },
  },
  {
    name: 'usage in every chunk and in parts',
    body: events(
      { ...textChunk('Hello'), usage: { prompt_tokens: 1, completion_tokens: 1 } },
      { ...finishChunk(), usage: { completion_tokens: 2, total_tokens: 3 } },
      '[DONE]',
    ),
    completion: { usage, ...message({ content: 'Hello' }) },
  },
  {
    name: 'unknown fields everywhere',
    body: events(
      { a: 'x', ...choice({ b: 'y', delta: { content: 'Hi', c: 'z' } }) },
      { ...choice({ delta: { c: 'z' }, finish_reason: 'stop', d: { e: 'f' } }), __proto__key: 1 },
      '[DONE]',
    ),
    completion: { a: 'x', choices: [{ b: 'y', d: { e: 'f' }, message: { content: 'Hi', c: 'zz' } }] },
  },
  {
    name: 'missing deltas and choices',
    body: events({ usage }, { choices: [{ index: 0 }] }, textChunk('Hi'), {
      choices: [{ index: 0, finish_reason: 'stop' }],
    }),
    completion: { usage, ...message({ content: 'Hi' }) },
  },
];

const named = (id: string, name: string, args: string): object => ({
  id,
  function: { name, arguments: args },
});
const A = '{"city":"Paris"}';
const B = '{"city":"Rome"}';
const deltasOf = (...calls: unknown[]): string => stream(...calls.map((tool_calls) => ({ tool_calls })));
const toolCalls: readonly Case[] = (
  [
    ['a string', stream({ tool_calls: 'none' }), []],
    [
      'a call that is repeated completely',
      deltasOf([{ index: 0, ...named('c1', 'w', A) }], [{ index: 0, ...named('c1', 'w', A) }]),
      [named('c1', 'w', A)],
    ],
    [
      'two calls with the same id',
      deltasOf([{ index: 0, ...named('c1', 'v', '') }], [{ index: 1, ...named('c1', 'w', A) }]),
      [named('c1', 'v', '{}'), named(expect9(), 'w', A)],
    ],
    [
      'arguments that end within a nested object of the same name',
      deltasOf([{ index: 0, ...named('c1', 'w', '{"a":{"a":{"b":1}}') }]),
      [named('c1', 'w', '{"a":{"a":{"b":1}}')],
    ],
    [
      'arguments that end within many objects',
      deltasOf([{ index: 0, ...named('c1', 'w', '{"a":'.repeat(500)) }]),
      [named('c1', 'w', '{"a":'.repeat(500))],
    ],
    [
      'empty arguments before the real ones',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '{}') }],
        [{ index: 0, function: { arguments: A.slice(0, 6) } }],
        [{ index: 0, function: { arguments: A.slice(6) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'one call in fragments',
      deltasOf(
        [{ index: 0, id: 'c1', type: 'function', function: { name: 'w', arguments: '' } }],
        [{ index: 0, function: { arguments: A.slice(0, 5) } }],
        [{ index: 0, function: { arguments: A.slice(5) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'two interleaved calls',
      deltasOf(
        [
          { index: 0, ...named('c1', 'w', '') },
          { index: 1, ...named('c2', 'w', '') },
        ],
        [
          { index: 1, function: { arguments: B } },
          { index: 0, function: { arguments: A } },
        ],
      ),
      [named('c1', 'w', A), named('c2', 'w', B)],
    ],
    [
      'a new id and a name at the same index',
      deltasOf([{ index: 0, ...named('c1', 'w', A) }], [{ index: 0, ...named('c2', 'w', B) }]),
      [named('c1', 'w', A), named('c2', 'w', B)],
    ],
    [
      'a new id in every delta, without a name',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '') }],
        [{ index: 0, id: 'c2', function: { arguments: A.slice(0, 4) } }],
        [{ index: 0, id: 'c3', function: { arguments: A.slice(4) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'a new id in every delta, without a name and an index',
      deltasOf([named('c1', 'w', '')], [{ id: 'c2', function: { arguments: A } }]),
      [named('c1', 'w', A)],
    ],
    [
      'ids without indices',
      deltasOf(
        [named('c1', 'w', A.slice(0, 3))],
        [{ id: 'c1', function: { arguments: A.slice(3) } }],
        [named('c2', 'w', B)],
      ),
      [named('c1', 'w', A), named('c2', 'w', B)],
    ],
    [
      'names without ids and indices',
      deltasOf(
        [{ function: { name: 'w', arguments: A.slice(0, 3) } }],
        [{ function: { arguments: A.slice(3) } }],
        [{ function: { name: 'x', arguments: B } }],
      ),
      [named(expect9(), 'w', A), named(expect9(), 'x', B)],
    ],
    [
      'the rest of a call and the next call in one delta, without ids and indices',
      deltasOf(
        [{ function: { name: 'w', arguments: A.slice(0, 3) } }],
        [{ function: { arguments: A.slice(3) } }, { function: { name: 'x', arguments: B } }],
      ),
      [named(expect9(), 'w', A), named(expect9(), 'x', B)],
    ],
    [
      'several parts of a call in one delta, without ids and indices',
      deltasOf(
        [{ function: { name: 'w', arguments: '' } }],
        [{ function: { arguments: A.slice(0, 3) } }, { function: { arguments: A.slice(3) } }],
      ),
      [named(expect9(), 'w', A)],
    ],
    [
      'two calls of one tool without ids and indices, in one delta',
      deltasOf([{ function: { name: 'w', arguments: A } }, { function: { name: 'w', arguments: B } }]),
      [named(expect9(), 'w', A), named(expect9(), 'w', B)],
    ],
    [
      'two calls of one tool at index 0 without ids',
      deltasOf(
        [{ index: 0, id: '', function: { name: 'w', arguments: A } }],
        [{ index: 0, id: '', function: { name: 'w', arguments: B } }],
      ),
      [named(expect9(), 'w', A), named(expect9(), 'w', B)],
    ],
    [
      'an empty id after the first delta',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '') }],
        [{ index: 0, id: '', function: { name: '', arguments: A } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'a name in fragments',
      deltasOf(
        [{ index: 0, id: 'c1', function: { name: 'wea' } }],
        [{ index: 0, function: { name: 'ther', arguments: A } }],
      ),
      [named('c1', 'weather', A)],
    ],
    [
      'a name in every delta',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', A.slice(0, 6)) }],
        [{ index: 0, ...named('c1', 'w', A.slice(6)) }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'a name after the start of the arguments',
      deltasOf(
        [{ index: 0, id: 'c1', function: { arguments: A.slice(0, 4) } }],
        [{ index: 0, function: { name: 'w', arguments: A.slice(4) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'a name after the first part, without an id and an index (vercel/ai#5885)',
      deltasOf(
        [{ function: { arguments: '' } }],
        [{ function: { name: 'w' } }],
        [{ function: { arguments: A } }],
      ),
      [named(expect9(), 'w', A)],
    ],
    [
      'two parts of a call in one delta, with the same index (openai-python#3201)',
      deltasOf(
        [
          { index: 0, ...named('c1', 'w', '') },
          { index: 0, function: { arguments: A.slice(0, 4) } },
        ],
        [{ index: 0, function: { arguments: A.slice(4) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'a second call whose parts have another index than its start (agno#8880)',
      deltasOf(
        [{ index: 0, ...named('c1', 'v', A) }],
        [{ index: 0, ...named('c2', 'w', '') }],
        [{ index: 1, id: 'c2', function: { arguments: B } }],
      ),
      [named('c1', 'v', A), named('c2', 'w', B)],
    ],
    [
      'a delta with neither an id nor a function (open-webui/computer#224)',
      deltasOf([named('c1', 'v', A)], [named('c2', 'w', B)], [{ extra_content: { signature: 's' } }]),
      [named('c1', 'v', A), { ...named('c2', 'w', B), extra_content: { signature: 's' } }],
    ],
    [
      'a continuation at another index, without an id and a name (Ollama)',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', A) }],
        [{ index: 0, ...named('c2', 'w', B.slice(0, 5)) }],
        [{ index: 1, function: { arguments: B.slice(5) } }],
      ),
      [named('c1', 'w', A), named('c2', 'w', B)],
    ],
    [
      'a known id at another index (LocalAI)',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '') }],
        [{ index: 0, ...named('c1', '', A.slice(0, 5)) }],
        [{ index: 1, ...named('c1', 'w', A) }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'one id for two calls (GLM)',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '') }],
        [{ index: 0, function: { arguments: A } }],
        [{ index: 1, ...named('c1', 'w', '') }],
        [{ index: 1, function: { arguments: B } }],
      ),
      [named('c1', 'w', A), named(expect9(), 'w', B)],
    ],
    [
      'one id for two interleaved calls',
      deltasOf(
        [
          { index: 0, ...named('c1', 'w', A.slice(0, 5)) },
          { index: 1, ...named('c1', 'w', B.slice(0, 5)) },
        ],
        [
          { index: 0, id: 'c1', function: { arguments: A.slice(5) } },
          { index: 1, id: 'c1', function: { arguments: B.slice(5) } },
        ],
      ),
      [named('c1', 'w', A), named(expect9(), 'w', B)],
    ],
    [
      'one id for two calls, whole (Xinference)',
      completionOf({ content: null, tool_calls: [named('c1', 'w', A), named('c1', 'w', B)] }),
      [named('c1', 'w', A), named(expect9(), 'w', B)],
    ],
    [
      'one id, index and name for two calls',
      deltasOf([{ index: 0, ...named('c1', 'w', A) }], [{ index: 0, ...named('c1', 'w', B) }]),
      [named('c1', 'w', A), named(expect9(), 'w', B)],
    ],
    [
      'all arguments after their start (vLLM)',
      deltasOf([{ index: 0, ...named('c1', 'w', '{') }], [{ index: 0, function: { arguments: A } }]),
      [named('c1', 'w', A)],
    ],
    [
      'all arguments after a longer part, in another entry without an id (SGLang)',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '') }],
        [{ index: 1, id: null, function: { name: null, arguments: A.slice(0, 12) } }],
        [{ index: 1, id: null, function: { name: null, arguments: A } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'all arguments so far in every delta (hermes-agent#35592)',
      deltasOf(
        ...[1, 3, 8, 9, 12, A.length, A.length].map((length) => [
          { index: 0, ...named('c1', 'w', A.slice(0, length)) },
        ]),
      ),
      [named('c1', 'w', A)],
    ],
    [
      'a nested object with the same beginning, in another delta',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', '{"a":') }],
        [{ index: 0, function: { arguments: '{"a":1}}' } }],
      ),
      [named('c1', 'w', '{"a":{"a":1}}')],
    ],
    [
      'an empty type (vercel/ai#6800)',
      deltasOf([{ index: 0, ...named('c1', 'w', A), type: '' }]),
      [named('c1', 'w', A)],
    ],
    [
      'arguments three times, whole',
      completionOf({ content: null, tool_calls: [named('c1', 'w', A + A + A)] }),
      [named('c1', 'w', A)],
    ],
    [
      'an empty object after the arguments',
      deltasOf([{ index: 0, ...named('c1', 'w', A) }], [{ index: 0, function: { arguments: '{}' } }]),
      [named('c1', 'w', A)],
    ],
    [
      'arguments again as a string (LiteLLM)',
      deltasOf(
        [{ index: 0, ...named('c1', 'w', A) }],
        [{ index: 0, id: 'c1', function: { arguments: JSON.stringify(A) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'arguments that are encoded twice, whole (vLLM)',
      completionOf({ content: null, tool_calls: [named('c1', 'w', JSON.stringify(A))] }),
      [named('c1', 'w', A)],
    ],
    ['an object instead of an array', deltasOf({ index: 0, ...named('c1', 'w', A) }), [named('c1', 'w', A)]],
    [
      'indices as strings',
      deltasOf(
        [{ index: '0', ...named('c1', 'w', A.slice(0, 2)) }],
        [{ index: '0', function: { arguments: A.slice(2) } }],
      ),
      [named('c1', 'w', A)],
    ],
    [
      'arguments as an object',
      deltasOf([{ index: 0, id: 'c1', function: { name: 'w', arguments: { city: 'Paris' } } }]),
      [named('c1', 'w', A)],
    ],
    ...[undefined, null, 'null', '', '  '].map((value): [string, unknown, object[]] => [
      `arguments ${JSON.stringify(value)}`,
      deltasOf([{ index: 0, id: 'c1', function: { name: 'now', arguments: value } }]),
      [named('c1', 'now', '{}')],
    ]),
    ...[undefined, null, 'null', ''].map((value): [string, unknown, object[]] => [
      `arguments ${JSON.stringify(value)}, whole`,
      completionOf({
        content: null,
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'now', arguments: value } }],
      }),
      [named('c1', 'now', '{}')],
    ]),
    [
      'calls without ids, whole',
      completionOf({
        content: null,
        tool_calls: [
          { function: { name: 'w', arguments: A } },
          { id: '', function: { name: 'w', arguments: A } },
        ],
      }),
      [named(expect9(), 'w', A), named(expect9(), 'w', A)],
    ],
    [
      'blank arguments, whole, without a finish reason',
      completionOf({ content: null, tool_calls: [named('c1', 'now', ' ')] }, {}, null),
      [named('c1', 'now', '{}')],
    ],
    [
      'a null function, whole',
      completionOf({ content: null, tool_calls: [{ id: 'c1', function: null }] }),
      [named('c1', '', '{}')],
    ],
    [
      'name and arguments without a function, whole (Cloudflare)',
      completionOf({ content: null, tool_calls: [{ id: 'c1', name: 'w', arguments: JSON.parse(A) }] }),
      [named('c1', 'w', A)],
    ],
    [
      'name and arguments without a function',
      deltasOf([{ index: 0, id: 'c1', name: 'w' }], [{ index: 0, arguments: A }]),
      [named('c1', 'w', A)],
    ],
    [
      'a null function beside a custom tool',
      deltasOf([{ index: 0, id: 'c1', type: 'custom', function: null, custom: { name: 'sql', input: '1' } }]),
      [{ id: 'c1', type: 'custom', custom: { name: 'sql', input: '1' } }],
    ],
    [
      'a call as an object, whole',
      completionOf({ content: null, tool_calls: named('c1', 'w', A) }),
      [named('c1', 'w', A)],
    ],
    [
      'further fields of a call',
      deltasOf([{ index: 0, ...named('c1', 'w', A), extra_content: { google: { thought_signature: 's' } } }]),
      [{ ...named('c1', 'w', A), extra_content: { google: { thought_signature: 's' } } }],
    ],
  ] as [string, unknown, object[]][]
).map(([name, body, tool_calls]) => ({
  name,
  body,
  completion: message({ content: null, tool_calls: tool_calls.map((one) => ({ type: 'function', ...one })) }),
  text: '',
}));

/** Placeholder for an id that the client generates. */
function expect9(): string {
  return '<generated>';
}

const choices: readonly Case[] = [
  {
    name: 'reasoning at index 0 and text at index 1, for one requested choice',
    body: events(
      choice({ delta: { role: 'assistant', reasoning_content: 'hm' } }),
      { choices: [{ index: 1, delta: { role: 'assistant', content: '' } }] },
      { choices: [{ index: 1, delta: { content: 'Hello' } }] },
      { choices: [{ index: 1, delta: {}, finish_reason: 'stop' }] },
      '[DONE]',
    ),
    completion: {
      choices: [{ index: 0, message: { reasoning_content: 'hm', content: 'Hello' }, finish_reason: 'stop' }],
    },
  },
  {
    name: 'reasoning at index 0 and text at index 1, whole',
    body: {
      choices: [
        { index: 0, message: { role: 'assistant', reasoning_content: 'hm' }, finish_reason: null },
        { index: 1, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' },
      ],
    },
    completion: {
      choices: [{ index: 0, message: { reasoning_content: 'hm', content: 'Hello' }, finish_reason: 'stop' }],
    },
  },
  ...[true, false].map((isStream): Case => {
    const field = isStream ? 'delta' : 'message';
    const tool_calls = [named('c1', 'w', A)];
    const calls = [
      { index: 0, [field]: { content: 'Hm' }, finish_reason: 'tool_calls' },
      { index: 1, [field]: { content: null, tool_calls }, finish_reason: 'tool_calls' },
    ];
    return {
      name: `text at index 0 and a tool call at index 1, ${isStream ? 'streamed' : 'whole'} (nanobot#1481)`,
      body: isStream
        ? events({ choices: [calls[0]] }, { choices: [calls[1]] }, '[DONE]')
        : { choices: calls },
      completion: { choices: [{ message: { content: 'Hm', tool_calls }, finish_reason: 'tool_calls' }] },
    };
  }),
  {
    name: 'text and a tool call in two complete choices with the index 0',
    body: {
      choices: [{ content: 'Hm' }, { tool_calls: [named('c1', 'w', A)] }].map((message) => ({
        index: 0,
        message,
        finish_reason: 'tool_calls',
      })),
    },
    completion: message({ content: 'Hm', tool_calls: [named('c1', 'w', A)] }),
  },
  {
    name: 'two texts at two indices',
    body: events(
      textChunk('a'),
      { choices: [{ index: 1, delta: { content: 'b' }, finish_reason: 'stop' }] },
      finishChunk(),
      '[DONE]',
    ),
    completion: { choices: [{ message: { content: 'a' } }, { message: { content: 'b' } }] },
    text: 'a',
  },
  {
    name: 'two complete choices with the index 0',
    n: 2,
    body: {
      choices: ['a', 'b'].map((content) => ({ index: 0, message: { content }, finish_reason: 'stop' })),
    },
    completion: {
      choices: [
        { index: 0, message: { content: 'a' } },
        { index: 1, message: { content: 'b' } },
      ],
    },
    text: 'a',
  },
  {
    name: 'choices without indices',
    n: 2,
    body: events({
      choices: [
        { delta: { content: 'a' }, finish_reason: 'stop' },
        { delta: { content: 'b' }, finish_reason: 'stop' },
      ],
    }),
    completion: {
      choices: [
        { index: 0, message: { content: 'a' } },
        { index: 1, message: { content: 'b' } },
      ],
    },
    text: 'a',
  },
  {
    name: 'indices as strings',
    body: events({ choices: [{ index: '0', delta: { content: 'a' }, finish_reason: 'stop' }] }),
    completion: { choices: [{ index: 0, message: { content: 'a' } }] },
  },
];

const oddFields: readonly Case[] = (
  [
    ['created as a string', { created: '1700000000' }, { created: 1_700_000_000 }],
    [
      'usage as strings',
      { usage: { prompt_tokens: '1', completion_tokens: '2', total_tokens: '3' } },
      { usage },
    ],
    ['usage as an array', { usage: [usage] }, { usage }],
    ['usage as an empty array', { usage: [] }, { usage: null }],
    ['null usage', { usage: null }, {}],
    ['an empty error', { error: {} }, {}],
    ['an error with the code 0', { error: { code: 0 } }, {}],
    ['an error with empty fields', { error: { code: '', message: '' } }, {}],
    ['an error with a code and message of success', { error: { code: '0', message: 'success' } }, {}],
    ['a null error', { error: null }, {}],
  ] as [string, object, object][]
)
  .flatMap(([name, fields, expected]): Case[] => [
    {
      name: `${name}, whole`,
      body: completionOf({ content: 'Hi' }, fields),
      completion: { ...expected, ...message({ content: 'Hi' }) },
    },
    {
      name: `${name}, streamed`,
      body: events(
        { ...fields, ...textChunk('Hi') },
        { ...fields, ...finishChunk() },
        { choices: [], ...fields },
        '[DONE]',
      ),
      completion: { ...expected, ...message({ content: 'Hi' }) },
    },
  ])
  .concat([
    {
      name: 'a numeric finish reason',
      body: completionOf({ content: 'Hi' }, {}, 1),
      completion: { choices: [{ finish_reason: '1' }] },
      text: 'Hi',
    },
    {
      name: 'a numeric finish reason, streamed',
      body: events(textChunk('Hi'), finishChunk(1), '[DONE]'),
      completion: { choices: [{ finish_reason: '1' }] },
      text: 'Hi',
    },
    {
      name: 'the finish reason "null" in every chunk',
      body: events(choice({ delta: { content: 'Hi' }, finish_reason: 'null' }), finishChunk(), '[DONE]'),
      completion: { choices: [{ finish_reason: 'stop' }] },
      text: 'Hi',
    },
    {
      name: 'a null message of a withheld reply, whole (LightRAG#2551)',
      body: { choices: [{ index: 0, message: null, finish_reason: 'content_filter: PROHIBITED_CONTENT' }] },
      completion: {
        choices: [{ message: { content: null }, finish_reason: 'content_filter: PROHIBITED_CONTENT' }],
      },
      text: '',
    },
    {
      name: 'a refusal that is false',
      body: completionOf({ content: 'Hi', refusal: false }),
      completion: message({ content: 'Hi', refusal: null }),
    },
    {
      name: 'usage in a choice',
      body: events(textChunk('Hi'), choice({ delta: {}, finish_reason: 'stop', usage }), '[DONE]'),
      completion: { usage, ...message({ content: 'Hi' }) },
    },
    {
      name: 'a null delta',
      body: events(choice({ delta: null }), textChunk('Hi'), finishChunk(), '[DONE]'),
      completion: message({ content: 'Hi' }),
    },
    {
      name: 'a null choice',
      body: events({ choices: [null] }, textChunk('Hi'), finishChunk(), '[DONE]'),
      completion: message({ content: 'Hi' }),
    },
    {
      name: 'a missing role, index and finish reason',
      body: { choices: [{ message: { content: 'Hi' } }] },
      completion: {
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: null }],
      },
    },
    {
      name: 'text in the format of the older endpoint',
      body: events(
        { choices: [{ index: 0, text: 'Hel' }] },
        { choices: [{ index: 0, text: 'lo', finish_reason: 'stop' }] },
        '[DONE]',
      ),
      completion: message({ content: 'Hello' }),
    },
  ]);

const json = completionOf({ content: 'Hello' }, { id: 'c1', usage });
const hello = { ...message({ content: 'Hello' }) };
const formats: readonly Case[] = [
  ...['text/plain', 'application/json', 'application/octet-stream', ''].map((contentType) => ({
    name: `an event stream with the content type ${JSON.stringify(contentType)}`,
    contentType,
    body: stream({ content: 'Hello' }),
    completion: hello,
  })),
  {
    name: 'JSON with the content type of an event stream',
    contentType: 'text/event-stream',
    body: json,
    completion: { id: 'c1', usage, ...hello },
  },
  {
    name: 'JSON before data: [DONE]',
    body: `${JSON.stringify(json)}\n\ndata: [DONE]\n\n`,
    completion: { id: 'c1', ...hello },
  },
  {
    name: 'JSON directly before data: [DONE]',
    body: `${JSON.stringify(json)}data: [DONE]`,
    completion: { id: 'c1', ...hello },
  },
  {
    name: 'indented JSON before data: [DONE]',
    body: `${JSON.stringify(json, null, 2)}\ndata: [DONE]\n\n`,
    completion: { id: 'c1', ...hello },
  },
  { name: 'JSON with a byte order mark', body: `\uFEFF${JSON.stringify(json)}`, completion: hello },
  { name: 'JSON after white space', body: `\n\n  ${JSON.stringify(json)}\n`, completion: hello },
  {
    name: 'an event stream with a byte order mark',
    body: `\uFEFF${stream({ content: 'Hello' })}`,
    completion: hello,
  },
  {
    name: 'an event stream after empty lines',
    body: `\n\n${stream({ content: 'Hello' })}`,
    completion: hello,
  },
  {
    name: 'single newlines between events',
    body: stream({ content: 'Hel' }, { content: 'lo' }).replaceAll('\n\n', '\n'),
    completion: hello,
  },
  {
    name: 'single CRLFs between events',
    body: stream({ content: 'Hel' }, { content: 'lo' }).replaceAll('\n\n', '\r\n'),
    completion: hello,
  },
  {
    name: 'JSON over several lines',
    body: JSON.stringify(choice({ delta: { content: 'Hello' }, finish_reason: 'stop' }), null, 2)
      .replaceAll(/^/gm, 'data: ')
      .concat('\n\ndata: [DONE]\n\n'),
    completion: message({ content: 'Hello' }),
  },
  {
    name: 'single newlines after an empty line',
    body: `${events(textChunk('Hel'))}${events(textChunk('lo'), finishChunk(), '[DONE]').replaceAll('\n\n', '\n')}`,
    completion: hello,
  },
  { name: 'CRLF', body: stream({ content: 'Hello' }).replaceAll('\n', '\r\n'), completion: hello },
  { name: 'CR', body: stream({ content: 'Hello' }).replaceAll('\n', '\r'), completion: hello },
  {
    name: 'no space after data:',
    body: stream({ content: 'Hello' }).replaceAll('data: ', 'data:'),
    completion: hello,
  },
  {
    name: 'data: twice',
    body: stream({ content: 'Hello' }).replaceAll('data: ', 'data: data: '),
    completion: hello,
  },
  {
    name: 'JSON over several data: lines',
    body: `data: {\ndata: "choices":[{"index":0,"delta":{"content":"Hello"},\ndata: "finish_reason":"stop"}]}\n\n`,
    completion: hello,
  },
  {
    name: 'JSON over several lines, of which only the first has data:',
    body: `data: {"choices":[\n  {"index":0,"delta":{"content":"Hello"},\n"finish_reason":"stop"}]}\n\n`,
    completion: hello,
  },
  {
    name: 'data without a colon',
    body: `data\ndata: {\ndata\ndata: "choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\n`,
    completion: hello,
  },
  {
    name: 'comments and other fields',
    body: `: hi\nid: 7\nretry: 100\nfoo: bar\n${stream({ content: 'Hello' })}`,
    completion: hello,
  },
  {
    name: 'comments sent as events (Vertex AI)',
    body: `data: : keepalive\n\n${stream({ content: 'Hello' })}`,
    completion: hello,
  },
  {
    name: 'Unicode line separators within a line (langgenius/dify#39008)',
    body: stream({ content: 'a\u2028b\u2029c\u0085d' }),
    completion: message({ content: 'a\u2028b\u2029c\u0085d' }),
  },
  {
    name: 'comments, then JSON',
    body: `: keep-alive\n\n: keep-alive\n\n${JSON.stringify(json)}`,
    completion: { id: 'c1', ...hello },
  },
  {
    name: 'JSON in the line after data:',
    body: stream({ content: 'Hello' }).replaceAll('data: ', 'data:\n '),
    completion: hello,
  },
  {
    name: 'one JSON object per line',
    body: [textChunk('Hel'), textChunk('lo'), finishChunk()].map((one) => JSON.stringify(one)).join('\n'),
    completion: hello,
  },
];

/** The rules of the chat client, each with the responses that require it. */
export const TABLES: readonly Table[] = [
  { rule: 'an error event fails the call', cases: errorEvents },
  { rule: 'an error before the first chunk, or in another format', cases: firstEvents },
  { rule: 'completeness', cases: endings },
  { rule: 'finish reasons that are preserved', cases: finishReasons },
  { rule: 'finish reasons that report a failure', cases: failedReasons },
  { rule: 'a success that is not a completion', cases: otherFormats },
  { rule: 'every field is preserved', cases: preserved },
  { rule: 'tool calls', cases: toolCalls },
  { rule: 'choices', cases: choices },
  { rule: 'odd fields', cases: oddFields },
  { rule: 'the format is detected', cases: formats },
];
