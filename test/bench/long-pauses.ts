/**
 * Shows what happens to responses that pause for longer than the 300 s after which Node's `fetch` gives up. Run by hand:
 *
 *   npm run build && node test/bench/long-pauses.ts
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { ChatClient, TimeoutError } from 'drun-sdk';
import { nodeTransport } from 'drun-sdk/node';

const PAUSE_MS = 305_000;

const choice = { index: 0, finish_reason: 'stop' };
const server = createServer(async (request, response) => {
  const body = await request.setEncoding('utf8').toArray();
  if (JSON.parse(body.join('')).stream) {
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Hello, ' } }] })}\n\n`);
    await setTimeout(PAUSE_MS);
    response.end(
      `data: ${JSON.stringify({ choices: [{ ...choice, delta: { content: 'model!' } }] })}\n\ndata: [DONE]\n\n`,
    );
  } else {
    await setTimeout(PAUSE_MS);
    response.end(JSON.stringify({ choices: [{ ...choice, message: { content: 'Hello, model!' } }] }));
  }
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const options = { apiKey: 'sk-example', baseUrl, idleTimeoutMs: 600_000 };
const request = { model: 'example', messages: [{ role: 'user' as const, content: 'Hello!' }] };

const report = async (title: string, chat: ChatClient, stream: boolean): Promise<void> => {
  const start = performance.now();
  const result = await (stream ? chat.stream(request).completion() : chat.complete(request)).then(
    ({ choices }) => JSON.stringify(choices[0].message.content),
    (error: unknown) =>
      error instanceof TimeoutError ? `TimeoutError, phase ${error.phase}` : String(error),
  );
  const seconds = Math.round((performance.now() - start) / 1_000);
  console.log(`${title.padEnd(28)} ${String(seconds).padStart(3)} s  ${result}`);
};

console.log(`Node ${process.versions.node}, pauses of ${PAUSE_MS / 1_000} s`);
const throughFetch = new ChatClient(options);
const throughNode = new ChatClient({ ...options, transport: nodeTransport() });
await Promise.all([
  report('complete(), fetch', throughFetch, false),
  report('complete(), nodeTransport()', throughNode, false),
  report('stream(), fetch', throughFetch, true),
  report('stream(), nodeTransport()', throughNode, true),
]);
server.close();
server.closeAllConnections();
