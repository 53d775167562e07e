import { ConfigurationError } from '../errors/index.ts';
import type * as platform from '../internal/platform.ts';
import type { FetchFunction } from './call.ts';
import type { HttpClient } from './client.ts';
import { type ResponseContext, responseContext } from './context.ts';
import { Deadline } from './deadline.ts';
import { readText } from './errors.ts';
import { toConnectionError } from './failures.ts';
import { callFetch, fetchResponse } from './transport.ts';

/** A `fetch` function that other clients, such as `openai`, can use to call d.run. */
export type AuthenticatedFetch = (
  input: string | platform.PlatformUrl | platform.PlatformRequest,
  init?: platform.PlatformRequestInit,
) => Promise<platform.PlatformResponse>;

/**
 * Creates a `fetch` function for another client, such as `openai`. The function sends this client's credential instead
 * of the other client's, resends a request with a new credential after a 401, and redacts error responses. Retries,
 * timeouts and response handling are left to the other client.
 */
export function authenticatedFetch(
  { root, readCredential: provideCredential }: Pick<HttpClient, 'root' | 'readCredential'>,
  fetch: FetchFunction | undefined,
): AuthenticatedFetch {
  return async (input, init) => {
    const isPath = typeof input === 'string' && !URL.canParse(input);
    const target = isPath ? `${root}/${input.replace(/^\/+/, '')}` : input;
    const { url, ...request } = await readRequest(target, init);
    const { origin } = new URL(root);
    if (new URL(url).origin !== origin) {
      const why = `The API key is sent only to ${origin}. Set the base URL of the other client to that origin.`;
      throw new ConfigurationError(why, { option: 'baseUrl' });
    }
    const deadline = new Deadline(request.signal);
    // A stream or an async iterable can be read only once.
    const isConsumable = ['getReader', Symbol.asyncIterator].some((name) => name in Object(request.body));
    const context = responseContext({ label: 'fetch', url, headers: {}, deadline, provideCredential });
    try {
      await context.readCredential();
      for (;;) {
        const response = await send(request, context);
        if (response.status !== 401 || isConsumable || !(await context.replaceCredential())) return response;
      }
    } finally {
      deadline[Symbol.dispose]();
    }
  };

  async function send(request: RequestInit, context: ResponseContext): Promise<Response> {
    const { deadline } = context;
    const headers = new Headers(request.headers);
    headers.set('authorization', `Bearer ${context.credential().reveal()}`);
    try {
      deadline.signal.throwIfAborted();
      const response = await deadline.race(callFetch(fetch, context.url, { ...request, headers }));
      return response.status < 400 ? response : await redacted(response, context);
    } catch (thrown) {
      deadline.signal.throwIfAborted();
      const failure = toConnectionError(thrown, context);
      if (failure instanceof ConfigurationError) throw failure;
      // Other clients treat a TypeError with a cause as a lost connection and may retry.
      throw new TypeError('fetch failed', { cause: failure.cause ?? failure });
    }
  }
}

/** Converts a request to arguments for `fetch(url, init)`, so that it can be sent more than once. */
async function readRequest(
  input: string | URL | Request,
  init?: RequestInit,
): Promise<RequestInit & { readonly url: string }> {
  if (typeof input === 'string' || input instanceof URL) return { ...init, url: String(input) };
  const request = new Request(input, init);
  const { url, method, headers, signal } = request;
  const body = request.body && (await request.arrayBuffer());
  return { ...init, url, method, headers, signal, body };
}

/** Returns a redacted copy of an error response, because the gateway echoes API keys in its errors. */
async function redacted(response: Response, { deadline, redact }: ResponseContext): Promise<Response> {
  const { status, statusText, url } = response;
  const body = fetchResponse(response);
  const text = await deadline.race(readText(body, Number.POSITIVE_INFINITY)).finally(() => body.cancel());
  const headers = new Headers();
  for (const [name, value] of response.headers) headers.append(name, redact(value));
  // These headers describe the original body, not the redacted one.
  for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name);
  // Some proxies send status codes that the `Response` constructor rejects.
  const init = { status: Math.min(status, 599), statusText: redact(statusText), headers };
  const clean = new Response(text === '' ? null : redact(text), init);
  return Object.defineProperties(clean, { url: { value: url }, status: { value: status } });
}
