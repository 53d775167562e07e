import type { FetchFunction, HeadersOption, RequestLogger, RetryListener } from '../http/call.ts';
import type { Credential } from '../secret/credential.ts';

/** How an {@link ApiKeys} client is set up. */
export interface ApiKeysOptions {
  /**
   * An access token of the console (Personal Center, Access Keys). Default: the environment variable
   * `DRUN_ACCESS_TOKEN`, where there is a process.
   */
  readonly accessToken?: Credential | undefined;
  /**
   * URL of the control plane: https, or http to this machine. Default: the environment variable `DRUN_CONSOLE_URL`, or
   * else `https://console.d.run`.
   */
  readonly baseUrl?: string | URL | undefined;
  /** How long a call may take in milliseconds, its repetitions and its answer included. Default: 30 000. */
  readonly timeoutMs?: number | undefined;
  /** How often a call is repeated where that is safe and may help. Default: 2. */
  readonly maxRetries?: number | undefined;
  /** Used in place of the global `fetch`. */
  readonly fetch?: FetchFunction | undefined;
  /** Sent with every call. */
  readonly headers?: HeadersOption | undefined;
  /** The language of the service's messages (`Accept-Language`), such as `en` or `zh`. Default: `en`. */
  readonly language?: string | undefined;
  /** Is told before a call is repeated. What it throws ends the call. */
  readonly onRetry?: RetryListener | undefined;
  /** Is told of every request: method, path, status, duration, attempt; never an id, a body or a credential. */
  readonly logger?: RequestLogger | undefined;
  /** Permits http to any host. Default: false, only to this machine. */
  readonly allowInsecureHttp?: boolean | undefined;
  /** Allows use in a page, where every visitor can read the access token. Default: false. */
  readonly dangerouslyAllowBrowser?: boolean | undefined;
}

/** How a {@link WorkspaceApiKeys} client is set up. */
export interface WorkspaceApiKeysOptions extends ApiKeysOptions {
  /** The number of the workspace whose keys are managed. */
  readonly workspace: number;
}
