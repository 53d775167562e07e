import type { AnyDrunError } from '../errors/index.ts';
import type * as platform from '../internal/platform.ts';

/** Custom headers; a header whose value is `undefined` is omitted. */
export type HeadersOption = platform.PlatformHeaders | Readonly<Record<string, string | undefined>>;

/** Options for all clients. */
export interface ClientOptions {
  /** Maximum number of retries of a request after a 408, 409, 425, 429, 5xx or lost connection. @defaultValue 2 */
  readonly maxRetries?: number | undefined;
  /** Replaces the global `fetch`. */
  readonly fetch?: FetchFunction | undefined;
  /** Headers added to every request. */
  readonly headers?: HeadersOption | undefined;
  /** Called before each retry. If the callback throws, the call rejects with that error. */
  readonly onRetry?: RetryListener | undefined;
  /** Called after each request with its method, path, status, duration and attempt number, but without its body. */
  readonly logger?: RequestLogger | undefined;
  /** Allows `http` instead of `https` for any host, not only localhost. @defaultValue false */
  readonly allowInsecureHttp?: boolean | undefined;
  /** Allows use in a web page, where every visitor can read the credential. @defaultValue false */
  readonly dangerouslyAllowBrowser?: boolean | undefined;
}

/** Options for every call. */
export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. No listener remains on the signal after the call. */
  readonly signal?: platform.AbortSignalLike | undefined;
  /** Overrides the client's `timeoutMs` for this call, in milliseconds. `Infinity` disables the limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * Headers to send in addition to the client's headers, overriding any with the same name. `Authorization` and
   * connection headers such as `Host` cannot be set.
   */
  readonly headers?: HeadersOption | undefined;
  /** Overrides the client's `maxRetries` for this call. */
  readonly maxRetries?: number | undefined;
}

/** A replacement for the global `fetch`, called as `fetch(url, init)` with the credential in `init.headers`. */
export type FetchFunction = (
  input: string,
  init: platform.PlatformRequestInit,
) => Promise<platform.PlatformResponse>;

/** A log entry for one request of a call. Contains no body, header, id or credential. */
export interface RequestLogEntry {
  readonly method: string;
  /** The path, with placeholders instead of ids: `/v1/chat/completions`, `/apikeys/{id}`. */
  readonly path: string;
  /** HTTP status of the response; absent if no response arrived. */
  readonly status?: number | undefined;
  /** Milliseconds from sending the request to receiving the complete response or, for a stream, its first chunk. */
  readonly durationMs: number;
  /** Number of the request within its call, starting at 1. */
  readonly attempt: number;
  /** The error's code, or `aborted`; absent on success. */
  readonly code?: string | undefined;
}

/** Receives an entry for every request. Errors thrown by the logger are ignored. */
export type RequestLogger = (entry: RequestLogEntry) => void;

/** A retry that is about to be sent. */
export interface RetryEvent extends Pick<RequestLogEntry, 'method' | 'path'> {
  /** Number of the failed request within its call, starting at 1. */
  readonly attempt: number;
  readonly error: AnyDrunError;
  /** Time until the next request, in milliseconds; 0 if it is sent with another key after a 401. */
  readonly delayMs: number;
}

/** Called and awaited before each retry. If the callback throws or rejects, the call rejects with that error. */
export type RetryListener = (event: RetryEvent) => unknown;

/** A response without its body. */
export interface CallResponse {
  readonly status: number;
  /** The response headers. Credentials that the server echoes are masked. */
  readonly headers: platform.PlatformHeaders;
  /** Value of `x-request-id`, `request-id`, `x-trace-id` or `x-litellm-call-id`. d.run documents none of these. */
  readonly requestId?: string | undefined;
  /** Number of requests that the call sent, including the request that received this response. */
  readonly attempts: number;
}

/** The result of a call together with its response. */
export interface WithResponse<Data> {
  readonly data: Data;
  readonly response: CallResponse;
}

/** A promise for the result of a call. `withResponse()` also provides the response. */
export interface CallPromise<Data> extends Promise<Data> {
  /** Returns the result together with the response's status and headers. Rejects with the same errors as the call. */
  withResponse(): Promise<WithResponse<Data>>;
}

/** The result of a call. `response` is a function, so that the `CallResponse` is created only if it is needed. */
export interface Result<Data> {
  readonly data: Data;
  readonly response: () => CallResponse;
}

export function callPromise<Data>(result: Promise<Result<Data>>): CallPromise<Data> {
  const promise = result.then(({ data }) => data);
  return Object.assign(promise, {
    withResponse: async (): Promise<WithResponse<Data>> => {
      // Failures are reported by `withResponse()`, so `promise` must not cause an unhandled rejection.
      promise.catch(() => {});
      const { data, response } = await result;
      return { data, response: response() };
    },
  });
}
