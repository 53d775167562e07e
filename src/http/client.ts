import * as errors from '../errors/index.ts';
import { invalid } from '../errors/invalid.ts';
import { isThenable } from '../internal/checks.ts';
import { requestChannel, retryChannel, trace } from '../internal/runtime.ts';
import { sleep } from '../internal/wait.ts';
import type { Credential } from '../secret/secret.ts';
import { type CallOptions, type CallPromise, type ClientOptions, callPromise, type Result } from './call.ts';
import { credentialReader, type ReadCredential, type ResponseContext, responseContext } from './context.ts';
import { Deadline } from './deadline.ts';
import { readError } from './errors.ts';
import {
  cannotHaveBeenApplied,
  mayRetry,
  type RetryPolicy,
  retryDelayMs,
  toConnectionError,
} from './failures.ts';
import * as config from './options.ts';
import { requestIdOf, type Transport, type TransportResponse } from './transport.ts';

const VERSION = '0.1.0';

/** Describes an endpoint of the service. */
export interface Endpoint<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path relative to the base URL, with placeholders, as shown in messages and logs: `/apikeys/{id}`. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: URLSearchParams | undefined;
  readonly body?: unknown;
  /** @defaultValue `application/json` */
  readonly accept?: string | undefined;
  readonly retry: RetryPolicy;
  readonly onSend?: (() => void) | undefined;
  /** Called after a failure. Can return a result (a delete has succeeded if its retry gets a 404) or throw an error. */
  readonly recover?: ((error: errors.DrunError, mayHaveBeenApplied: boolean) => T | undefined) | undefined;
  /** Decodes a 2xx response or a stream's first chunk. Errors other than `DrunError` count as a lost connection. */
  readonly decode: (response: TransportResponse, context: ResponseContext) => T | Promise<T>;
}

export interface HttpClientOptions extends ClientOptions {
  readonly baseUrl: URL;
  readonly transport: Transport;
  readonly credential: Credential;
  /** Name of the option that contains the credential. */
  readonly credentialOption: 'apiKey' | 'accessToken';
  readonly timeoutMs: number;
  readonly defaultHeaders?: Readonly<Record<string, string>> | undefined;
}

export interface RequestOptions extends CallOptions {
  /** Overrides the client's credential for this call. */
  readonly apiKey?: Credential | undefined;
}

interface Call<T> extends ResponseContext {
  readonly endpoint: Endpoint<T>;
  /** Number of the latest request within the call, starting at 1. */
  attempt: number;
}

/** Sends a client's requests. Handles credentials, deadlines and retries, and throws typed errors. */
export class HttpClient {
  readonly baseUrl: URL;
  readonly root: string;
  readonly readCredential: ReadCredential;
  readonly #options: HttpClientOptions;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.baseUrl = options.baseUrl;
    this.root = this.baseUrl.href.replace(/\/+$/, '');
    this.readCredential = credentialReader(options.credential, options.credentialOption);
    this.#headers = {
      // In a web page, the `User-Agent` header would need the server's permission (CORS).
      ...(!config.isWebPage() && { 'user-agent': `drun-sdk/${VERSION}` }),
      ...options.defaultHeaders,
      ...config.checkHeaders(options.headers, config.RESERVED_HEADERS),
    };
    config.checkTimeout(options.timeoutMs);
    config.checkRetries(options.maxRetries);
    if (typeof options.transport.send !== 'function') throw invalid('transport', 'must have a `send` method');
    config.checkFunction(options.onRetry, 'onRetry');
    config.checkFunction(options.logger, 'logger');
  }

  /** Sends a request, retrying it if necessary. If `endpoint` throws, the returned promise rejects. */
  call<T>(endpoint: () => Endpoint<T>, options: RequestOptions = {}): CallPromise<T> {
    return callPromise((async () => this.send(endpoint(), options))());
  }

  /** Creates a deadline and sends a request within it, retrying the request if necessary. */
  async send<T>(endpoint: Endpoint<T>, options: RequestOptions): Promise<Result<T>> {
    const deadline = this.deadline(options);
    try {
      return await this.request(endpoint, deadline, options);
    } finally {
      deadline[Symbol.dispose]();
    }
  }

  /** Creates the deadline for a call. The caller must dispose of the deadline when the call ends. */
  deadline({ signal, timeoutMs }: RequestOptions): Deadline {
    return new Deadline(signal, config.checkTimeout(timeoutMs ?? this.#options.timeoutMs));
  }

  /** Sends a request within the given deadline, retrying the request if necessary. */
  async request<T>(endpoint: Endpoint<T>, deadline: Deadline, options: RequestOptions): Promise<Result<T>> {
    const { method, path, params } = endpoint;
    const { apiKey, headers, maxRetries = this.#options.maxRetries } = options;
    const { credentialOption } = this.#options;
    const call: Call<T> = responseContext({
      endpoint,
      attempt: 0,
      response: undefined,
      label: `${method} ${path}`,
      url:
        this.root +
        (params ? path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? '')) : path),
      headers: { ...this.#headers, ...(headers && config.checkHeaders(headers, config.RESERVED_HEADERS)) },
      deadline,
      provideCredential:
        apiKey === undefined ? this.readCredential : credentialReader(apiKey, credentialOption),
      credentialOption,
    });
    // Not a field of `call`, because a stream's reader retains the call and would keep the body in memory.
    const body = toJson(endpoint.body);
    const limit = config.checkRetries(maxRetries);
    deadline.signal.throwIfAborted();
    await call.readCredential();
    let mayHaveBeenApplied = false;
    let retries = 0;
    for (;;) {
      call.attempt++;
      try {
        return resultOf(call, await this.#attempt(call, body));
      } catch (thrown) {
        deadline.signal.throwIfAborted();
        const error = thrown as errors.AnyDrunError;
        const recovered = endpoint.recover?.(error, mayHaveBeenApplied);
        if (recovered !== undefined) return resultOf(call, recovered);
        if (error instanceof errors.AuthenticationError) {
          if (!(await call.replaceCredential())) throw error;
          await this.#reportRetry(call, error, 0);
          continue;
        }
        if (retries >= limit || !mayRetry(error, endpoint.retry)) throw error;
        retries++;
        mayHaveBeenApplied ||= !cannotHaveBeenApplied(error);
        const delayMs = retryDelayMs(error, retries);
        if (delayMs === undefined || delayMs >= deadline.remainingMs) throw error;
        await this.#reportRetry(call, error, delayMs);
        await sleep(delayMs, deadline.signal);
        // If the provider returns a credential that was rejected before, the call keeps its current credential.
        await call.readCredential();
      }
    }
  }

  async #reportRetry(call: Call<unknown>, error: errors.AnyDrunError, delayMs: number): Promise<void> {
    const { method, path } = call.endpoint;
    const event = { method, path, attempt: call.attempt, error, delayMs };
    if (retryChannel?.hasSubscribers) retryChannel.publish({ ...event, host: this.baseUrl.host });
    const result: unknown = this.#options.onRetry?.(event);
    if (isThenable(result)) await call.deadline.race(result);
  }

  #attempt<T>(call: Call<T>, body: string | undefined): Promise<T> {
    if (!requestChannel?.hasSubscribers) return this.#exchange(call, body);
    const { method, path } = call.endpoint;
    call.diagnostics = { method, path, host: this.baseUrl.host, attempt: call.attempt };
    return trace(requestChannel, call.diagnostics, () => this.#exchange(call, body));
  }

  async #exchange<T>(call: Call<T>, body: string | undefined): Promise<T> {
    const { endpoint, url, deadline } = call;
    const { method, query, accept = 'application/json' } = endpoint;
    const startedAt = performance.now();
    call.response = undefined;
    try {
      endpoint.onSend?.();
      const sending = this.#options.transport.send({
        method,
        url: query === undefined || query.size === 0 ? url : `${url}?${query}`,
        headers: {
          accept,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...call.headers,
          authorization: `Bearer ${call.credential().reveal()}`,
        },
        body,
        signal: deadline.signal,
      });
      const response = await deadline.race(sending);
      call.response = response;
      if (response.status < 200 || response.status >= 300) throw await readError(response, call);
      const data = await endpoint.decode(response, call);
      this.#log(call, startedAt, response.status);
      return data;
    } catch (thrown) {
      const error = deadline.signal.aborted ? deadline.signal.reason : toConnectionError(thrown, call);
      const { status, code } = (
        errors.isDrunError(error) ? error : { code: 'aborted' }
      ) as Partial<errors.ApiError>;
      this.#log(call, startedAt, status, code);
      throw error;
    }
  }

  #log(call: Call<unknown>, startedAt: number, status?: number, code?: string): void {
    const { logger } = this.#options;
    const { endpoint, attempt, diagnostics } = call;
    if (logger === undefined && diagnostics === undefined) return;
    const { method, path } = endpoint;
    const durationMs = performance.now() - startedAt;
    const entry = { method, path, ...(status && { status }), durationMs, attempt, ...(code && { code }) };
    if (diagnostics !== undefined) Object.assign(diagnostics, entry);
    // An error in the logger must neither fail the call nor crash the process.
    (async () => logger?.(entry))().catch(() => {});
  }
}

function resultOf<T>({ response, attempt, shown, redact }: Call<unknown>, data: T): Result<T> {
  const { status, headers } = response as TransportResponse;
  return {
    data,
    response: () => {
      const requestId = shown(requestIdOf(headers));
      const redacted = [...headers].map(([name, value]): [string, string] => [name, redact(value)]);
      return { status, headers: new Headers(redacted), ...(requestId && { requestId }), attempts: attempt };
    },
  };
}

/** Matches the JSON escape of a lone surrogate, which servers reject. `JSON.stringify` does not escape pairs. */
const LONE_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][\da-f]{2}/g;

function toJson(value: unknown): string | undefined {
  try {
    const json = JSON.stringify(value);
    return json?.includes('\\ud') ? json.replace(LONE_SURROGATE, '$1\ufffd') : json;
  } catch {
    // The original message is omitted, because it names fields of the caller's object.
    throw invalid('request', 'cannot be serialized as JSON: it contains a cycle or a BigInt');
  }
}
