/*
 * How an endpoint is declared and called (this comment and the declarations below are the interface that `chat/` and
 * `api-keys/` build on):
 *
 *   const MODELS: Endpoint<Model[]> = {
 *     method: 'GET',
 *     path: '/v1/models',                      // also the label in messages and logs: "GET /v1/models failed with …"
 *     retry: 'transient',
 *     decode: async (response, context) => {
 *       const body = await readJson(response, context, { fields: ['data', 'object'] });   // http/response.ts
 *       return toModels(body);                  // throws invalidResponse(response, context, 'what is wrong', { issues })
 *     },
 *   };
 *   const deleteKey = (id: string): Endpoint<DeletedApiKey> => ({
 *     method: 'DELETE',
 *     path: '/apikeys/{id}',
 *     params: { id },                           // checked with checkPathSegment() before; encoded here
 *     body: {},
 *     retry: 'transient',
 *     recover: (error, { mayHaveBeenApplied }) =>
 *       mayHaveBeenApplied && error instanceof NotFoundError ? { id } : undefined,
 *     decode: …,
 *   });
 *
 *   models(options: ChatCallOptions = {}): CallPromise<Model[]> {
 *     return this.#http.call(() => MODELS, options);         // one request with its own deadline; checks `options`
 *   }
 *
 * Calls of several requests, and streams, own their deadline:
 *
 *   const deadline = http.deadline(options);                 // signal and timeoutMs, checked
 *   try {
 *     const { data, response } = await http.request(endpoint, deadline, options);
 *   } finally {
 *     deadline[Symbol.dispose]();
 *   }
 *
 * A stream's `decode` keeps `response` and returns after the first chunk: `response.read()` gives bytes, `undefined` at
 * the end; `response.cancel()` closes the connection. `errorIn(value, fields)` decides whether an event is an error,
 * `toApiError(error, response, context)` makes the error of the right class, and `toConnectionError(thrown, context)`
 * the one for a read that failed. `context.redact(text)` masks credentials in anything that goes into an error.
 *
 * After a failed create: `cannotHaveBeenApplied(error)` (http/retry.ts) is true for a 429 and for connections that never opened.
 */
import type { Credential } from '../secret/credential.ts';
import type { ApiError } from '../errors/index.ts';
import type { CallOptions, CallPromise, FetchFunction, HeadersOption, RequestLogger, Result, RetryListener } from './call.ts';
import type { Deadline } from './deadline.ts';
import type { ResponseContext } from './response.ts';
import type { Transport, TransportResponse } from './transport.ts';

/** One operation of the service, as data. */
export interface Endpoint<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the base URL with placeholders: `/apikeys/{id}`. Messages and logs show it as it is. */
  readonly path: string;
  /** Values of the placeholders, not encoded. */
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: URLSearchParams | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default: `application/json`. */
  readonly accept?: string | undefined;
  /**
   * Which failures are retried: `transient` 408, 409, 425, 429, 5xx and lost connections; `if-not-applied` only those
   * after which the service cannot have acted (429, a connection that never opened).
   */
  readonly retry: 'never' | 'if-not-applied' | 'transient';
  /** Statuses that are final on this endpoint, such as 501 from a server that lacks it. */
  readonly finalStatuses?: readonly number[] | undefined;
  /** Called right before each request is sent. */
  readonly onSend?: (() => void) | undefined;
  /** Turns an error response into a result, such as the 404 of a repeated delete. */
  readonly recover?: ((error: ApiError, attempt: AttemptInfo) => T | undefined) | undefined;
  /**
   * Reads a 2xx response. Errors of this package are thrown as they are (and retried by `retry`); anything else counts
   * as a lost connection.
   */
  readonly decode: (response: TransportResponse, context: ResponseContext) => T | Promise<T>;
}

export interface AttemptInfo {
  /** Number of the request within its call, from 1. */
  readonly attempt: number;
  /** Whether an earlier request of this call failed in a way that leaves open whether the service acted. */
  readonly mayHaveBeenApplied: boolean;
}

export interface HttpClientOptions {
  readonly baseUrl: URL;
  readonly credential: Credential;
  /** What the caller calls the credential. */
  readonly credentialOption: 'apiKey' | 'accessToken';
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly transport: Transport;
  readonly headers?: HeadersOption | undefined;
  /** Sent unless `headers` overrides them. */
  readonly defaultHeaders?: Readonly<Record<string, string>> | undefined;
  readonly onRetry?: RetryListener | undefined;
  readonly logger?: RequestLogger | undefined;
  /** Used by `authenticatedFetch` and `fetchTransport`. */
  readonly fetch?: FetchFunction | undefined;
}

export interface RequestOptions extends CallOptions {
  /** Used for this call instead of the client's credential. */
  readonly apiKey?: Credential | undefined;
}

export interface HttpClient {
  /** Runs one endpoint as a whole call, with its own deadline. If `endpoint` throws, the call rejects. */
  call<T>(endpoint: () => Endpoint<T> | Promise<Endpoint<T>>, options?: RequestOptions): CallPromise<T>;
  /** Runs one endpoint as part of a call that owns the deadline. Reads `maxRetries`, `headers` and `apiKey` of `options`. */
  request<T>(endpoint: Endpoint<T>, deadline: Deadline, options?: RequestOptions): Promise<Result<T>>;
  /** A deadline from `signal` and `timeoutMs`; has to be disposed. */
  deadline(options: RequestOptions): Deadline;
}
