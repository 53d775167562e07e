import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  AuthenticationError,
  ConfigurationError,
  InsufficientQuotaError,
  PermissionError,
} from '../errors/index.ts';
import type { CredentialSource } from '../secret/credential-source.ts';
import { regionUrl, validBaseUrl } from '../transport/base-url.ts';
import { type BearerFetch, bearerFetch } from '../transport/bearer-fetch.ts';
import type { CallLogger, RetryListener } from '../transport/call-events.ts';
import type { CallOptions, FetchFunction, HeadersOption } from '../transport/call-options.ts';
import { type Answered, type CallPromise, callPromise } from '../transport/call-response.ts';
import { CallScope } from '../transport/call-scope.ts';
import { givenOrFromEnvironment, refuseBrowser } from '../transport/environment.ts';
import { jsonAnswer } from '../transport/read-json.ts';
import { sendByFetch } from '../transport/send.ts';
import { Transport } from '../transport/transport.ts';
import { validTimeout } from '../transport/validate.ts';
import { chatCompletion, modelList } from '../wire/data-plane.ts';
import { ChatStream } from './chat-stream.ts';
import { openChunkSource } from './chunk-source.ts';
import type { ChatCompletion, CompletionChoice, Model } from './completion.ts';
import type {
  ChatCompletionRequest,
  ChatParseRequest,
  ChatRequest,
  ChatStreamParseRequest,
  ChatStreamRequest,
  ToolRunRequest,
} from './request.ts';
import type { SchemaOutput } from './schema.ts';
import { type ParsedCompletion, withParsed } from './structured-output.ts';
import { runTools, type ToolRunCompletion } from './tool-run.ts';
import { checkRequest, wireRequest } from './wire-request.ts';

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
  /** Is told before a call is repeated. What it throws ends the call. */
  readonly onRetry?: RetryListener | undefined;
  /** Is told of every request: method, path, status, duration, attempt; never a body or a credential. */
  readonly logger?: CallLogger | undefined;
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

  /**
   * A `fetch` for other clients of the same service, such as `openai` and `@ai-sdk/openai-compatible`: sends the
   * client's API key in place of theirs, asks for another one when it is refused, and takes it out of errors. A
   * redirect is not followed; nothing else is changed. Rejects with a {@link ConfigurationError} for another host.
   */
  readonly fetch: BearerFetch;

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
      sender: sendByFetch,
      headers: options.headers,
      onRetry: options.onRetry,
      logger: options.logger,
    });
    this.fetch = bearerFetch(this.#transport.bearer);
    this.#idleTimeoutMs = validTimeout(options.idleTimeoutMs ?? 60_000, 'idleTimeoutMs');
  }

  /** Asks a model for a whole answer (`POST /v1/chat/completions`). */
  complete(request: ChatCompletionRequest, options: ChatCallOptions = {}): CallPromise<ChatCompletion> {
    return callPromise(this.#complete(request, options));
  }

  /**
   * Asks a model for an answer in a schema (`POST /v1/chat/completions` with a strict `response_format`).
   *
   * @throws AnswerRefusedError if the model refused, or a filter withheld the answer.
   * @throws AnswerTruncatedError if the answer was cut off at the limit of tokens.
   * @throws AnswerMismatchError if the model gave an answer that is not of the schema.
   *
   * @example
   * ```ts
   * import { ChatClient } from 'drun-sdk/chat';
   * import * as z from 'zod';
   *
   * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY });
   * const { parsed } = await chat.parse({
   *   model: 'public/deepseek-r1',
   *   messages: [{ role: 'user', content: 'The capital of France, as JSON' }],
   *   schema: z.object({ city: z.string(), inhabitants: z.number() }),
   * });
   * console.log(parsed.city);
   * ```
   */
  parse<Schema extends StandardSchemaV1>(
    request: ChatParseRequest<Schema>,
    options: ChatCallOptions = {},
  ): CallPromise<ParsedCompletion<SchemaOutput<Schema>>> {
    return callPromise(this.#parse(request, options));
  }

  async #parse<Schema extends StandardSchemaV1>(
    request: ChatParseRequest<Schema>,
    options: ChatCallOptions,
  ): Promise<Answered<ParsedCompletion<SchemaOutput<Schema>>>> {
    checkOneAnswer(request);
    const { data, response } = await this.#complete(request, options);
    return { data: await withParsed(data, request.schema, COMPLETIONS_LABEL), response };
  }

  async #complete(
    request: ChatRequest & { readonly stream?: false | null | undefined },
    options: ChatCallOptions,
  ): Promise<Answered<ChatCompletion>> {
    const body = await wireRequest(request);
    if (request.stream) {
      throw new ConfigurationError('stream: complete() gives an answer in one piece; leave stream out', {
        option: 'stream',
      });
    }
    const scope = this.#transport.scope(options);
    try {
      return await this.#transport.perform(
        {
          method: 'POST',
          path: ['v1', 'chat', 'completions'],
          body,
          label: COMPLETIONS_LABEL,
          receive: receiveCompletion,
        },
        scope,
        options,
        options.apiKey,
      );
    } finally {
      scope.dispose();
    }
  }

  /**
   * Asks a model that may call tools: runs the tools that it asks for, tells it what they answered, and so on until it
   * answers without. Calls of one round run side by side.
   *
   * `signal` ends the whole run; everything else in `options` holds for each call of the model. Arguments that are not
   * of a tool's schema, and calls of tools that there are not, are told to the model, once for each tool.
   *
   * @throws ToolCallError if the model calls a tool wrongly again after it was told.
   * @throws ToolRoundsError if it still calls tools after `maxRounds`.
   * @throws AnswerTruncatedError if a tool call was cut off at the limit of tokens.
   *
   * @example
   * ```ts
   * import { ChatClient, defineTool } from 'drun-sdk/chat';
   * import * as z from 'zod';
   *
   * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY });
   * const weather = defineTool({
   *   name: 'weather',
   *   description: 'The weather in a city',
   *   parameters: z.object({ city: z.string() }),
   *   run: ({ city }) => `It is sunny in ${city}.`,
   * });
   * const answer = await chat.runTools({
   *   model: 'public/deepseek-r1',
   *   messages: [{ role: 'user', content: 'Do I need an umbrella in Paris?' }],
   *   tools: [weather],
   *   maxRounds: 5,
   * });
   * console.log(answer.choices[0].message.content, answer.rounds);
   * ```
   */
  async runTools(request: ToolRunRequest, options: ChatCallOptions = {}): Promise<ToolRunCompletion> {
    checkRequest(request);
    checkOneAnswer(request);
    const scope = new CallScope(options.signal, undefined);
    const { signal } = scope;
    try {
      return await runTools(request, (asked) => this.complete(asked, { ...options, signal }), scope);
    } finally {
      scope.dispose();
    }
  }

  /**
   * Asks a model for an answer in pieces (`POST /v1/chat/completions` with `stream`). The request is sent when the
   * first piece is asked for; failures before it are repeated like those of {@link ChatClient.complete}. With a
   * `schema`, {@link ChatStream.completion} gives what {@link ChatClient.parse} does.
   *
   * `timeoutMs` is the time until the first piece, `idleTimeoutMs` the time between two.
   */
  stream<Schema extends StandardSchemaV1>(
    request: ChatStreamParseRequest<Schema>,
    options?: ChatStreamOptions,
  ): ChatStream<ParsedCompletion<SchemaOutput<Schema>>>;
  stream(request: ChatStreamRequest, options?: ChatStreamOptions): ChatStream;
  stream(
    request: ChatStreamRequest | ChatStreamParseRequest<StandardSchemaV1>,
    options: ChatStreamOptions = {},
  ): ChatStream {
    checkRequest(request);
    const { schema } = request;
    if (schema === undefined) return this.#stream(request, options, (completion) => completion);
    checkOneAnswer(request);
    return this.#stream(request, options, (completion) => withParsed(completion, schema, COMPLETIONS_LABEL));
  }

  #stream(
    request: ChatRequest,
    options: ChatStreamOptions,
    complete: (completion: ChatCompletion) => ChatCompletion | Promise<ChatCompletion>,
  ): ChatStream {
    const idleTimeoutMs =
      options.idleTimeoutMs === undefined
        ? this.#idleTimeoutMs
        : validTimeout(options.idleTimeoutMs, 'idleTimeoutMs');
    let scope: CallScope | undefined;
    let aborted: { readonly reason: unknown } | undefined;
    const stream = new ChatStream({
      open: async () => {
        scope = this.#transport.scope(options);
        const { signal } = scope;
        if (aborted) scope.abort(aborted.reason);
        // Also while nobody asks for a piece: somebody may be waiting for the completion.
        signal.addEventListener('abort', () => stream.abort(signal.reason), { once: true });
        const body = await wireRequest(request);
        return this.#transport.perform(
          {
            method: 'POST',
            path: ['v1', 'chat', 'completions'],
            body: { ...body, stream: true },
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
      complete,
    });
    return stream;
  }

  /** The models that the key may call (`GET /v1/models`). Costs no tokens. */
  models(options: ChatCallOptions = {}): CallPromise<Model[]> {
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

const receiveCompletion = /* @__PURE__ */ jsonAnswer(chatCompletion, ({ body }) =>
  withDefaults(body as ChatCompletion),
);

/** Where one answer is read, others would be paid for and lost. */
function checkOneAnswer({ n }: ChatRequest): void {
  if (n === undefined || n === null || n === 1) return;
  throw new ConfigurationError('n: one answer is read; use complete() for several', { option: 'n' });
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
