import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  AuthenticationError,
  ConfigurationError,
  InsufficientQuotaError,
  PermissionDeniedError,
} from '../errors/index.ts';
import { type AuthenticatedFetch, authenticatedFetch } from '../http/authenticated-fetch.ts';
import { type CallPromise, callPromise } from '../http/call.ts';
import { type Endpoint, HttpClient } from '../http/client.ts';
import { Deadline } from '../http/deadline.ts';
import {
  checkFunction,
  checkOptions,
  checkOrigin,
  checkTimeout,
  environmentVariable,
  mergeOptions,
  optionOrVariable,
  refuseBrowser,
} from '../http/options.ts';
import { checkShape, readJson } from '../http/response.ts';
import { fetchTransport } from '../http/transport.ts';
import { checkBaseUrl, regionUrl } from '../http/url.ts';
import { askForCompletion, askForParsed } from './ask-for-completion.ts';
import type { ChatStream } from './chat-stream.ts';
import type { ChatCompletion, Model } from './completion.ts';
import type { SchemaOutput } from './json-schema.ts';
import { openStream } from './open-stream.ts';
import {
  CHAT_CALL_OPTIONS,
  CHAT_CLIENT_OPTIONS,
  type ChatCallOptions,
  type ChatClientOptions,
  type ChatStreamOptions,
} from './options.ts';
import type {
  ChatCompletionRequest,
  ChatParseRequest,
  ChatStreamParseRequest,
  ChatStreamRequest,
  ToolRunRequest,
} from './request.ts';
import { modelList } from './schema.ts';
import type { ParsedCompletion } from './structured-output.ts';
import { runTools, type ToolRunCompletion } from './tool-run.ts';
import { checkOneAnswer } from './wire-request.ts';

const SHARED_MODELS_URL = 'https://chat.d.run';

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
  readonly #options: ChatClientOptions;
  readonly #http: HttpClient;
  readonly #idleTimeoutMs: number | undefined;

  /**
   * A `fetch` for other clients of the same service, such as `openai` and `@ai-sdk/openai-compatible`: sends the
   * client's API key in place of theirs, asks for another one when it is refused, and takes it out of errors. A
   * redirect is not followed; nothing else is changed. Rejects with a {@link ConfigurationError} for another host.
   */
  readonly fetch: AuthenticatedFetch;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ChatClientOptions = {}) {
    checkOptions(options, CHAT_CLIENT_OPTIONS, 'ChatClient');
    refuseBrowser('apiKey', options.dangerouslyAllowBrowser);
    const fetch = checkFunction(options.fetch, 'fetch');
    if (fetch !== undefined && options.transport !== undefined) {
      throw new ConfigurationError('`fetch` and `transport` exclude each other.', { option: 'transport' });
    }
    this.#options = { ...options };
    this.#http = new HttpClient({
      baseUrl: dataPlaneUrl(options),
      credential: optionOrVariable(options.apiKey, 'apiKey', 'DRUN_API_KEY'),
      credentialOption: 'apiKey',
      timeoutMs: options.timeoutMs ?? 600_000,
      maxRetries: options.maxRetries ?? 2,
      transport: options.transport ?? fetchTransport(fetch),
      headers: options.headers,
      onRetry: options.onRetry,
      logger: options.logger,
    });
    this.fetch = authenticatedFetch(this.#http, fetch);
    this.#idleTimeoutMs = checkTimeout(options.idleTimeoutMs ?? 60_000, 'idleTimeoutMs');
  }

  /**
   * Returns a client that overrides the given options and shares the others.
   *
   * @throws {ConfigurationError} If an option is invalid, or requests would go to another origin with the current key.
   */
  withOptions(overrides: ChatClientOptions): ChatClient {
    checkOptions(overrides, CHAT_CLIENT_OPTIONS, 'withOptions()');
    const { baseUrl, region, fetch, transport, ...rest } = this.#options;
    // Each of these replaces the other one of its pair.
    const url = overrides.baseUrl === undefined && overrides.region === undefined ? { baseUrl, region } : {};
    const wire =
      overrides.fetch === undefined && overrides.transport === undefined ? { fetch, transport } : {};
    const client = new ChatClient(mergeOptions({ ...rest, ...url, ...wire }, overrides));
    checkOrigin(this.#http.baseUrl, client.#http.baseUrl, overrides.apiKey, 'apiKey');
    return client;
  }

  /** Asks a model for a whole answer (`POST /v1/chat/completions`). */
  complete(request: ChatCompletionRequest, options: ChatCallOptions = {}): CallPromise<ChatCompletion> {
    return callPromise(
      (async () => {
        checkOptions(options, CHAT_CALL_OPTIONS, 'complete()');
        return askForCompletion(this.#http, request, options);
      })(),
    );
  }

  /**
   * Asks a model for an answer in a schema (`POST /v1/chat/completions` with a strict `response_format`).
   *
   * @throws ModelRefusalError if the model refused, or a filter withheld the answer.
   * @throws OutputTruncatedError if the answer was cut off at the limit of tokens.
   * @throws OutputValidationError if the model gave an answer that is not of the schema.
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
    return callPromise(
      (async () => {
        checkOptions(options, CHAT_CALL_OPTIONS, 'parse()');
        return askForParsed(this.#http, request, options);
      })(),
    );
  }

  /**
   * Asks a model that may call tools: runs the tools that it asks for, tells it what they answered, and so on until it
   * answers without. Calls of one round run side by side.
   *
   * `signal` ends the whole run; everything else in `options` holds for each call of the model. Arguments that are not
   * of a tool's schema, and calls of tools that there are not, are told to the model, once for each tool.
   *
   * @throws ToolCallError if the model calls a tool wrongly again after it was told.
   * @throws MaxToolRoundsError if it still calls tools after `maxRounds`.
   * @throws OutputTruncatedError if a tool call was cut off at the limit of tokens.
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
    checkOptions(options, CHAT_CALL_OPTIONS, 'runTools()');
    checkOneAnswer(request);
    const deadline = new Deadline(options.signal);
    const { signal } = deadline;
    try {
      return await runTools(request, (asked) => this.complete(asked, { ...options, signal }), deadline);
    } finally {
      deadline[Symbol.dispose]();
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
    checkOptions(options, [...CHAT_CALL_OPTIONS, 'idleTimeoutMs'], 'stream()');
    const idleTimeoutMs =
      options.idleTimeoutMs === undefined
        ? this.#idleTimeoutMs
        : checkTimeout(options.idleTimeoutMs, 'idleTimeoutMs');
    return openStream(this.#http, request, options, idleTimeoutMs);
  }

  /** The models that the key may call (`GET /v1/models`). Costs no tokens. */
  models(options: ChatCallOptions = {}): CallPromise<Model[]> {
    return this.#http.call(() => {
      checkOptions(options, CHAT_CALL_OPTIONS, 'models()');
      return MODELS;
    }, options);
  }

  /**
   * Asks whether the service accepts the key, by listing its models: costs no tokens.
   *
   * Rejects where that cannot be known: a connection that fails, a 5xx, a 429.
   */
  async checkKey(options: ChatCallOptions = {}): Promise<KeyCheck> {
    try {
      checkOptions(options, CHAT_CALL_OPTIONS, 'checkKey()');
      await this.models(options);
      return { accepted: true };
    } catch (error) {
      const isRefusal =
        error instanceof AuthenticationError ||
        error instanceof InsufficientQuotaError ||
        error instanceof PermissionDeniedError;
      if (!isRefusal) throw error;
      return { accepted: false, code: error.code };
    }
  }
}

const MODELS: Endpoint<Model[]> = {
  method: 'GET',
  path: '/v1/models',
  retry: 'transient',
  decode: async (response, context) => {
    const body = await readJson(response, context, { fields: ['data', 'object'] });
    return checkShape(body, modelList, response, context).data ?? [];
  },
};

function dataPlaneUrl({ baseUrl, region, allowInsecureHttp }: ChatClientOptions): URL {
  if (baseUrl !== undefined && region !== undefined) {
    throw new ConfigurationError('`baseUrl` and `region` exclude each other.', { option: 'region' });
  }
  if (region !== undefined) return regionUrl(region);
  if (baseUrl !== undefined) return checkBaseUrl(baseUrl, '/v1', allowInsecureHttp);
  const variable = environmentVariable('DRUN_CHAT_URL');
  return checkBaseUrl(variable ?? SHARED_MODELS_URL, '/v1', allowInsecureHttp, 'DRUN_CHAT_URL');
}
