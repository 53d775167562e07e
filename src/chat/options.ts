import type { StandardSchemaV1 } from '@standard-schema/spec';
import type {
  CallOptions,
  FetchFunction,
  HeadersOption,
  RequestLogger,
  RetryListener,
} from '../http/call.ts';
import { CALL_OPTIONS, CLIENT_OPTIONS } from '../http/options.ts';
import type { Transport } from '../http/transport.ts';
import type { Credential } from '../secret/credential.ts';
import type { Tool } from './tool.ts';

/** Options of {@link ChatClient}. */
export interface ChatClientOptions {
  /**
   * API key, or a source of API keys such as a `KeyRing`.
   *
   * @defaultValue The environment variable `DRUN_API_KEY`.
   */
  readonly apiKey?: Credential | undefined;
  /** Region of a dedicated deployment: `sh-02` stands for `https://sh-02.d.run`. Excludes `baseUrl`. */
  readonly region?: string | undefined;
  /**
   * Base URL of the data plane, with or without `/v1`. Must be https, or http to a loopback address.
   *
   * @defaultValue The environment variable `DRUN_CHAT_URL`, or else `https://chat.d.run`.
   */
  readonly baseUrl?: string | URL | undefined;
  /**
   * Time limit of a call in milliseconds, including retries and the response body. For a stream, the time until the
   * first chunk. `Infinity` disables it.
   *
   * @defaultValue 600 000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Maximum time between two chunks of a stream in milliseconds. Comments and pings are not chunks. Time in which the
   * caller does not read is not counted.
   *
   * @defaultValue 60 000
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Maximum number of retries after 408, 409, 425, 429, 5xx and lost connections.
   *
   * @defaultValue 2
   */
  readonly maxRetries?: number | undefined;
  /** Replaces the global `fetch`. Excludes `transport`. */
  readonly fetch?: FetchFunction | undefined;
  /** Sends the requests instead of `fetch`, such as `nodeTransport()` of `drun-sdk/node`. */
  readonly transport?: Transport | undefined;
  /** Headers of every request. */
  readonly headers?: HeadersOption | undefined;
  /** Called before each retry. An error that it throws ends the call. */
  readonly onRetry?: RetryListener | undefined;
  /** Called after each request with method, path, status, duration and attempt; never with a body or a credential. */
  readonly logger?: RequestLogger | undefined;
  /**
   * Permits `http` to any host.
   *
   * @defaultValue false
   */
  readonly allowInsecureHttp?: boolean | undefined;
  /**
   * Permits use in a web page, where every visitor can read the API key.
   *
   * @defaultValue false
   */
  readonly dangerouslyAllowBrowser?: boolean | undefined;
}

/** Options of a call of {@link ChatClient}. */
export interface ChatCallOptions extends CallOptions {
  /** Replaces the client's own API key for this call. */
  readonly apiKey?: Credential | undefined;
}

/** Options that describe the format of a parsed reply. */
export interface SchemaOptions<Schema extends object> {
  /**
   * Standard Schema that provides a JSON Schema (zod, zod/mini, arktype, or valibot with `toStandardJsonSchema`).
   */
  readonly schema: Schema;
  /**
   * Name of the schema in the request.
   *
   * @defaultValue `answer`
   */
  readonly schemaName?: string | undefined;
}

/** Options of {@link ChatClient.parse}. */
export interface ChatParseOptions<Schema extends object> extends ChatCallOptions, SchemaOptions<Schema> {}

/** Options of {@link ChatClient.stream}. */
export interface ChatStreamOptions extends ChatCallOptions {
  /** Overrides the client's `idleTimeoutMs` for this stream, in milliseconds. */
  readonly idleTimeoutMs?: number | undefined;
}

/** Options of {@link ChatClient.stream} for a parsed reply. */
export interface ChatStreamParseOptions<Schema extends object>
  extends ChatStreamOptions,
    SchemaOptions<Schema> {}

/** Options of {@link ChatClient.runTools}. */
export interface RunToolsOptions extends ChatCallOptions {
  /** Tools that the model may call, as created by {@link defineTool}. */
  readonly tools: readonly Tool[];
  /**
   * Maximum number of rounds of tool calls.
   *
   * @defaultValue 10
   */
  readonly maxRounds?: number | undefined;
}

/** The schema of {@link ChatStreamParseOptions} at run time. */
export type AnySchemaOptions = Partial<SchemaOptions<StandardSchemaV1>>;

/** Names of the options above. */
export const CHAT_CLIENT_OPTIONS = [...CLIENT_OPTIONS, 'apiKey', 'region', 'idleTimeoutMs', 'transport'];
export const CHAT_CALL_OPTIONS = [...CALL_OPTIONS, 'apiKey'];
export const SCHEMA_OPTIONS = ['schema', 'schemaName'];
