import { type KeyRecord, OWNER, remainingTokens, type TokenUsage, type UsageEntry } from '../account.ts';
import type { PageQuery, UsageQuery } from './requests.ts';

/*
 * Control-plane messages in protobuf JSON: fields that are empty, zero, false or unset are omitted, and 64-bit integers
 * (bigints here) are strings.
 */

export function withoutZeros(message: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = Object.entries(message).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value),
  );
  return Object.fromEntries(
    fields.map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
  );
}

/** Formats a time as RFC 3339, without `.000`. Returns `undefined` for `undefined` and `Infinity`. */
function timestamp(time: number | undefined): string | undefined {
  if (time === undefined || time === Number.POSITIVE_INFINITY) return undefined;
  return new Date(time).toISOString().replace('.000Z', 'Z');
}

export function keyMessage(record: KeyRecord, now: number, form: 'masked' | 'full'): object {
  const { scope, quota, usedTokens } = record;
  const remaining = remainingTokens(record);
  // According to the contract, account keys have no quota, but a test may set one.
  const hasQuota = scope !== 'account' || quota !== 'unlimited';
  return withoutZeros({
    id: record.id,
    name: record.name,
    key: form === 'full' ? record.secret.reveal() : record.secret.masked,
    creationTimestamp: timestamp(record.createdAt),
    expireTime: timestamp(record.expiresAt),
    expired: record.expiresAt <= now,
    disabled: record.disabled,
    lastUsedTime: timestamp(record.lastUsedAt),
    createBy: record.createdBy,
    userId: record.createdBy === OWNER ? 'u-8105f7322477' : `u-${record.createdBy}`,
    workspace: scope === 'account' ? 0 : scope,
    allowModels: record.allowModels,
    denyModels: record.denyModels,
    unlimitedQuota: hasQuota && quota === 'unlimited',
    quota: typeof quota === 'bigint' ? quota : 0,
    usedQuota: hasQuota ? usedTokens : 0,
    remainingQuota: typeof remaining === 'bigint' ? remaining : 0,
    remainingQuotaSyncedAt: hasQuota ? timestamp(record.lastUsedAt ?? record.createdAt) : undefined,
  });
}

const SORT_FIELDS: Readonly<Record<string, (key: KeyRecord) => string | number>> = {
  id: (key) => key.id,
  name: (key) => key.name,
  key: (key) => key.secret.reveal(),
  creationTimestamp: (key) => key.createdAt,
};

/**
 * Selects one page of keys, newest first unless `sort` is given. The case-insensitive search covers the id, the name
 * and the full key.
 */
export function selectPage(keys: readonly KeyRecord[], { page, pageSize, sort, search }: PageQuery) {
  const found = keys.filter((key) =>
    [key.id, key.name, key.secret.reveal()].some((text) => text.toLowerCase().includes(search.toLowerCase())),
  );
  const sorted = sortKeys(found, sort);
  const size = pageSize === -1 ? Math.max(1, sorted.length) : pageSize;
  return { items: sorted.slice((page - 1) * size, page * size), total: sorted.length };
}

/**
 * Sorts keys. The contract does not document the syntax of `page.sort`. The emulator accepts a field name, with a
 * leading `-` or a trailing `desc` for descending order. For any other value, the newest keys come first.
 */
function sortKeys(keys: readonly KeyRecord[], order: string): readonly KeyRecord[] {
  const [, minus, name = '', suffix] = /^(-?)(\w+)(?:[ ,:](asc|desc))?$/i.exec(order.trim()) ?? [];
  const field = Object.hasOwn(SORT_FIELDS, name) ? SORT_FIELDS[name] : undefined;
  if (field === undefined) return keys.toReversed();
  const ascending = keys.toSorted((a, b) => compare(field(a), field(b)));
  return minus === '-' || suffix?.toLowerCase() === 'desc' ? ascending.reverse() : ascending;
}

function compare(a: string | number, b: string | number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Creates a message with the total usage and the usage per period and model, sorted by period and then by model. */
export function usageMessage(entries: readonly UsageEntry[], query: UsageQuery): object {
  const selected = entries.filter(
    ({ time, keyId, model }) =>
      time >= query.from &&
      time < query.to &&
      (query.ids.length === 0 || query.ids.includes(keyId)) &&
      (query.models.length === 0 || query.models.includes(model)),
  );
  const points = Map.groupBy(selected, ({ time, model }) =>
    JSON.stringify([timestamp(startOf(query.period, time)), model]),
  );
  const sorted = [...points].sort(([a], [b]) => compare(a, b));
  return withoutZeros({
    totalUsage: tokensMessage(selected),
    dataPoints: sorted.map(([name, group]) => {
      const [start, model] = JSON.parse(name);
      return { timestamp: start, model, modelType: 'TEXT_GENERATION', usage: tokensMessage(group) };
    }),
  });
}

function tokensMessage(entries: readonly UsageEntry[]): object {
  const sum = (field: keyof TokenUsage): bigint =>
    entries.reduce((total, { usage }) => total + BigInt(usage[field]), 0n);
  const names = ['input', 'output', 'cached', 'total'] as const;
  return withoutZeros(Object.fromEntries(names.map((name) => [name, sum(name)])));
}

/** Returns the start, in UTC, of the period that contains a time. Weeks start on Monday. */
function startOf(period: UsageQuery['period'], time: number): number {
  const date = new Date(time);
  if (period === 'hour') return date.setUTCMinutes(0, 0, 0);
  date.setUTCHours(0, 0, 0, 0);
  if (period === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (period === 'month') date.setUTCDate(1);
  return date.getTime();
}
