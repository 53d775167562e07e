import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  AuthenticationError,
  ConfigurationError,
  InsufficientQuotaError,
  PermissionDeniedError,
} from '../errors/index.ts';
import { type AuthenticatedFetch, authenticatedFetch } from '../http/authenticated-fetch.ts';
import { regionUrl, validBaseUrl } from '../http/base-url.ts';
import { type CallPromise, callPromise } from '../http/call-response.ts';
import { CallScope } from '../http/call-scope.ts';
import { givenOrFromEnvironment, refuseBrowser } from '../http/environment.ts';
import { jsonAnswer } from '../http/read-json.ts';
import { sendByFetch } from '../http/send.ts';
import { Transport } from '../http/transport.ts';
import { validTimeout } from '../http/validate.ts';
import type { Secret } from '../secret/secret.ts';
import { askForCompletion, askForParsed } from './ask-for-completion.ts';
import type { ChatStream } from './chat-stream.ts';
import type { ChatCompletion, Model } from './completion.ts';
import type { SchemaOutput } from './json-schema.ts';
import { openStream } from './open-stream.ts';
import type {
  AnySchemaOptions,
  ChatCallOptions,
  ChatClientOptions,
  ChatParseOptions,
  ChatStreamOptions,
  ChatStreamParseOptions,
  RunToolsOptions,
} from './options.ts';
import type { ChatCompletionRequest, ChatStreamRequest } from './request.ts';
import { modelList } from './schema.ts';
import type { ParsedCompletion } from './structured-output.ts';
import { runTools, type ToolRunCompletion } from './tool-run.ts';
import { checkOneChoice } from './wire-request.ts';

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
  readonly #transport: Transport;
  readonly #idleTimeoutMs: number | undefined;

  /**
   * A `fetch` for other clients of the same service, such as `openai` and `@ai-sdk/openai-compatible`: sends the
   * client's API key in place of theirs, asks for another one when it is refused, and takes it out of errors. A
   * redirect is not followed; nothing else is changed. Rejects with a {@link ConfigurationError} for another host.
   */
  readonly fetch: AuthenticatedFetch;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ChatClientOptions = {}) {
    refuseBrowser('apiKey', options.dangerouslyAllowBrowser);
    const apiKey = givenOrFromEnvironment(options.apiKey, 'apiKey', 'DRUN_API_KEY');
    const baseUrl = dataPlaneUrl(options);
    const { region: _, ...rest } = options;
    this.#options = { ...rest, apiKey, baseUrl };
    this.#transport = new Transport({
      baseUrl,
      credential: apiKey,
      credentialOption: 'apiKey',
      timeoutMs: options.timeoutMs ?? 600_000,
      maxRetries: options.maxRetries ?? 2,
      fetch: options.fetch,
      sender: sendByFetch,
      headers: options.headers,
      onRetry: options.onRetry,
      logger: options.logger,
    });
    this.fetch = authenticatedFetch(this.#transport.bearer);
    this.#idleTimeoutMs = validTimeout(options.idleTimeoutMs ?? 60_000, 'idleTimeoutMs');
  }

  /**
   * Creates a client that overrides these options and shares the rest.
   *
   * @throws {ConfigurationError} If `baseUrl` or `region` leads to another origin and `apiKey` is missing.
   */
  withOptions(options: ChatClientOptions): ChatClient {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const base = 'region' in given && !('baseUrl' in given) ? omitBaseUrl(this.#options) : this.#options;
    const client = new ChatClient({ ...base, ...given });
    const before = this.#options.baseUrl as URL;
    if (!('apiKey' in given) && (client.#options.baseUrl as URL).origin !== before.origin) {
      const option = 'region' in given ? 'region' : 'baseUrl';
      throw new ConfigurationError(`\`${option}\` has another origin: pass an \`apiKey\` for it as well.`, {
        option,
      });
    }
    return client;
  }

  /** Asks a model for a whole answer (`POST /v1/chat/completions`). */
  complete(request: ChatCompletionRequest, options: ChatCallOptions = {}): CallPromise<ChatCompletion> {
    return callPromise(askForCompletion(this.#transport, request, options));
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
   * }, { schema: z.object({ city: z.string(), inhabitants: z.number() }) });
   * console.log(parsed.city);
   * ```
   */
  parse<Schema extends StandardSchemaV1>(
    request: ChatCompletionRequest,
    options: ChatParseOptions<Schema>,
  ): CallPromise<ParsedCompletion<SchemaOutput<Schema>>> {
    return callPromise(askForParsed(this.#transport, request, options));
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
   * }, { tools: [weather], maxRounds: 5 });
   * console.log(answer.choices[0].message.content, answer.rounds);
   * ```
   */
  async runTools(request: ChatCompletionRequest, options: RunToolsOptions): Promise<ToolRunCompletion> {
    checkOneChoice(request);
    const { tools, maxRounds, ...callOptions } = options ?? {};
    const scope = new CallScope(callOptions.signal, undefined);
    const { signal } = scope;
    try {
      const complete = (sent: ChatCompletionRequest): Promise<ChatCompletion> =>
        this.complete(sent, { ...callOptions, signal });
      return await runTools(request, { tools, maxRounds }, complete, scope);
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
    request: ChatStreamRequest,
    options: ChatStreamParseOptions<Schema>,
  ): ChatStream<ParsedCompletion<SchemaOutput<Schema>>>;
  stream(request: ChatStreamRequest, options?: ChatStreamOptions): ChatStream;
  stream(request: ChatStreamRequest, options: ChatStreamOptions & AnySchemaOptions = {}): ChatStream {
    const idleTimeoutMs =
      options.idleTimeoutMs === undefined
        ? this.#idleTimeoutMs
        : validTimeout(options.idleTimeoutMs, 'idleTimeoutMs');
    return openStream(this.#transport, request, options, idleTimeoutMs);
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
      return rejectionOf(error);
    }
  }
}

/** The result of {@link ApiKeyVerifier.verify}. */
export type VerifiedKey =
  | {
      readonly accepted: true;
      /** Ids of the models that the key may call. */
      readonly models: readonly string[];
    }
  | Extract<KeyCheck, { accepted: false }>;

/** Checks API keys against the data plane. A `KeyRing` uses one to test a new key before calls receive it. */
export interface ApiKeyVerifier {
  /**
   * Checks whether the service accepts an API key. Costs no tokens.
   *
   * @throws {RateLimitError | ServerError | ConnectionError | TimeoutError} If the service could not decide.
   */
  verify(secret: Secret, options?: { readonly signal?: AbortSignal | undefined }): Promise<VerifiedKey>;
}

/**
 * Creates a verifier of API keys.
 *
 * @param options - Options of {@link ChatClient}, without `apiKey`.
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
  return {
    async verify(secret, { signal } = {}) {
      try {
        const models = await new ChatClient({ ...options, apiKey: secret }).models({ signal });
        return { accepted: true, models: models.map(({ id }) => id) };
      } catch (error) {
        return rejectionOf(error);
      }
    },
  };
}

/** Reports a rejected key as a value; other errors do not say whether the key is accepted. */
function rejectionOf(error: unknown): Extract<KeyCheck, { accepted: false }> {
  const isRejection =
    error instanceof AuthenticationError ||
    error instanceof InsufficientQuotaError ||
    error instanceof PermissionDeniedError;
  if (!isRejection) throw error;
  return { accepted: false, code: error.code };
}

function omitBaseUrl({ baseUrl: _, ...options }: ChatClientOptions): ChatClientOptions {
  return options;
}

function dataPlaneUrl({ baseUrl, region, allowInsecureHttp }: ChatClientOptions): URL {
  if (baseUrl === undefined) return region === undefined ? new URL(SHARED_MODELS_URL) : regionUrl(region);
  if (region !== undefined) {
    throw new ConfigurationError('region stands for a baseUrl: give one of the two', { option: 'region' });
  }
  const url = validBaseUrl(baseUrl, allowInsecureHttp);
  // Other OpenAI clients are given the base URL with its version: who copies it from there means the same.
  url.pathname = url.pathname.replace(/\/v1\/*$/, '');
  return url;
}
