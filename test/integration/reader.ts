/*
 * A process that calls a model with the ring's key without a pause: `reader.ts <config>`. It sends a message after its
 * first call, and responds to each message with its statistics.
 */
import { setPriority } from 'node:os';
import { ChatClient } from '../../src/chat/index.ts';
import { newReaderRing, openStore, type RunConfig } from './config.ts';

export interface ReaderStatistics {
  readonly calls: number;
  /** Errors of the failed calls. */
  readonly failures: readonly string[];
  /** Number of rotations that the reader noticed. */
  readonly keys: number;
}

const CONCURRENCY = 2;

// There are more readers than processors. They must not starve the rotators.
setPriority(10);
const config = JSON.parse(process.argv[2] ?? '') as RunConfig;
const { store } = openStore(config.store);
const ring = newReaderRing(config.encryptionKey, store);
// Without retries, only the ring prevents failures.
const chat = new ChatClient({ apiKey: ring, baseUrl: config.url, maxRetries: 0 });
const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] } as const;

let calls = 0;
let keys = 0;
const failures: string[] = [];
ring.on('rotated', () => keys++);

async function call(): Promise<void> {
  try {
    const completion =
      calls % 2 === 0 ? await chat.complete(request) : await chat.stream(request).completion();
    const text = completion.choices[0]?.message.content;
    if (text !== 'Hello!') failures.push(`the reply was ${text}`);
  } catch (error) {
    failures.push(String(error));
  }
  calls++;
}

process.on('message', () => process.send?.({ calls, failures, keys } satisfies ReaderStatistics));
// The parent process has exited.
process.on('disconnect', () => process.exit());
await call();
process.send?.('calling');
await Promise.all(
  Array.from({ length: CONCURRENCY }, async () => {
    for (;;) await call();
  }),
);
