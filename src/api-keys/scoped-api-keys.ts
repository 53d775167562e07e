import type { CallOptions, CallPromise } from '../http/call.ts';
import { CALL_OPTIONS, checkOptions } from '../http/options.ts';
import type { Secret } from '../secret/secret.ts';
import type { CreatedApiKey, DeletedApiKey } from './api-key.ts';
import { type ApiKeyList, openList } from './api-key-list.ts';
import type { ControlPlane } from './control-plane.ts';
import { deleteOperation } from './delete.ts';
import { KeyCreator } from './key-creator.ts';
import { KeyLists } from './key-lists.ts';
import type { ListApiKeysQuery } from './list-page.ts';
import type { CreateApiKeyInput, CreateApiKeyOptions } from './new-key.ts';
import { type PruneApiKeysQuery, type PrunedApiKey, pruneKeys } from './prune.ts';
import { type KeyMaking, replaceKey } from './replace.ts';
import { revealOperation } from './reveal.ts';
import { type ApiKeyUsage, type ApiKeyUsageQuery, usageOperation } from './usage.ts';

const CREATE_OPTIONS = [...CALL_OPTIONS, 'settle'];

/**
 * What can be done with the keys of an account and of a workspace alike.
 *
 * Every method rejects with a {@link ConfigurationError} where an argument cannot be used (nothing is sent
 * then), with the signal's reason where it was aborted, and else with one of the errors of `drun-sdk/errors`.
 */
export abstract class ScopedApiKeys<
  Input extends CreateApiKeyInput,
  Pruning extends PruneApiKeysQuery & { readonly onlyMine?: boolean | undefined },
> {
  readonly #plane: ControlPlane;
  readonly #lists: KeyLists;
  readonly #creator: KeyCreator;
  readonly #making: KeyMaking<Input>;

  /** @internal */
  constructor(plane: ControlPlane, making: KeyMaking<Input>) {
    this.#plane = plane;
    this.#lists = new KeyLists(plane.scope.kind);
    this.#creator = new KeyCreator(plane, this.#lists);
    this.#making = making;
  }

  /**
   * Creates an API key (`POST /apikeys`).
   *
   * Sent once, and repeated only where nothing can have come of it: after a 429, or when no connection was opened. Where
   * the answer is lost (connection, timeout, or a 2xx that cannot be read), the key is looked for among those of its
   * name that were made since, by the service's clock, and have never been used. Where it can be no other one, a server
   * from 0.17 on shows it again, and it is returned. That takes up to 10 s beyond the call's own time. A 5xx is thrown
   * as it is; a key may have come of it all the same.
   *
   * @returns the key, whole in `secret` this one time. Its response is that in which the whole key came.
   * @throws UnknownOutcomeError if the answer was lost, and which key came of it is not certain.
   * @throws ApiKeyLimitError if an account has as many keys as it may have, as the service's own check tells. Where
   * its `status` is 500, this call may have made the last one of them. Workspaces have no such check: there the
   * service's error stays what it is.
   */
  create(input: Input, options: CreateApiKeyOptions = {}): CallPromise<CreatedApiKey> {
    return this.#creator.create(() => {
      checkOptions(options, CREATE_OPTIONS, 'create()');
      return this.#making.newKey(input);
    }, options);
  }

  /**
   * Lists API keys: `await` gives one page, `for await` walks all of them, page by page.
   *
   * Asks the list that the server masks itself, and once it has found that the server is older than 0.17 and
   * has none, the plain one. Either way keys are masked here too.
   */
  list(query: ListApiKeysQuery = {}, options: CallOptions = {}): ApiKeyList {
    checkOptions(options, CALL_OPTIONS, 'list()');
    checkOptions(query, ['search', 'sort', 'page', 'pageSize'], 'list()');
    return openList(this.#lists.all, query, this.#plane.performer(options));
  }

  /**
   * Shows a key again (`GET /apikeys/{id}/secret`, servers from 0.17 on).
   *
   * @param id - The key's id.
   * @throws NotFoundError if there is no such key, or the server is older; the message says so.
   */
  reveal(id: string, options: CallOptions = {}): CallPromise<Secret> {
    return this.#plane.call(() => {
      checkOptions(options, CALL_OPTIONS, 'reveal()');
      return revealOperation(id, this.#lists.hasMaskedList);
    }, options);
  }

  /**
   * Deletes an API key (`DELETE /apikeys/{id}`). From then on the service refuses it.
   *
   * May be repeated, since it can be carried out only once: a repetition that no longer finds the key is a
   * success, while a first attempt that does not find it is a {@link NotFoundError}.
   *
   * @param id - The key's id, never the key.
   */
  delete(id: string, options: CallOptions = {}): CallPromise<DeletedApiKey> {
    return this.#plane.call(() => {
      checkOptions(options, CALL_OPTIONS, 'delete()');
      return deleteOperation(id);
    }, options);
  }

  /**
   * Counts what keys were used for (`POST /apikeys-stats`): in all, and by model and period.
   *
   * A count that a JavaScript number cannot hold is an {@link InvalidResponseError}, never rounded.
   */
  usage(query: ApiKeyUsageQuery = {}, options: CallOptions = {}): CallPromise<ApiKeyUsage> {
    return this.#plane.call(() => {
      checkOptions(query, ['from', 'to', 'period', 'ids', 'models'], 'usage()');
      checkOptions(options, CALL_OPTIONS, 'usage()');
      return usageOperation(query);
    }, options);
  }

  /**
   * Replaces a key, such as one that has leaked: deletes it, and then creates one in its place. So it is refused at
   * once, and an account that is full has room. Unless they are given, the new key has the old one's name, quota, and
   * time of expiry if that has not passed; lists of models cannot be set here, and are not taken over.
   *
   * `timeoutMs` holds for each of the two calls.
   *
   * @param id - The id of the key that goes.
   * @throws ReplacementFailedError if the old key is gone, and none was made in its place.
   */
  async replace(
    id: string,
    input: Partial<Input> = {},
    options: CreateApiKeyOptions = {},
  ): Promise<CreatedApiKey> {
    checkOptions(options, CREATE_OPTIONS, 'replace()');
    const { settle: _, ...callOptions } = options;
    return replaceKey(
      {
        ...this.#making,
        deleteKey: (oldId) => this.delete(oldId, callOptions),
        createKey: (make) => this.#creator.create(make, options),
      },
      id,
      input,
      options.signal,
    );
  }

  /**
   * Deletes the keys that are old, or that nobody uses, by the service's clock. Reads the list to its end, and then
   * deletes one key after the other; one that cannot be deleted does not keep the others from it. A key goes for what
   * the list said of it, and one without a time of creation never goes.
   *
   * `timeoutMs` holds for each call of the service. When it is aborted, what was deleted until then is not told.
   *
   * @returns every key that matched, in the order of the list, and what became of it.
   */
  async prune(query: Pruning, options: CallOptions = {}): Promise<PrunedApiKey[]> {
    checkOptions(query, ['olderThanMs', 'unusedForMs', 'dryRun', 'onlyMine'], 'prune()');
    checkOptions(options, CALL_OPTIONS, 'prune()');
    // Plain JavaScript may leave it out altogether.
    const { onlyMine, ...rest } = { ...query };
    const fetchPage = onlyMine ? this.#lists.own : this.#lists.all;
    const perform = this.#plane.performer(options);
    return pruneKeys(
      {
        fetchSlice: async (slice) => (await fetchPage(slice, perform)).data,
        deleteKey: (id) => this.delete(id, options),
      },
      rest,
      options.signal,
    );
  }
}
