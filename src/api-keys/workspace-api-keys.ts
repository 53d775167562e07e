import type { CallOptions, CallPromise } from '../http/call.ts';
import { CALL_OPTIONS, checkOptions, mergeOptions } from '../http/options.ts';
import type { ApiKey } from './api-key.ts';
import { type ApiKeyList, openList } from './api-key-list.ts';
import { ControlPlane } from './control-plane.ts';
import { workspaceScope } from './key-scope.ts';
import { type ListApiKeysQuery, listOperation } from './list-page.ts';
import { type CreateWorkspaceApiKeyInput, newWorkspaceKey } from './new-key.ts';
import type { WorkspaceApiKeysOptions } from './options.ts';
import type { PruneWorkspaceApiKeysQuery } from './prune.ts';
import { inheritedByAny } from './replace.ts';
import { ScopedApiKeys } from './scoped-api-keys.ts';
import { quotaOperation, statusOperation } from './settings.ts';

/**
 * Manages the API keys of a workspace, which can be switched off and limited in tokens.
 *
 * Every method rejects with a {@link ConfigurationError} where an argument cannot be used (nothing is sent
 * then), with the signal's reason where it was aborted, and else with one of the errors of `drun-sdk/errors`.
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
export class WorkspaceApiKeys extends ScopedApiKeys<CreateWorkspaceApiKeyInput, PruneWorkspaceApiKeysQuery> {
  readonly #plane: ControlPlane;

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: WorkspaceApiKeysOptions) {
    const plane = new ControlPlane(options, workspaceScope(options?.workspace));
    super(plane, {
      newKey: newWorkspaceKey,
      inherited: (deleted) => ({
        ...inheritedByAny(deleted),
        ...(deleted.quota && { quota: deleted.quota.limit }),
      }),
    });
    this.#plane = plane;
  }

  /**
   * Returns a client that overrides the given options and shares the others.
   *
   * @throws {ConfigurationError} If an option is invalid, or requests would go to another origin with the current token.
   */
  withOptions(overrides: Partial<WorkspaceApiKeysOptions>): WorkspaceApiKeys {
    const client = new WorkspaceApiKeys(
      mergeOptions(this.#plane.options as WorkspaceApiKeysOptions, overrides),
    );
    this.#plane.checkOrigin(client.#plane, overrides.accessToken);
    return client;
  }

  /** Lists the caller's own keys (`GET …/my-apikeys`), as {@link WorkspaceApiKeys.list} lists all. */
  listMine(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    checkOptions(options, CALL_OPTIONS, 'listMine()');
    return openList(
      (page, perform) => perform(listOperation('my-apikeys', page, 'workspace')),
      query,
      this.#plane.performer(options),
    );
  }

  /** Switches a key off (`PUT …/apikeys/{id}/status`): the service refuses it until it is switched on again. */
  disable(id: string, options: CallOptions = {}): CallPromise<ApiKey> {
    return this.#plane.call(() => {
      checkOptions(options, CALL_OPTIONS, 'disable()');
      return statusOperation(id, true);
    }, options);
  }

  /** Switches a key on again (`PUT …/apikeys/{id}/status`). */
  enable(id: string, options: CallOptions = {}): CallPromise<ApiKey> {
    return this.#plane.call(() => {
      checkOptions(options, CALL_OPTIONS, 'enable()');
      return statusOperation(id, false);
    }, options);
  }

  /**
   * Sets how many tokens a key may use in all (`PUT …/apikeys/{id}/quota`).
   *
   * @param quota - A whole number, 0 or more.
   */
  setQuota(id: string, quota: number | 'unlimited', options: CallOptions = {}): CallPromise<ApiKey> {
    return this.#plane.call(() => {
      checkOptions(options, CALL_OPTIONS, 'setQuota()');
      return quotaOperation(id, quota);
    }, options);
  }
}
