/**
 * Compares this package with raw `fetch` and other clients against one server on this machine, in one run. Prints
 * medians, and ratios to raw `fetch` in the same rounds. A run of all parts updates docs/performance.md.
 *
 *   npm run bench                       all parts
 *   npm run bench -- calls ring         some parts: start, calls, streams, memory, ring
 *   npm run bench -- --rounds 5         the default is 11 rounds
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Work } from './client-process.ts';
import { interleave, type Sample } from './measure.ts';
import { compile } from './programs.ts';
import { CHUNKS } from './responses.ts';
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

/** The process of each client. A client shares neither garbage nor optimized code with the others. */
let clients: Map<string, ChildProcess> | undefined;

const parts: Readonly<Record<string, () => Promise<string>>> = {
  start: () => measureStart(CLIENTS, origin, rounds),
  calls: measureCalls,
  streams: measureStreams,
  memory: measureMemory,
  ring: () => measureRing(rounds),
};

try {
  const output = [
    `Node ${process.versions.node}, ${availableParallelism()} cores, medians of ${rounds} rounds. The figures in parentheses are ratios to \`fetch\` in the same rounds.`,
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
  for (const child of [server, ...(clients?.values() ?? [])]) child.disconnect();
}

async function measureCalls(): Promise<string> {
  const sequential = { kind: 'calls', writes: 'whole', count: 1_500, concurrency: 1 } as const;
  const concurrent = { kind: 'calls', writes: 'whole', count: 3_200, concurrency: 64 } as const;
  const [one, many] = [await measure<Sample>(sequential), await measure<Sample>(concurrent)];
  return table([
    column('CPU per call, sequential, µs', one, ({ cpuUs }) => cpuUs / sequential.count),
    column('duration, sequential, µs', one, ({ wallUs }) => wallUs / sequential.count),
    column('CPU per call, 64 concurrent, µs', many, ({ cpuUs }) => cpuUs / concurrent.count),
    column('duration, 64 concurrent, µs', many, ({ wallUs }) => wallUs / concurrent.count),
  ]);
}

async function measureStreams(): Promise<string> {
  const whole = { kind: 'streams', writes: 'whole', count: 10 } as const;
  const events = { kind: 'streams', writes: 'events', count: 2 } as const;
  const perSecond = (streams: number) => (sample: Sample) => (streams * CHUNKS * 1e6) / sample.wallUs;
  return table([
    column('chunks per second, single write', await measure(whole), perSecond(whole.count)),
    column('chunks per second, one write per chunk', await measure(events), perSecond(events.count)),
  ]);
}

async function measureMemory(): Promise<string> {
  const values = await measure<number>({ kind: 'memory', writes: 'held', count: 200 });
  return table([{ title: 'heap per open stream, kB', values }]);
}

/** Measures the same work in the process of each client. */
async function measure<T>(work: Work): Promise<Map<string, T[]>> {
  clients ??= await startClients();
  const candidates = [...clients].map(([name, client]): [string, () => Promise<T>] => [
    name,
    async () => {
      client.send(work);
      const [result] = await once(client, 'message');
      return result as T;
    },
  ]);
  return interleave(new Map(candidates), rounds);
}

async function startClients(): Promise<Map<string, ChildProcess>> {
  const program = fileURLToPath(new URL('client-process.ts', import.meta.url));
  const started = new Map<string, ChildProcess>();
  for (const [name, file] of Object.entries(CLIENTS)) {
    const path = await compile({ file: `clients/${file}.ts`, isBundled: false });
    started.set(name, fork(program, [path, origin], { execArgv: [] }));
  }
  return started;
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
