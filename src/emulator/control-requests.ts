import * as z from 'zod/mini';
import { invalidField } from './control-errors.ts';
import type { PageQuery } from './page.ts';
import type { NewKey } from './state.ts';

const DEFAULT_PAGE_SIZE = 10;

const newKey = /* @__PURE__ */ z.object({
  name: /* @__PURE__ */ z.string().check(/* @__PURE__ */ z.minLength(1)),
  expireTime: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.iso.datetime({ offset: true })),
});

const pageParameters = /* @__PURE__ */ z.object({
  // Sent back by clients that repeat the block of an answer; means nothing here.
  'page.total': /* @__PURE__ */ integer(0, Number.MAX_SAFE_INTEGER),
  'page.page': /* @__PURE__ */ integer(0, 2 ** 31 - 1),
  'page.pageSize': /* @__PURE__ */ integer(-1, 2 ** 31 - 1),
  'page.sort': /* @__PURE__ */ z.optional(/* @__PURE__ */ z.string()),
  'page.search': /* @__PURE__ */ z.optional(/* @__PURE__ */ z.string()),
});

/** Fields that it does not know are ignored: the contract does not close its types. */
export function readNewKey(body: Record<string, unknown>): NewKey {
  const { name, expireTime } = parse(newKey, body);
  return { name, expiresAt: typeof expireTime === 'string' ? Date.parse(expireTime) : undefined };
}

export function readPageQuery(query: URLSearchParams): PageQuery {
  const parameters = parse(pageParameters, Object.fromEntries(query));
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

function parse<Schema extends z.ZodMiniType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  throw invalidField(String(result.error.issues[0]?.path[0]));
}
