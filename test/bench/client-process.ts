/**
 * The process of one client, so that clients share neither garbage nor optimized code. The arguments are the client's
 * compiled file and the origin of the server. Does the work that its parent sends, and sends the result.
 */
import { pathToFileURL } from 'node:url';
import { heapUsed } from '../support/heap.ts';
import type { Client, CreateClient } from './clients/client.ts';
import { sample } from './measure.ts';
import { STREAM_TEXT, TEXT, type Writes } from './responses.ts';

/** Calls and streams to a server that writes its responses in a certain way. */
export type Work = { readonly writes: Writes; readonly count: number } & (
  | { readonly kind: 'calls'; readonly concurrency: number }
  | { readonly kind: 'streams' }
  /** Opens the streams and leaves them open. The result is the heap per stream in kB. */
  | { readonly kind: 'memory' }
);

const [file = '', origin = ''] = process.argv.slice(2);
const loaded: Promise<{ createClient: CreateClient }> = import(pathToFileURL(file).href);

process.on('message', async (work: Work) => {
  const { createClient } = await loaded;
  process.send?.(await resultOf(work, createClient(`${origin}/${work.writes}`)));
});

function resultOf(work: Work, client: Client): Promise<unknown> {
  if (work.kind === 'memory') return heapPerStream(client, work.count);
  if (work.kind === 'streams') {
    return sample(() => repeat(work.count, () => expectText(client.stream(), STREAM_TEXT)));
  }
  const { count, concurrency } = work;
  const worker = (): Promise<void> => repeat(count / concurrency, () => expectText(client.call(), TEXT));
  return sample(async () => void (await Promise.all(Array.from({ length: concurrency }, worker))));
}

async function heapPerStream(client: Client, count: number): Promise<number> {
  const before = await heapUsed();
  const aborts = await Promise.all(Array.from({ length: count }, () => client.open()));
  const bytes = (await heapUsed()) - before;
  await Promise.all(aborts.map((abort) => abort()));
  return bytes / count / 1_000;
}

async function repeat(times: number, work: () => Promise<void>): Promise<void> {
  for (let time = 0; time < times; time++) await work();
}

async function expectText(received: Promise<string>, expected: string): Promise<void> {
  if ((await received) !== expected)
    throw new Error('A client did not return the text that the server sent.');
}
