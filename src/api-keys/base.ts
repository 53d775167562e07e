import { type CallOptions, type CallPromise, callPromise } from '../http/call.ts';
import { CALL_OPTIONS, checkOptions } from '../http/options.ts';
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

/** The methods that the keys of accounts and workspaces have in common. */
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
   * The request is sent once. It is repeated only if the service cannot have acted on it: after a 429, or if no
   * connection could be opened.
   *
   * @returns The key with its full value in `secret`, which servers before 0.17 never show again.
   * @throws {ApiKeyLimitError} If the account has as many keys as it may have. Workspaces have no check for that, so
   * there the service's own error is thrown.
   * @throws {UnknownOutcomeError} If a key may have been created, but no usable response arrived. Finding the keys that
   * it may be takes up to 10 s in addition to `timeoutMs`.
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
   * all keys from that page on.
   *
   * Nothing is requested until then. Without `page` and `pageSize` the list is read in one request, or, if the server
   * does not support that, in pages of 100. If keys are deleted while a list is read in pages, others can be missed.
   */
  list(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    return openList('list()', query, options, this.#plane, fetchAnyKeys);
  }

  /**
   * Returns the full key. Servers support this from version 0.17 on.
   *
   * @throws {NotFoundError} If the key does not exist or the server is older.
   */
  getSecret(id: string, options: CallOptions = {}): CallPromise<Secret> {
    return this.#plane.call('getSecret()', () => secretEndpoint(id, this.#plane.hasMaskedList), options);
  }

  /**
   * Deletes an API key, which stops working at once.
   *
   * May be retried: if a retry does not find the key, it was deleted by an earlier request of this call.
   *
   * @param id - The key's id, not the key.
   * @throws {NotFoundError} If the key does not exist.
   */
  delete(id: string, options: CallOptions = {}): CallPromise<DeletedApiKey> {
    return this.#plane.call('delete()', () => deleteEndpoint(id), options);
  }

  /**
   * Returns the usage of keys, in total and by model and period.
   *
   * @throws {InvalidResponseError} If a count exceeds 2^53 - 1; counts are never rounded.
   */
  usage(query: ApiKeyUsageQuery = {}, options: CallOptions = {}): CallPromise<ApiKeyUsage> {
    return this.#plane.call('usage()', () => usageEndpoint(query), options);
  }

  /**
   * Replaces a key that has leaked: deletes it, then creates another one. Its name, its expiry unless it has passed,
   * and the rest of its quota are kept unless `input` says otherwise. Model lists cannot be set through this API, so
   * they are not kept. `timeoutMs` applies to each of the two steps.
   *
   * @returns The new key, with the deleted one in `replaced`.
   * @throws {ReplacementFailedError} If the key was deleted and no other one was created.
   */
  async replace(
    id: string,
    input: Partial<Input> = {},
    options: CallOptions = {},
  ): Promise<ReplacementApiKey> {
    checkOptions(options, CALL_OPTIONS, 'replace()');
    return replaceKey(this, id, input, this.#isWorkspace, options);
  }

  /**
   * Deletes keys that are old or unused, by the service's clock. Reads the whole list, then deletes one key after the
   * other; a failed deletion does not stop the others. Keys without a creation time are never deleted. `timeoutMs`
   * applies to each request.
   *
   * @returns Every key that matched, in the order of the list, and what happened to it.
   */
  async prune(query: PruneQuery, options: PruneOptions = {}): Promise<PrunedApiKey[]> {
    checkOptions(options, [...CALL_OPTIONS, 'dryRun'], 'prune()');
    const fields = ['olderThanMs', 'unusedForMs', ...(this.#isWorkspace ? ['onlyMine'] : [])];
    checkOptions(query, fields, 'The query of prune()');
    const { dryRun, ...callOptions } = options;
    const fetchKeys = query.onlyMine ? fetchOwnKeys : fetchAnyKeys;
    const fetchPage = fetchKeys(this.#plane, this.#plane.sender(callOptions));
    return pruneKeys(query, fetchPage, (id) => this.delete(id, callOptions), options);
  }
}
