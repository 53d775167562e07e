import * as z from 'zod';
import type { KeyRecord, Scope } from '../account.ts';
import { invalidField } from './errors.ts';

/* Parses control-plane requests. Ignores unknown fields, because the contract does not forbid them. */

const DEFAULT_PAGE_SIZE = 10;
const MAX_INT32 = 2 ** 31 - 1;
const MAX_INT64 = 2n ** 63n - 1n;

/** An RFC 3339 time, or null. */
const time = z.iso.datetime({ offset: true }).nullish();
const flag = z.boolean().nullish();
const strings = z.nullish(z.array(z.string()));

/** Returns whether a string is a non-negative int64 in protobuf JSON. */
const isInt64 = (text: string): boolean => /^\d{1,19}$/.test(text) && BigInt(text) <= MAX_INT64;
const count = z.string().refine(isInt64).nullish();

const integer = (minimum: number, maximum: number): z.ZodOptional<z.ZodString> => {
  const isInRange = (text: string): boolean =>
    /^-?\d+$/.test(text) && Number(text) >= minimum && Number(text) <= maximum;
  return z.string().refine(isInRange).optional();
};

const accountKey = z.object({ name: z.string().min(1), expireTime: time });
const status = z.object({ disabled: flag });
const quotas = z.object({ quota: count, unlimitedQuota: flag });

const pageParameters = z.object({
  'page.page': integer(0, MAX_INT32),
  'page.pageSize': integer(-1, MAX_INT32),
  'page.sort': z.string().optional(),
  'page.search': z.string().optional(),
});

/** Usage periods. The contract does not document the default; the emulator uses one day. */
const PERIODS = {
  TIME_PERIOD_UNSPECIFIED: 'day',
  TIME_PERIOD_HOUR: 'hour',
  TIME_PERIOD_DAY: 'day',
  TIME_PERIOD_WEEK: 'week',
  TIME_PERIOD_MONTH: 'month',
} as const;

const usageRequest = z.object({
  startTime: time,
  endTime: time,
  ids: strings,
  models: strings,
  period: z.nullish(z.enum(Object.keys(PERIODS) as (keyof typeof PERIODS)[])),
});

/** @throws {HttpError} If a field is invalid. The error names the first invalid field. */
function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidField(String(result.error.issues[0]?.path[0]));
}

export function parseKey(body: Record<string, unknown>, scope: Scope) {
  const { name, expireTime } = parse(accountKey, body);
  const key = { name, ...(typeof expireTime === 'string' && { expiresAt: Date.parse(expireTime) }) };
  // Account keys have no quota. The contract does not document the default for workspace keys. The emulator sets no
  // limit, because a quota of zero, the protobuf default, would make the key useless.
  if (scope === 'account') return key;
  const { quota, unlimitedQuota } = parse(quotas, body);
  const isGiven = typeof quota === 'string' || typeof unlimitedQuota === 'boolean';
  return { ...key, ...(isGiven && parseQuota(body)) };
}

/** Parses the body of a `setStatus` request. A missing `disabled` means false. */
export function parseStatus(body: Record<string, unknown>): Pick<KeyRecord, 'disabled'> {
  return { disabled: parse(status, body).disabled ?? false };
}

/** Parses the body of a `setQuota` request. A missing `quota` means zero. */
export function parseQuota(body: Record<string, unknown>): Pick<KeyRecord, 'quota'> {
  const { quota, unlimitedQuota } = parse(quotas, body);
  return { quota: unlimitedQuota === true ? 'unlimited' : BigInt(quota ?? 0) };
}

/** A query for one page of a list. `page` starts at 1, and a `pageSize` of -1 puts all keys on one page. */
export type PageQuery = ReturnType<typeof parsePageQuery>;

export function parsePageQuery(query: URLSearchParams) {
  const parameters = parse(pageParameters, Object.fromEntries(query));
  return {
    page: Number(parameters['page.page'] ?? 0) || 1,
    pageSize: Number(parameters['page.pageSize'] ?? 0) || DEFAULT_PAGE_SIZE,
    sort: parameters['page.sort'] ?? '',
    search: parameters['page.search'] ?? '',
  };
}

/**
 * A query for usage between `from` (inclusive) and `to` (exclusive), in milliseconds since 1970. If `ids` or `models`
 * is empty, the query covers all keys or all models.
 */
export type UsageQuery = ReturnType<typeof parseUsageRequest>;

export function parseUsageRequest(body: unknown) {
  const { startTime, endTime, ids, models, period } = parse(usageRequest, body);
  const from = startTime ? Date.parse(startTime) : Number.NEGATIVE_INFINITY;
  const to = endTime ? Date.parse(endTime) : Number.POSITIVE_INFINITY;
  if (from > to) throw invalidField('endTime');
  return { from, to, ids: ids ?? [], models: models ?? [], period: PERIODS[period ?? 'TIME_PERIOD_DAY'] };
}

/** Converts a query string, in which `ids` and `models` may be repeated, to the body of a usage request. */
export function usageBody(query: URLSearchParams): object {
  return { ...Object.fromEntries(query), ids: query.getAll('ids'), models: query.getAll('models') };
}
