import {
  type AnyDrunError,
  ApiError,
  AuthenticationError,
  ConfigurationError,
  DrunError,
} from '../errors/index.ts';
import { isThenable, MAX_TIMER_MS } from '../internal/checks.ts';
import type { Credential } from '../secret/credential.ts';
import type { Secret } from '../secret/secret.ts';
import {
  type CallOptions,
  type CallPromise,
  type CallResponse,
  callPromise,
  failureFields,
  type HeadersOption,
  log,
  type RequestLogEntry,
  type RequestLogger,
  type Result,
  type RetryListener,
} from './call.ts';
import { CallRedactor, CredentialReader } from './credentials.ts';
import { Deadline } from './deadline.ts';
import { invalidResponse, type ResponseContext, toConnectionError } from './errors.ts';
import { rateLimitsOf, requestIdOf } from './headers.ts';
import { checkFunction, checkHeaders, checkRetries, checkTimeout } from './options.ts';
import { readError } from './response.ts';
import { cannotHaveBeenApplied, mayRetry, type RetryPolicy, retryDelayMs } from './retry.ts';
import type { Transport, TransportResponse } from './transport.ts';
import { fillPath } from './url.ts';

/**
 * An operation of the service, as data.
 *
 * ```ts
 * const MODELS: Endpoint<Model[]> = {
 *   method: 'GET',
 *   path: '/v1/models',
 *   retry: 'transient',
 *   decode: async (response, context) => toModels(await readJson(response, context, { fields: ['data'] })),
 * };
 * const deleteKey = (id: string): Endpoint<DeletedApiKey> => ({
 *   method: 'DELETE',
 *   path: '/apikeys/{id}',
 *   params: { id: checkPathSegment(id, 'id') },
 *   body: {},
 *   retry: 'transient',
 *   recover: (error, { mayHaveBeenApplied }) =>
 *     mayHaveBeenApplied && error instanceof NotFoundError ? { id } : undefined,
 *   decode: …,
 * });
 *
 * // One request is a whole call. What the function throws, the call rejects with.
 * models(options: ChatCallOptions = {}): CallPromise<Model[]> {
 *   return this.#http.call(() => {
 *     checkOptions(options, CHAT_CALL_OPTIONS, 'models()');
 *     return MODELS;
 *   }, options);
 * }
 * // Calls of several requests, and streams, own their deadline.
 * const deadline = http.deadline(options);
 * try {
 *   const { data, response } = await http.request(endpoint, deadline, options);
 * } finally {
 *   deadline[Symbol.dispose]();
 * }
 * ```
 */
export interface Endpoint<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the base URL, with placeholders: `/apikeys/{id}`. Messages and logs show it like that. */
  readonly path: string;
  /** Values of the placeholders, not encoded. */
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: URLSearchParams | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** @defaultValue `application/json` */
  readonly accept?: string | undefined;
  /**
   * Which failures are retried: `transient` ones (408, 409, 425, 429, 5xx, lost connections), or only those after which
   * the service cannot have acted, `if-not-applied` (429, a connection that never opened).
   */
  readonly retry: RetryPolicy;
  /** Statuses that are final on this endpoint, such as 501 from a server that lacks it. */
  readonly finalStatuses?: readonly number[] | undefined;
  /** Called right before each request is sent. */
  readonly onSend?: (() => void) | undefined;
  /** Called with each failure. Can turn it into a result, such as the 404 of a repeated delete, or throw another error. */
  readonly recover?: ((error: DrunError, attempt: AttemptInfo) => T | undefined) | undefined;
  /**
   * Reads a 2xx response. A stream's keeps the response, and returns after the first chunk. Errors of this package are
   * thrown (and retried) as they are; anything else counts as a lost connection.
   */
  readonly decode: (response: TransportResponse, context: ResponseContext) => T | Promise<T>;
}

/** The request that failed, within its call. */
export interface AttemptInfo {
  /** From 1. */
  readonly attempt: number;
  /** Whether the service may have acted on an earlier request of this call that failed. */
  readonly mayHaveBeenApplied: boolean;
}

export interface HttpClientOptions {
  readonly baseUrl: URL;
  readonly transport: Transport;
  readonly credential: Credential;
  /** What the caller calls the credential. */
  readonly credentialOption: 'apiKey' | 'accessToken';
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly headers?: HeadersOption | undefined;
  /** Sent unless `headers` overrides them. */
  readonly defaultHeaders?: Readonly<Record<string, string>> | undefined;
  readonly onRetry?: RetryListener | undefined;
  readonly logger?: RequestLogger | undefined;
}

export interface RequestOptions extends CallOptions {
  /** Used for this call instead of the client's credential. */
  readonly apiKey?: Credential | undefined;
}

/** How many credentials a call tries after the one that was rejected first. */
const MAX_FURTHER_CREDENTIALS = 3;

/** Sends the requests of a client: credentials, deadlines, retries, and errors of the right class. */
export class HttpClient {
  readonly baseUrl: URL;
  readonly credential: CredentialReader;
  readonly #root: string;
  readonly #options: HttpClientOptions;
  readonly #timeoutMs: number | undefined;
  readonly #maxRetries: number;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #onRetry: RetryListener | undefined;
  readonly #logger: RequestLogger | undefined;

  /** @throws {ConfigurationError} If an option is invalid. */
  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.baseUrl = options.baseUrl;
    this.#root = options.baseUrl.origin + options.baseUrl.pathname.replace(/\/+$/, '');
    this.credential = new CredentialReader(options.credential, options.credentialOption);
    this.#timeoutMs = checkTimeout(options.timeoutMs);
    this.#maxRetries = checkRetries(options.maxRetries);
    this.#headers = { ...options.defaultHeaders, ...checkHeaders(options.headers ?? {}) };
    this.#onRetry = checkFunction(options.onRetry, 'onRetry');
    this.#logger = checkFunction(options.logger, 'logger');
  }

  /** Sends one request, with retries, as a whole call. */
  call<T>(endpoint: () => Endpoint<T> | Promise<Endpoint<T>>, options: RequestOptions = {}): CallPromise<T> {
    return callPromise(this.#call(endpoint, options));
  }

  async #call<T>(
    endpoint: () => Endpoint<T> | Promise<Endpoint<T>>,
    options: RequestOptions,
  ): Promise<Result<T>> {
    const made = endpoint();
    const ready = isThenable(made) ? await made : made;
    const deadline = this.deadline(options);
    try {
      return await this.request(ready, deadline, options);
    } finally {
      deadline[Symbol.dispose]();
    }
  }

  /** The deadline of a call, from `signal` and `timeoutMs`. It has to be disposed of. */
  deadline({ signal, timeoutMs }: RequestOptions): Deadline {
    return new Deadline(signal, timeoutMs === undefined ? this.#timeoutMs : checkTimeout(timeoutMs));
  }

  /** Sends one request, with retries, as a part of a call that owns the deadline. */
  async request<T>(
    endpoint: Endpoint<T>,
    deadline: Deadline,
    options: RequestOptions = {},
  ): Promise<Result<T>> {
    const { credentialOption } = this.#options;
    const { apiKey, headers, maxRetries } = options;
    const call = new Call(endpoint, deadline, {
      root: this.#root,
      credentialOption,
      reader: apiKey === undefined ? this.credential : new CredentialReader(apiKey, credentialOption),
      headers: headers === undefined ? this.#headers : { ...this.#headers, ...checkHeaders(headers) },
      maxRetries: maxRetries === undefined ? this.#maxRetries : checkRetries(maxRetries),
    });
    deadline.throwIfAborted();
    return this.#attempts(call);
  }

  async #attempts<T>(call: Call<T>): Promise<Result<T>> {
    const { endpoint, deadline, maxRetries } = call;
    /** Credentials that the service rejected in this call. */
    const rejected: Secret[] = [];
    let mayHaveBeenApplied = false;
    let retries = 0;
    let next: Secret | undefined;
    for (let attempt = 1; ; attempt++) {
      // A provider that has not heard of the rejection yet may return a rejected credential again.
      const current = next ?? (await this.#read(call));
      const credential = rejected.some((one) => one.equals(current)) ? call.credential : current;
      next = undefined;
      try {
        return await this.#attempt(call, credential, attempt);
      } catch (thrown) {
        deadline.throwIfAborted();
        const error = thrown as DrunError;
        const recovered = endpoint.recover?.(error, { attempt, mayHaveBeenApplied });
        if (recovered !== undefined) return call.result(recovered, attempt);
        if (error instanceof AuthenticationError) {
          rejected.push(credential);
          if (rejected.length > MAX_FURTHER_CREDENTIALS) throw error;
          const fresh = await this.#read(call, credential);
          if (rejected.some((one) => one.equals(fresh))) throw error;
          next = fresh;
          await this.#reportRetry(call, attempt, error, 0);
          continue;
        }
        if (error instanceof ApiError && endpoint.finalStatuses?.includes(error.status)) throw error;
        if (retries >= maxRetries || !mayRetry(error, endpoint.retry)) throw error;
        retries++;
        mayHaveBeenApplied ||= !cannotHaveBeenApplied(error);
        const delayMs = retryDelayMs(error, retries);
        if (delayMs === undefined || delayMs >= Math.min(deadline.remainingMs, MAX_TIMER_MS)) throw error;
        await this.#reportRetry(call, attempt, error, delayMs);
        await deadline.sleep(delayMs);
      }
    }
  }

  async #read({ reader, deadline }: Call<unknown>, rejected?: Secret): Promise<Secret> {
    const { signal } = deadline;
    const credential = reader.read(rejected === undefined ? { signal } : { rejected, signal });
    return isThenable(credential) ? deadline.race(credential) : credential;
  }

  async #reportRetry(call: Call<unknown>, attempt: number, error: DrunError, delayMs: number): Promise<void> {
    const { method, path } = call.endpoint;
    const event = { method, path, attempt, error: error as AnyDrunError, delayMs };
    const result: unknown = this.#onRetry?.(event);
    if (isThenable(result)) await call.deadline.race(result);
  }

  async #attempt<T>(call: Call<T>, credential: Secret, attempt: number): Promise<Result<T>> {
    const startedAt = performance.now();
    try {
      const result = await this.#exchange(call, credential, attempt);
      this.#log(call, attempt, startedAt, { status: call.status });
      return result;
    } catch (thrown) {
      this.#log(call, attempt, startedAt, failureFields(thrown));
      throw thrown;
    }
  }

  #log(
    { endpoint }: Call<unknown>,
    attempt: number,
    startedAt: number,
    outcome: Pick<RequestLogEntry, 'status' | 'code'>,
  ): void {
    if (this.#logger === undefined) return;
    const { method, path } = endpoint;
    log(this.#logger, { method, path, ...outcome, durationMs: performance.now() - startedAt, attempt });
  }

  /** One request and its response. */
  async #exchange<T>(call: Call<T>, credential: Secret, attempt: number): Promise<Result<T>> {
    const { deadline, endpoint } = call;
    try {
      const response = await deadline.race(this.#options.transport.send(call.prepare(credential)));
      call.received(response);
      const { status } = response;
      if (status === 0 || (status >= 300 && status < 400)) throw redirectError(response, call);
      if (status < 200 || status >= 300) throw await readError(response, call);
      return call.result(await endpoint.decode(response, call), attempt);
    } catch (thrown) {
      deadline.throwIfAborted();
      throw thrown instanceof DrunError ? thrown : toConnectionError(thrown, call);
    }
  }
}

function redirectError(response: TransportResponse, context: ResponseContext): DrunError {
  response.cancel();
  const what = `${response.status || 'a response after'} a redirect, which is never followed, because the credential would go with it; is \`baseUrl\` correct?`;
  return invalidResponse(response, context, what);
}

/** A call in progress, with all its requests. */
class Call<T> implements ResponseContext {
  readonly endpoint: Endpoint<T>;
  readonly deadline: Deadline;
  readonly reader: CredentialReader;
  readonly maxRetries: number;
  readonly credentialOption: 'apiKey' | 'accessToken';
  readonly #headers: Readonly<Record<string, string>>;
  readonly #root: string;
  readonly #body: string | undefined;
  /** Every credential that was sent, the latest one last. */
  readonly #sent: Secret[] = [];
  #redactor: CallRedactor | undefined;
  #response: TransportResponse | undefined;

  constructor(
    endpoint: Endpoint<T>,
    deadline: Deadline,
    settings: {
      readonly root: string;
      readonly reader: CredentialReader;
      readonly credentialOption: 'apiKey' | 'accessToken';
      readonly headers: Readonly<Record<string, string>>;
      readonly maxRetries: number;
    },
  ) {
    this.endpoint = endpoint;
    this.deadline = deadline;
    this.reader = settings.reader;
    this.maxRetries = settings.maxRetries;
    this.credentialOption = settings.credentialOption;
    this.#headers = settings.headers;
    this.#root = settings.root;
    this.#body = toJson(endpoint.body);
  }

  get label(): string {
    return `${this.endpoint.method} ${this.endpoint.path}`;
  }

  get url(): string {
    return this.#root + fillPath(this.endpoint.path, this.endpoint.params);
  }

  get credential(): Secret {
    return this.#sent.at(-1) as Secret;
  }

  get status(): number | undefined {
    return this.#response?.status;
  }

  redact(text: string): string {
    return this.#currentRedactor().redact(text);
  }

  redactValue<Value>(value: Value): Value {
    return this.#currentRedactor().redactValue(value);
  }

  /** Most calls never need one. */
  #currentRedactor(): CallRedactor {
    this.#redactor ??= new CallRedactor(this.#sent, this.#headers);
    return this.#redactor;
  }

  /** The request to send next. */
  prepare(credential: Secret): Parameters<Transport['send']>[0] {
    const { method, query, accept = 'application/json', onSend } = this.endpoint;
    if (credential !== this.#sent.at(-1)) {
      this.#sent.push(credential);
      this.#redactor = undefined;
    }
    const headers: Record<string, string> = { accept };
    if (this.#body !== undefined) headers['content-type'] = 'application/json';
    Object.assign(headers, this.#headers);
    headers.authorization = `Bearer ${credential.reveal()}`;
    onSend?.();
    return {
      method,
      url: query === undefined || query.size === 0 ? this.url : `${this.url}?${query}`,
      headers,
      body: this.#body,
      signal: this.deadline.signal,
    };
  }

  received(response: TransportResponse): void {
    this.#response = response;
  }

  result(data: T, attempts: number): Result<T> {
    const response = this.#response as TransportResponse;
    return { data, response: () => this.#describe(response, attempts) };
  }

  #describe({ status, headers }: TransportResponse, attempts: number): CallResponse {
    const requestId = requestIdOf(headers);
    const rateLimits = rateLimitsOf(headers);
    const entries = [...headers].map(([name, value]): [string, string] => [name, this.redact(value)]);
    return {
      status,
      headers: new Headers(entries),
      ...(requestId !== undefined && { requestId: this.redact(requestId) }),
      ...(rateLimits !== undefined && { rateLimits }),
      attempts,
    };
  }
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // The engine's message names fields of the caller's object.
    throw new ConfigurationError('The request cannot be serialized as JSON: it has a cycle or a BigInt.', {
      option: 'request',
    });
  }
}
