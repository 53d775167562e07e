import * as z from 'zod/mini';
import { parseRequest } from './parse-request.ts';

const DEFAULT_PAGE_SIZE = 10;

/** Which part of the list is asked for, with the defaults filled in. */
export interface PageQuery {
  /** From 1. */
  readonly page: number;
  /** -1 for everything on one page. */
  readonly pageSize: number;
  readonly sort: string;
  readonly search: string;
}

const pageParameters = /* @__PURE__ */ z.object({
  // Sent back by clients that repeat the block of an answer; means nothing here.
  'page.total': /* @__PURE__ */ integer(0, Number.MAX_SAFE_INTEGER),
  'page.page': /* @__PURE__ */ integer(0, 2 ** 31 - 1),
  'page.pageSize': /* @__PURE__ */ integer(-1, 2 ** 31 - 1),
  'page.sort': /* @__PURE__ */ z.optional(/* @__PURE__ */ z.string()),
  'page.search': /* @__PURE__ */ z.optional(/* @__PURE__ */ z.string()),
});

export function readPageQuery(query: URLSearchParams): PageQuery {
  const parameters = parseRequest(pageParameters, Object.fromEntries(query));
  return {
    page: Number(parameters['page.page'] ?? 0) || 1,
    pageSize: Number(parameters['page.pageSize'] ?? 0) || DEFAULT_PAGE_SIZE,
    sort: parameters['page.sort'] ?? '',
    search: parameters['page.search'] ?? '',
  };
}

function integer(minimum: number, maximum: number): z.ZodMiniOptional<z.ZodMiniString> {
  const isWithin = (text: string): boolean =>
    /^-?\d+$/.test(text) && Number(text) >= minimum && Number(text) <= maximum;
  return z.optional(z.string().check(z.refine(isWithin)));
}
