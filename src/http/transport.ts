import { check, invalid } from '../errors/invalid.ts';
import { isByteArray } from '../internal/checks.ts';
import type { PlatformAbortSignal } from '../internal/platform.ts';
import type { FetchFunction } from './call.ts';

/** A complete request, including the credential. */
export interface TransportRequest {
  readonly method: string;
  readonly url: string;
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Aborts the request and the reading of its response. */
  readonly signal: PlatformAbortSignal;
}

/** Response headers, such as a web `Headers` object. */
export interface ResponseHeaders extends Iterable<[string, string]> {
  get(name: string): string | null;
}

/** A response whose body has not been read. */
export interface TransportResponse {
  /** HTTP status; 0 for a redirect whose status the runtime hides. */
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Reads the whole body. */
  text(): Promise<string>;
  /** Reads the next bytes of the body; returns `undefined` at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Closes the connection unless the body has been read. Never throws. */
  cancel(): void;
}

/** Sends a request once, without following redirects. */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
}

/** Creates a transport that uses the caller's `fetch` or the global `fetch`. */
export function fetchTransport(fetch: FetchFunction | undefined): Transport {
  return { send: async ({ url, ...init }) => fetchResponse(await callFetch(fetch, url, init)) };
}

type Init = Omit<RequestInit, 'body'> & { readonly body?: unknown };

/** Calls the custom or global `fetch`, and checks that the result is a response with a readable body. */
export async function callFetch(
  fetch: FetchFunction | undefined,
  url: string,
  init: Init,
): Promise<Response> {
  // Looked up for every request, because tests and tracers replace `fetch`. Some runtimes check `this`.
  const send = fetch ?? globalThis.fetch;
  // Following a redirect would send the credential to any URL the server chooses.
  const response = await send(url, { ...init, redirect: 'manual' } as RequestInit);
  checkResponse(response);
  // A `fetch` that ignores its signal may respond after the call has ended.
  if (init.signal?.aborted) response.body?.cancel().catch(() => {});
  return response;
}

/** Adapts a response returned by `fetch`. */
export function fetchResponse(response: Response): TransportResponse {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return {
    // A custom `fetch` may have followed a redirect anyway.
    status: response.redirected ? 0 : response.status,
    headers: response.headers,
    text: () => response.text(),
    read: async () => {
      // In React Native and in many mocks, the response body is not a stream.
      reader ??= (response.body ?? new Response(await response.text()).body)?.getReader();
      // `value` is undefined at the end of the body.
      const value = (await reader?.read())?.value;
      if (value === undefined || isByteArray(value)) return value;
      throw invalid('fetch', 'returned a body that does not consist of bytes (Uint8Array)');
    },
    cancel: () => {
      (reader ?? response.body)?.cancel().catch(() => {});
    },
  };
}

/** Checks the result of a custom `fetch`, because libraries and hand-written wrappers may deviate from the standard. */
function checkResponse(response: Response | undefined): asserts response is Response {
  const { status, headers, text, body, bodyUsed, type } = Object(response) as Partial<Response>;
  const isResponse = typeof status === 'number' && typeof headers?.get === 'function' && text !== undefined;
  check(isResponse, 'fetch', 'did not return a Response');
  check(!bodyUsed && !body?.locked, 'fetch', 'returned a body that was already read. Return a clone');
  const rule = 'returned a body that is not a ReadableStream (like node-fetch). Use another fetch';
  check(!body || typeof body.getReader === 'function', 'fetch', rule);
  // A `fetch` that follows the standard would reject instead.
  if (type === 'error') throw new Error('`fetch` returned Response.error()');
}

export function requestIdOf(headers: ResponseHeaders): string | undefined {
  const names = ['x-request-id', 'request-id', 'x-trace-id', 'x-litellm-call-id'];
  return names.map((name) => headers.get(name)).find(Boolean) ?? undefined;
}

/** Reads `retry-after-ms` or `Retry-After` (seconds or a date), or else LiteLLM's copy of `Retry-After`. */
export function retryAfterMs(headers: ResponseHeaders): number | undefined {
  const milliseconds = parseNumber(headers.get('retry-after-ms'));
  if (milliseconds !== undefined) return milliseconds;
  const text = headers.get('retry-after') ?? headers.get('llm_provider-retry-after') ?? '';
  const seconds = parseNumber(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(text);
  // `Date.parse` would interpret a bare number as a year.
  if (Number.isNaN(date) || !/[a-z]{3}/i.test(text)) return undefined;
  // The delay is calculated from the server's time, if known, because the local clock may be wrong.
  const now = Date.parse(headers.get('date') ?? '');
  return Math.max(0, date - (Number.isNaN(now) ? Date.now() : now));
}

function parseNumber(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
