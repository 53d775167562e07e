import {
  type AnyDrunError,
  ApiError,
  AuthenticationError,
  ConfigurationError,
  DrunError,
  InvalidResponseError,
} from '../errors/index.ts';
import type { Credential } from '../secret/credential.ts';
import type { Secret } from '../secret/secret.ts';
import type { BearerFetchOptions } from './authenticated-fetch.ts';
import { joinUrl, rootOf } from './base-url.ts';
import {
  failureOf,
  log,
  type RequestLogEntry,
  type RequestLogger,
  type RetryListener,
} from './call-events.ts';
import type { CallOptions, FetchFunction, HeadersOption } from './call-options.ts';
import { type Answered, type CallPromise, callPromise, toCallResponse } from './call-response.ts';
import { CallScope } from './call-scope.ts';
import { CredentialReader } from './credential-reader.ts';
import {
  answerOf,
  neverOpened,
  type RequestContext,
  toApiError,
  toConnectionError,
} from './error-mapping.ts';
import { readErrorText } from './error-text.ts';
import { isTransient, retryDelayMs } from './retry.ts';
import { Scrubber } from './scrubber.ts';
import type { Send } from './send.ts';
import { LONGEST_TIMER, validFunction, validHeaders, validRetries, validTimeout } from './validate.ts';

/** What both clients are configured with, defaults filled in. */
export interface TransportOptions {
  readonly baseUrl: URL;
  readonly credential: Credential;
  /** What the caller calls the credential: `apiKey`, `accessToken`. */
  readonly credentialOption: string;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly fetch?: FetchFunction | undefined;
  /** Makes what sends the requests, by the `fetch` of above or the global one. */
  readonly sender: (fetch: FetchFunction | undefined) => Send;
  readonly headers?: HeadersOption | undefined;
  /** Sent where `headers` says nothing else. */
  readonly defaultHeaders?: Readonly<Record<string, string>> | undefined;
  readonly onRetry?: RetryListener | undefined;
  readonly logger?: RequestLogger | undefined;
}

/** One thing that a service can be asked for. */
export interface Operation<Answer> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** The path's segments, not encoded. */
  readonly path: readonly string[];
  readonly query?: URLSearchParams | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Names the operation in messages, without ids: `DELETE /apikeys/{id}`. */
  readonly label: string;
  /**
   * Whether an attempt that failed so may be repeated; by default where {@link isTransient} says so. May throw
   * an error that says more.
   */
  readonly mayRepeat?: (error: DrunError, scope: CallScope) => boolean | Promise<boolean>;
  /** Told right before each request is sent: from then on the operation may have been carried out. */
  readonly onSend?: () => void;
  /** The answer that an error status stands for, where it is no failure: a repeated delete that finds nothing. */
  readonly answerTo?: (error: ApiError) => Answer | undefined;
  /** What is accepted. Default: `application/json`. */
  readonly accept?: string | undefined;
  /** Makes the answer of a 2xx response. What it throws that is no error of this package is a lost connection. */
  readonly receive: (response: Response, context: RequestContext, scope: CallScope) => Promise<Answer>;
}

/** A credential that was rejected, and what the source gave in its place. */
interface Replaced {
  readonly rejected: Secret;
  readonly by: Secret;
}

/** A source that still gives what was refused may not have heard of it. */
function unlessRefused(credential: Secret, replaced: Replaced | undefined): Secret {
  return replaced?.rejected.equals(credential) ? replaced.by : credential;
}

/** Carries the calls of a client: credential, time, attempts and what becomes of failures. */
export class Transport {
  readonly #baseUrl: URL;
  readonly #root: string;
  readonly #host: string;
  readonly #credential: CredentialReader;
  readonly #credentialOption: string;
  readonly #timeoutMs: number | undefined;
  readonly #maxRetries: number;
  readonly #fetch: FetchFunction | undefined;
  readonly #sendOnce: Send;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #onRetry: RetryListener | undefined;
  readonly #logger: RequestLogger | undefined;
  /** One scrubber for each credential for as long as that is in use. */
  readonly #scrubbers = new WeakMap<Secret, Scrubber>();

  constructor(options: TransportOptions) {
    this.#baseUrl = options.baseUrl;
    this.#root = rootOf(options.baseUrl);
    this.#host = options.baseUrl.host;
    this.#credential = new CredentialReader(options.credential, options.credentialOption);
    this.#credentialOption = options.credentialOption;
    this.#timeoutMs = validTimeout(options.timeoutMs);
    this.#maxRetries = validRetries(options.maxRetries);
    this.#fetch = validFunction(options.fetch, 'fetch');
    this.#sendOnce = options.sender(this.#fetch);
    this.#onRetry = validFunction(options.onRetry, 'onRetry');
    this.#logger = validFunction(options.logger, 'logger');
    this.#headers = { ...options.defaultHeaders, ...validHeaders(options.headers ?? {}) };
  }

  /** Carries out an operation within a time of its own, with as many attempts as it takes and may take. */
  call<Answer>(
    operation: Operation<Answer>,
    options: CallOptions = {},
    credential?: Credential | undefined,
  ): CallPromise<Answer> {
    return callPromise(this.answer(operation, options, credential));
  }

  /** The same, for who makes something else of the answer, and for calls that consist of several. */
  async answer<Answer>(
    operation: Operation<Answer>,
    options: CallOptions,
    credential?: Credential | undefined,
  ): Promise<Answered<Answer>> {
    const scope = this.scope(options);
    try {
      return await this.perform(operation, scope, options, credential);
    } finally {
      scope.dispose();
    }
  }

  /** What a `fetch` needs that carries the requests of other clients. */
  get bearer(): BearerFetchOptions {
    return { baseUrl: this.#baseUrl, credential: this.#credential, fetch: this.#fetch };
  }

  /** The lifetime of a call; whoever asks for it has to dispose of it. */
  scope(options: CallOptions): CallScope {
    const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : validTimeout(options.timeoutMs);
    return new CallScope(options.signal, timeoutMs);
  }

  /**
   * Carries out an operation as a part of a call, of which more may follow, such as the rest of a stream.
   *
   * @param credential - In place of the client's own, for this call.
   */
  async perform<Answer>(
    operation: Operation<Answer>,
    scope: CallScope,
    options: CallOptions,
    credential?: Credential | undefined,
  ): Promise<Answered<Answer>> {
    const source =
      credential === undefined ? this.#credential : new CredentialReader(credential, this.#credentialOption);
    const maxRetries = options.maxRetries === undefined ? this.#maxRetries : validRetries(options.maxRetries);
    const headers = options.headers ? { ...this.#headers, ...validHeaders(options.headers) } : this.#headers;
    const body = toJson(operation.body);
    scope.throwIfEnded();
    return this.#attempts({ operation, body, source, headers, maxRetries, scope, used: new Set() });
  }

  async #attempts<Answer>(call: Call<Answer>): Promise<Answered<Answer>> {
    const { operation, source, scope } = call;
    const mayRepeat = operation.mayRepeat ?? isTransient;
    let replaced: Replaced | undefined;
    /** Given already, for the next attempt. */
    let given: Secret | undefined;
    let retries = 0;
    for (let attempt = 1; ; attempt++) {
      const credential = given ?? unlessRefused(await this.#read(source, scope), replaced);
      given = undefined;
      try {
        return await this.#attempt(call, credential, attempt);
      } catch (thrown) {
        scope.throwIfEnded();
        const error = thrown as DrunError;
        if (error instanceof AuthenticationError && !replaced) {
          const fresh = await this.#read(source, scope, credential);
          if (fresh.equals(credential)) throw error;
          // Not a repetition: the refused attempt did nothing, and the next one is another request.
          replaced = { rejected: credential, by: fresh };
          given = fresh;
          await this.#tellOfRetry(call, attempt, error, 0);
          continue;
        }
        if (!(await mayRepeat(error, scope)) || retries >= call.maxRetries) throw error;
        retries++;
        const delayMs = retryDelayMs(error, retries);
        if (delayMs >= Math.min(scope.remainingMs, LONGEST_TIMER)) throw error;
        await this.#tellOfRetry(call, attempt, error, delayMs);
        await scope.sleep(delayMs);
      }
    }
  }

  async #read(source: CredentialReader, scope: CallScope, rejected?: Secret): Promise<Secret> {
    const credential = source.read({ rejected, signal: scope.signal });
    return credential instanceof Promise ? scope.race(credential) : credential;
  }

  async #tellOfRetry(
    { operation, scope }: Call<unknown>,
    attempt: number,
    error: DrunError,
    delayMs: number,
  ): Promise<void> {
    const { method } = operation;
    const path = pathOf(operation);
    const told: unknown = this.#onRetry?.({ method, path, attempt, error: error as AnyDrunError, delayMs });
    if (told instanceof Promise) await scope.race(told);
  }

  async #attempt<Answer>(call: Call<Answer>, credential: Secret, attempt: number): Promise<Answered<Answer>> {
    const startedAt = performance.now();
    try {
      const answered = await this.#exchange(call, credential, attempt);
      this.#log(call, attempt, startedAt, { status: answered.status });
      return answered;
    } catch (thrown) {
      this.#log(call, attempt, startedAt, failureOf(thrown));
      throw thrown;
    }
  }

  #log({ operation }: Call<unknown>, attempt: number, startedAt: number, outcome: AttemptOutcome): void {
    if (this.#logger === undefined) return;
    const { method } = operation;
    const durationMs = performance.now() - startedAt;
    log(this.#logger, { method, path: pathOf(operation), ...outcome, durationMs, attempt });
  }

  /** One request and its answer. */
  async #exchange<Answer>(
    call: Call<Answer>,
    credential: Secret,
    attempt: number,
  ): Promise<Answered<Answer> & { readonly status: number }> {
    const { operation, scope } = call;
    const scrubber = this.#scrubberFor(call, credential);
    const context: RequestContext = {
      label: operation.label,
      host: this.#host,
      credential,
      scrubber,
    };
    try {
      const response = await scope.race(this.#send(call, credential));
      refuseRedirect(response, context);
      const data = response.ok
        ? await operation.receive(response, context, scope)
        : await this.#answerTo(response, call, context);
      return { data, status: response.status, response: () => toCallResponse(response, scrubber, attempt) };
    } catch (thrown) {
      scope.throwIfEnded();
      throw thrown instanceof DrunError ? thrown : toConnectionError(thrown, context);
    }
  }

  /** @throws ApiError for an error status, unless the operation takes it for an answer. */
  async #answerTo<Answer>(
    response: Response,
    { operation, scope }: Call<Answer>,
    context: RequestContext,
  ): Promise<Answer> {
    // What is known of an error stays known when the connection is lost in the middle of its text.
    const text = await scope.race(readErrorText(response));
    const error = toApiError(response.status, response.headers, text, context);
    const answer = operation.answerTo?.(error);
    if (answer === undefined) throw error;
    return answer;
  }

  async #send({ operation, body, headers, scope }: Call<unknown>, credential: Secret): Promise<Response> {
    const { signal } = scope;
    const { method, path, query, accept = 'application/json' } = operation;
    operation.onSend?.();
    const response = await this.#sendOnce(
      {
        method,
        url: joinUrl(this.#root, path, query),
        headers: { accept, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        body,
        signal,
      },
      credential,
    );
    // A fetch that does not listen to the signal answers nobody; its connection has to be let go.
    if (signal.aborted) discard(response);
    return response;
  }

  #scrubberFor({ headers, used }: Call<unknown>, credential: Secret): Scrubber {
    used.add(credential);
    if (used.size > 1 || headers !== this.#headers) return new Scrubber([...used], headers);
    const scrubber = this.#scrubbers.get(credential) ?? new Scrubber([credential], headers);
    this.#scrubbers.set(credential, scrubber);
    return scrubber;
  }
}

/** A call under way. */
interface Call<Answer> {
  readonly operation: Operation<Answer>;
  readonly body: string | undefined;
  readonly source: CredentialReader;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxRetries: number;
  readonly scope: CallScope;
  /** Every credential that was sent so far. */
  readonly used: Set<Secret>;
}

type AttemptOutcome = Pick<RequestLogEntry, 'status' | 'code'>;

/** What was asked for, without the method. */
function pathOf({ method, label }: Operation<unknown>): string {
  return label.slice(method.length + 1);
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // The engine's message names the fields of the caller's object; the caller knows them.
    throw new ConfigurationError('the request cannot be written as JSON: it has a cycle or a BigInt', {
      option: 'request',
    });
  }
}

function refuseRedirect(response: Response, context: RequestContext): void {
  const { label } = context;
  const { status, type } = response;
  if (type !== 'opaqueredirect' && !response.redirected && !(status >= 300 && status < 400)) return;
  discard(response);
  throw new InvalidResponseError(
    `${label}: ${status || 'the answer'} is a redirect, and a credential is never sent after one: is baseUrl right?`,
    answerOf(response, context),
  );
}

/** Lets go of a connection whose answer nobody reads. Other libraries' bodies cannot always be cancelled. */
function discard({ body }: Response): void {
  void body?.cancel?.().catch(() => {});
}

/** Whether a call that must not be carried out twice may be repeated: nothing can have come of it. */
export function cannotHaveHappened(error: DrunError): boolean {
  return neverOpened(error) || (error instanceof ApiError && error.status === 429);
}
