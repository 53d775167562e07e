import ky, { type KyInstance } from 'ky';
import {
  ApiError,
  AuthenticationError,
  ConfigurationError,
  type DrunError,
  InvalidResponseError,
} from '../errors/index.ts';
import type { CredentialSource } from '../secret/credential-source.ts';
import type { Secret } from '../secret/secret.ts';
import { joinUrl } from './base-url.ts';
import type { CallOptions, FetchFunction } from './call-options.ts';
import { CallScope } from './call-scope.ts';
import { Credential } from './credential.ts';
import { neverOpened, type RequestContext, toApiError, toConnectionError } from './error-mapping.ts';
import { isTransient, retryDelayMs } from './retry.ts';
import { Scrubber } from './scrubber.ts';
import { validFetch, validHeaders, validRetries, validTimeout } from './validate.ts';

/** What both clients are configured with, defaults filled in. */
export interface TransportOptions {
  readonly baseUrl: URL;
  readonly credential: CredentialSource;
  /** What the caller calls the credential: `apiKey`, `accessToken`. */
  readonly credentialOption: string;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly fetch?: FetchFunction | undefined;
  readonly headers: Readonly<Record<string, string>>;
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
  /** Makes the answer of a 2xx response and its text. */
  readonly read: (response: Response, text: string, context: RequestContext) => Answer;
}

/**
 * ky builds the requests and tells the runtimes' network errors apart. Its retries, timeouts and errors stay
 * off: they do not know of keys that change, of one time for a whole call, or of what must not be printed.
 */
const client: KyInstance = /* @__PURE__ */ ky.create({
  retry: 0,
  timeout: false,
  throwHttpErrors: false,
  // A redirect would carry the credential, or drop it, on somebody else's word.
  redirect: 'manual',
});

/** Carries the calls of a client: credential, time, attempts and what becomes of failures. */
export class Transport {
  readonly #baseUrl: URL;
  readonly #credential: Credential;
  readonly #credentialOption: string;
  readonly #timeoutMs: number | undefined;
  readonly #maxRetries: number;
  readonly #fetch: FetchFunction | undefined;
  readonly #headers: Readonly<Record<string, string>>;
  /** One scrubber for each credential for as long as that is in use. */
  readonly #scrubbers = new WeakMap<Secret, Scrubber>();

  constructor(options: TransportOptions) {
    this.#baseUrl = options.baseUrl;
    this.#credential = new Credential(options.credential, options.credentialOption);
    this.#credentialOption = options.credentialOption;
    this.#timeoutMs = validTimeout(options.timeoutMs);
    this.#maxRetries = validRetries(options.maxRetries);
    this.#fetch = validFetch(options.fetch);
    this.#headers = validHeaders(options.headers);
  }

  /**
   * Carries out an operation, with as many attempts as it takes and may take.
   *
   * @param credential - In place of the client's own, for this call.
   */
  async call<Answer>(
    operation: Operation<Answer>,
    options: CallOptions = {},
    credential?: CredentialSource | undefined,
  ): Promise<Answer> {
    const source =
      credential === undefined ? this.#credential : new Credential(credential, this.#credentialOption);
    const maxRetries = options.maxRetries === undefined ? this.#maxRetries : validRetries(options.maxRetries);
    const headers = options.headers ? { ...this.#headers, ...validHeaders(options.headers) } : this.#headers;
    const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : validTimeout(options.timeoutMs);
    const body = toJson(operation.body);
    const scope = new CallScope(options.signal, timeoutMs);
    try {
      scope.throwIfEnded();
      return await this.#attempts({ operation, body, source, headers, maxRetries, scope });
    } finally {
      scope.dispose();
    }
  }

  async #attempts<Answer>(call: Call<Answer>): Promise<Answer> {
    const { operation, source, scope } = call;
    const mayRepeat = operation.mayRepeat ?? isTransient;
    /** A credential that the source gave in place of one that was refused. */
    let replacement: Secret | undefined;
    let wasReplaced = false;
    for (let attempt = 1; ; ) {
      const credential = replacement ?? (await scope.race(source.read({ signal: scope.signal })));
      replacement = undefined;
      try {
        return await this.#attempt(call, credential);
      } catch (thrown) {
        scope.throwIfEnded();
        const error = thrown as DrunError;
        if (error instanceof AuthenticationError && !wasReplaced) {
          const fresh = await scope.race(source.read({ refused: credential, signal: scope.signal }));
          if (fresh.equals(credential)) throw error;
          // Not a repetition: the refused attempt did nothing, and the next one is another request.
          replacement = fresh;
          wasReplaced = true;
          continue;
        }
        if (!(await mayRepeat(error, scope)) || attempt > call.maxRetries) throw error;
        const delayMs = retryDelayMs(error, attempt);
        if (delayMs >= scope.remainingMs) throw error;
        await scope.sleep(delayMs);
        attempt++;
      }
    }
  }

  async #attempt<Answer>(call: Call<Answer>, credential: Secret): Promise<Answer> {
    const { operation, scope } = call;
    const context: RequestContext = {
      label: operation.label,
      credential,
      scrubber: this.#scrubberFor(credential, call.headers),
    };
    let response: Response;
    let text: string;
    try {
      response = await scope.race(this.#send(call, credential));
      refuseRedirect(response, context);
      // What is known of an error stays known when the connection is lost in the middle of its text.
      text = await scope.race(response.ok ? response.text() : readErrorText(response).catch(() => ''));
      scope.throwIfEnded();
    } catch (thrown) {
      scope.throwIfEnded();
      if (thrown instanceof InvalidResponseError || thrown instanceof ConfigurationError) throw thrown;
      throw toConnectionError(thrown, this.#baseUrl.host, context);
    }
    if (!response.ok) throw toApiError(response.status, response.headers, text, context);
    return operation.read(response, text, context);
  }

  /** Sends a request. ky, and so its errors, never see the credential: it is set on the copy that is sent. */
  async #send({ operation, body, headers, scope }: Call<unknown>, credential: Secret): Promise<Response> {
    const { signal } = scope;
    // Looked up at every call: tests and tracers put their own in its place.
    const send = this.#fetch ?? globalThis.fetch;
    const response = await client(joinUrl(this.#baseUrl, operation.path, operation.query), {
      method: operation.method,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      fetch: (input) => {
        const request = input as Request;
        const copy = new Headers(request.headers);
        copy.set('authorization', `Bearer ${credential.reveal()}`);
        const { method, url, redirect } = request;
        const init: RequestInit = {
          method,
          headers: copy,
          redirect,
          signal,
          ...(body !== undefined && { body }),
        };
        // Called as a plain function: the runtimes' own `fetch` refuses to be somebody's method.
        return send(url, init);
      },
    });
    if (typeof response?.status !== 'number' || typeof response.text !== 'function') {
      throw new ConfigurationError('fetch did not give a Response', { option: 'fetch' });
    }
    // A fetch that does not listen to the signal answers nobody; its connection has to be let go.
    if (signal.aborted) void response.body?.cancel().catch(() => {});
    return response;
  }

  #scrubberFor(credential: Secret, headers: Readonly<Record<string, string>>): Scrubber {
    const known = this.#scrubbers.get(credential);
    if (known !== undefined && headers === this.#headers) return known;
    const scrubber = new Scrubber(credential, headers);
    if (headers === this.#headers) this.#scrubbers.set(credential, scrubber);
    return scrubber;
  }
}

/** A call under way. */
interface Call<Answer> {
  readonly operation: Operation<Answer>;
  readonly body: string | undefined;
  readonly source: Credential;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxRetries: number;
  readonly scope: CallScope;
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

function refuseRedirect(response: Response, { label }: RequestContext): void {
  const { status, type } = response;
  if (type !== 'opaqueredirect' && !response.redirected && !(status >= 300 && status < 400)) return;
  void response.body?.cancel().catch(() => {});
  throw new InvalidResponseError(
    `${label}: ${status || 'the answer'} is a redirect, and a credential is never sent after one: is baseUrl right?`,
    { status },
  );
}

/** Error bodies are short; one that is longer is not read to its end. */
const LONGEST_ERROR_BODY = 65_536;

async function readErrorText(response: Response): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    // Leaving the loop cancels the body. What was cut off may end in a part of a credential: nothing of it is used.
    if (text.length > LONGEST_ERROR_BODY) return '';
  }
  return text + decoder.decode();
}

/** Whether a call that must not be carried out twice may be repeated: nothing can have come of it. */
export function cannotHaveHappened(error: DrunError): boolean {
  return neverOpened(error) || (error instanceof ApiError && error.status === 429);
}
