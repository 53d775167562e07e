import { InvalidRequestError } from '../errors/index.ts';
import type { CallOptions, Result, WithResponse } from '../http/call.ts';
import { CALL_OPTIONS, checkOptions } from '../http/options.ts';
import type { ControlPlane, Send } from './control-plane.ts';
import { ALL, isMissingPath, type ListedPage, listEndpoint, type PageQuery } from './endpoints.ts';
import type { ApiKey, ApiKeyPage, ListApiKeysQuery } from './types.ts';

/** Reads one page. */
export type FetchPage = (query: PageQuery) => Promise<Result<ListedPage>>;

const FALLBACK_PAGE_SIZE = 100;

/**
 * A list of API keys that is requested when it is used: `await` it for a page, or for all keys if neither `page` nor
 * `pageSize` was given; iterate over it with `for await` for all keys from the first requested page on.
 */
export class ApiKeyList implements PromiseLike<ApiKeyPage>, AsyncIterable<ApiKey> {
  readonly #query: ListApiKeysQuery;
  readonly #fetchPage: FetchPage;

  /** @internal */
  constructor(query: ListApiKeysQuery, fetchPage: FetchPage) {
    this.#query = query;
    this.#fetchPage = fetchPage;
  }

  /** Requests the page, or all keys. */
  // biome-ignore lint/suspicious/noThenProperty: the class is awaitable by design
  then<Fulfilled = ApiKeyPage, Rejected = never>(
    onFulfilled?: ((page: ApiKeyPage) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#read()
      .then(({ data }) => data)
      .then(onFulfilled, onRejected);
  }

  /** Requests the page, or all keys, and returns it with the status and headers of the (last) response. */
  async withResponse(): Promise<WithResponse<ApiKeyPage>> {
    const { data, response } = await this.#read();
    return { data, response: response() };
  }

  /** Iterates over all keys. Pages are requested when they are needed, and no key is yielded twice. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ApiKey, void, undefined> {
    for await (const { data } of readPages(this.#query, this.#fetchPage)) yield* data.items;
  }

  async #read(): Promise<Result<ApiKeyPage>> {
    const { data, response } = isPaged(this.#query)
      ? await this.#fetchPage(this.#query)
      : await readAll(this.#query, this.#fetchPage);
    return { data: { ...data, total: data.total ?? data.items.length }, response };
  }
}

function isPaged({ page, pageSize }: ListApiKeysQuery): boolean {
  return page !== undefined || pageSize !== undefined;
}

/** Reads all keys as one page. Its time is that of the first response, which all keys were listed after. */
export async function readAll(query: ListApiKeysQuery, fetchPage: FetchPage): Promise<Result<ListedPage>> {
  const pages = await Array.fromAsync(readPages(query, fetchPage));
  const [first, last] = [pages[0], pages.at(-1)];
  if (first === undefined || last === undefined) throw new TypeError('A list has at least one page.');
  const items = pages.flatMap(({ data }) => data.items);
  const { servedAt } = first.data;
  const page = {
    items,
    page: 1,
    pageSize: items.length,
    total: last.data.total,
    ...(servedAt && { servedAt }),
  };
  return { data: page, response: last.response };
}

/**
 * Reads the pages of a list, each key once. Without `page` and `pageSize` that is one page with everything, unless the
 * server does not support that.
 */
async function* readPages(
  query: ListApiKeysQuery,
  fetchPage: FetchPage,
): AsyncGenerator<Result<ListedPage>, void, undefined> {
  if (isPaged(query)) {
    yield* readNumberedPages(query, fetchPage);
    return;
  }
  const everything = await fetchEverything(query, fetchPage);
  if (everything) yield everything;
  else yield* readNumberedPages({ ...query, pageSize: FALLBACK_PAGE_SIZE }, fetchPage);
}

/** @returns `undefined` if the server rejects the request or sends fewer keys than it counts. */
async function fetchEverything(
  query: ListApiKeysQuery,
  fetchPage: FetchPage,
): Promise<Result<ListedPage> | undefined> {
  try {
    const result = await fetchPage({ ...query, pageSize: ALL });
    const { items, total = 0 } = result.data;
    return items.length < total ? undefined : result;
  } catch (error) {
    if (error instanceof InvalidRequestError) return undefined;
    throw error;
  }
}

/**
 * Reads page after page until all keys that the service counts have been read, or a page has no new key.
 *
 * Pages are numbered, so a key that is deleted meanwhile moves the following ones up, and one of them can be missed.
 */
async function* readNumberedPages(
  query: ListApiKeysQuery,
  fetchPage: FetchPage,
): AsyncGenerator<Result<ListedPage>, void, undefined> {
  const { page: firstPage = 1 } = query;
  const ids = new Set<string>();
  let count = 0;
  for (let page = firstPage; ; page++) {
    const { data, response } = await fetchPage({ ...query, page });
    const items = data.items.filter(({ id }) => !ids.has(id) && ids.add(id));
    if (items.length > 0 || page === firstPage) yield { data: { ...data, items }, response };
    count += data.items.length;
    // Servers may use a page size of their own, so only from the first page on does the count say anything.
    if (items.length === 0 || (firstPage === 1 && count >= (data.total ?? Number.POSITIVE_INFINITY))) return;
  }
}

/**
 * Reads pages of all keys: from the list that the service masks, or, on servers before 0.17, from the plain one. Which
 * one the server has is remembered.
 */
export function fetchAnyKeys(plane: ControlPlane, send: Send): FetchPage {
  return async (query) => {
    if (plane.hasMaskedList !== false) {
      try {
        const result = await send(listEndpoint('/masked-apikeys', query));
        plane.hasMaskedList = true;
        return result;
      } catch (error) {
        if (plane.hasMaskedList || !isMissingPath(error)) throw error;
      }
    }
    const result = await send(listEndpoint('/apikeys', query));
    plane.hasMaskedList = false;
    return result;
  };
}

/** Reads pages of the caller's own keys; in an account these are all keys. */
export function fetchOwnKeys(plane: ControlPlane, send: Send): FetchPage {
  if (plane.workspace === undefined) return fetchAnyKeys(plane, send);
  return (query) => send(listEndpoint('/my-apikeys', query));
}

type RunInContext = <T>(run: () => T) => T;

/** As much of Node's `AsyncLocalStorage` as is used; Bun, Deno and Workers have it too. */
interface AsyncHooks {
  readonly AsyncLocalStorage: { snapshot(): RunInContext };
}

const asyncHooks = (
  globalThis as { process?: { getBuiltinModule?: (id: string) => AsyncHooks | undefined } }
).process?.getBuiltinModule?.('node:async_hooks');

/**
 * Opens a list for later use, in the async context of the caller: that is where a credential provider finds its request.
 *
 * @param method - For messages about options: `list()`.
 */
export function openList(
  method: string,
  query: ListApiKeysQuery,
  options: CallOptions,
  plane: ControlPlane,
  fetchKeys: (plane: ControlPlane, send: Send) => FetchPage,
): ApiKeyList {
  const runInContext = asyncHooks?.AsyncLocalStorage.snapshot() ?? ((run) => run());
  const fetchPage = fetchKeys(plane, plane.sender(options));
  return new ApiKeyList({ ...query }, (pageQuery) =>
    runInContext(async () => {
      checkOptions(options, CALL_OPTIONS, method);
      return fetchPage(pageQuery);
    }),
  );
}
