import { InvalidRequestError } from '../errors/index.ts';
import { checkOptions } from '../errors/invalid.ts';
import type { CallOptions, Result, WithResponse } from '../http/call.ts';
import { CALL_OPTIONS } from '../http/options.ts';
import { captureContext } from '../internal/runtime.ts';
import type { ControlPlane, Send } from './control-plane.ts';
import { ALL, isMissingPath, type ListedPage, listEndpoint, type PageQuery } from './endpoints.ts';
import type { ApiKey, ApiKeyPage, ListApiKeysQuery } from './types.ts';

/** Reads one page. */
export type FetchPage = (query: PageQuery) => Promise<Result<ListedPage>>;

const FALLBACK_PAGE_SIZE = 100;

/**
 * A list of API keys. It is requested when it is awaited or iterated. `await` returns one page, or all keys if
 * neither `page` nor `pageSize` is given. `for await` iterates over all keys, starting with the requested page.
 */
export class ApiKeyList implements PromiseLike<ApiKeyPage>, AsyncIterable<ApiKey> {
  readonly #query: ListApiKeysQuery;
  readonly #fetchPage: FetchPage;

  /** @internal */
  constructor(query: ListApiKeysQuery, fetchPage: FetchPage) {
    this.#query = query;
    this.#fetchPage = fetchPage;
  }

  /** Requests the given page, or all keys if no page was given. */
  // biome-ignore lint/suspicious/noThenProperty: the class is awaitable by design
  then<Fulfilled = ApiKeyPage, Rejected = never>(
    onFulfilled?: ((page: ApiKeyPage) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#read()
      .then(({ data }) => data)
      .then(onFulfilled, onRejected);
  }

  /** Returns what `await` returns, together with the status and headers of the last response. */
  async withResponse(): Promise<WithResponse<ApiKeyPage>> {
    const { data, response } = await this.#read();
    return { data, response: response() };
  }

  /** Iterates over all keys. Pages are requested on demand, and no key is yielded twice. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ApiKey, void, undefined> {
    for await (const { data } of readPages(this.#query, this.#fetchPage)) yield* data.items;
  }

  async #read(): Promise<Result<ApiKeyPage>> {
    const read = isPaged(this.#query) ? this.#fetchPage(this.#query) : readAll(this.#query, this.#fetchPage);
    const { data, response } = await read;
    const { unknownUse: _, ...page } = data;
    return { data: { ...page, total: data.total ?? data.items.length }, response };
  }
}

function isPaged({ page, pageSize }: ListApiKeysQuery): boolean {
  return page !== undefined || pageSize !== undefined;
}

/** Reads all keys as one page. Its `servedAt` is when the service sent the first response. */
export async function readAll(query: ListApiKeysQuery, fetchPage: FetchPage): Promise<Result<ListedPage>> {
  const pages = await Array.fromAsync(readPages(query, fetchPage));
  const [first, last] = [pages.at(0), pages.at(-1)] as [Result<ListedPage>, Result<ListedPage>];
  const items = pages.flatMap(({ data }) => data.items);
  const unknownUse = new Set(pages.flatMap(({ data }) => [...data.unknownUse]));
  const { total } = last.data;
  const page = { ...first.data, items, page: 1, pageSize: items.length, total, unknownUse };
  return { data: page, response: last.response };
}

/**
 * Reads the pages of a list and yields each key once. Without `page` and `pageSize`, one page contains all keys, unless
 * the server rejects the request for all keys, or returns fewer keys than it reports in `total`.
 *
 * If a key is deleted between two requests, the following keys move up by one, and one of them can be missed.
 */
async function* readPages(
  query: ListApiKeysQuery,
  fetchPage: FetchPage,
): AsyncGenerator<Result<ListedPage>, void, undefined> {
  const { page: firstPage = 1, pageSize = isPaged(query) ? undefined : FALLBACK_PAGE_SIZE } = query;
  const ids = new Set<string>();
  const unseen = (page: ListedPage): ListedPage => ({
    ...page,
    items: page.items.filter(({ id }) => !ids.has(id) && ids.add(id)),
  });
  if (!isPaged(query)) {
    const everything = await fetchPage({ ...query, pageSize: ALL }).catch(undefinedIfInvalid);
    if (everything && everything.data.items.length >= (everything.data.total ?? 0)) {
      yield { ...everything, data: unseen(everything.data) };
      return;
    }
  }
  let count = 0;
  for (let page = firstPage; ; page++) {
    const { data, response } = await fetchPage({ ...query, page, pageSize });
    const unseenPage = unseen(data);
    if (unseenPage.items.length > 0 || page === firstPage) yield { data: unseenPage, response };
    count += data.items.length;
    // A server may use a different page size, so the number of keys is compared with the total only if reading started
    // at page 1.
    const isComplete = firstPage === 1 && data.total !== undefined && count >= data.total;
    if (isComplete || unseenPage.items.length === 0) return;
  }
}

function undefinedIfInvalid(error: unknown): undefined {
  if (!(error instanceof InvalidRequestError)) throw error;
}

/**
 * Returns a function that reads pages of the masked list or, before version 0.17, of the unmasked list. Remembers
 * whether the server has a masked list.
 */
export function fetchAnyKeys(plane: ControlPlane, send: Send): FetchPage {
  return async (query) => {
    if (plane.hasMaskedList !== false) {
      try {
        const result = await send(listEndpoint('/masked-apikeys', query));
        plane.hasMaskedList = true;
        return result;
      } catch (error) {
        // During a rollout, both old and new servers may respond.
        if (!isMissingPath(error)) throw error;
      }
    }
    const result = await send(listEndpoint('/apikeys', query));
    plane.hasMaskedList ??= false;
    return result;
  };
}

/** Returns a function that reads pages of the caller's own keys. For an account, these are all of its keys. */
export function fetchOwnKeys(plane: ControlPlane, send: Send): FetchPage {
  if (plane.workspace === undefined) return fetchAnyKeys(plane, send);
  return (query) => send(listEndpoint('/my-apikeys', query));
}

/**
 * Creates a list whose requests run in the caller's async context, because a credential provider may depend on it.
 *
 * @param method - Name of the method, such as `list()`, for error messages about its options.
 */
export function openList(
  method: string,
  query: ListApiKeysQuery,
  options: CallOptions,
  plane: ControlPlane,
  fetchKeys: (plane: ControlPlane, send: Send) => FetchPage,
): ApiKeyList {
  const runInContext = captureContext();
  const fetchPage = fetchKeys(plane, plane.sender(options));
  return new ApiKeyList({ ...query }, (pageQuery) =>
    runInContext(async () => {
      checkOptions(options, CALL_OPTIONS, method);
      checkOptions(query, ['search', 'sort', 'page', 'pageSize'], `The first argument of ${method}`);
      return fetchPage(pageQuery);
    }),
  );
}
