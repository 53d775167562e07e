/**
 * Compares this package with raw `fetch` and with other clients, on one server of this machine, in one run. Prints
 * medians, and ratios to raw `fetch` in the same rounds; a single figure says more about the machine than about a client.
 *
 *   npm run bench                     everything
 *   npm run bench -- calls memory     some of: calls, streams, keys, memory
 *   npm run bench -- --rounds 5       fewer rounds than the default
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CHUNKS, COMPLETION, STREAM_TEXT, WRITES, type Writes } from './answers.ts';
import { BASELINE, type ClientMaker, loadClients } from './clients.ts';
import { measureKeySource } from './key-source.ts';
import { interleave, median, ratio, type Sample } from './measure.ts';
import { measureMemory } from './memory.ts';

const PARTS = ['calls', 'streams', 'keys', 'memory'];
const PATTERNS = [
  { title: 'one call after the other', calls: 1_500, atOnce: 1 },
  { title: '64 calls at once', calls: 3_200, atOnce: 64 },
];
/** How each kind of stream is called, and how many of them make a sample: enough for its code to be warm. */
const STREAMS: Readonly<Record<Writes, { readonly title: string; readonly streams: number }>> = {
  whole: { title: 'at once', streams: 10 },
  events: { title: 'event by event', streams: 2 },
  pieces: { title: 'in pieces of any size', streams: 2 },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '11' } },
});
const rounds = Number(values.rounds);
const parts = positionals.length === 0 ? PARTS : positionals;

const server = fork(fileURLToPath(new URL('server.ts', import.meta.url)));
const [port] = (await once(server, 'message')) as [number];
const origin = `http://127.0.0.1:${port}`;
try {
  const clients = await loadClients();
  console.log(
    `Node ${process.versions.node}, ${rounds} rounds; CPU and time per unit, × ${BASELINE} in the same round`,
  );
  if (parts.includes('calls')) for (const pattern of PATTERNS) await compareCalls(clients, pattern);
  if (parts.includes('streams')) for (const writes of WRITES) await compareStreams(clients, writes);
  if (parts.includes('keys')) await measureKeySource(rounds);
  if (parts.includes('memory')) await measureMemory(`${origin}/events`);
} finally {
  server.disconnect();
}

async function compareCalls(
  clients: ReadonlyMap<string, ClientMaker>,
  { title, calls, atOnce }: (typeof PATTERNS)[number],
): Promise<void> {
  const expected = COMPLETION.choices[0]?.message.content;
  const work = new Map(
    [...clients].map(([name, make]): [string, () => Promise<void>] => {
      const client = make(`${origin}/whole`);
      const callOneByOne = async (): Promise<void> => {
        for (let call = 0; call < calls / atOnce; call++) expectSame(name, await client.call(), expected);
      };
      return [name, async () => void (await Promise.all(Array.from({ length: atOnce }, callOneByOne)))];
    }),
  );
  const samples = await interleave(work, rounds);

  console.log(`\n${title}`);
  printRows(samples, {
    'µs of CPU per call': ({ cpuUs }) => cpuUs / calls,
    'µs per call': ({ wallUs }) => wallUs / calls,
  });
}

async function compareStreams(clients: ReadonlyMap<string, ClientMaker>, writes: Writes): Promise<void> {
  const { title, streams } = STREAMS[writes];
  const events = streams * CHUNKS;
  const work = new Map(
    [...clients].map(([name, make]): [string, () => Promise<void>] => {
      const client = make(`${origin}/${writes}`);
      const readAll = async (): Promise<void> => {
        for (let number = 0; number < streams; number++) expectSame(name, await client.stream(), STREAM_TEXT);
      };
      return [name, readAll];
    }),
  );
  const samples = await interleave(work, rounds);
  console.log(`\na stream of ${CHUNKS} chunks, written ${title}`);
  printRows(samples, {
    'events per second': ({ wallUs }) => (events / wallUs) * 1e6,
    'events per second of CPU': ({ cpuUs }) => (events / cpuUs) * 1e6,
  });
}

/** A client that reads less than there is would look quick. */
function expectSame(name: string, text: string, expected: string | undefined): void {
  if (text !== expected) throw new Error(`${name} did not give the text that was sent`);
}

/** A line for each client: the median of every figure, and its ratio to the baseline's. */
function printRows(
  samples: ReadonlyMap<string, readonly Sample[]>,
  figures: Readonly<Record<string, (sample: Sample) => number>>,
): void {
  const baseline = samples.get(BASELINE) ?? [];
  console.log(
    `  ${''.padEnd(12)}${Object.keys(figures)
      .map((title) => title.padStart(30))
      .join('')}`,
  );
  for (const [name, taken] of samples) {
    const cells = Object.values(figures).map((figure) => {
      const value = Math.round(median(taken.map(figure))).toLocaleString('en');
      return `${value.padStart(21)} ${`× ${ratio(taken, baseline, figure).toFixed(2)}`.padStart(8)}`;
    });
    console.log(`  ${name.padEnd(12)}${cells.join('')}`);
  }
}
