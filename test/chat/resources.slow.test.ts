import { getEventListeners } from 'node:events';
import type { ChatClient, ChatStream } from 'drun-sdk/chat';
import { describe, expect, test } from 'vitest';
import { heapUsed, MIB } from '../support/heap.ts';
import { serveHttp } from '../support/sockets.ts';
import { events, greeting, serveStream, textChunk } from '../support/streams.ts';
import { chatClient, completion, request } from './requests.ts';

/* Listeners, memory and sockets that calls use are released. */

/** Starts a server that rejects requests of the user `bad`, and returns a client. */
async function startServer(): Promise<ChatClient> {
  const reply = JSON.stringify(completion());
  const { url } = await serveHttp(async (incoming, response) => {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    const { stream, user } = JSON.parse(body) as { stream?: boolean; user?: string };
    if (user === 'bad') response.writeHead(400).end('{}');
    else if (stream) response.setHeader('content-type', 'text/event-stream').end(greeting());
    else response.setHeader('content-type', 'application/json').end(reply);
  });
  return chatClient({ baseUrl: url });
}

/** Repeats an action, up to 50 times concurrently. */
async function times(count: number, work: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 50 }, worker));
}

test('300 calls with one signal leave no listener on it, however they end', async () => {
  const chat = await startServer();
  const { signal } = new AbortController();
  const first = async (stream: ChatStream): Promise<void> => {
    for await (const _ of stream) break;
  };
  const calls: ((number: number) => Promise<unknown>)[] = [
    () => chat.complete(request(), { signal }),
    () => chat.complete(request({ user: 'bad' }), { signal }).catch(() => {}),
    () => chat.stream(request(), { signal }).completion(),
    () => first(chat.stream(request(), { signal })),
    () => chat.complete(request(), { signal, timeoutMs: 1 }).catch(() => {}),
  ];

  await times(300, (number) => (calls[number % calls.length] as (typeof calls)[number])(number));

  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

describe('the heap', () => {
  test('does not grow over 10,000 calls', { timeout: 120_000 }, async () => {
    const chat = await startServer();
    const { signal } = new AbortController();
    const call = (): Promise<unknown> => chat.complete(request(), { signal });
    // Fills all caches first.
    await times(1_000, call);
    const before = await heapUsed();

    await times(10_000, call);

    // A leak of 100 bytes per call would exceed this limit.
    expect((await heapUsed()) - before).toBeLessThan(4 * MIB);
  });

  test('does not grow over 200 concurrent streams, and stays small while they are open', {
    timeout: 60_000,
  }, async () => {
    const { url } = await serveStream((response) => response.write(events(textChunk('a'))));
    const chat = chatClient({ baseUrl: url });
    const { signal } = new AbortController();
    const openAll = async (): Promise<() => Promise<unknown>> => {
      const streams = Array.from({ length: 200 }, () =>
        chat.stream(request(), { signal })[Symbol.asyncIterator](),
      );
      await Promise.all(streams.map((stream) => stream.next()));
      return () => Promise.all(streams.map((stream) => stream.return?.()));
    };
    await (await openAll())();
    const before = await heapUsed();

    const stopAll = await openAll();
    const whileOpen = await heapUsed();
    await stopAll();

    // The heap also contains the server's side of each stream.
    expect((whileOpen - before) / 200).toBeLessThan(0.25 * MIB);
    expect((await heapUsed()) - before).toBeLessThan(4 * MIB);
  });
});

test('leaving a loop early closes the socket within 100 ms', async () => {
  let onClosed = (): void => {};
  const { url } = await serveStream(async (response) => {
    await response.write(events(textChunk('a')));
    await response.closed;
    onClosed();
  });
  const durations: number[] = [];
  // Uses the minimum, because the machine may delay some attempts.
  for (let attempt = 0; attempt < 5; attempt++) {
    const closed = new Promise<void>((resolve) => {
      onClosed = resolve;
    });
    let stoppedAt = 0;
    for await (const _ of chatClient({ baseUrl: url }).stream(request())) {
      stoppedAt = performance.now();
      break;
    }
    await closed;
    durations.push(performance.now() - stoppedAt);
  }

  expect(Math.min(...durations)).toBeLessThan(100);
});
