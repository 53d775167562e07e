import type { ApiKey, ApiKeyPage } from './types.ts';

/** A page, and how many keys there are in all where the service says so. */
export interface FetchedPage {
  readonly page: ApiKeyPage;
  readonly total: number | undefined;
}

/**
 * A list that was asked for but not yet fetched: `await` it for one page, or walk it with `for await` for all
 * keys from that page on. Nothing is sent before.
 */
export class ApiKeyList implements PromiseLike<ApiKeyPage>, AsyncIterable<ApiKey> {
  readonly #firstPage: number;
  readonly #fetchPage: (page: number) => Promise<FetchedPage>;

  /**
   * Made by {@link ApiKeys.list}.
   *
   * @internal
   */
  constructor(firstPage: number, fetchPage: (page: number) => Promise<FetchedPage>) {
    this.#firstPage = firstPage;
    this.#fetchPage = fetchPage;
  }

  /** Fetches one page. */
  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what this class is for
  then<Fulfilled = ApiKeyPage, Rejected = never>(
    onFulfilled?: ((page: ApiKeyPage) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#fetchPage(this.#firstPage)
      .then(({ page }) => page)
      .then(onFulfilled, onRejected);
  }

  /**
   * Fetches page after page, as they are needed; no key comes twice.
   *
   * Ends when as many keys have come as the service counts, or else, whatever it counts, with the first page that
   * has none that is new.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ApiKey, void, undefined> {
    const seen = new Set<string>();
    for (let number = this.#firstPage; ; number++) {
      const { page, total } = await this.#fetchPage(number);
      const fresh = page.items.filter(({ id }) => !seen.has(id));
      if (fresh.length === 0) return;
      for (const key of fresh) {
        seen.add(key.id);
        yield key;
      }
      // From a later page on, the count says nothing: servers make pages smaller than they were asked to.
      if (this.#firstPage === 1 && total !== undefined && seen.size >= total) return;
    }
  }
}
