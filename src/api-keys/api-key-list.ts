import type { ApiKey, ApiKeyPage } from './types.ts';

/**
 * A list that was asked for but not yet fetched: `await` it for one page, or walk it with `for await` for all
 * keys from that page on. Nothing is sent before.
 */
export class ApiKeyList implements PromiseLike<ApiKeyPage>, AsyncIterable<ApiKey> {
  readonly #firstPage: number;
  readonly #fetchPage: (page: number) => Promise<ApiKeyPage>;

  /** Made by {@link ApiKeys.list}. */
  constructor(firstPage: number, fetchPage: (page: number) => Promise<ApiKeyPage>) {
    this.#firstPage = firstPage;
    this.#fetchPage = fetchPage;
  }

  /** Fetches one page. */
  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what this class is for
  then<Fulfilled = ApiKeyPage, Rejected = never>(
    onFulfilled?: ((page: ApiKeyPage) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#fetchPage(this.#firstPage).then(onFulfilled, onRejected);
  }

  /** Fetches page after page, as they are needed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ApiKey, void, undefined> {
    let seen = 0;
    for (let number = this.#firstPage; ; number++) {
      const { items, pageSize, total } = await this.#fetchPage(number);
      yield* items;
      seen += items.length;
      // The service's count ends the walk, and so does a page with nothing on it, whatever was counted.
      if (items.length === 0 || (this.#firstPage - 1) * pageSize + seen >= total) return;
    }
  }
}
