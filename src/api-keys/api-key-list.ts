import type { Result, WithResponse } from '../http/call.ts';
import type { ApiKey } from './api-key.ts';
import type { Perform } from './control-plane.ts';
import type { FetchPage } from './key-lists.ts';
import { type ApiKeyPage, type ListApiKeysQuery, type ListedPage, toApiKeyPage } from './list-page.ts';
import { type Slice, walk } from './walk.ts';

/**
 * A list that was asked for but not yet fetched: `await` it for one page, or walk it with `for await` for all
 * keys from that page on. Nothing is sent before.
 */
export class ApiKeyList implements PromiseLike<ApiKeyPage>, AsyncIterable<ApiKey> {
  readonly #first: Slice;
  readonly #fetchPage: (slice: Slice) => Promise<Result<ListedPage>>;

  /**
   * Made by {@link ApiKeys.list}.
   *
   * @internal
   */
  constructor(first: Slice, fetchPage: (slice: Slice) => Promise<Result<ListedPage>>) {
    this.#first = first;
    this.#fetchPage = fetchPage;
  }

  /** Fetches one page. */
  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what this class is for
  then<Fulfilled = ApiKeyPage, Rejected = never>(
    onFulfilled?: ((page: ApiKeyPage) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#fetchPage(this.#first)
      .then(({ data }) => toApiKeyPage(data))
      .then(onFulfilled, onRejected);
  }

  /** Fetches one page, and gives it together with the status and headers that it came with. */
  async withResponse(): Promise<WithResponse<ApiKeyPage>> {
    const { data, response } = await this.#fetchPage(this.#first);
    return { data: toApiKeyPage(data), response: response() };
  }

  /**
   * Fetches page after page, as they are needed; no key comes twice. Ends when as many keys have come as the service
   * counts, or else, whatever it counts, with a page that has nothing new.
   *
   * Keys may be created and deleted meanwhile. From the first page on, every key comes that is there all the time, as
   * far as the service counts its keys, keeps them in an order, and keeps to the page size it is asked for: where the
   * list is long (more than ten pages and 200 keys), or is seen to change, sizes near the one that was asked for are used
   * such that each page overlaps the one before.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ApiKey, void, undefined> {
    const pages = walk(async (slice) => (await this.#fetchPage(slice)).data, this.#first);
    for await (const { keys } of pages) yield* keys;
  }
}

/** A list that is fetched when it is needed. */
export function openList(fetchPage: FetchPage, query: ListApiKeysQuery, perform: Perform): ApiKeyList {
  // The caller's object is read once: what becomes of it during a walk does not matter.
  const { page = 1, pageSize, ...rest } = { ...query };
  return new ApiKeyList({ page, pageSize }, async (slice) => fetchPage({ ...rest, ...slice }, perform));
}
