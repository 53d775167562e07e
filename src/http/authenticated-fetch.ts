import { ConfigurationError } from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import type { FetchFunction } from './call-options.ts';
import type { CredentialReader } from './credential-reader.ts';
import { toConnectionError } from './error-mapping.ts';
import { readErrorText } from './error-text.ts';
import { Scrubber } from './scrubber.ts';

/** What a {@link authenticatedFetch} works with. */
export interface BearerFetchOptions {
  readonly baseUrl: URL;
  readonly credential: CredentialReader;
  readonly fetch: FetchFunction | undefined;
}

/** A function that other clients can use for `fetch`. */
export type AuthenticatedFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * A `fetch` that puts the credential of ours on the requests of another client, in place of any of its own. After a
 * 401 the source is asked once more, and a different credential is tried. Texts of errors arrive redacted. Nothing
 * else is changed: retries, times and answers are the other client's affair.
 */
export function authenticatedFetch({ baseUrl, credential, fetch }: BearerFetchOptions): AuthenticatedFetch {
  return async (input, init = {}) => {
    const request = await readRequest(input, init);
    if (new URL(request.url).origin !== baseUrl.origin) {
      throw new ConfigurationError(
        `fetch: the API key is for ${baseUrl.origin}: give the other client a baseURL there`,
        { option: 'baseUrl' },
      );
    }
    const signal = request.init.signal ?? undefined;
    const send = (secret: Secret): Promise<Response> => {
      const headers = new Headers(request.init.headers);
      headers.set('authorization', `Bearer ${secret.reveal()}`);
      return (fetch ?? globalThis.fetch)(request.url, { ...request.init, headers, redirect: 'manual' });
    };
    const first = await credential.read({ signal });
    const used = [first];
    const attempt = async (secret: Secret): Promise<Response> => {
      try {
        const response = await send(secret);
        if (response.status < 400) return response;
        const clean = await redacted(response, new Scrubber(used, {}));
        // The text of an error that was aborted looks like one that ended.
        signal?.throwIfAborted();
        return clean;
      } catch (thrown) {
        signal?.throwIfAborted();
        const scrubber = new Scrubber(used, {});
        const context = { label: 'fetch', host: baseUrl.host, credential: secret, scrubber };
        // What other clients take for a lost connection, and may repeat.
        throw new TypeError('fetch failed', { cause: toConnectionError(thrown, context).cause });
      }
    };
    const response = await attempt(first);
    if (response.status !== 401 || !request.isRepeatable) return response;
    const fresh = await credential.read({ rejected: first, signal });
    if (fresh.equals(first)) return response;
    used.push(fresh);
    return attempt(fresh);
  };
}

interface ReadRequest {
  readonly url: string;
  readonly init: RequestInit;
  /** Whether the body can be sent once more. */
  readonly isRepeatable: boolean;
}

/** Takes a request apart, so that it can be sent as `fetch(url, init)`, twice if need be. */
async function readRequest(input: string | URL | Request, init: RequestInit): Promise<ReadRequest> {
  if (typeof input === 'string' || input instanceof URL) {
    return { url: String(input), init, isRepeatable: !isOnceOnly(init.body) };
  }
  const request = new Request(input, init);
  const { url, method, headers, signal } = request;
  const body = request.body === null ? undefined : await request.arrayBuffer();
  return {
    url,
    init: { ...init, method, headers, signal, ...(body !== undefined && { body }) },
    isRepeatable: true,
  };
}

/** Texts, bytes and forms can be sent again; streams and iterables are used up. */
function isOnceOnly(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false;
  return body instanceof ReadableStream || Symbol.asyncIterator in body;
}

/** An error's answer without the credential that the gateway repeats in it. */
async function redacted(response: Response, scrubber: Scrubber): Promise<Response> {
  const text = await readErrorText(response);
  const { status, url } = response;
  const statusText = scrubber.wholeText(response.statusText);
  const headers = scrubber.headers(response.headers);
  // They are about the body as it was sent.
  for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name);
  const body = text === '' ? null : scrubber.wholeText(text);
  // A Response of one's own has no address, and none of the statuses that some proxies make up.
  const clean = new Response(body, { status: Math.min(status, 599), statusText, headers });
  return Object.defineProperties(clean, { url: { value: url }, status: { value: status } });
}
