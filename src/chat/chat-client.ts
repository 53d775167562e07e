import {
  AuthenticationError,
  ConfigurationError,
  InsufficientQuotaError,
  PermissionDeniedError,
} from '../errors/index.ts';
import { check, checkOptions, invalid } from '../errors/invalid.ts';
import { type AuthenticatedFetch, authenticatedFetch } from '../http/authenticated-fetch.ts';
import { type CallPromise, callPromise, type Result } from '../http/call.ts';
import { type Endpoint, HttpClient } from '../http/client.ts';
import { invalidResponse, readJson } from '../http/errors.ts';
import {
  checkBaseUrl,
  checkFunction,
  checkOrigin,
  checkTimeout,
  environmentVariable,
  mergeOptions,
  optionOrVariable,
  refuseBrowser,
} from '../http/options.ts';
import { fetchTransport } from '../http/transport.ts';
import { isRecord } from '../internal/json.ts';
import type { AbortSignalLike } from '../internal/platform.ts';
import type { Secret } from '../secret/secret.ts';
import { ChatStream } from './chat-stream.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion, Model } from './completion.ts';
import {
  CHAT_CALL_OPTIONS,
  CHAT_CLIENT_OPTIONS,
  checkOneChoice,
  checkRequest,
  completionEndpoint,
  SCHEMA_OPTIONS,
  TOOL_OPTIONS,
} from './completions.ts';
import type { AnySchemaOptions } from './json-schema.ts';
import type {
  ChatCallOptions,
  ChatClientOptions,
  ChatParseOptions,
  ChatStreamOptions,
  RunToolsOptions,
  SchemaOptions,
  StreamToolsOptions,
} from './options.ts';
import type { ChatCompletionRequest, ChatStreamRequest } from './request.ts';
import type { Parsed, ParsedCompletion } from './structured-output.ts';
import type { Ask, ToolRunCompletion } from './tool-run.ts';
import { ToolStream } from './tool-stream.ts';
import type { SchemaOutput } from './tools.ts';

const SHARED_MODELS_URL = 'https://chat.d.run';

/** The result of {@link ChatClient.checkKey}. */
export type KeyCheck =
  | { readonly accepted: true }
  | {
      readonly accepted: false;
      /** The `code` of the corresponding SDK error. */
      readonly code: 'authentication_failed' | 'insufficient_quota' | 'permission_denied';
    };

/**
 * A client for the models on d.run.
 *
 * A failed call rejects with an error from `drun-sdk/errors`. An aborted call rejects with its signal's reason.
 *
 * @example
 * ```ts
 * import { ChatClient } from 'drun-sdk/chat';
 *
 * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY });
 * const completion = await chat.complete({
 *   model: 'public/deepseek-r1',
 *   messages: [{ role: 'user', content: 'Hello, model!' }],
 * });
 * console.log(completion.choices[0].message.content);
 * ```
 */
export class ChatClient {
  readonly #options: ChatClientOptions;
  readonly #http: HttpClient;
  readonly #idleTimeoutMs: number | undefined;

  /**
   * A `fetch` function for other clients, such as `openai` and `@ai-sdk/openai-compatible`. It replaces their API key
   * with this client's key, tries another key from the credential provider after a 401, and redacts keys in error
   * responses. It does not follow redirects, and rejects requests to other origins with {@link ConfigurationError}.
   */
  readonly fetch: AuthenticatedFetch;

  /** @throws {ConfigurationError} If an option is unknown or invalid. The message never contains a credential. */
  constructor(options: ChatClientOptions = {}) {
    checkOptions(options, CHAT_CLIENT_OPTIONS, 'ChatClient');
    refuseBrowser('apiKey', options.dangerouslyAllowBrowser);
    const fetch = checkFunction(options.fetch, 'fetch');
    if (fetch !== undefined && options.transport !== undefined) {
      throw new ConfigurationError('`fetch` and `transport` cannot be combined.', { option: 'transport' });
    }
    const apiKey = optionOrVariable(options.apiKey, 'apiKey', 'DRUN_API_KEY');
    const baseUrl = dataPlaneUrl(options);
    // Values from the environment are read once and passed to clients derived with `withOptions`.
    this.#options = { ...options, apiKey, baseUrl, region: undefined };
    this.#http = new HttpClient({
      ...options,
      baseUrl,
      credential: apiKey,
      credentialOption: 'apiKey',
      timeoutMs: options.timeoutMs ?? 600_000,
      transport: options.transport ?? fetchTransport(fetch),
    });
    this.fetch = authenticatedFetch(this.#http, fetch);
    this.#idleTimeoutMs = checkTimeout(options.idleTimeoutMs ?? 60_000, 'idleTimeoutMs');
  }

  /**
   * Returns a new client with the given options. All other options are copied from this client.
   *
   * @throws {ConfigurationError} If an option is invalid, or if this client's key would be sent to another origin.
   */
  withOptions(overrides: ChatClientOptions): ChatClient {
    checkOptions(overrides, CHAT_CLIENT_OPTIONS, 'withOptions()');
    const { baseUrl, fetch, transport, ...rest } = this.#options;
    const url = overrides.region === undefined ? { baseUrl } : {};
    const wire =
      overrides.fetch === undefined && overrides.transport === undefined ? { fetch, transport } : {};
    const client = new (this.constructor as typeof ChatClient)(
      mergeOptions({ ...rest, ...url, ...wire }, overrides),
    );
    checkOrigin(this.#http.baseUrl, client.#http.baseUrl, overrides.apiKey, 'apiKey');
    return client;
  }

  /** Requests a completion (`POST /v1/chat/completions`). */
  complete(request: ChatCompletionRequest, options: ChatCallOptions = {}): CallPromise<ChatCompletion> {
    const check = (): void => checkOptions(options, CHAT_CALL_OPTIONS, 'complete()');
    return this.#call(request, options, (reader) => reader.completion, check);
  }

  /**
   * Requests a completion whose text must match a schema, and parses the text. `parsed` is `null` if the model calls
   * tools instead of replying.
   *
   * @throws {ModelRefusalError} If the model refuses to reply, or a content filter withholds the reply.
   * @throws {OutputTruncatedError} If the reply is cut off at the token limit.
   * @throws {OutputValidationError} If the reply is not JSON or does not match the schema.
   */
  parse<Schema extends object>(
    request: ChatCompletionRequest,
    options: ChatParseOptions<Schema>,
  ): CallPromise<ParsedCompletion<SchemaOutput<Schema>>> {
    const check = (): void => {
      checkOptions(options, SCHEMA_OPTIONS, 'parse()');
      checkOneChoice(request);
      if (options.schema === undefined) throw invalid('schema', 'is missing');
    };
    return this.#call(request, options, (reader) => parse(reader, options.schema, options), check);
  }

  /**
   * Requests completions until the model stops calling tools. Runs the requested tools in parallel and sends their
   * results to the model. With a `schema`, the last reply is parsed as in {@link ChatClient.parse}.
   *
   * `signal` aborts the whole run; other call options apply to each request. Unknown tools and invalid arguments are
   * reported to the model, but only once per tool. Errors contain the conversation so far in `messages`.
   *
   * @throws {ToolCallError} If a tool is called incorrectly in two rounds, or `finish_reason` announces a missing call.
   * @throws {MaxToolRoundsError} If the model still calls tools after `maxRounds` rounds.
   * @throws {OutputTruncatedError} If a tool call is cut off.
   */
  async runTools<const Parameters extends readonly object[], Schema extends object = never>(
    request: ChatCompletionRequest,
    options: RunToolsOptions<Parameters> & Partial<SchemaOptions<Schema>>,
  ): Promise<Parsed<ToolRunCompletion, Schema>> {
    checkOptions(options, TOOL_OPTIONS, 'runTools()');
    const ask: Ask = (asked, signal) => this.#call(asked, { ...options, signal }, (reader) => reader);
    return new ToolStream<Parsed<ToolRunCompletion, Schema>>(
      checkOneChoice(request),
      options,
      ask,
    ).completion();
  }

  /**
   * Runs tools like {@link ChatClient.runTools}, but streams the completions. Emits text, reasoning, tool calls and
   * their results as events.
   */
  streamTools<const Parameters extends readonly object[], Schema extends object = never>(
    request: ChatCompletionRequest,
    options: StreamToolsOptions<Parameters> & Partial<SchemaOptions<Schema>>,
  ): ToolStream<Parsed<ToolRunCompletion, Schema>> {
    checkOptions(options, [...TOOL_OPTIONS, 'idleTimeoutMs'], 'streamTools()');
    const open = (asked: ChatCompletionRequest, signal: AbortSignal): ChatStream<ChunkReader> =>
      this.#open(asked, { ...options, signal }, (reader) => reader);
    return new ToolStream(checkOneChoice(request), options, async function* (asked, signal) {
      const stream = open(asked, signal);
      for await (const { choices } of stream) {
        for (const { delta } of choices) {
          const reasoning = delta.reasoning_content || delta.reasoning;
          if (reasoning) yield { type: 'reasoning', text: reasoning };
          if (delta.content) yield { type: 'text', text: delta.content };
        }
      }
      return stream.completion();
    });
  }

  /**
   * Requests a streamed completion. The request is sent when the stream is first used, and retried if it fails before
   * the first chunk. With a `schema`, {@link ChatStream.completion} returns the result of {@link ChatClient.parse}.
   *
   * `timeoutMs` limits the time until the first chunk arrives; `idleTimeoutMs` limits the time between two chunks.
   */
  stream<Schema extends object = never>(
    request: ChatStreamRequest,
    options: ChatStreamOptions & Partial<SchemaOptions<Schema>> = {},
  ): ChatStream<Parsed<ChatCompletion, Schema>> {
    checkOptions(options, [...SCHEMA_OPTIONS, 'idleTimeoutMs'], 'stream()');
    const { schema } = options;
    if (schema !== undefined) checkOneChoice(request);
    return this.#open(request, options, (reader) =>
      schema === undefined ? reader.completion : parse(reader, schema, options),
    ) as ChatStream<Parsed<ChatCompletion, Schema>>;
  }

  /** Lists the models that the key may call (`GET /v1/models`). Uses no tokens. */
  models(options: ChatCallOptions = {}): CallPromise<Model[]> {
    return this.#http.call(() => {
      checkOptions(options, CHAT_CALL_OPTIONS, 'models()');
      return MODELS;
    }, options);
  }

  /**
   * Checks whether the service accepts the key, by listing the models that the key may call. Uses no tokens.
   *
   * @throws {RateLimitError | ServerError | ConnectionError | TimeoutError} If the check is inconclusive.
   */
  async checkKey(options: ChatCallOptions = {}): Promise<KeyCheck> {
    const result = await verify(this.models(options));
    return result.accepted ? { accepted: true } : result;
  }

  /** Requests a non-streaming completion. If `check` throws, the call rejects. */
  #call<T>(
    request: ChatCompletionRequest,
    options: ChatCallOptions & AnySchemaOptions,
    finish: (reader: ChunkReader) => T | Promise<T>,
    check?: () => void,
  ): CallPromise<T> {
    const send = async (): Promise<Result<T>> => {
      check?.();
      const endpoint = await completionEndpoint(request, options, false);
      const { data, response } = await this.#http.send(endpoint, options);
      return { data: await finish(data), response };
    };
    return callPromise(send());
  }

  #open<Completion>(
    request: ChatStreamRequest,
    options: ChatStreamOptions & AnySchemaOptions,
    complete: (reader: ChunkReader) => Completion | Promise<Completion>,
  ): ChatStream<Completion> {
    checkRequest(request);
    const { idleTimeoutMs } = options;
    const limit =
      idleTimeoutMs === undefined ? this.#idleTimeoutMs : checkTimeout(idleTimeoutMs, 'idleTimeoutMs');
    return new ChatStream({
      deadline: () => this.#http.deadline(options),
      send: async (deadline) => {
        const endpoint = await completionEndpoint(request, { ...options, idleTimeoutMs: limit }, true);
        return this.#http.request(endpoint, deadline, options);
      },
      complete,
    });
  }
}

/** Parses a reply. The parser is imported dynamically, so that it is loaded only if a schema is used. */
async function parse(
  reader: ChunkReader,
  schema: object,
  { signal }: ChatCallOptions,
): Promise<ParsedCompletion<never>> {
  const { parseReply } = await import('./structured-output.ts');
  return parseReply(reader.completion, schema, reader, signal);
}

/** The result of {@link ApiKeyVerifier.verify}. */
export type VerifiedKey =
  | {
      readonly accepted: true;
      /** Ids of the models that the key may call. */
      readonly models: readonly string[];
    }
  | Extract<KeyCheck, { accepted: false }>;

/** Checks API keys by calling the data plane. A `KeyRing` uses a verifier to check each new key before using it. */
export interface ApiKeyVerifier {
  /**
   * Checks whether the service accepts an API key. Uses no tokens.
   *
   * @throws {RateLimitError | ServerError | ConnectionError | TimeoutError} If the check is inconclusive.
   */
  verify(secret: Secret, options?: { readonly signal?: AbortSignalLike | undefined }): Promise<VerifiedKey>;
}

/**
 * Creates an API key verifier.
 *
 * @param options - Options for {@link ChatClient}, except `apiKey`.
 *
 * @example
 * ```ts
 * import { keyVerifier, Secret } from 'drun-sdk';
 *
 * const verifier = keyVerifier();
 * const result = await verifier.verify(new Secret(process.env.DRUN_API_KEY ?? ''));
 * if (result.accepted) console.log(result.models);
 * ```
 */
export function keyVerifier(options: Omit<ChatClientOptions, 'apiKey'> = {}): ApiKeyVerifier {
  checkOptions(options, VERIFIER_OPTIONS, 'keyVerifier()');
  return {
    verify: async (secret, callOptions = {}) => {
      checkOptions(callOptions, ['signal'], 'verify()');
      return verify(new ChatClient({ ...options, apiKey: secret }).models(callOptions));
    },
  };
}

const VERIFIER_OPTIONS = CHAT_CLIENT_OPTIONS.filter((name) => name !== 'apiKey');

/** @throws {DrunError} If the check is inconclusive. */
async function verify(list: Promise<Model[]>): Promise<VerifiedKey> {
  try {
    return { accepted: true, models: (await list).map(({ id }) => id) };
  } catch (error) {
    const isRejection =
      error instanceof AuthenticationError ||
      error instanceof InsufficientQuotaError ||
      error instanceof PermissionDeniedError;
    if (!isRejection) throw error;
    return { accepted: false, code: error.code };
  }
}

const MODELS: Endpoint<Model[]> = {
  method: 'GET',
  path: '/v1/models',
  retry: 'transient',
  decode: async (response, context) => {
    const { data } = await readJson(response, context, { fields: ['data', 'object'] });
    if (data === undefined || data === null) return [];
    const isModel = (value: unknown): value is Model => isRecord(value) && typeof value.id === 'string';
    if (Array.isArray(data) && data.every(isModel)) return data;
    throw invalidResponse(response, context, `${response.status} with a model list in an unexpected format`);
  },
};

function dataPlaneUrl({ baseUrl, region, allowInsecureHttp }: ChatClientOptions): URL {
  if (baseUrl !== undefined && region !== undefined) {
    throw new ConfigurationError('`baseUrl` and `region` cannot be combined.', { option: 'region' });
  }
  if (region !== undefined) {
    const isHostLabel = typeof region === 'string' && /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/.test(region);
    check(isHostLabel, 'region', 'must be the first label of a host name, such as "sh-02"');
    return new URL(`https://${region}.d.run`);
  }
  if (baseUrl !== undefined) return checkBaseUrl(baseUrl, '/v1', allowInsecureHttp);
  const variable = environmentVariable('DRUN_CHAT_URL');
  return checkBaseUrl(variable ?? SHARED_MODELS_URL, '/v1', allowInsecureHttp, 'DRUN_CHAT_URL');
}
