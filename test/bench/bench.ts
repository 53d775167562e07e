/**
 * Compares this package with raw `fetch` and other clients against one server on this machine, in one run. Prints
 * medians, and ratios to raw `fetch` in the same rounds. A run of all parts updates docs/performance.md.
 *
 *   npm run bench                       all parts
 *   npm run bench -- calls ring         some parts: start, calls, streams, memory, ring
 *   npm run bench -- --rounds 5         the default is 11 rounds
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { heapUsed } from '../support/heap.ts';
import type { Client, CreateClient } from './clients/client.ts';
import { interleave, type Sample, sample } from './measure.ts';
import { load } from './programs.ts';
import { CHUNKS, STREAM_TEXT, TEXT, type Writes } from './responses.ts';
import { measureRing } from './ring.ts';
import { measureStart } from './start.ts';
import { BASELINE, type Column, table } from './table.ts';

/** The files of the clients, by the names that the tables show. */
const CLIENTS: Readonly<Record<string, string>> = {
  [BASELINE]: 'fetch',
  'undici `request`': 'undici',
  'drun-sdk': 'drun-sdk',
  'drun-sdk, `nodeTransport()`': 'node-transport',
  ky: 'ky',
  openai: 'openai',
  groq: 'groq',
  OpenRouter: 'openrouter',
  'AI SDK': 'ai-sdk',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '11' } },
});
const rounds = Number(values.rounds);

const server = fork(fileURLToPath(new URL('server.ts', import.meta.url)), { execArgv: [] });
const [port] = (await once(server, 'message')) as [number];
const origin = `http://127.0.0.1:${port}`;

const parts: Readonly<Record<string, () => Promise<string>>> = {
  start: () => measureStart(CLIENTS, origin, rounds),
  calls: measureCalls,
  streams: measureStreams,
  memory: measureMemory,
  ring: () => measureRing(rounds),
};

try {
  const output = [
    `Node ${process.versions.node}, ${availableParallelism()} cores, medians of ${rounds} rounds; in parentheses, ratios to \`fetch\` in the same rounds.`,
  ];
  console.log(output[0]);
  for (const [name, measure] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const text = await measure();
    console.log(`\n${text}`);
    output.push(text);
  }
  if (positionals.length === 0) await updateDocs(output.join('\n\n'));
} finally {
  server.disconnect();
}

async function measureCalls(): Promise<string> {
  const sequential = await measure('whole', (client) => repeat(1_500, () => expectText(client.call(), TEXT)));
  const concurrent = await measure('whole', async (client) => {
    const worker = () => repeat(50, () => expectText(client.call(), TEXT));
    await Promise.all(Array.from({ length: 64 }, worker));
  });
  return table([
    column('CPU per call, sequential, µs', sequential, ({ cpuUs }) => cpuUs / 1_500),
    column('duration, µs', sequential, ({ wallUs }) => wallUs / 1_500),
    column('CPU per call, 64 at once, µs', concurrent, ({ cpuUs }) => cpuUs / 3_200),
    column('duration, µs', concurrent, ({ wallUs }) => wallUs / 3_200),
  ]);
}

async function measureStreams(): Promise<string> {
  const whole = await measure('whole', (client) =>
    repeat(10, () => expectText(client.stream(), STREAM_TEXT)),
  );
  const events = await measure('events', (client) =>
    repeat(2, () => expectText(client.stream(), STREAM_TEXT)),
  );
  const perSecond = (streams: number) => (sample: Sample) => (streams * CHUNKS * 1e6) / sample.wallUs;
  return table([
    column('chunks per second, written at once', whole, perSecond(10)),
    column('chunks per second, one per write', events, perSecond(2)),
  ]);
}

async function measureMemory(): Promise<string> {
  const streams = 200;
  const used = await measureEach('held', async (client) => {
    const before = await heapUsed();
    const aborts = await Promise.all(Array.from({ length: streams }, () => client.open()));
    const bytes = (await heapUsed()) - before;
    await Promise.all(aborts.map((abort) => abort()));
    return bytes / streams / 1_000;
  });
  return table([{ title: 'heap per open stream, kB', values: used }]);
}

function measure(writes: Writes, work: (client: Client) => Promise<void>): Promise<Map<string, Sample[]>> {
  return measureEach(writes, (client) => sample(() => work(client)));
}

async function measureEach<T>(
  writes: Writes,
  work: (client: Client) => Promise<T>,
): Promise<Map<string, T[]>> {
  const candidates = new Map<string, () => Promise<T>>();
  for (const [name, file] of Object.entries(CLIENTS)) {
    const { createClient } = await load<{ createClient: CreateClient }>(`clients/${file}.ts`);
    const client = createClient(`${origin}/${writes}`);
    candidates.set(name, () => work(client));
  }
  return interleave(candidates, rounds);
}

async function repeat(times: number, work: () => Promise<void>): Promise<void> {
  for (let time = 0; time < times; time++) await work();
}

async function expectText(received: Promise<string>, expected: string): Promise<void> {
  if ((await received) !== expected)
    throw new Error('A client did not return the text that the server sent.');
}

function column(
  title: string,
  samples: ReadonlyMap<string, readonly Sample[]>,
  figure: (sample: Sample) => number,
): Column {
  return { title, values: new Map([...samples].map(([name, taken]) => [name, taken.map(figure)])) };
}

async function updateDocs(figures: string): Promise<void> {
  const file = new URL('../../docs/performance.md', import.meta.url);
  const text = await readFile(file, 'utf8');
  const [start, end] = ['<!-- npm run bench: start -->', '<!-- end -->'];
  await writeFile(
    file,
    text.replace(new RegExp(`${start}[^]*${end}`), () => `${start}\n\n${figures}\n\n${end}`),
  );
}
