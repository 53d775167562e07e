import type { CallOptions, CallPromise } from '../http/call.ts';
import { CALL_OPTIONS, checkOptions, mergeOptions } from '../http/options.ts';
import { type CreationCheck, checkCreationOperation } from './check-creation.ts';
import { ControlPlane } from './control-plane.ts';
import { ACCOUNT } from './key-scope.ts';
import { type CreateApiKeyInput, newAccountKey } from './new-key.ts';
import type { ApiKeysOptions } from './options.ts';
import type { PruneApiKeysQuery } from './prune.ts';
import { inheritedByAny } from './replace.ts';
import { ScopedApiKeys } from './scoped-api-keys.ts';

/**
 * Manages the API keys of an account.
 *
 * Every method rejects with a {@link ConfigurationError} where an argument cannot be used (nothing is sent
 * then), with the signal's reason where it was aborted, and else with one of the errors of `drun-sdk/errors`.
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
export class ApiKeys extends ScopedApiKeys<CreateApiKeyInput, PruneApiKeysQuery> {
  readonly #plane: ControlPlane;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: ApiKeysOptions = {}) {
    const plane = new ControlPlane(options, ACCOUNT);
    super(plane, { newKey: newAccountKey, inherited: inheritedByAny });
    this.#plane = plane;
  }

  /**
   * Returns a client that overrides the given options and shares the others.
   *
   * @throws {ConfigurationError} If an option is invalid, or requests would go to another origin with the current token.
   */
  withOptions(overrides: ApiKeysOptions): ApiKeys {
    const client = new ApiKeys(mergeOptions(this.#plane.options, overrides));
    this.#plane.checkOrigin(client.#plane, overrides.accessToken);
    return client;
  }

  /** Asks whether one more key may be created now (`POST /apikeys/check-creation`). */
  canCreate(options: CallOptions = {}): CallPromise<CreationCheck> {
    return this.#plane.call(() => {
      checkOptions(options, CALL_OPTIONS, 'canCreate()');
      return checkCreationOperation();
    }, options);
  }
}
