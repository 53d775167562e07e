import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiKeys, UnknownOutcomeError } from 'drun-sdk';
import { describe, expect, test } from 'vitest';
import { ContractServer, type ContractServerOptions } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';
import { rejectionOf } from '../support/failures.ts';
import { type LocalServer, serveHttp } from '../support/sockets.ts';

/** What happens to the connection of a create once it was carried out. */
type Loss = (response: ServerResponse, answer: Response) => void | Promise<void>;

const losses: Record<string, Loss> = {
  'the connection breaks before the answer': (response) => void response.destroy(),
  'the connection breaks in the middle of the answer': async (response, answer) => {
    const text = await answer.text();
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
    response.write(text.slice(0, 20), () => response.destroy());
  },
  'the answer does not come': () => {},
};

/** A server whose creates are carried out, and then lost. */
async function serve(loss: Loss, options: ContractServerOptions = {}) {
  const contract = new ContractServer({ now: Date.now, ...options });
  const server: LocalServer = await serveHttp(async (request, response) => {
    const answer = await contract.answer(await toRequest(request));
    if (request.method === 'POST') {
      await loss(response, answer);
      return;
    }
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
  });
  return { contract, keys: new ApiKeys({ accessToken: TOKEN, baseUrl: server.url, timeoutMs: 400 }) };
}

async function toRequest(request: IncomingMessage): Promise<Request> {
  const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>);
  const { method = 'GET', url = '/', headers } = request;
  return new Request(`http://localhost${url}`, {
    method,
    headers: headers as Record<string, string>,
    ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
  });
}

describe.each(Object.entries(losses))('a create of which, over a socket, %s', (_, loss) => {
  test('gives the key that it made', async () => {
    const { contract, keys } = await serve(loss);

    const created = await keys.create({ name: 'checkout' });

    expect(created.secret.reveal()).toBe(contract.keys[0]?.key);
    expect(contract.operations.filter((operation) => operation === 'create')).toHaveLength(1);
  });

  test('names the key on a server that shows none again', async () => {
    const { contract, keys } = await serve(loss, { version: '0.15' });

    const error = await rejectionOf(UnknownOutcomeError, keys.create({ name: 'checkout' }));

    expect(error.candidates).toEqual([contract.keys[0]?.id]);
  });
});
