import {
  AuthenticationError,
  ConfigurationError,
  InsufficientQuotaError,
  PermissionError,
} from '../errors/index.ts';
import type { CredentialSource } from '../secret/credential-source.ts';
import { regionUrl, validBaseUrl } from '../transport/base-url.ts';
import type { CallOptions, FetchFunction, HeadersOption } from '../transport/call-options.ts';
import type { CallScope } from '../transport/call-scope.ts';
import { givenOrFromEnvironment, refuseBrowser } from '../transport/environment.ts';
import { jsonAnswer } from '../transport/read-json.ts';
import { Transport } from '../transport/transport.ts';
import { validTimeout } from '../transport/validate.ts';
import { chatCompletion, modelList } from '../wire/data-plane.ts';
import { ChatStream } from './chat-stream.ts';
import { openChunkSource } from './chunk-source.ts';
import type { ChatCompletion, CompletionChoice, Model } from './completion.ts';
import type { ChatCompletionRequest, ChatStreamRequest } from './request.ts';

const SHARED_MODELS_URL = 'https://chat.d.run';
const COMPLETIONS_LABEL = 'POST /v1/chat/completions';

/** How a {@link ChatClient} is set up. */
export interface ChatClientOptions {
  /** An API key, or where one comes from. Default: the environment variable `DRUN_API_KEY`, where there is a process. */
  readonly apiKey?: CredentialSource | undefined;
  /** The region of a dedicated deployment: `sh-02` stands for `https://sh-02.d.run`. Not together with `baseUrl`. */
  readonly region?: string | undefined;
  /**
   * Where the data plane is: https, or http to this machine. A `/v1` at its end may be there or not. Default:
   * `https://chat.d.run`, the shared models.
   */
  readonly baseUrl?: string | URL | undefined;
  /**
   * How long a call may take in milliseconds, its repetitions and its answer included; for a stream, until its
   * first chunk. Default: 600 000.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a stream may take from one chunk to the next, in milliseconds; comments and keep-alives do not count
   * as chunks, and the time in which nobody asks for one does not count either. Default: 60 000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** How often a call is repeated after 408, 409, 425, 429, 5xx and lost connections. Default: 2. */
  readonly maxRetries?: number | undefined;
  /** Used in place of the global `fetch`. */
  readonly fetch?: FetchFunction | undefined;
  /** Sent with every call. */
  readonly headers?: HeadersOption | undefined;
  /** Allows use in a page, where every visitor can read the API key. Default: false. */
  readonly dangerouslyAllowBrowser?: boolean | undefined;
}

/** The last argument of a {@link ChatClient}'s calls. */
export interface ChatCallOptions extends CallOptions {
  /** Used for this call in place of the client's own key. */
  readonly apiKey?: CredentialSource | undefined;
}

/** The last argument of {@link ChatClient.stream}. */
export interface ChatStreamOptions extends ChatCallOptions {
  /** Overrides the client's `idleTimeoutMs` for this stream, in milliseconds. */
  readonly idleTimeoutMs?: number | undefined;
}

/** Whether the service accepts a key, and why not. */
export type KeyCheck =
  | { readonly accepted: true }
  | {
      readonly accepted: false;
      /** The `code` of the error that any other call with this key would be refused with. */
      readonly code: 'authentication_failed' | 'insufficient_quota' | 'permission_denied';
    };

/**
 * Calls the models of d.run.
 *
 * Every method rejects with the signal's reason where it was aborted, and else with one of the errors of
 * `drun-sdk/errors`: by status as their table says, {@link ConnectionError}, {@link TimeoutError}, and
 * {@link InvalidResponseError} for a success that is not what was asked for.
 *
 * @example
 * ```ts
 * import { ChatClient } from 'drun-sdk/chat';
 *
 * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY });
 * const answer = await chat.complete({
 *   model: 'public/deepseek-r1',
 *   messages: [{ role: 'user', content: 'Hello, model!' }],
 * });
 * console.log(answer.choices[0].message.content);
 * ```
 */
export class ChatClient {
  readonly #transport: Transport;
  readonly #idleTimeoutMs: number | undefined;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ChatClientOptions = {}) {
    refuseBrowser('apiKey', options.dangerouslyAllowBrowser);
    this.#transport = new Transport({
      baseUrl: dataPlaneUrl(options),
      credential: givenOrFromEnvironment(options.apiKey, 'apiKey', 'DRUN_API_KEY'),
      credentialOption: 'apiKey',
      timeoutMs: options.timeoutMs ?? 600_000,
      maxRetries: options.maxRetries ?? 2,
      fetch: options.fetch,
      headers: options.headers,
    });
    this.#idleTimeoutMs = validTimeout(options.idleTimeoutMs ?? 60_000, 'idleTimeoutMs');
  }

  /** Asks a model for a whole answer (`POST /v1/chat/completions`). */
  async complete(request: ChatCompletionRequest, options: ChatCallOptions = {}): Promise<ChatCompletion> {
    if (typeof request !== 'object' || request === null) {
      throw new ConfigurationError('request must be an object with model and messages', {
        option: 'request',
      });
    }
    if (request.stream) {
      throw new ConfigurationError('stream: complete() gives an answer in one piece; leave stream out', {
        option: 'stream',
      });
    }
    return this.#transport.call(
      {
        method: 'POST',
        path: ['v1', 'chat', 'completions'],
        body: request,
        label: COMPLETIONS_LABEL,
        receive: jsonAnswer(chatCompletion, ({ body }) => withDefaults(body as ChatCompletion)),
      },
      options,
      options.apiKey,
    );
  }

  /**
   * Asks a model for an answer in pieces (`POST /v1/chat/completions` with `stream`). The request is sent when the
   * first piece is asked for; failures before it are repeated like those of {@link ChatClient.complete}.
   *
   * `timeoutMs` is the time until the first piece, `idleTimeoutMs` the time between two.
   */
  stream(request: ChatStreamRequest, options: ChatStreamOptions = {}): ChatStream {
    const idleTimeoutMs =
      options.idleTimeoutMs === undefined
        ? this.#idleTimeoutMs
        : validTimeout(options.idleTimeoutMs, 'idleTimeoutMs');
    checkRequest(request);
    let scope: CallScope | undefined;
    let aborted: { readonly reason: unknown } | undefined;
    const stream = new ChatStream({
      open: async () => {
        scope = this.#transport.scope(options);
        const { signal } = scope;
        if (aborted) scope.abort(aborted.reason);
        // Also while nobody asks for a piece: somebody may be waiting for the completion.
        signal.addEventListener('abort', () => stream.abort(signal.reason), { once: true });
        return this.#transport.perform(
          {
            method: 'POST',
            path: ['v1', 'chat', 'completions'],
            body: { ...request, stream: true },
            accept: 'text/event-stream',
            label: COMPLETIONS_LABEL,
            receive: (response, context, callScope) =>
              openChunkSource(response, idleTimeoutMs, context, callScope),
          },
          scope,
          options,
          options.apiKey,
        );
      },
      abort: (reason) => {
        aborted = { reason };
        scope?.abort(reason);
      },
      close: () => scope?.dispose(),
    });
    return stream;
  }

  /** The models that the key may call (`GET /v1/models`). Costs no tokens. */
  async models(options: ChatCallOptions = {}): Promise<Model[]> {
    return this.#transport.call(
      {
        method: 'GET',
        path: ['v1', 'models'],
        label: 'GET /v1/models',
        receive: jsonAnswer(modelList, ({ parsed }): Model[] => parsed.data ?? []),
      },
      options,
      options.apiKey,
    );
  }

  /**
   * Asks whether the service accepts the key, by listing its models: costs no tokens.
   *
   * Rejects where that cannot be known: a connection that fails, a 5xx, a 429.
   */
  async checkKey(options: ChatCallOptions = {}): Promise<KeyCheck> {
    try {
      await this.models(options);
      return { accepted: true };
    } catch (error) {
      const isRefusal =
        error instanceof AuthenticationError ||
        error instanceof InsufficientQuotaError ||
        error instanceof PermissionError;
      if (!isRefusal) throw error;
      return { accepted: false, code: error.code };
    }
  }
}

function checkRequest(request: unknown): void {
  if (typeof request !== 'object' || request === null) {
    throw new ConfigurationError('request must be an object with model and messages', { option: 'request' });
  }
}

/** Fills in what servers leave out of a choice although the type promises it; all that came stays. */
function withDefaults(completion: ChatCompletion): ChatCompletion {
  const [first, ...rest] = completion.choices;
  const filled = (choice: CompletionChoice, index: number): CompletionChoice => ({
    ...choice,
    index: choice.index ?? index,
    message: { ...choice.message, role: 'assistant', content: choice.message.content ?? null },
    finish_reason: choice.finish_reason ?? null,
  });
  return {
    ...completion,
    choices: [filled(first, 0), ...rest.map((choice, index) => filled(choice, index + 1))],
  };
}

function dataPlaneUrl({ baseUrl, region }: ChatClientOptions): URL {
  if (baseUrl === undefined) return region === undefined ? new URL(SHARED_MODELS_URL) : regionUrl(region);
  if (region !== undefined) {
    throw new ConfigurationError('region stands for a baseUrl: give one of the two', { option: 'region' });
  }
  const url = validBaseUrl(baseUrl);
  // Other OpenAI clients are given the base URL with its version: who copies it from there means the same.
  url.pathname = url.pathname.replace(/\/v1\/*$/, '');
  return url;
}
