import { ChatClient, InvalidResponseError, StreamFailedError } from 'drun-sdk';
import { expect, it } from 'vitest';
import { KEY } from '../support/credentials.ts';

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
