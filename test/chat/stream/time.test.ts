import { ChatClient } from 'drun-sdk/chat';
import { expect, test, vi } from 'vitest';

const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;
const baseUrl = 'http://127.0.0.1:1';

function eventStream(start: (controller: ReadableStreamDefaultController<Uint8Array>) => void): Response {
  return new Response(new ReadableStream({ start }), { headers: { 'content-type': 'text/event-stream' } });
}

test('the time until the first chunk includes all attempts', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  let attempts = 0;
  const chat = new ChatClient({
    apiKey: 'sk-key',
    baseUrl,
    timeoutMs: 1_000,
    fetch: () => {
      attempts++;
      return attempts === 1
        ? Promise.resolve(eventStream((controller) => controller.error(new TypeError('terminated'))))
        : new Promise(() => {});
    },
  });

  const outcome = chat
    .stream(request)
    .completion()
    .catch((error: unknown) => error);
  while (attempts < 2) await vi.advanceTimersByTimeAsync(100);
  await vi.advanceTimersByTimeAsync(900);
  vi.useRealTimers();

  expect(await outcome).toMatchObject({ name: 'TimeoutError', phase: 'response', timeoutMs: 1_000 });
  expect(attempts).toBe(2);
});

test('empty events do not reset the idle timeout', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { promise: started, resolve: start } =
    Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  const chat = new ChatClient({
    apiKey: 'sk-key',
    baseUrl,
    idleTimeoutMs: 1_000,
    fetch: async () => eventStream(start),
  });
  const outcome = chat
    .stream(request)
    .completion()
    .catch((error: unknown) => error);
  const server = await started;
  const send = (text: string): void => server.enqueue(new TextEncoder().encode(text));

  send('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
  for (let waited = 0; waited < 900; waited += 300) {
    await vi.advanceTimersByTimeAsync(300);
    send('data:\n\n');
  }
  await vi.advanceTimersByTimeAsync(100);
  vi.useRealTimers();

  expect(await outcome).toMatchObject({ name: 'TimeoutError', phase: 'idle' });
});

test("chunks received before the caller's signal is aborted are not returned afterwards", async () => {
  const chunk = JSON.stringify({ choices: [{ index: 0, delta: { content: 'a' } }] });
  const chat = new ChatClient({
    apiKey: 'sk-key',
    baseUrl,
    fetch: async () =>
      eventStream((controller) => {
        controller.enqueue(new TextEncoder().encode(`data: ${chunk}\n\ndata: ${chunk}\n\n`));
      }),
  });
  const user = new AbortController();
  const chunks = chat.stream(request, { signal: user.signal })[Symbol.asyncIterator]();
  await chunks.next();
  const reason = new Error('the user left');

  user.abort(reason);

  await expect(chunks.next()).rejects.toBe(reason);
});

const calls: readonly [string, (chat: ChatClient, signal?: AbortSignal) => Promise<unknown>][] = [
  ['complete()', (chat, signal) => chat.complete(request, { signal })],
  ['stream().completion()', (chat, signal) => chat.stream(request, { signal }).completion()],
];

test.each(calls)(
  '%s returns a JSON completion when the time is up, if the body is not closed',
  async (_, run) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const message = { role: 'assistant', content: 'Hello' };
    const completion = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] });
    const chat = new ChatClient({
      apiKey: 'sk-key',
      baseUrl,
      timeoutMs: 1_000,
      fetch: async () => eventStream((body) => body.enqueue(new TextEncoder().encode(completion))),
    });

    const result = run(chat);
    await vi.advanceTimersByTimeAsync(1_000);
    vi.useRealTimers();

    await expect(result).resolves.toMatchObject({ choices: [{ message }] });
  },
);

test.each(calls)(
  '%s ends at once when it is aborted, even if the body ignores cancellation',
  async (_, run) => {
    const user = new AbortController();
    const { promise: reading, resolve: onRead } = Promise.withResolvers<void>();
    const read = (): Promise<never> => {
      onRead();
      return new Promise(() => {});
    };
    const cancel = async (): Promise<void> => {};
    const body = { locked: false, cancel, getReader: () => ({ read, cancel }) };
    const response = Object.defineProperty(new Response(), 'body', { value: body });
    const chat = new ChatClient({ apiKey: 'sk-key', baseUrl, fetch: async () => response });
    const reason = new Error('the user left');

    const result = run(chat, user.signal);
    await reading;
    user.abort(reason);

    await expect(result).rejects.toBe(reason);
  },
);
