import { ConfigurationError } from '../errors/index.ts';
import { validBaseUrl } from '../http/base-url.ts';
import type { CallOptions } from '../http/call-options.ts';
import { type Answered, type CallPromise, callPromise } from '../http/call-response.ts';
import type { CallScope } from '../http/call-scope.ts';
import { givenOrFromEnvironment, refuseBrowser } from '../http/environment.ts';
import { sendByKy } from '../http/send-by-ky.ts';
import { type Operation, Transport } from '../http/transport.ts';
import type { KeyScope } from './key-scope.ts';
import type { ApiKeysOptions } from './options.ts';

const CONSOLE_URL = 'https://console.d.run';
const API_ROOT = ['apis', 'hydra.io', 'v1alpha1'] as const;

/** One thing that the control plane can be asked for; where its path begins depends on whose keys it is about. */
export interface KeyOperation<Answer> extends Omit<Operation<Answer>, 'label'> {
  /** The path as messages show it, without ids: `/apikeys/{id}`. */
  readonly pattern: string;
}

/** Carries out one operation as a part of a call that may consist of several. */
export type Perform = <Answer>(operation: KeyOperation<Answer>) => Promise<Answered<Answer>>;

/** The part of the control plane that manages the API keys of an account or a workspace. */
export class ControlPlane {
  readonly scope: KeyScope;
  /** Tells it apart from any other one: keys of the same place can be taken for each other. */
  readonly address: string;
  readonly #transport: Transport;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ApiKeysOptions, scope: KeyScope) {
    refuseBrowser('accessToken', options.dangerouslyAllowBrowser);
    const language = options.language ?? 'en';
    if (typeof language !== 'string' || !/^[a-z\d]+(?:-[a-z\d]+)*$/i.test(language)) {
      throw new ConfigurationError('language must be a language tag, such as en or zh', {
        option: 'language',
      });
    }
    const baseUrl = validBaseUrl(options.baseUrl ?? CONSOLE_URL);
    this.scope = scope;
    this.address = [baseUrl.href, ...scope.segments].join(' ');
    this.#transport = new Transport({
      baseUrl,
      credential: givenOrFromEnvironment(options.accessToken, 'accessToken', 'DRUN_ACCESS_TOKEN'),
      credentialOption: 'accessToken',
      timeoutMs: options.timeoutMs ?? 30_000,
      maxRetries: options.maxRetries ?? 2,
      fetch: options.fetch,
      sender: sendByKy,
      headers: options.headers,
      defaultHeaders: { 'accept-language': language },
      onRetry: options.onRetry,
      logger: options.logger,
    });
  }

  /** A call of one operation. What making the operation throws, the call rejects with. */
  call<Answer>(make: () => KeyOperation<Answer>, options: CallOptions): CallPromise<Answer> {
    const perform = this.performer(options);
    return callPromise((async () => perform(make()))());
  }

  /** Carries out operations each within a time of its own. */
  performer(options: CallOptions): Perform {
    return async (operation) => this.#transport.answer(this.#complete(operation), options);
  }

  /** Carries out operations all within the time of one call. */
  performerIn(scope: CallScope, options: CallOptions): Perform {
    return async (operation) => this.#transport.perform(this.#complete(operation), scope, options);
  }

  /** The lifetime of a call that consists of several operations; whoever asks for it has to dispose of it. */
  callScope(options: CallOptions): CallScope {
    return this.#transport.scope(options);
  }

  #complete<Answer>({ pattern, ...operation }: KeyOperation<Answer>): Operation<Answer> {
    return {
      ...operation,
      path: [...API_ROOT, ...this.scope.segments, ...operation.path],
      label: `${operation.method} ${this.scope.pattern}${pattern}`,
    };
  }
}
