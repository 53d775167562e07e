import type { CallOptions, CallPromise } from '../http/call.ts';
import { BaseApiKeys } from './base.ts';
import { ControlPlane } from './control-plane.ts';
import { checkCreationEndpoint } from './endpoints.ts';
import type { ApiKeysOptions, CreateApiKeyInput, CreationCheck, PruneApiKeysQuery } from './types.ts';

/**
 * Manages the API keys of an account.
 *
 * If an argument is invalid, methods reject with a `ConfigurationError` before anything is sent. An aborted call
 * rejects with its signal's reason, and any other failed call with an error from `drun-sdk/errors`.
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

  /** Returns a copy of this client with the given options. A new origin in `baseUrl` also requires `accessToken`. */
  withOptions(options: ApiKeysOptions): ApiKeys {
    return new (this.constructor as typeof ApiKeys)(this.#plane.deriveOptions(options));
  }

  /** Checks whether the account is allowed to create another key. */
  canCreate(options: CallOptions = {}): CallPromise<CreationCheck> {
    return this.#plane.call('canCreate()', checkCreationEndpoint, options);
  }
}
