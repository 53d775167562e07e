import { check, checkOptions } from '../errors/invalid.ts';
import type { CallOptions, CallPromise, FetchFunction, Result } from '../http/call.ts';
import { type Endpoint, HttpClient } from '../http/client.ts';
import type { Deadline } from '../http/deadline.ts';
import * as config from '../http/options.ts';
import { callFetch, fetchResponse, type Transport } from '../http/transport.ts';
import { checkInt32 } from './endpoints.ts';
import type { ApiKeysOptions, WorkspaceApiKeysOptions } from './types.ts';

const CONSOLE_URL = 'https://console.d.run';
const API_ROOT = '/apis/hydra.io/v1alpha1';

type Options = ApiKeysOptions & Partial<WorkspaceApiKeysOptions>;

/** Sends one request as part of a call. */
export type Send = <T>(endpoint: Endpoint<T>) => Promise<Result<T>>;

/** Sends control-plane requests for the keys of one account or workspace. */
export class ControlPlane {
  /** The workspace number; `undefined` if the keys belong to an account. */
  readonly workspace: number | undefined;
  /** Whether the server has an endpoint for masked lists (0.17 or later); `undefined` until a list has been read. */
  hasMaskedList: boolean | undefined;
  readonly #names: readonly string[];
  readonly #options: Options;
  readonly #http: HttpClient;

  /** @throws {ConfigurationError} If an option is invalid. */
  constructor(options: Options, owner: 'ApiKeys' | 'WorkspaceApiKeys') {
    const isAccount = owner === 'ApiKeys';
    this.#names = ['accessToken', ...(isAccount ? [] : ['workspace']), ...config.CLIENT_OPTIONS, 'language'];
    checkOptions(options, this.#names, owner);
    config.refuseBrowser('accessToken', options.dangerouslyAllowBrowser);
    const { language = 'en', allowInsecureHttp } = options;
    const isLanguage = typeof language === 'string' && /^[a-z\d]+(?:-[a-z\d]+)*$/i.test(language);
    check(isLanguage, 'language', 'must be a language tag such as `en`');
    const source = options.baseUrl === undefined ? 'DRUN_CONSOLE_URL' : '`baseUrl`';
    const url = options.baseUrl ?? config.environmentVariable('DRUN_CONSOLE_URL') ?? CONSOLE_URL;
    const baseUrl = config.checkBaseUrl(url, API_ROOT, allowInsecureHttp, source);
    const accessToken = config.optionOrVariable(options.accessToken, 'accessToken', 'DRUN_ACCESS_TOKEN');
    this.workspace = isAccount ? undefined : checkInt32(options.workspace, 'workspace');
    // Values from the environment are read once and passed to clients derived with `withOptions`.
    this.#options = { ...options, baseUrl, accessToken };
    this.#http = new HttpClient({
      ...options,
      baseUrl: new URL(baseUrl.href.replace(/\/*$/, API_ROOT)),
      credential: accessToken,
      credentialOption: 'accessToken',
      timeoutMs: options.timeoutMs ?? 30_000,
      transport: kyTransport(config.checkFunction(options.fetch, 'fetch')),
      defaultHeaders: { 'accept-language': language },
    });
  }

  /**
   * Returns the options of a client derived with `withOptions`.
   *
   * @throws {ConfigurationError} If the derived client would send this client's access token to another origin.
   */
  deriveOptions(overrides: Options): Options {
    checkOptions(overrides, this.#names, 'withOptions()');
    const merged = config.mergeOptions(this.#options, overrides);
    const next = URL.parse(String(merged.baseUrl)) ?? this.#http.baseUrl;
    config.checkOrigin(this.#http.baseUrl, next, overrides.accessToken, 'accessToken');
    return merged;
  }

  /**
   * Sends one request, retrying it if necessary. If `endpoint` throws, the call rejects.
   *
   * @param method - Name of the method, such as `delete()`, for error messages about its options.
   */
  call<T>(method: string, endpoint: () => Endpoint<T>, options: CallOptions): CallPromise<T> {
    return this.#http.call(() => {
      checkOptions(options, config.CALL_OPTIONS, method);
      return this.#resolve(endpoint());
    }, options);
  }

  /** Returns a function that applies `timeoutMs` to each request it sends. For calls that need several requests. */
  sender(options: CallOptions): Send {
    return (endpoint) => this.#http.send(this.#resolve(endpoint), options);
  }

  /** Sends one request within the deadline of a call. The caller must dispose of the deadline. */
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

/**
 * Creates a transport that uses ky, which is loaded on the first request, so that importing the package stays fast. ky's
 * own retries and timeouts are disabled, because they cannot replace a rejected credential or share a deadline, and
 * because ky's errors contain the request headers.
 */
function kyTransport(fetch: FetchFunction | undefined): Transport {
  return {
    send: async ({ url, method, headers: { authorization = '', ...headers }, body, signal }) => {
      const { default: ky } = await import('ky');
      const response = await ky(url, {
        method,
        headers,
        retry: 0,
        timeout: false,
        throwHttpErrors: false,
        fetch: (input) => {
          const request = input as Request;
          // The credential is added here, so that ky never sees it.
          const all = { ...Object.fromEntries(request.headers), authorization };
          return callFetch(fetch, request.url, { method, headers: all, body, signal });
        },
      });
      return fetchResponse(response);
    },
  };
}
