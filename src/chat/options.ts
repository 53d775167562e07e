import type { CallOptions, ClientOptions } from '../http/call.ts';
import type { Transport } from '../http/transport.ts';
import type { PlatformUrl } from '../internal/platform.ts';
import type { Credential } from '../secret/secret.ts';
import type { CustomToolDefinition, Tool } from './tools.ts';

/** Options for {@link ChatClient}. */
export interface ChatClientOptions extends ClientOptions {
  /** API key, or a source of API keys such as a `KeyRing`. @defaultValue The environment variable `DRUN_API_KEY`. */
  readonly apiKey?: Credential | undefined;
  /** Region of a dedicated deployment, such as `sh-02` for `https://sh-02.d.run`. Cannot be combined with `baseUrl`. */
  readonly region?: string | undefined;
  /**
   * Base URL of the data plane, with or without `/v1`. An `http` URL requires a loopback host or `allowInsecureHttp`.
   *
   * @defaultValue The environment variable `DRUN_CHAT_URL`, or `https://chat.d.run` if it is not set.
   */
  readonly baseUrl?: string | PlatformUrl | undefined;
  /**
   * Time limit for a call in milliseconds, including retries and the response body. For a stream, the limit applies
   * until the first chunk arrives. `Infinity` disables the limit. @defaultValue 600 000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Maximum time between two chunks of a stream, in milliseconds. Comments and pings do not count as chunks. The timer
   * is paused while the caller is not reading. @defaultValue 60 000
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * A transport to use instead of `fetch`, such as `nodeTransport()` from `drun-sdk/node`. Cannot be combined with
   * the `fetch` option.
   */
  readonly transport?: Transport | undefined;
}

/** Options for a single {@link ChatClient} call. */
export interface ChatCallOptions extends CallOptions {
  /** Overrides the client's `apiKey` for this call. */
  readonly apiKey?: Credential | undefined;
}

/** Options for {@link ChatClient.stream}. */
export interface ChatStreamOptions extends ChatCallOptions {
  /** Overrides the client's `idleTimeoutMs` for this stream, in milliseconds. */
  readonly idleTimeoutMs?: number | undefined;
}

/** Options for replies that must match a schema. */
export interface SchemaOptions<Schema extends object> {
  /**
   * A Standard Schema that provides a JSON Schema (zod, zod/mini, arktype, or valibot with `toStandardJsonSchema`), or
   * a plain JSON Schema. With a plain JSON Schema, the reply is parsed but not validated.
   */
  readonly schema: Schema;
  /** Name of the schema in the request. @defaultValue `answer` */
  readonly schemaName?: string | undefined;
  /**
   * Whether to request strict adherence to the schema. @defaultValue `true` if OpenAI's strict mode supports the
   * schema.
   */
  readonly strict?: boolean | undefined;
}

/** Options for {@link ChatClient.parse}. */
export interface ChatParseOptions<Schema extends object> extends ChatCallOptions, SchemaOptions<Schema> {}

/** Options for {@link ChatClient.runTools}. `Parameters` is the type of the tools' parameter schemas. */
export interface RunToolsOptions<Parameters extends readonly object[] = readonly object[]>
  extends ChatCallOptions {
  /** Tools that the model may call. Custom tools are also sent, but the caller must handle calls to them. */
  readonly tools: { readonly [I in keyof Parameters]: Tool<Parameters[I]> | CustomToolDefinition };
  /** Maximum number of rounds of tool calls. @defaultValue 10 */
  readonly maxRounds?: number | undefined;
}

/** Options for {@link ChatClient.streamTools}. */
export interface StreamToolsOptions<Parameters extends readonly object[] = readonly object[]>
  extends RunToolsOptions<Parameters>,
    ChatStreamOptions {}
