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
   * The create request is retried only if the service cannot have acted on it: after a 429, or if no connection could
   * be opened.
   *
   * @returns The key, with its full value in `secret`. Servers older than 0.17 never show the full value again.
   * @throws {ApiKeyLimitError} If the account has reached its key limit. The limit of a workspace cannot be checked, so
   * workspace clients throw the original error instead.
   * @throws {UnknownOutcomeError} If a key may have been created, but no usable response arrived. The search for keys
   * that the request may have created can take up to 10 s in addition to `timeoutMs`.
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
   * Lists API keys. `await` returns all keys, or one page if `page` or `pageSize` is given. `for await` iterates over
   * all keys, starting with the requested page.
   *
   * Nothing is sent until the list is awaited or iterated. Without `page` and `pageSize`, all keys are requested at
   * once or, if the server rejects that, in pages of 100. If a key is deleted between pages, another can be missed.
   */
  list(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    return openList('list()', query, options, this.#plane, fetchAnyKeys);
  }

  /**
   * Returns the full key. Requires server version 0.17 or later.
   *
   * @throws {NotFoundError} If the key does not exist, or the server is older than 0.17.
   */
  getSecret(id: string, options: CallOptions = {}): CallPromise<Secret> {
    return this.#plane.call('getSecret()', () => secretEndpoint(id, this.#plane.hasMaskedList), options);
  }

  /**
   * Deletes an API key. The key stops working immediately.
   *
   * Transient failures are retried. If the service responds to a retry with 404, the deletion counts as successful.
   *
   * @param id - The id of the key, not the full key.
   * @throws {NotFoundError} If the key does not exist.
   */
  delete(id: string, options: CallOptions = {}): CallPromise<DeletedApiKey> {
    return this.#plane.call('delete()', () => deleteEndpoint(id), options);
  }

  /**
   * Returns the total usage of keys, and their usage per model and period.
   *
   * @throws {InvalidResponseError} If a count exceeds 2^53 - 1; counts are never rounded.
   */
  usage(query: ApiKeyUsageQuery = {}, options: CallOptions = {}): CallPromise<ApiKeyUsage> {
    return this.#plane.call('usage()', () => usageEndpoint(query), options);
  }

  /**
   * Replaces a leaked key: deletes it, then creates a new one. The new key inherits the old key's name, expiry date
   * (unless it has passed) and remaining quota; `input` overrides these settings. The new key does not inherit the
   * lists of allowed and denied models, which cannot be set through this API. `timeoutMs` applies to each request.
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
   * Deletes keys that are old or unused. Reads the complete list, then deletes the matching keys one by one, and
   * continues if a deletion fails. The age of a key is measured by the service's clock; keys without a creation time
   * are never deleted. `timeoutMs` applies to each request.
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
