import { checkBoolean, checkOptions } from '../errors/invalid.ts';
import { type CallOptions, type CallPromise, callPromise } from '../http/call.ts';
import { CALL_OPTIONS } from '../http/options.ts';
import type { Secret } from '../secret/secret.ts';
import type { ControlPlane } from './control-plane.ts';
import { createKey } from './create.ts';
import { deleteEndpoint, secretEndpoint, toCreateBody, usageEndpoint } from './endpoints.ts';
import { type ApiKeyList, fetchAnyKeys, fetchOwnKeys, openList } from './list.ts';
import { pruneKeys } from './prune.ts';
import { replaceKey } from './replace.ts';
import type {
  ApiKeyUsage,
  ApiKeyUsageQuery,
  CreateApiKeyInput,
  CreatedApiKey,
  DeletedApiKey,
  ListApiKeysQuery,
  PrunedApiKey,
  PruneOptions,
  PruneWorkspaceApiKeysQuery,
  ReplacementApiKey,
} from './types.ts';

/** The methods shared by {@link ApiKeys} and {@link WorkspaceApiKeys}. */
export abstract class BaseApiKeys<
  Input extends CreateApiKeyInput,
  PruneQuery extends PruneWorkspaceApiKeysQuery,
> {
  readonly #plane: ControlPlane;
  readonly #isWorkspace: boolean;

  /** @internal */
  constructor(plane: ControlPlane) {
    this.#plane = plane;
    this.#isWorkspace = plane.workspace !== undefined;
  }

  /**
   * Creates an API key.
   *
   * The request is repeated only if the service cannot have acted on it: after a 429, or if no connection could be
   * opened.
   *
   * @returns The key, with its full value in `secret`. Servers older than 0.17 never show the full value again.
   * @throws {ApiKeyLimitError} If the account has reached its key limit. For workspaces, the service's own error is
   * thrown, because their limit cannot be checked.
   * @throws {UnknownOutcomeError} If a key may have been created, but no usable response arrived. Finding
   * candidates can take up to 10 s in addition to `timeoutMs`.
   */
  create(input: Input, options: CallOptions = {}): CallPromise<CreatedApiKey> {
    return callPromise(
      (async () => {
        checkOptions(options, CALL_OPTIONS, 'create()');
        return createKey(this.#plane, toCreateBody(input, this.#isWorkspace), options);
      })(),
    );
  }

  /**
   * Lists API keys. `await` returns all keys, or one page if `page` or `pageSize` is given; `for await` iterates over
   * all keys, starting with that page.
   *
   * Nothing is sent until the list is awaited or iterated. Without `page` and `pageSize`, it is read in one request, or
   * in pages of 100 keys if the server does not support that. If keys are deleted between pages, others can be missed.
   */
  list(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    return openList('list()', query, options, this.#plane, fetchAnyKeys);
  }

  /**
   * Returns the full key. Requires server version 0.17 or later.
   *
   * @throws {NotFoundError} If the key does not exist, or the server is too old.
   */
  getSecret(id: string, options: CallOptions = {}): CallPromise<Secret> {
    return this.#plane.call('getSecret()', () => secretEndpoint(id, this.#plane.hasMaskedList), options);
  }

  /**
   * Deletes an API key. The key stops working immediately.
   *
   * Transient failures are retried. If a retry does not find the key, the deletion counts as successful.
   *
   * @param id - The id of the key, not the key itself.
   * @throws {NotFoundError} If the key does not exist.
   */
  delete(id: string, options: CallOptions = {}): CallPromise<DeletedApiKey> {
    return this.#plane.call('delete()', () => deleteEndpoint(id), options);
  }

  /**
   * Returns the total usage of keys, and their usage by model and period.
   *
   * @throws {InvalidResponseError} If a count exceeds 2^53 - 1; counts are never rounded.
   */
  usage(query: ApiKeyUsageQuery = {}, options: CallOptions = {}): CallPromise<ApiKeyUsage> {
    return this.#plane.call('usage()', () => usageEndpoint(query), options);
  }

  /**
   * Replaces a key that has leaked: deletes it, then creates a new one. The new key inherits the name, the expiry
   * date (unless it has passed) and the remaining quota; `input` overrides these settings. Model lists cannot be set
   * through this API and are not inherited. `timeoutMs` applies to each request.
   *
   * @returns The new key, with the deleted key in `replaced`.
   * @throws {ReplacementFailedError} If the key was deleted but no new one was created.
   */
  async replace(
    id: string,
    input: Partial<Input> = {},
    options: CallOptions = {},
  ): Promise<ReplacementApiKey> {
    checkOptions(options, CALL_OPTIONS, 'replace()');
    const fetchPage = fetchAnyKeys(this.#plane, this.#plane.sender(options));
    return replaceKey(this, fetchPage, id, input, this.#isWorkspace, options);
  }

  /**
   * Deletes keys that are old or unused. Reads the complete list, then deletes the matching keys one by one, even
   * if some deletions fail. Ages are measured by the service's clock. Keys without a creation time are never deleted.
   * `timeoutMs` applies to each request.
   *
   * @returns The matching keys in list order, each with the outcome of its deletion.
   */
  async prune(query: PruneQuery, options: PruneOptions = {}): Promise<PrunedApiKey[]> {
    checkOptions(options, [...CALL_OPTIONS, 'dryRun'], 'prune()');
    const fields = ['olderThanMs', 'unusedForMs', ...(this.#isWorkspace ? ['onlyMine'] : [])];
    checkOptions(query, fields, 'The query of prune()');
    checkBoolean(query.onlyMine, 'onlyMine');
    const { dryRun, ...callOptions } = options;
    const fetchKeys = query.onlyMine ? fetchOwnKeys : fetchAnyKeys;
    const fetchPage = fetchKeys(this.#plane, this.#plane.sender(callOptions));
    return pruneKeys(query, fetchPage, (id) => this.delete(id, callOptions), options);
  }
}
