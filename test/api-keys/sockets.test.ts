import { ApiKeys, ConnectionError, UnknownOutcomeError } from 'drun-sdk';
import { describe, expect, it } from 'vitest';
import { ContractServer } from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';
import { rejectionOf } from '../support/failures.ts';
import { closedPort, type LocalServer, serveHttp } from '../support/sockets.ts';
import { retryAtOnce } from '../support/timing.ts';

/** Serves the contract over HTTP. Creates are applied, and the test controls how their responses end. */
async function serveBroken(
  contract: ContractServer,
  end: 'destroy' | 'cut' | 'hang' | 'respond',
): Promise<LocalServer> {
  return serveHttp(async (request, response) => {
    const chunks = await Array.fromAsync(request);
    const body = Buffer.concat(chunks).toString();
    const { method = 'GET', headers } = request;
    const url = `https://console.d.run${request.url}`;
    const init = { method, headers: { ...headers } as Record<string, string>, ...(body !== '' && { body }) };
    const result = await contract.fetch(url, init);
    const text = await result.text();
    const isCreate = method === 'POST' && url.endsWith('/apikeys');
    if (isCreate && end === 'destroy') response.destroy();
    if (isCreate && end === 'hang') return;
    response.writeHead(result.status, { 'content-type': 'application/json', 'content-length': text.length });
    if (isCreate && end === 'cut') {
      response.write(text.slice(0, 20), () => response.destroy());
      return;
    }
    response.end(text);
  });
}

const now = (): number => Date.now();

describe('create over a real connection', () => {
  it.each(['destroy', 'cut', 'hang'] as const)(
    'reports the key of a create whose connection is lost: %s',
    async (end) => {
      const contract = new ContractServer({ now });
      const { url } = await serveBroken(contract, end);
      const keys = new ApiKeys({ accessToken: TOKEN, baseUrl: url, timeoutMs: 1_000 });

      const error = await rejectionOf(UnknownOutcomeError, keys.create({ name: 'checkout' }));

      expect(error.candidateIds).toEqual(contract.keys.map(({ id }) => id));
      expect(contract.operations.filter((operation) => operation === 'create')).toHaveLength(1);
    },
  );

  it('returns a key', async () => {
    const contract = new ContractServer({ now });
    const { url } = await serveBroken(contract, 'respond');

    const { secret } = await new ApiKeys({ accessToken: TOKEN, baseUrl: url }).create({ name: 'checkout' });

    expect(secret.reveal()).toBe(contract.keys[0]?.key);
    expect(contract.violations).toEqual([]);
  });

  it('rejects with ConnectionError if the port is closed', async () => {
    retryAtOnce();
    const keys = new ApiKeys({ accessToken: TOKEN, baseUrl: await closedPort() });

    await rejectionOf(ConnectionError, keys.create({ name: 'checkout' }));
  });
});
