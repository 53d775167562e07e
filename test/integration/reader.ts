/*
 * A process that calls models with the ring's key, as fast as it can: `reader.ts <surroundings>`. Says that it is at it
 * once the first call is over, and when asked for anything, how that went until now.
 */
import { setPriority } from 'node:os';
import { ChatClient } from '../../src/chat/index.ts';
import { openStore, readingRing, type Surroundings } from './settings.ts';

/** The answer to every message. */
export interface Tally {
  readonly calls: number;
  /** What the calls that failed threw. */
  readonly failures: readonly string[];
  /** How many keys it was given in turn. */
  readonly keys: number;
}

const AT_ONCE = 2;

// There are more of them than processors, and what is tried here is not who comes first.
setPriority(10);
const surroundings = JSON.parse(process.argv[2] ?? '') as Surroundings;
const { store } = openStore(surroundings.store);
const ring = readingRing(surroundings.encryptionKey, store);
// Not repeated: nothing but the ring is there to keep a call from failing.
const chat = new ChatClient({ apiKey: ring, baseUrl: surroundings.url, maxRetries: 0 });
const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] } as const;

let calls = 0;
let keys = 0;
const failures: string[] = [];
ring.on('rotated', () => keys++);

async function call(): Promise<void> {
  try {
    const answer = calls % 2 === 0 ? await chat.complete(request) : await chat.stream(request).completion();
    const text = answer.choices[0]?.message.content;
    if (text !== 'Hello!') failures.push(`the answer was ${text}`);
  } catch (error) {
    failures.push(String(error));
  }
  calls++;
}

process.on('message', () => process.send?.({ calls, failures, keys } satisfies Tally));
// Nobody is left to ask.
process.on('disconnect', () => process.exit());
await call();
process.send?.('calling');
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (;;) await call();
  }),
);
