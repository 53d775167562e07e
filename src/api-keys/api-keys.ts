import type { CallOptions, CallPromise } from '../http/call.ts';
import { BaseApiKeys } from './base.ts';
import { ControlPlane } from './control-plane.ts';
import { checkCreationEndpoint } from './endpoints.ts';
import type { ApiKeysOptions, CreateApiKeyInput, CreationCheck, PruneApiKeysQuery } from './types.ts';

/**
 * Manages the API keys of an account.
 *
 * Methods reject with a `ConfigurationError` if an argument is invalid (nothing is sent), with the signal's reason if
 * the call is aborted, and otherwise with one of the errors from `drun-sdk/errors`.
 *
 * @example
 * ```ts
 * import { ApiKeys } from 'drun-sdk/api-keys';
 *
 * const keys = new ApiKeys({ accessToken: process.env.DRUN_ACCESS_TOKEN });
 * const created = await keys.create({ name: 'checkout' });
 * console.log(created.maskedKey); // sk-******7ucU
 * for await (const key of keys.list()) console.log(key.name, key.createdAt, key.maskedKey);
 * await keys.delete(created.id);
 * ```
 */
export class ApiKeys extends BaseApiKeys<CreateApiKeyInput, PruneApiKeysQuery> {
  readonly #plane: ControlPlane;

  /** @throws {ConfigurationError} If an option is invalid. */
  constructor(options: ApiKeysOptions = {}) {
    const plane = new ControlPlane(options, 'ApiKeys');
    super(plane);
    this.#plane = plane;
  }

  /** Returns a client that overrides some options and shares the rest. Another origin requires an `accessToken`. */
  withOptions(options: ApiKeysOptions): ApiKeys {
    return new (this.constructor as typeof ApiKeys)(this.#plane.deriveOptions(options));
  }

  /** Checks whether the account may create another key. */
  canCreate(options: CallOptions = {}): CallPromise<CreationCheck> {
    return this.#plane.call('canCreate()', checkCreationEndpoint, options);
  }
}
