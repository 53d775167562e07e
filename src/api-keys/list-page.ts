import { ConfigurationError } from '../errors/index.ts';
import type { Endpoint } from '../http/client.ts';
import type { ApiKey } from './api-key.ts';
import { apiKeysFromWire } from './api-key-from-wire.ts';
import { decodeJson } from './control-plane.ts';
import type { KeyScope } from './key-scope.ts';
import { MISSING_PATH_STATUSES } from './missing-path.ts';
import { apiKeyPage } from './schema.ts';

/** Which keys to list, and how. */
export interface ListApiKeysQuery {
  /** A text to look for in id, name and key (`page.search`). How the service searches is its own affair. */
  readonly search?: string | undefined;
  /**
   * What to sort by. The contract names the sortable fields (id, name, key) but not how a sort is written:
   * known names are sent as the wire spells them (`createdAt` as `creationTimestamp`), anything else as it is.
   */
  readonly sort?: 'id' | 'name' | 'createdAt' | (string & {}) | undefined;
  /** The page to begin with, from 1. Default: 1. */
  readonly page?: number | undefined;
  /** How many keys a page has, from 1; a walk over a long list may ask for fewer. Default: the service's own. */
  readonly pageSize?: number | undefined;
}

/** A part of a list. */
export interface ApiKeyPage {
  /** The keys of this page, masked. */
  readonly items: readonly ApiKey[];
  /** Its number, from 1. */
  readonly page: number;
  /** How many keys a page has. */
  readonly pageSize: number;
  /** How many keys there are in all, as the service counts. */
  readonly total: number;
}

/** Which page is asked for. */
export type PageQuery = ListApiKeysQuery & { readonly page: number };

/** A page, and what else can be told of the answer that it came in. */
export interface ListedPage extends Omit<ApiKeyPage, 'total'> {
  /** How many keys there are in all, where the service says so. */
  readonly total: number | undefined;
  /** What the service's clock showed, in milliseconds since 1970 and whole seconds; undefined where it does not say. */
  readonly servedAt: number | undefined;
  /** When the answer was there, by `performance.now()`. */
  readonly receivedAt: number;
}

/** The paths that list keys. */
export type ListPath = 'masked-apikeys' | 'apikeys' | 'my-apikeys';

/** @throws ConfigurationError if the query cannot be used. */
export function listOperation(
  path: ListPath,
  query: PageQuery,
  kind: KeyScope['kind'],
): Endpoint<ListedPage> {
  return {
    method: 'GET',
    path: `/${path}`,
    query: pageParams(query),
    retry: 'transient',
    // A server that lacks the path will not have it a moment later.
    finalStatuses: MISSING_PATH_STATUSES,
    decode: decodeJson(
      { fields: ['items', 'page'], allowEmpty: true },
      apiKeyPage,
      ({ items, page }, { headers }) => {
        const keys = apiKeysFromWire(items ?? [], kind);
        const date = Date.parse(headers.get('date') ?? '');
        return {
          items: keys,
          page: counted(page?.page) ?? query.page,
          pageSize: counted(page?.pageSize) ?? query.pageSize ?? keys.length,
          total: counted(page?.total),
          servedAt: Number.isNaN(date) ? undefined : date,
          receivedAt: performance.now(),
        };
      },
    ),
  };
}

/** A page as a caller gets it. */
export function toApiKeyPage({ items, page, pageSize, total }: ListedPage): ApiKeyPage {
  return { items, page, pageSize, total: total ?? items.length };
}

/** A count of nothing is one that was left out, for a page has a number and a size; one below is none. */
function counted(count: number | null | undefined): number | undefined {
  return count && count > 0 ? count : undefined;
}

function pageParams({ page, pageSize, search, sort }: PageQuery): URLSearchParams {
  const params = new URLSearchParams({ 'page.page': String(positive(page, 'page')) });
  if (pageSize !== undefined) params.set('page.pageSize', String(positive(pageSize, 'pageSize')));
  if (search !== undefined && search !== '') params.set('page.search', textOf(search, 'search'));
  if (sort !== undefined) {
    params.set('page.sort', sort === 'createdAt' ? 'creationTimestamp' : textOf(sort, 'sort'));
  }
  return params;
}

/** Anything else would be sent as what it is written like: a search for `null` finds other keys than none. */
function textOf(value: string, option: string): string {
  if (typeof value === 'string') return value;
  throw new ConfigurationError(`${option} must be a text`, { option });
}

function positive(value: number, option: string): number {
  // The wire's numbers are int32.
  if (!(Number.isInteger(value) && value >= 1 && value < 2 ** 31)) {
    throw new ConfigurationError(`${option} must be a whole number, 1 or more`, { option });
  }
  return value;
}
