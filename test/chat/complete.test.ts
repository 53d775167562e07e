import { ApiError, type ChatCompletionRequest, ConfigurationError, InvalidResponseError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { KEY, OTHER_KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { html, json, mockNetwork } from '../support/network.ts';
import { events, finishChunk, textChunk } from '../support/streams.ts';
import { retryAtOnce } from '../support/timing.ts';
import { COMPLETIONS, chatClient, completion, failure, request } from './requests.ts';

const network = mockNetwork();

describe('complete', () => {
  test('posts the request as JSON with the API key', async () => {
    const requests = network.respond('post', COMPLETIONS, json(completion()));

    await chatClient().complete(request({ temperature: 0.7 }));

    expect(requests).toHaveLength(1);
    expect(requests[0]?.headers.get('authorization')).toBe(`Bearer ${KEY}`);
    expect(requests[0]?.headers.get('content-type')).toBe('application/json');
    expect(JSON.parse(requests[0]?.text ?? '')).toEqual({
      model: 'public/deepseek-r1',
      messages: [{ role: 'user', content: 'Hello, model!' }],
      temperature: 0.7,
      stream: false,
    });
  });

  test('sends unknown fields unchanged', async () => {
    const requests = network.respond('post', COMPLETIONS, json(completion()));
    const extra = {
      top_k: 20,
      repetition_penalty: 1.1,
      chat_template_kwargs: { enable_thinking: false },
      guided_choice: ['yes', 'no'],
      something_new: null,
    };

    await chatClient().complete(request(extra));

    expect(JSON.parse(requests[0]?.text ?? '')).toMatchObject(extra);
  });

  test('sends reasoning back', async () => {
    const requests = network.respond('post', COMPLETIONS, json(completion()));
    const messages: ChatCompletionRequest['messages'] = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: null, reasoning_content: 'I think', reasoning: 'so' },
      { role: 'tool', tool_call_id: 'call-1', content: '4' },
    ];

    await chatClient().complete({ model: 'u-8105f7322477/test', messages });

    expect(JSON.parse(requests[0]?.text ?? '').messages).toEqual(messages);
  });

  test('does not change the request', async () => {
    network.respond('post', COMPLETIONS, json(completion()));
    const original = request({ stop: ['a'] });
    const copy = structuredClone(original);

    await chatClient().complete(original);

    expect(original).toEqual(copy);
  });

  test('throws when `stream` is true', async () => {
    const original = request({ stream: true });

    const error = await rejectionOf(ConfigurationError, chatClient().complete(original));

    expect(error.option).toBe('stream');
  });

  test('returns the completion', async () => {
    network.respond('post', COMPLETIONS, json(completion()));

    const result = await chatClient().complete(request());

    expect(result.choices[0].message.content).toBe('Hello!');
    expect(result).toEqual(completion());
  });

  test('preserves every field', async () => {
    const body = completion({
      system_fingerprint: null,
      prompt_logprobs: null,
      kv: { transfer: [1, { deep: true }] },
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'a', audio: { id: 'x' }, annotations: [] },
          finish_reason: 'stop',
          stop_reason: 151643,
          logprobs: null,
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 2,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 4, other: 1 },
        cost: '0.1',
      },
    });
    network.respond('post', COMPLETIONS, json(body));

    expect(await chatClient().complete(request())).toEqual(body);
  });

  test.each(['reasoning_content', 'reasoning'])('keeps %s', async (field) => {
    const message = { role: 'assistant', content: 'a', [field]: 'because' };
    network.respond(
      'post',
      COMPLETIONS,
      json(completion({ choices: [{ index: 0, message, finish_reason: 'stop' }] })),
    );

    const result = await chatClient().complete(request());

    expect(result.choices[0].message[field]).toBe('because');
  });

  test('returns null content with tool calls', async () => {
    const call = { id: 'call-1', type: 'function', function: { name: 'f', arguments: '{"a":' } };
    const message = { role: 'assistant', content: null, tool_calls: [call] };
    network.respond(
      'post',
      COMPLETIONS,
      json(completion({ choices: [{ index: 0, message, finish_reason: 'tool_calls' }] })),
    );

    const result = await chatClient().complete(request());

    expect(result.choices[0].message.content).toBeNull();
    expect(result.choices[0].message.tool_calls).toEqual([call]);
  });

  test('fills in the fields that its type requires', async () => {
    network.respond('post', COMPLETIONS, json({ choices: [{ message: { content: 'a' } }, { message: {} }] }));

    const result = await chatClient().complete(request());

    expect(result.choices).toEqual([
      { index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: null },
      { index: 1, message: { role: 'assistant', content: null }, finish_reason: null },
    ]);
  });

  test('returns credentials in a reply unchanged', async () => {
    const content = `yours is ${KEY}, mine is ${OTHER_KEY}`;
    const body = completion({
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    });
    network.respond('post', COMPLETIONS, json(body));

    const result = await chatClient().complete(request());

    expect(result.choices[0].message.content).toBe(content);
  });

  test('respects `toJSON` of the request', async () => {
    const requests = network.respond('post', COMPLETIONS, json(completion()));
    const custom = { ...request(), secret: 1, toJSON: () => ({ ...request(), n: 1 }) };

    await chatClient().complete(custom);

    expect(JSON.parse(requests[0]?.text ?? '')).toEqual({ ...request(), n: 1, stream: false });
  });

  test('replaces lone surrogates in the request', async () => {
    const requests = network.respond('post', COMPLETIONS, json(completion()));
    const broken = 'a\ud83d';

    await chatClient().complete({
      model: 'm',
      messages: [{ role: 'user', content: [{ type: 'text', text: broken }] }],
    });

    expect(JSON.parse(requests[0]?.text ?? '').messages[0].content[0].text).toBe('a\ufffd');
  });

  test('accepts an event stream', async () => {
    const chunks = [textChunk('Hel'), textChunk('lo'), finishChunk()];
    network.respond('post', COMPLETIONS, new Response(events(...chunks, '[DONE]')));

    expect((await chatClient().complete(request())).choices[0].message.content).toBe('Hello');
  });
});

describe('complete, with a 200 that is not a completion', () => {
  test.each([
    ['HTML', html()],
    ['an empty body', new Response('')],
    ['a 204', new Response(null, { status: 204 })],
    ['broken JSON', new Response(`{"choices": [{"message": {"content": "${KEY}`)],
    ['an event stream of another kind', new Response('data: {"type":"response.created"}\n\n')],
    ['null', json(null)],
    ['an array', json([completion()])],
    ['an empty object', json({})],
    ['empty choices', json(completion({ choices: [] }))],
    ['null choices', json(completion({ choices: null }))],
    ['a choice without a message', json(completion({ choices: [{ index: 0, finish_reason: 'stop' }] }))],
    ['a null message', json(completion({ choices: [{ message: null }] }))],
    ['choices that are a string', json(completion({ choices: KEY }))],
  ])('throws InvalidResponseError for %s, without the body', async (_, reply) => {
    const requests = network.respond('post', COMPLETIONS, reply);

    const error = await rejectionOf(InvalidResponseError, chatClient().complete(request()));

    expect(error.status).toBe(reply.status);
    expect(everythingShownOf(error)).not.toContain(KEY.slice(0, 20));
    expect(requests).toHaveLength(1);
  });

  test.each([
    ['an error object', failure('model_not_found', 'invalid_request_error', 'no such model')],
    ['an error object with empty choices', { ...failure('x', 'y', 'no such model'), choices: [] }],
    ['an error text', { error: 'no such model' }],
  ])('throws ApiError for %s', async (_, body) => {
    network.respond('post', COMPLETIONS, json(body));

    const error = await rejectionOf(ApiError, chatClient({ maxRetries: 0 }).complete(request()));

    expect(error.message).toContain('no such model');
  });

  test('throws ApiError for an error object in a response with choices', async () => {
    network.respond('post', COMPLETIONS, json(completion(failure('upstream', 'upstream_error'))));

    await rejectionOf(ApiError, chatClient({ maxRetries: 0 }).complete(request()));
  });

  test('ignores a null error in a response with choices', async () => {
    network.respond('post', COMPLETIONS, json(completion({ error: null })));

    expect((await chatClient().complete(request())).choices).toHaveLength(1);
  });
});

describe('complete, rejected', () => {
  const table: [status: number, code: string | null, type: string, name: string, drunCode: string][] = [
    [401, null, 'invalid_request_error', 'AuthenticationError', 'authentication_failed'],
    [401, 'invalid_api_key', 'invalid_request_error', 'AuthenticationError', 'authentication_failed'],
    [400, null, 'invalid_request_error', 'InvalidRequestError', 'invalid_request'],
    [422, null, 'invalid_request_error', 'InvalidRequestError', 'invalid_request'],
    [402, 'insufficient_quota', 'insufficient_quota', 'InsufficientQuotaError', 'insufficient_quota'],
    [422, '422', 'budget_exceeded', 'InsufficientQuotaError', 'insufficient_quota'],
    [400, null, 'budget_exceeded', 'InsufficientQuotaError', 'insufficient_quota'],
    [403, 'model_access_denied', 'invalid_request_error', 'PermissionDeniedError', 'permission_denied'],
    [404, 'model_not_found', 'invalid_request_error', 'NotFoundError', 'not_found'],
    [429, 'model_rate_limit_exceeded', '', 'RateLimitError', 'rate_limited'],
    [502, null, 'upstream_error', 'ServerError', 'server_error'],
    [503, null, 'internal_error', 'ServerError', 'server_error'],
    [500, null, 'internal_error', 'ServerError', 'server_error'],
    [529, 'overloaded', 'overloaded_error', 'ServerError', 'server_error'],
    [418, 'teapot', 'x', 'ApiError', 'api_error'],
    [413, null, 'x', 'ApiError', 'api_error'],
  ];

  test.each(table)('maps %i with code %s and type %j to %s', async (status, code, type, name, drunCode) => {
    network.respond('post', COMPLETIONS, json(failure(code, type, 'the reason', 'model'), status));

    const error = await rejectionOf(ApiError, chatClient({ maxRetries: 0 }).complete(request()));

    expect(error).toMatchObject({ name, code: drunCode, status, param: 'model' });
    expect(error.serviceCode).toBe(code ?? undefined);
    expect(error.serviceType).toBe(type || undefined);
    expect(error.message).toContain('the reason');
  });

  test('has the request id if the server sends one', async () => {
    const reply = json(failure(null, 'internal_error'), 500, { 'x-request-id': 'req-1' });
    network.respond('post', COMPLETIONS, reply);

    const error = await rejectionOf(ApiError, chatClient({ maxRetries: 0 }).complete(request()));

    expect(error.requestId).toBe('req-1');
  });

  test('has the masked key and does not show the full key', async () => {
    const message = `Incorrect API key provided: ${KEY}`;
    network.respond(
      'post',
      COMPLETIONS,
      json(failure('invalid_api_key', 'invalid_request_error', message), 401),
    );

    const error = await rejection(chatClient().complete(request()));

    expect(error).toMatchObject({ maskedKey: 'sk-******7ucU' });
    expect((error as Error).message).toContain('Incorrect API key provided: sk-******7ucU');
    expect(everythingShownOf(error)).not.toContain(KEY);
  });

  test('does not show any other key', async () => {
    const message = `not ${OTHER_KEY}`;
    network.respond(
      'post',
      COMPLETIONS,
      json(failure(message, message, message, message), 400, { 'x-request-id': message }),
    );

    expect(everythingShownOf(await rejection(chatClient().complete(request())))).not.toContain(OTHER_KEY);
  });

  test('does not show the prompt', async () => {
    network.respond('post', COMPLETIONS, json(failure(null, 'internal_error'), 500));
    const original = request({ messages: [{ role: 'user', content: 'the merger is on Friday' }] });

    const error = await rejection(chatClient({ maxRetries: 0 }).complete(original));

    expect(everythingShownOf(error)).not.toContain('merger');
  });

  test('names the invalid field without its value', async () => {
    const detail = [
      { type: 'missing', loc: ['body', 'messages', 0, 'role'], msg: 'Field required', input: 'the merger' },
      { type: 'int_parsing', loc: ['body', 'top_k'], msg: 'Input should be an integer', input: 'many' },
      'odd',
    ];
    network.respond('post', COMPLETIONS, json({ detail }, 422));

    const error = await rejectionOf(ApiError, chatClient().complete(request()));

    expect(error.message).toContain(
      'body.messages.0.role: Field required; body.top_k: Input should be an integer',
    );
    expect(everythingShownOf(error)).not.toContain('merger');
  });

  test.each([
    ['another shape', json({ detail: 'the reason' }, 400), 'the reason'],
    ['an error text', json({ error: 'the reason' }, 400), 'the reason'],
    ['a message', json({ message: 'the reason' }, 400), 'the reason'],
    ['plain text', new Response('the reason', { status: 400 }), 'the reason'],
    ['an HTML page', html(400), '400'],
    ['nothing', new Response(null, { status: 400 }), '400'],
  ])('reads the error of a proxy: %s', async (_, reply, expected) => {
    network.respond('post', COMPLETIONS, reply);

    const error = await rejection(chatClient().complete(request()));

    expect(error).toMatchObject({ name: 'InvalidRequestError', status: 400 });
    expect((error as Error).message).toContain(expected);
    expect((error as Error).message).not.toContain('<');
  });

  test('retries transient errors', async () => {
    retryAtOnce();
    const requests = network.respond(
      'post',
      COMPLETIONS,
      json(failure('model_rate_limit_exceeded', ''), 429),
      json(failure(null, 'upstream_error'), 502),
      json(completion()),
    );

    await chatClient().complete(request());

    expect(requests.map(({ text }) => JSON.parse(text))).toEqual(
      Array(3).fill({ ...request(), stream: false }),
    );
  });
});
