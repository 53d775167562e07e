import { ApiKeys, type ApiKeysOptions, WorkspaceApiKeys } from 'drun-sdk/api-keys';
import { vi } from 'vitest';
import {
  type ContractServer,
  type ContractServerOptions,
  serveContract,
} from '../support/contract-server.ts';
import { TOKEN } from '../support/credentials.ts';

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** Creates clients that send their requests to a function. */
export function newClients(fetch: Fetch, options: ApiKeysOptions = {}) {
  const all = { accessToken: TOKEN, fetch, ...options };
  return { keys: new ApiKeys(all), workspaceKeys: new WorkspaceApiKeys({ ...all, workspace: 12 }) };
}

/** Starts a contract server, and creates clients for it. */
export function serve(server: ContractServerOptions = {}, options: ApiKeysOptions = {}) {
  const contract: ContractServer = serveContract(server);
  return { server: contract, ...newClients(contract.fetch, options) };
}

/** A `fetch` that returns the given responses in turn, the last one repeatedly, and records its requests. */
export function responding(...responses: readonly (Response | Error)[]) {
  const requests: {
    readonly method: string;
    readonly url: URL;
    readonly headers: Headers;
    readonly body: unknown;
  }[] = [];
  const fetch = vi.fn<Fetch>(async (input, init) => {
    const body = init.body === undefined || init.body === null ? undefined : JSON.parse(String(init.body));
    requests.push({
      method: init.method ?? 'GET',
      url: new URL(input),
      headers: new Headers(init.headers),
      body,
    });
    const response = responses[Math.min(requests.length, responses.length) - 1];
    if (response instanceof Response) return response.clone();
    throw response;
  });
  return { fetch, requests };
}

/** The error of `fetch` for a connection that was reset after the request was sent. */
export function connectionReset(): Error {
  return failedFetch('ECONNRESET');
}

/** The error of `fetch` for a connection that was never opened. */
export function connectionRefused(): Error {
  return failedFetch('ECONNREFUSED', 'connect');
}

function failedFetch(code: string, syscall = 'read'): Error {
  const cause = Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
  return new TypeError('fetch failed', { cause });
}

/** An API key in wire format, with every field. */
export function wireKey(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'key-1',
    name: 'checkout',
    key: 'sk-******7ucU',
    creationTimestamp: '2026-03-01T08:00:00Z',
    expireTime: '2027-01-01T00:00:00.000Z',
    expired: false,
    disabled: false,
    lastUsedTime: '2026-03-02T10:30:00.123456789+08:00',
    createBy: 'alice',
    userId: 'u-1',
    workspace: 12,
    allowModels: ['public/*'],
    denyModels: ['public/dear'],
    quota: '1000000',
    usedQuota: '12',
    remainingQuota: '999988',
    remainingQuotaSyncedAt: '2026-03-02T10:30:00Z',
    unlimitedQuota: false,
    ...fields,
  };
}
