/**
 * The server that all clients call. It is a process of its own so that its CPU time is not counted, and sends its port
 * to the process that forked it. The first segment of a path is a {@link Writes}.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { COMPLETION, KEYS, STREAM_EVENTS, type Writes } from './responses.ts';

const completion = Buffer.from(JSON.stringify(COMPLETION));
const keys = Buffer.from(JSON.stringify(KEYS));
const events = STREAM_EVENTS.map((event) => Buffer.from(event));
const whole = Buffer.concat(events);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [, writes, ...path] = (request.url ?? '').split(/[/?]/);
    if (path.some((segment) => segment.endsWith('apikeys'))) return sendJson(response, keys);
    const { stream } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly stream?: boolean };
    if (stream) void sendStream(response, writes as Writes);
    else sendJson(response, completion);
  });
});

function sendJson(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
  });
  response.end(body);
}

async function sendStream(response: ServerResponse, writes: Writes): Promise<void> {
  response.socket?.setNoDelay(true);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  if (writes === 'whole') return void response.end(whole);
  // The second event has text, which some clients wait for.
  if (writes === 'held') return void response.write(Buffer.concat(events.slice(0, 2)));
  for (const event of events) {
    if (!response.write(event)) await new Promise((resolve) => response.once('drain', resolve));
    // Prevents the socket from joining the writes.
    else await setImmediate();
  }
  response.end();
}

server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
