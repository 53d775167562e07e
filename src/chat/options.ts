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

/** How a {@link ChatClient} is set up. */
export interface ChatClientOptions {
  /** An API key, or where one comes from. Default: the environment variable `DRUN_API_KEY`, where there is a process. */
  readonly apiKey?: Credential | undefined;
  /** The region of a dedicated deployment: `sh-02` stands for `https://sh-02.d.run`. Not together with `baseUrl`. */
  readonly region?: string | undefined;
  /**
   * URL of the data plane: https, or http to this machine. It may end in `/v1`. Default: the environment variable
   * `DRUN_CHAT_URL`, or else `https://chat.d.run`, the shared models.
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
  /** Used instead of the global `fetch`. Not together with `transport`. */
  readonly fetch?: FetchFunction | undefined;
  /** Sends the requests instead of `fetch`, such as `nodeTransport()` of `drun-sdk/node`. */
  readonly transport?: Transport | undefined;
  /** Sent with every call. */
  readonly headers?: HeadersOption | undefined;
  /** Is told before a call is repeated. What it throws ends the call. */
  readonly onRetry?: RetryListener | undefined;
  /** Is told of every request: method, path, status, duration, attempt; never a body or a credential. */
  readonly logger?: RequestLogger | undefined;
  /** Permits http to any host. Default: false, only to this machine. */
  readonly allowInsecureHttp?: boolean | undefined;
  /** Allows use in a page, where every visitor can read the API key. Default: false. */
  readonly dangerouslyAllowBrowser?: boolean | undefined;
}

/** The names of the options above, and of the calls below. */
export const CHAT_CLIENT_OPTIONS = [...CLIENT_OPTIONS, 'apiKey', 'region', 'idleTimeoutMs', 'transport'];
export const CHAT_CALL_OPTIONS = [...CALL_OPTIONS, 'apiKey'];

/** The last argument of a {@link ChatClient}'s calls. */
export interface ChatCallOptions extends CallOptions {
  /** Used for this call in place of the client's own key. */
  readonly apiKey?: Credential | undefined;
}

/** The last argument of {@link ChatClient.stream}. */
export interface ChatStreamOptions extends ChatCallOptions {
  /** Overrides the client's `idleTimeoutMs` for this stream, in milliseconds. */
  readonly idleTimeoutMs?: number | undefined;
}
