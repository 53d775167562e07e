import type { ApiKey } from './api-key.ts';
import type { ListedPage } from './list-page.ts';

/*
 * Pages are numbered, not tied to what is on them: where a key is deleted, everything behind it moves up by one place,
 * and the key at the head of the next page slips onto the page that was read last. Nothing but a page that begins
 * with a key which has come before shows that none was skipped. Numbers and sizes of pages only allow such a page
 * where the size changes.
 */

/** The places of a list that the page of this number and size has. Without a size, the service's own. */
export interface Slice {
  readonly page: number;
  readonly pageSize?: number | undefined;
}

/** A page of a walk. */
interface WalkedPage {
  /** The keys on it that have not come before. */
  readonly keys: readonly ApiKey[];
  readonly listed: ListedPage;
}

export type FetchSlice = (slice: Slice) => Promise<ListedPage>;

type Pages<Result> = AsyncGenerator<WalkedPage, Result, undefined>;

/** The length from which on a list is expected to change while it is walked: in pages, and in keys. */
const LONG_IN_PAGES = 10;
const LONG_IN_KEYS = 200;

/** How often a page may have to be looked for before the list is taken for one that has no order. */
const MOST_REQUESTS_PER_PAGE = 3;

/** Walks a list to its end. What it remembers of the keys that came is their ids. */
export async function* walk(fetchSlice: FetchSlice, first: Slice): Pages<void> {
  const news = new News();
  const size = yield* plainWalk(fetchSlice, first, news, first.page === 1);
  if (size === undefined) return;
  const isWhole = yield* overlappingWalk(fetchSlice, size, news);
  // The service does not do as it is asked: what is left is to ask for all pages once more.
  if (!isWhole) yield* plainWalk(fetchSlice, first, news, false);
}

/** Knows which keys have come. */
class News {
  readonly #ids = new Set<string>();

  /** Those that have not come before. */
  of(keys: readonly ApiKey[]): ApiKey[] {
    return keys.filter(({ id }) => !this.#ids.has(id) && this.#ids.add(id));
  }
}

/**
 * Page after page, until as many keys have come as the service counts, or one has nothing that was not on those before.
 *
 * @returns the size of its pages, where the list is better walked again with pages that overlap.
 */
async function* plainWalk(
  fetchSlice: FetchSlice,
  { page, pageSize }: Slice,
  news: News,
  mayOverlap: boolean,
): Pages<number | undefined> {
  const ownNews = new News();
  let place = 0;
  let changes: Changes | undefined;
  for (let number = page; ; number++) {
    const listed = await fetchSlice({ page: number, pageSize });
    const { items, total } = listed;
    const keys = news.of(items);
    if (keys.length > 0) yield { keys, listed };
    place += items.length;
    const fresh = ownNews.of(items);
    const isEnd = fresh.length === 0 || (page === 1 && place === total);
    // One page, if it is all, is as the list was at one moment.
    if (isEnd && number === page) return undefined;
    changes ??= new Changes(listed);
    if (mayOverlap && total !== undefined) {
      const isLong = total > Math.max(LONG_IN_KEYS, LONG_IN_PAGES * changes.size);
      if (isLong || changes.seenOn(listed, fresh)) return changes.size;
    }
    if (isEnd) return undefined;
  }
}

/**
 * Tells from the pages of a plain walk whether the list changed meanwhile. Keys that come and go in equal numbers
 * leave the count as it is; but then one that is newer than the walk either keeps the others in their places or comes.
 */
class Changes {
  /** How many keys a page really has. */
  readonly size: number;
  readonly #total: number | undefined;
  readonly #newest: number;

  constructor(first: ListedPage) {
    this.size = first.items.length;
    this.#total = first.total;
    // Times may be whole seconds: what is as old as the walk's first second and its keys may have been there before.
    this.#newest = first.items.reduce(
      (newest, { createdAt }) => Math.max(newest, createdAt.getTime()),
      (first.servedAt ?? Number.POSITIVE_INFINITY) - 1,
    );
  }

  /** @param fresh - Those of the page's keys that were on no page before. */
  seenOn({ items, total }: ListedPage, fresh: readonly ApiKey[]): boolean {
    return (
      fresh.length < items.length ||
      total !== this.#total ||
      fresh.some(({ createdAt }) => createdAt.getTime() > this.#newest)
    );
  }
}

/**
 * From the beginning, with pages each of which has keys of the page before.
 *
 * @returns whether it came to the end: not where the service does not keep to sizes, counts or an order.
 */
async function* overlappingWalk(fetchSlice: FetchSlice, pageSize: number, news: News): Pages<boolean> {
  /** How many places of the list, from its beginning, are known to hold nothing but what has come, or is new. */
  let place = 0;
  let latest = new Set<string>();
  let overlap = Math.max(1, Math.floor(pageSize / 10));
  let most = 1;
  for (let request = 1; request <= most; request++) {
    const slice = sliceAcross(place, overlap, pageSize);
    const listed = await fetchSlice(slice);
    const { items, total } = listed;
    const keys = news.of(items);
    if (keys.length > 0) yield { keys, listed };
    const start = (slice.page - 1) * slice.pageSize;
    const end = start + items.length;
    if (!isPlausible(items.length, slice.pageSize, end, total)) return false;
    most = Math.max(most, MOST_REQUESTS_PER_PAGE * (total / pageSize + LONG_IN_PAGES));
    if (start === 0 || items.some(({ id }) => latest.has(id))) {
      if (end === total) return true;
      place = end;
      latest = new Set(items.map(({ id }) => id));
    } else {
      // So many keys before it are gone that the page lies behind what has not come yet. It may go on like that.
      place = Math.min(start, total);
      overlap = Math.min(2 * overlap, Math.ceil(pageSize / 2));
    }
  }
  return false;
}

/** Whether a page can be what was asked for: full, or with the last key of the list. */
function isPlausible(
  count: number,
  pageSize: number,
  end: number,
  total: number | undefined,
): total is number {
  if (total === undefined) return false;
  if (count === 0) return end >= total;
  return count === pageSize ? end <= total : end === total;
}

/**
 * The page that brings the most keys from a place on.
 *
 * @param overlap - How many places before that one it has at least: so many deletions do not push all that came before
 * out of it.
 * @param mostKeys - How many places it has at most, unless none that small gets any further.
 */
export function sliceAcross(
  place: number,
  overlap: number,
  mostKeys: number,
): Slice & { readonly pageSize: number } {
  const start = Math.max(0, place - overlap);
  let best = { page: 1, pageSize: mostKeys, gain: mostKeys - place };
  for (let pageSize = mostKeys; pageSize > mostKeys / 2; pageSize--) take(pageSize);
  for (let pageSize = mostKeys + 1; best.gain < 1; pageSize++) take(pageSize);
  return { page: best.page, pageSize: best.pageSize };

  function take(pageSize: number): void {
    const page = Math.floor(start / pageSize) + 1;
    const gain = page * pageSize - place;
    if (gain > best.gain) best = { page, pageSize, gain };
  }
}
