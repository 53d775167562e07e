import { isExpired, type KeyRecord, remainingTokens } from '../account/key-registry.ts';
import { addUsage, type TokenUsage, type UsageEntry } from '../account/usage-log.ts';
import type { PageQuery, UsageQuery } from './requests.ts';

/*
 * Messages of the control plane, in protobuf's JSON: fields that are empty, zero, false or unset are omitted, and
 * integers of 64 bits, which are bigints here, are strings.
 */

export function withoutZeros(message: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = Object.entries(message).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value),
  );
  return Object.fromEntries(
    fields.map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
  );
}

/** RFC 3339, without fractions of a second if they are zero; `undefined` for never. */
function timestamp(time: number | undefined): string | undefined {
  if (time === undefined || time === Number.POSITIVE_INFINITY) return undefined;
  return new Date(time).toISOString().replace('.000Z', 'Z');
}

export function keyMessage(record: KeyRecord, now: number, form: 'masked' | 'full'): object {
  return withoutZeros({
    id: record.id,
    name: record.name,
    key: form === 'full' ? record.secret.reveal() : record.secret.masked,
    creationTimestamp: timestamp(record.createdAt),
    expireTime: timestamp(record.expiresAt),
    expired: isExpired(record, now),
    disabled: record.disabled,
    lastUsedTime: timestamp(record.lastUsedAt),
    createBy: record.owner.name,
    userId: record.owner.id,
    workspace: record.scope === 'account' ? 0 : record.scope,
    allowModels: record.allowModels,
    denyModels: record.denyModels,
    ...quotaFields(record),
  });
}

/** In the contract, keys of the account have no quota; a test may give them one. */
function quotaFields(record: KeyRecord): Record<string, unknown> {
  if (record.scope === 'account' && record.quota === 'unlimited') return {};
  const remaining = remainingTokens(record);
  return {
    ...(record.quota === 'unlimited' ? { unlimitedQuota: true } : { quota: record.quota }),
    usedQuota: record.usedTokens,
    ...(remaining === 'unlimited' ? {} : { remainingQuota: remaining }),
    remainingQuotaSyncedAt: timestamp(record.quotaSyncedAt),
  };
}

const SORT_FIELDS: Readonly<Record<string, (key: KeyRecord) => string | number>> = {
  id: (key) => key.id,
  name: (key) => key.name,
  key: (key) => key.secret.reveal(),
  creationTimestamp: (key) => key.createdAt,
};

/** Selects one page. Newest first unless sorted; the search ignores case in id, name and full key. */
export function selectPage(
  keys: readonly KeyRecord[],
  query: PageQuery,
): { readonly items: readonly KeyRecord[]; readonly total: number } {
  const search = query.search.toLowerCase();
  const found = keys.filter((key) =>
    [key.id, key.name, key.secret.reveal()].some((text) => text.toLowerCase().includes(search)),
  );
  const sorted = sort(found, query.sort);
  if (query.pageSize === -1) return { items: query.page === 1 ? sorted : [], total: sorted.length };
  const offset = (query.page - 1) * query.pageSize;
  return { items: sorted.slice(offset, offset + query.pageSize), total: sorted.length };
}

/**
 * The syntax of `page.sort` is not documented. Here it is the name of a field, descending with `-` before it or
 * `desc` after it. Anything else leaves the order unchanged.
 */
function sort(keys: readonly KeyRecord[], order: string): readonly KeyRecord[] {
  const match = /^(-?)(\w+)(?:[ ,:](asc|desc))?$/i.exec(order.trim());
  const fieldName = match?.[2] ?? '';
  const field = Object.hasOwn(SORT_FIELDS, fieldName) ? SORT_FIELDS[fieldName] : undefined;
  if (field === undefined) return keys.toReversed();
  const descending = match?.[1] === '-' || match?.[3]?.toLowerCase() === 'desc';
  const ascending = keys.toSorted((a, b) => compare(field(a), field(b)));
  return descending ? ascending.reverse() : ascending;
}

function compare(a: string | number, b: string | number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NO_USAGE: TokenUsage = { input: 0, output: 0, cached: 0, total: 0 };

/** Total usage and usage by period and model; oldest first, then by model. */
export function usageMessage(entries: readonly UsageEntry[], query: UsageQuery): object {
  const points = new Map<string, { time: number; model: string; usage: TokenUsage }>();
  let total = NO_USAGE;
  for (const { time, keyId, model, usage } of entries) {
    if (time < query.from || time >= query.to) continue;
    if (!isSelected(query.ids, keyId) || !isSelected(query.models, model)) continue;
    const start = startOf(query.period, time);
    const name = JSON.stringify([start, model]);
    const point = points.get(name) ?? { time: start, model, usage: NO_USAGE };
    points.set(name, { ...point, usage: addUsage(point.usage, usage) });
    total = addUsage(total, usage);
  }
  const sorted = [...points.values()].sort((a, b) => a.time - b.time || compare(a.model, b.model));
  return withoutZeros({
    totalUsage: tokensMessage(total),
    dataPoints: sorted.map(({ time, model, usage }) => ({
      timestamp: timestamp(time),
      model,
      modelType: 'TEXT_GENERATION',
      usage: tokensMessage(usage),
    })),
  });
}

function isSelected(selection: readonly string[], value: string): boolean {
  return selection.length === 0 || selection.includes(value);
}

function tokensMessage({ input, output, cached, total }: TokenUsage): object {
  return withoutZeros({
    input: BigInt(input),
    output: BigInt(output),
    cached: BigInt(cached),
    total: BigInt(total),
  });
}

/** The start of the period that contains a time, in UTC; weeks begin on Mondays. */
function startOf(period: UsageQuery['period'], time: number): number {
  if (period === 'hour') return Math.floor(time / HOUR_MS) * HOUR_MS;
  const day = Math.floor(time / DAY_MS) * DAY_MS;
  const date = new Date(day);
  if (period === 'week') return day - ((date.getUTCDay() + 6) % 7) * DAY_MS;
  return period === 'month' ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) : day;
}
