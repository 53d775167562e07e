/**
 * The one server that every client of the benchmark calls, a process of its own so that its work is not counted.
 *
 * Started by `fork`; tells its port once it listens. What it answers is made beforehand. The first part of a path says
 * how a stream is written.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { COMPLETION, STREAM_EVENTS, type Writes } from './answers.ts';

const completion = JSON.stringify(COMPLETION);
const events = STREAM_EVENTS.map((event) => Buffer.from(event));
const whole = Buffer.concat(events);

/** The same stream at each call, in pieces of up to 512 bytes whose ends know nothing of events. */
const pieces = cutAnywhere(whole);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { stream } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly stream?: boolean };
    const [, writes] = (request.url ?? '').split('/');
    if (stream) void writeStream(response, writes as Writes);
    else answer(response);
  });
});

function answer(response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(completion),
  });
  response.end(completion);
}

async function writeStream(response: ServerResponse, writes: Writes): Promise<void> {
  response.socket?.setNoDelay(true);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  if (writes === 'whole') {
    response.end(whole);
    return;
  }
  for (const piece of writes === 'events' ? events : pieces) {
    if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve));
    // A turn of the loop apart, so that the pieces are not joined on their way.
    else await turn();
  }
  response.end();
}

function cutAnywhere(bytes: Buffer): Buffer[] {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const cut: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + Math.floor(random() * 512);
    cut.push(bytes.subarray(start, end));
    start = end;
  }
  return cut;
}

server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
