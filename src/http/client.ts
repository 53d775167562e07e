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
  type ClientOptions,
  callPromise,
  failureFields,
  log,
  type RequestLogEntry,
  type Result,
} from './call.ts';
import { CallRedactor, CredentialReader, MAX_FURTHER_CREDENTIALS } from './credentials.ts';
import { Deadline } from './deadline.ts';
import { invalidResponse, type ResponseContext, toConnectionError } from './errors.ts';
import { requestIdOf } from './headers.ts';
import { checkFunction, checkHeaders, checkRetries, checkTimeout } from './options.ts';
import { readError } from './response.ts';
import { cannotHaveBeenApplied, mayRetry, type RetryPolicy, retryDelayMs } from './retry.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';
import { fillPath } from './url.ts';

/** An operation of the service, as data. `HttpClient.call()` sends it as a whole call, `request()` as part of one. */
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
  readonly recover?:
    | ((error: DrunError, attempt: AttemptInfo) => T | undefined | Promise<T | undefined>)
    | undefined;
  /**
   * Reads a 2xx response. A stream's keeps the response, and returns after the first chunk. Errors of this package are
   * thrown (and retried) as they are; anything else counts as a lost connection.
   */
  readonly decode: (response: TransportResponse, context: ResponseContext) => T | Promise<T>;
}

/** The request that failed, within its call. */
interface AttemptInfo {
  /** From 1. */
  readonly attempt: number;
  /** Whether the service may have acted on an earlier request of this call that failed. */
  readonly mayHaveBeenApplied: boolean;
}

export interface HttpClientOptions extends ClientOptions {
  readonly baseUrl: URL;
  readonly transport: Transport;
  readonly credential: Credential;
  /** What the caller calls the credential. */
  readonly credentialOption: ResponseContext['credentialOption'];
  readonly timeoutMs: number;
  /** Sent unless `headers` overrides them. */
  readonly defaultHeaders?: Readonly<Record<string, string>> | undefined;
}

export interface RequestOptions extends CallOptions {
  /** Used for this call instead of the client's credential. */
  readonly apiKey?: Credential | undefined;
}

/** A call in progress, with all its requests. */
interface Call<T> extends ResponseContext {
  readonly endpoint: Endpoint<T>;
  readonly reader: CredentialReader;
  readonly maxRetries: number;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Every credential that was sent, the latest one last. */
  readonly sent: Secret[];
  response?: TransportResponse;
}

/** Sends the requests of a client: credentials, deadlines, retries, and errors of the right class. */
export class HttpClient {
  readonly baseUrl: URL;
  readonly credential: CredentialReader;
  readonly #options: HttpClientOptions;
  readonly #root: string;
  readonly #timeoutMs: number | undefined;
  readonly #maxRetries: number;
  readonly #headers: Readonly<Record<string, string>>;

  /** @throws {ConfigurationError} If an option is invalid. */
  constructor(options: HttpClientOptions) {
    const { baseUrl } = options;
    this.baseUrl = baseUrl;
    this.credential = new CredentialReader(options.credential, options.credentialOption);
    this.#options = options;
    this.#root = baseUrl.origin + baseUrl.pathname.replace(/\/+$/, '');
    this.#timeoutMs = checkTimeout(options.timeoutMs);
    this.#maxRetries = checkRetries(options.maxRetries ?? 2);
    this.#headers = { ...options.defaultHeaders, ...checkHeaders(options.headers ?? {}) };
    checkFunction(options.onRetry, 'onRetry');
    checkFunction(options.logger, 'logger');
  }

  /** Sends one request, with retries, as a whole call. If `endpoint` throws, the call rejects. */
  call<T>(endpoint: () => Endpoint<T> | Promise<Endpoint<T>>, options: RequestOptions = {}): CallPromise<T> {
    const run = async (): Promise<Result<T>> => {
      const ready = await endpoint();
      const deadline = this.deadline(options);
      try {
        return await this.request(ready, deadline, options);
      } finally {
        deadline[Symbol.dispose]();
      }
    };
    return callPromise(run());
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
    const call = this.#start(endpoint, deadline, options);
    deadline.throwIfAborted();
    /** Credentials that the service rejected in this call. */
    const rejected: Secret[] = [];
    let mayHaveBeenApplied = false;
    let retries = 0;
    let next: Secret | undefined;
    for (let attempt = 1; ; attempt++) {
      // A provider that has not heard of the rejection yet may return a rejected credential again.
      const current = next ?? (await readCredential(call));
      const credential = rejected.some((one) => one.equals(current)) ? call.credential : current;
      next = undefined;
      try {
        const data = await this.#attempt(call, credential, attempt);
        return resultOf(call, data, attempt);
      } catch (thrown) {
        deadline.throwIfAborted();
        const error = thrown as DrunError;
        const recovered = await endpoint.recover?.(error, { attempt, mayHaveBeenApplied });
        if (recovered !== undefined) return resultOf(call, recovered, attempt);
        if (error instanceof AuthenticationError) {
          rejected.push(credential);
          if (rejected.length > MAX_FURTHER_CREDENTIALS) throw error;
          next = await readCredential(call, credential);
          if (rejected.some((one) => next?.equals(one))) throw error;
          await this.#reportRetry(call, attempt, error, 0);
          continue;
        }
        if (error instanceof ApiError && endpoint.finalStatuses?.includes(error.status)) throw error;
        if (retries >= call.maxRetries || !mayRetry(error, endpoint.retry)) throw error;
        retries++;
        mayHaveBeenApplied ||= !cannotHaveBeenApplied(error);
        const delayMs = retryDelayMs(error, retries);
        if (delayMs === undefined || delayMs >= Math.min(deadline.remainingMs, MAX_TIMER_MS)) throw error;
        await this.#reportRetry(call, attempt, error, delayMs);
        await deadline.sleep(delayMs);
      }
    }
  }

  #start<T>(endpoint: Endpoint<T>, deadline: Deadline, options: RequestOptions): Call<T> {
    const { credentialOption } = this.#options;
    const { apiKey, headers, maxRetries } = options;
    const sent: Secret[] = [];
    // Most calls never need one. It is outdated when another credential was sent.
    let redactor: { readonly of: number; readonly value: CallRedactor } | undefined;
    const currentRedactor = (): CallRedactor => {
      if (redactor?.of !== sent.length) {
        redactor = { of: sent.length, value: new CallRedactor(sent, call.headers) };
      }
      return redactor.value;
    };
    const call: Call<T> = {
      endpoint,
      deadline,
      credentialOption,
      sent,
      label: `${endpoint.method} ${endpoint.path}`,
      url: this.#root + fillPath(endpoint.path, endpoint.params),
      reader: apiKey === undefined ? this.credential : new CredentialReader(apiKey, credentialOption),
      headers: headers === undefined ? this.#headers : { ...this.#headers, ...checkHeaders(headers) },
      maxRetries: maxRetries === undefined ? this.#maxRetries : checkRetries(maxRetries),
      body: toJson(endpoint.body),
      get credential() {
        return sent.at(-1) as Secret;
      },
      redact: (text) => currentRedactor().redact(text),
      redactValue: (value) => currentRedactor().redactValue(value),
    };
    return call;
  }

  async #reportRetry(call: Call<unknown>, attempt: number, error: DrunError, delayMs: number): Promise<void> {
    const { method, path } = call.endpoint;
    const event = { method, path, attempt, error: error as AnyDrunError, delayMs };
    const result: unknown = this.#options.onRetry?.(event);
    if (isThenable(result)) await call.deadline.race(result);
  }

  /** One request and its response, with an entry in the log. */
  async #attempt<T>(call: Call<T>, credential: Secret, attempt: number): Promise<T> {
    const { logger } = this.#options;
    const { method, path } = call.endpoint;
    const startedAt = performance.now();
    const report = (outcome: Pick<RequestLogEntry, 'status' | 'code'>): void => {
      if (logger === undefined) return;
      log(logger, { method, path, ...outcome, durationMs: performance.now() - startedAt, attempt });
    };
    try {
      const data = await this.#exchange(call, credential);
      report({ status: call.response?.status });
      return data;
    } catch (thrown) {
      report(failureFields(thrown));
      throw thrown;
    }
  }

  async #exchange<T>(call: Call<T>, credential: Secret): Promise<T> {
    const { deadline, endpoint } = call;
    try {
      const response = await deadline.race(this.#options.transport.send(toRequest(call, credential)));
      call.response = response;
      const { status } = response;
      if (status === 0 || (status >= 300 && status < 400)) throw redirectError(response, call);
      if (status < 200 || status >= 300) throw await readError(response, call);
      return await endpoint.decode(response, call);
    } catch (thrown) {
      deadline.throwIfAborted();
      throw thrown instanceof DrunError ? thrown : toConnectionError(thrown, call);
    }
  }
}

async function readCredential({ reader, deadline }: Call<unknown>, rejected?: Secret): Promise<Secret> {
  const { signal } = deadline;
  const credential = reader.read(rejected === undefined ? { signal } : { rejected, signal });
  return isThenable(credential) ? deadline.race(credential) : credential;
}

function toRequest(
  { endpoint, sent, headers, body, deadline, url }: Call<unknown>,
  credential: Secret,
): TransportRequest {
  const { method, query, accept = 'application/json' } = endpoint;
  if (credential !== sent.at(-1)) sent.push(credential);
  endpoint.onSend?.();
  return {
    method,
    url: query === undefined || query.size === 0 ? url : `${url}?${query}`,
    headers: {
      accept,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
      authorization: `Bearer ${credential.reveal()}`,
    },
    body,
    signal: deadline.signal,
  };
}

function resultOf<T>(call: Call<unknown>, data: T, attempts: number): Result<T> {
  const { status, headers } = call.response as TransportResponse;
  const response = (): CallResponse => {
    const requestId = requestIdOf(headers);
    return {
      status,
      headers: new Headers([...headers].map(([name, value]): [string, string] => [name, call.redact(value)])),
      ...(requestId !== undefined && { requestId: call.redact(requestId) }),
      attempts,
    };
  };
  return { data, response };
}

function redirectError(response: TransportResponse, context: ResponseContext): DrunError {
  response.cancel();
  const what = `${response.status || 'a response after'} a redirect, which is never followed, because the credential would go with it; is \`baseUrl\` correct?`;
  return invalidResponse(response, context, what);
}

/** The escape of a lone surrogate in JSON. Servers reject them; `JSON.stringify` does not escape pairs. */
const LONE_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][\da-f]{2}/g;

function toJson(value: unknown): string | undefined {
  try {
    const json = JSON.stringify(value);
    return json?.includes('\\ud') ? json.replace(LONE_SURROGATE, '$1\ufffd') : json;
  } catch {
    // The engine's message names fields of the caller's object.
    throw new ConfigurationError('The request cannot be serialized as JSON: it has a cycle or a BigInt.', {
      option: 'request',
    });
  }
}
