import { ApiKeys, ChatClient, InvalidResponseError, isDrunError, StreamFailedError } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';

const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;
const nested = '['.repeat(100_000) + ']'.repeat(100_000);

function respondWith(body: string, contentType: string): ChatClient {
  const headers = { 'content-type': contentType };
  return new ChatClient({ apiKey: KEY, maxRetries: 0, fetch: async () => new Response(body, { headers }) });
}

it.each([
  ['clean', 'hello'],
  ['containing the key', KEY],
])('a response that is nested too deeply (%s) rejects with InvalidResponseError', async (_, content) => {
  const body = `{"choices":[{"message":{"content":"${content}"}}],"x":${nested}}`;

  await expect(respondWith(body, 'application/json').complete(request)).rejects.toThrow(InvalidResponseError);
});

it('a chunk that is nested too deeply throws StreamFailedError with the previous chunks', async () => {
  const first = 'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n';
  const chat = respondWith(`${first}data: {"choices":[],"x":${nested}}\n\n`, 'text/event-stream');

  const error = await chat
    .stream(request)
    .completion()
    .catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(StreamFailedError);
  expect((error as StreamFailedError).completion.choices[0]?.message.content).toBe('hello');
});

const call = { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
const reply = {
  role: 'assistant',
  content: 'Hi',
  reasoning_content: 'so',
  refusal: null,
  tool_calls: [call],
};
const parts = [
  { type: 'thinking', thinking: 'so' },
  { type: 'text', text: 'Hi' },
];
const ids = { id: 'c', object: 'chat.completion', created: 1, model: 'm', usage: { total_tokens: 1 } };
const bodies: readonly object[] = [
  { ...ids, choices: [{ index: 0, message: reply, finish_reason: 'stop' }] },
  {
    ...ids,
    choices: [{ index: 0, message: { reasoning_content: 'so', content: parts }, finish_reason: 'stop' }],
  },
  {
    ...ids,
    choices: [{ index: 0, delta: reply, finish_reason: 'stop', error: { code: 0 } }],
    error: { code: 1 },
  },
  {
    error: { message: 'no', code: 'E', type: 't', param: 'p' },
    success: true,
    status: 'ok',
    base_resp: { status_code: 0 },
  },
  { code: 401, msg: 'token expired', success: false, error_code: 1, detail: [{ loc: ['a'], msg: 'no' }] },
  { items: [{ id: 'a', name: 'n', key: 'sk-******7ucU', userId: 'u' }], page: { total: 1 } },
];

/** Yields copies of a JSON value, each with one scalar replaced by an object that `String()` cannot convert. */
function* withObjects(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return yield { toString: 1, valueOf: 1 };
  for (const [name, item] of Object.entries(value)) {
    for (const other of withObjects(item)) {
      yield Array.isArray(value) ? value.with(Number(name), other) : { ...value, [name]: other };
    }
  }
}

describe.each(bodies.map((body) => [JSON.stringify(body), body]))('%s', (_, body) => {
  const responses = [...withObjects(body)].map((other) => JSON.stringify(other));

  it.each<[string, number, (text: string, status: number) => Promise<unknown>]>([
    ['complete()', 200, (text) => respondWith(text, 'application/json').complete(request)],
    [
      'stream()',
      200,
      (text) => respondWith(`data: ${text}\n\n`, 'text/event-stream').stream(request).completion(),
    ],
    ['list()', 200, (text) => listKeys(text, 200)],
    ['list()', 400, (text) => listKeys(text, 400)],
  ])(
    '%s (status %i) returns a result or a typed error if a field is an unusual object',
    async (__, status, send) => {
      for (const text of responses) {
        const error = await send(text, status).catch((thrown: unknown) => thrown ?? 'nothing');
        if (error instanceof Error) {
          expect(isDrunError(error) && error.code, text).not.toBe('invalid_configuration');
          expect(isDrunError(error), text).toBe(true);
        }
      }
    },
  );
});

function listKeys(text: string, status: number): Promise<unknown> {
  const fetch = async (): Promise<Response> => new Response(text, { status });
  return Array.fromAsync(new ApiKeys({ accessToken: TOKEN, fetch, maxRetries: 0 }).list());
}
