import type * as z from 'zod/mini';
import { ConfigurationError } from '../errors/index.ts';
import { type CallOptions, type CallPromise, callPromise, type Result } from '../http/call.ts';
import { type Endpoint, HttpClient } from '../http/client.ts';
import type { Deadline } from '../http/deadline.ts';
import type { ResponseContext } from '../http/errors.ts';
import { kyTransport } from '../http/ky-transport.ts';
import {
  CLIENT_OPTIONS,
  checkFunction,
  checkOptions,
  checkOrigin,
  environmentVariable,
  optionOrVariable,
  refuseBrowser,
} from '../http/options.ts';
import { type BodyRules, checkShape, readJson } from '../http/response.ts';
import type { TransportResponse } from '../http/transport.ts';
import { checkBaseUrl } from '../http/url.ts';
import type { KeyScope } from './key-scope.ts';
import type { ApiKeysOptions } from './options.ts';

const CONSOLE_URL = 'https://console.d.run';
const API_ROOT = '/apis/hydra.io/v1alpha1';

/** Carries out one operation as a part of a call that may consist of several. */
export type Perform = <Answer>(operation: Endpoint<Answer>) => Promise<Result<Answer>>;

/** Decodes a JSON body that has the fields of the contract, and that fits the schema. */
export function decodeJson<Schema extends z.ZodMiniType, Answer>(
  rules: BodyRules,
  schema: Schema,
  make: (parsed: z.output<Schema>, response: TransportResponse, context: ResponseContext) => Answer,
): Endpoint<Answer>['decode'] {
  return async (response, context) => {
    const body = await readJson(response, context, rules);
    return make(checkShape(body, schema, response, context), response, context);
  };
}

/** The fields of an API key that tell it from anything else. */
export const KEY_FIELDS = ['id', 'name', 'key', 'creationTimestamp'];

/** The part of the control plane that manages the API keys of an account or a workspace. */
export class ControlPlane {
  readonly scope: KeyScope;
  /** Tells it apart from any other one: keys of the same place can be taken for each other. */
  readonly address: string;
  readonly #options: ApiKeysOptions;
  readonly #http: HttpClient;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ApiKeysOptions, scope: KeyScope) {
    const names = [...CLIENT_OPTIONS, 'accessToken', 'language', ...Object.keys(scope.params)];
    checkOptions(options, names, scope.kind === 'account' ? 'ApiKeys' : 'WorkspaceApiKeys');
    refuseBrowser('accessToken', options.dangerouslyAllowBrowser);
    const language = options.language ?? 'en';
    if (typeof language !== 'string' || !/^[a-z\d]+(?:-[a-z\d]+)*$/i.test(language)) {
      throw new ConfigurationError('`language` must be a language tag, such as "en" or "zh".', {
        option: 'language',
      });
    }
    const { baseUrl: given, allowInsecureHttp } = options;
    const url = given ?? environmentVariable('DRUN_CONSOLE_URL') ?? CONSOLE_URL;
    const source = given === undefined ? 'DRUN_CONSOLE_URL' : '`baseUrl`';
    const baseUrl = checkBaseUrl(url, API_ROOT, allowInsecureHttp, source);
    baseUrl.pathname += baseUrl.pathname.endsWith('/') ? API_ROOT.slice(1) : API_ROOT;
    this.scope = scope;
    this.address = [baseUrl.href, ...Object.values(scope.params)].join(' ');
    this.#options = { ...options };
    this.#http = new HttpClient({
      baseUrl,
      credential: optionOrVariable(options.accessToken, 'accessToken', 'DRUN_ACCESS_TOKEN'),
      credentialOption: 'accessToken',
      timeoutMs: options.timeoutMs ?? 30_000,
      maxRetries: options.maxRetries ?? 2,
      transport: kyTransport(checkFunction(options.fetch, 'fetch')),
      headers: options.headers,
      defaultHeaders: { 'accept-language': language },
      onRetry: options.onRetry,
      logger: options.logger,
    });
  }

  get options(): ApiKeysOptions {
    return this.#options;
  }

  /** @throws ConfigurationError if another control plane must not be sent this one's access token. */
  checkOrigin(next: ControlPlane, accessToken: unknown): void {
    checkOrigin(this.#http.baseUrl, next.#http.baseUrl, accessToken, 'accessToken');
  }

  /** A call of one operation. What making the operation throws, the call rejects with. */
  call<Answer>(make: () => Endpoint<Answer>, options: CallOptions): CallPromise<Answer> {
    const perform = this.performer(options);
    return callPromise((async () => perform(make()))());
  }

  /** Carries out operations each within a time of its own. */
  performer(options: CallOptions): Perform {
    return async (operation) => {
      const deadline = this.deadline(options);
      try {
        return await this.performerIn(deadline, options)(operation);
      } finally {
        deadline[Symbol.dispose]();
      }
    };
  }

  /** Carries out operations all within the time of one call. */
  performerIn(deadline: Deadline, options: CallOptions): Perform {
    return async (operation) => {
      const { path, params } = this.scope;
      const endpoint = {
        ...operation,
        path: path + operation.path,
        params: { ...params, ...operation.params },
      };
      return this.#http.request(endpoint, deadline, options);
    };
  }

  /** The deadline of a call that consists of several operations; it has to be disposed of. */
  deadline(options: CallOptions): Deadline {
    return this.#http.deadline(options);
  }
}
