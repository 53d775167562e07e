import type { CallOptions, CallPromise } from '../http/call.ts';
import { BaseApiKeys } from './base.ts';
import { ControlPlane } from './control-plane.ts';
import { toQuotaBody, updateEndpoint } from './endpoints.ts';
import { type ApiKeyList, fetchOwnKeys, openList } from './list.ts';
import type {
  ApiKey,
  CreateWorkspaceApiKeyInput,
  ListApiKeysQuery,
  PruneWorkspaceApiKeysQuery,
  WorkspaceApiKeysOptions,
} from './types.ts';

/**
 * Manages the API keys of a workspace. Unlike account keys, workspace keys can be disabled and have a token quota.
 *
 * The methods reject with the same errors as the methods of {@link ApiKeys}.
 *
 * @example
 * ```ts
 * import { WorkspaceApiKeys } from 'drun-sdk/api-keys';
 *
 * const keys = new WorkspaceApiKeys({ accessToken: process.env.DRUN_ACCESS_TOKEN, workspace: 12 });
 * const created = await keys.create({ name: 'batch', quota: 1_000_000 });
 * await keys.setQuota(created.id, 'unlimited');
 * await keys.disable(created.id);
 * ```
 */
export class WorkspaceApiKeys extends BaseApiKeys<CreateWorkspaceApiKeyInput, PruneWorkspaceApiKeysQuery> {
  readonly #plane: ControlPlane;

  /** @throws {ConfigurationError} If an option is invalid. */
  constructor(options: WorkspaceApiKeysOptions) {
    const plane = new ControlPlane(options, 'WorkspaceApiKeys');
    super(plane);
    this.#plane = plane;
  }

  /** Returns a copy of this client with the given options. A new origin in `baseUrl` also requires `accessToken`. */
  withOptions(options: Partial<WorkspaceApiKeysOptions>): WorkspaceApiKeys {
    const Client = this.constructor as typeof WorkspaceApiKeys;
    return new Client(this.#plane.deriveOptions(options) as WorkspaceApiKeysOptions);
  }

  /** Lists the caller's own keys. {@link WorkspaceApiKeys.list} lists the keys of all members. */
  listMine(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    return openList('listMine()', query, options, this.#plane, fetchOwnKeys);
  }

  /** Disables a key. The service rejects the key until it is enabled again. */
  disable(id: string, options: CallOptions = {}): CallPromise<ApiKey> {
    return this.#plane.call('disable()', () => updateEndpoint(id, 'status', { disabled: true }), options);
  }

  /** Enables a key. */
  enable(id: string, options: CallOptions = {}): CallPromise<ApiKey> {
    return this.#plane.call('enable()', () => updateEndpoint(id, 'status', { disabled: false }), options);
  }

  /**
   * Sets the total number of tokens that a key may use.
   *
   * @param quota - A non-negative integer, or `'unlimited'`.
   */
  setQuota(id: string, quota: number | 'unlimited', options: CallOptions = {}): CallPromise<ApiKey> {
    return this.#plane.call('setQuota()', () => updateEndpoint(id, 'quota', toQuotaBody(quota)), options);
  }
}
