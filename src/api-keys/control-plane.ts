import { ConfigurationError } from '../errors/index.ts';
import { validBaseUrl } from '../http/base-url.ts';
import type { CallOptions } from '../http/call-options.ts';
import type { CallPromise } from '../http/call-response.ts';
import { givenOrFromEnvironment, refuseBrowser } from '../http/environment.ts';
import { sendByKy } from '../http/send-by-ky.ts';
import { Transport } from '../http/transport.ts';
import { type Deadline, type Endpoint, HttpClient, type Result } from './http-adapter.ts';
import type { ApiKeysOptions, WorkspaceApiKeysOptions } from './types.ts';

const CONSOLE_URL = 'https://console.d.run';
const API_ROOT = '/apis/hydra.io/v1alpha1';

/** Sends one request as part of a call. */
export type Send = <T>(endpoint: Endpoint<T>) => Promise<Result<T>>;

/** Requests to the control plane about the keys of one account or workspace. */
export class ControlPlane {
  /** Absent for an account. */
  readonly workspace: number | undefined;
  /** Whether the server masks lists and shows keys again, as servers from 0.17 do; undefined until a list was read. */
  hasMaskedList: boolean | undefined;
  readonly #http: HttpClient;
  readonly #options: WorkspaceApiKeysOptions;

  /** @throws {ConfigurationError} If an option cannot be used. */
  constructor(options: ApiKeysOptions & Partial<WorkspaceApiKeysOptions>, kind: 'account' | 'workspace') {
    this.workspace = kind === 'workspace' ? checkWorkspace(options.workspace) : undefined;
    refuseBrowser('accessToken', options.dangerouslyAllowBrowser);
    const language = options.language ?? 'en';
    if (typeof language !== 'string' || !/^[a-z\d]+(?:-[a-z\d]+)*$/i.test(language)) {
      throw new ConfigurationError('`language` must be a language tag, such as `en` or `zh`.', {
        option: 'language',
      });
    }
    const baseUrl = validBaseUrl(options.baseUrl ?? CONSOLE_URL);
    const accessToken = givenOrFromEnvironment(options.accessToken, 'accessToken', 'DRUN_ACCESS_TOKEN');
    this.#options = { ...options, workspace: this.workspace ?? 0, baseUrl, accessToken };
    this.#http = new HttpClient(
      new Transport({
        baseUrl: joinPath(baseUrl, API_ROOT),
        credential: accessToken,
        credentialOption: 'accessToken',
        timeoutMs: options.timeoutMs ?? 30_000,
        maxRetries: options.maxRetries ?? 2,
        fetch: options.fetch,
        sender: sendByKy,
        headers: options.headers,
        defaultHeaders: { 'accept-language': language },
        onRetry: options.onRetry,
        logger: options.logger,
      }),
    );
  }

  /** The options of a client that overrides some of this one's. */
  mergeOptions(options: Partial<WorkspaceApiKeysOptions>): WorkspaceApiKeysOptions {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const merged: WorkspaceApiKeysOptions = { ...this.#options, ...given };
    const isSameOrigin =
      new URL(String(merged.baseUrl)).origin === new URL(String(this.#options.baseUrl)).origin;
    if (!isSameOrigin && options.accessToken === undefined) {
      throw new ConfigurationError('A `baseUrl` of another origin requires `accessToken` in the same call.', {
        option: 'accessToken',
      });
    }
    return merged;
  }

  /** A call of one request. If `endpoint` throws, the call rejects. */
  call<T>(endpoint: () => Endpoint<T>, options: CallOptions): CallPromise<T> {
    return this.#http.call(() => this.#resolve(endpoint()), options);
  }

  /** For calls of several requests, each with its own `timeoutMs`. */
  sender(options: CallOptions): Send {
    return async (endpoint) => {
      const deadline = this.deadline(options);
      try {
        return await this.request(endpoint, deadline, options);
      } finally {
        deadline[Symbol.dispose]();
      }
    };
  }

  /** A request of a call that owns the deadline. */
  request<T>(endpoint: Endpoint<T>, deadline: Deadline, options: CallOptions): Promise<Result<T>> {
    return this.#http.request(this.#resolve(endpoint), deadline, options);
  }

  deadline(options: CallOptions): Deadline {
    return this.#http.deadline(options);
  }

  #resolve<T>(endpoint: Endpoint<T>): Endpoint<T> {
    if (this.workspace === undefined) return endpoint;
    return {
      ...endpoint,
      path: `/workspaces/{workspace}${endpoint.path}`,
      params: { ...endpoint.params, workspace: String(this.workspace) },
    };
  }
}

function checkWorkspace(workspace: number | undefined): number {
  if (Number.isInteger(workspace) && Number(workspace) >= 1 && Number(workspace) < 2 ** 31)
    return Number(workspace);
  throw new ConfigurationError('`workspace` must be the number of a workspace: an integer of 1 or more.', {
    option: 'workspace',
  });
}

function joinPath(base: URL, path: string): URL {
  return new URL(base.origin + base.pathname.replace(/\/+$/, '') + path);
}
