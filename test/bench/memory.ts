import { setImmediate as turn } from 'node:timers/promises';
import { ChatClient } from 'drun-sdk/chat';
import { MODEL } from './answers.ts';

const CALLS = 10_000;
const STREAMS = 200;

const MIB = 1024 * 1024;
const request = { model: MODEL, messages: [{ role: 'user' as const, content: 'What is a cloud?' }] };

/** Prints what many calls, and many streams at once, leave in the heap, and what a stream takes while it is open. */
export async function measureMemory(baseUrl: string): Promise<void> {
  const chat = new ChatClient({ apiKey: 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU', baseUrl });
  const { signal } = new AbortController();
  console.log('\nheap');

  const call = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 64) {
      await Promise.all(Array.from({ length: Math.min(left, 64) }, () => chat.complete(request, { signal })));
    }
  };
  // Whatever is made once is made before.
  await call(1_000);
  const beforeCalls = await heapUsed();
  await call(CALLS);
  report(`${CALLS} calls leave`, (await heapUsed()) - beforeCalls);

  const openStreams = async (): Promise<number> => {
    const streams = Array.from({ length: STREAMS }, () =>
      chat.stream(request, { signal })[Symbol.asyncIterator](),
    );
    await Promise.all(streams.map((stream) => stream.next()));
    const used = await heapUsed();
    await Promise.all(streams.map((stream) => stream.return?.()));
    return used;
  };
  await openStreams();
  const beforeStreams = await heapUsed();
  const whileOpen = await openStreams();
  report(`${STREAMS} streams take, each, while they are open`, (whileOpen - beforeStreams) / STREAMS);
  report(`${STREAMS} streams leave`, (await heapUsed()) - beforeStreams);
}

/** What is in use once all garbage is gone: some of it goes only after a turn of the loop in which its owner went. */
async function heapUsed(): Promise<number> {
  for (let turns = 0; turns < 4; turns++) {
    globalThis.gc?.();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}

function report(what: string, bytes: number): void {
  console.log(`  ${what.padEnd(48)} ${(bytes / MIB).toFixed(3).padStart(9)} MiB`);
}
