import * as z from 'zod/mini';
import { isRecord } from '../internal/json.ts';
import { mask } from '../secret/mask.ts';
import { Secret } from '../secret/secret.ts';
import type { ApiKey, ApiKeyQuota, ApiKeyUsage, CreationCheck, UsageAmounts } from './types.ts';

/*
 * Schemas for the responses of the control plane. Their output is what the client returns. The wire format is protobuf
 * JSON: zero values may be omitted, 64-bit integers are strings, and unknown fields are allowed. Only the id of a key
 * is required. Its other fields are parsed one by one. An invalid field counts as absent, so that one malformed key
 * does not invalidate a whole list.
 */

type Fields = Readonly<Record<string, unknown>>;

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function toTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Parses an integer, possibly given as a string. Returns `NaN` for anything else, including unsafe integers. */
function toInteger(value: unknown): number {
  const number = typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? Number(value) : value;
  // The addition turns -0 into 0.
  return Number.isSafeInteger(number) ? Number(number) + 0 : Number.NaN;
}

/** Parses a positive integer. Returns `undefined` for anything else, including 0. */
function toPositive(value: unknown): number | undefined {
  const integer = toInteger(value);
  return integer > 0 ? integer : undefined;
}

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)t(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:z|[+-]\d\d:\d\d)$/i;

/** Converts an RFC 3339 time to milliseconds since the Unix epoch. Returns `NaN` for anything else. */
function parseTime(value: unknown): number {
  const match = typeof value === 'string' ? TIMESTAMP.exec(value) : null;
  if (match === null) return Number.NaN;
  const [text, year, month, day] = match;
  // `Date` interprets February 30 as a day in March.
  const isDay =
    Number(day) <= 28 || Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return isDay ? Date.parse(text) : Number.NaN;
}

/** Parses a time. The zero times of Go (year 1) and protobuf (1970) count as absent. */
function toTime(value: unknown): Date | undefined {
  const time = parseTime(value);
  return time > 0 ? new Date(time) : undefined;
}

/** Removes fields that are `undefined`. */
function present<T extends object>(fields: T): T {
  for (const name of Object.keys(fields) as (keyof T)[]) if (fields[name] === undefined) delete fields[name];
  return fields;
}

/** Converts a key, and masks the full key if the service sent it. */
function toApiKey(wire: Fields & { readonly id: string }): ApiKey {
  return present<ApiKey>({
    id: wire.id,
    name: toText(wire.name) ?? '',
    maskedKey: mask(toText(wire.key) ?? ''),
    createdAt: toTime(wire.creationTimestamp) ?? new Date(0),
    expiresAt: toTime(wire.expireTime),
    expired: wire.expired === true,
    disabled: wire.disabled === true,
    lastUsedAt: toTime(wire.lastUsedTime),
    createdBy: toText(wire.createBy),
    userId: toText(wire.userId),
    workspace: toPositive(wire.workspace),
    allowModels: toTexts(wire.allowModels),
    denyModels: toTexts(wire.denyModels),
    quota: toQuota(wire),
  });
}

/**
 * Parses a quota. Every workspace key has a quota, and a missing amount means 0. An account key has a quota only if the
 * service sends one of its fields. If an amount cannot be parsed, the key counts as having no quota.
 */
function toQuota(wire: Fields): ApiKeyQuota | undefined {
  const { quota, usedQuota, remainingQuota, unlimitedQuota, workspace } = wire;
  const isAbsent = [quota, usedQuota, remainingQuota, unlimitedQuota].every((part) => part == null);
  if (isAbsent && toPositive(workspace) === undefined) return undefined;
  const used = toInteger(usedQuota ?? 0);
  // The service may send any number as the limit of an unlimited quota.
  const limit = unlimitedQuota === true ? 'unlimited' : toInteger(quota ?? 0);
  const remaining = limit === 'unlimited' ? limit : toInteger(remainingQuota ?? Math.max(0, limit - used));
  if ([limit, used, remaining].some(Number.isNaN)) return undefined;
  return present<ApiKeyQuota>({ limit, used, remaining, syncedAt: toTime(wire.remainingQuotaSyncedAt) });
}

/** Returns the full key, unless it is masked or not a valid header value. */
function toSecret(key: unknown): Secret | undefined {
  return typeof key === 'string' && /^[\x21-\x7e]+$/.test(key) && !key.includes('*')
    ? new Secret(key)
    : undefined;
}

const identifier = z.string().check(z.minLength(1));
const wireKey = z.looseObject({ id: identifier });

/** The response to an update. */
export const apiKey = z.pipe(wireKey, z.transform(toApiKey));

/** The response to a create request. `secret` is absent if the service did not send the full key. */
export const createdApiKey = z.pipe(
  // A body with neither field may describe an error; its `id` is then an error id.
  wireKey.check(z.refine((body) => 'name' in body || 'key' in body, 'expected `name` or `key`')),
  z.transform((wire) => ({ key: toApiKey(wire), secret: toSecret(wire.key) })),
);

/** The response to a delete request, which may be empty or contain only the id. */
export const deletedApiKey = z.pipe(
  z.looseObject({}),
  z.transform((wire) => {
    const id = toText(wire.id);
    const isDescribed = toText(wire.name) !== undefined || toText(wire.key) !== undefined;
    return { id, key: isDescribed ? toApiKey({ ...wire, id: id ?? '' }) : undefined };
  }),
);

/** A page of keys, and the ids of the keys whose last-used time could not be parsed. */
export const apiKeyPage = z.pipe(
  z.looseObject({ items: z.nullish(z.array(wireKey)) }),
  z.transform(({ items, page }) => {
    const keys = items ?? [];
    const count = isRecord(page) ? page : {};
    const hasUnreadableUse = ({ lastUsedTime }: Fields): boolean =>
      lastUsedTime != null && lastUsedTime !== '' && Number.isNaN(parseTime(lastUsedTime));
    return {
      items: keys.map(toApiKey),
      unknownUse: new Set(keys.filter(hasUnreadableUse).map(({ id }) => id)),
      page: toPositive(count.page),
      pageSize: toPositive(count.pageSize),
      total: toPositive(count.total),
    };
  }),
);

/** The response to a request for the secret of an existing key. */
export const apiKeySecret = z.pipe(
  z.looseObject({}),
  z.transform(({ id, key }) => ({ id: toText(id), secret: toSecret(key) })),
);

export const creationCheck = z.pipe(
  z.looseObject({ allowed: z.nullish(z.boolean()) }),
  z.transform(
    ({ allowed, reason }): CreationCheck => present({ allowed: allowed === true, reason: toText(reason) }),
  ),
);

const count = z.pipe(
  z.transform((value: unknown) => toInteger(value ?? 0)),
  z.number('expected an integer from 0 to 2^53 - 1').check(z.minimum(0)),
);
const amounts = z.pipe(
  z.nullish(z.looseObject({})),
  z.pipe(
    z.transform((wire: Fields | null | undefined) => wire ?? {}),
    z.object({
      input: count,
      output: count,
      cached: count,
      total: count,
      inputCharacters: count,
      inputAudioDuration: count,
      outputAudioDuration: count,
      sampleRate: count,
    }),
  ),
);

function toAmounts(wire: z.output<typeof amounts>): UsageAmounts {
  const { input, output, cached, total, inputCharacters } = wire;
  const audio = present({
    inputDuration: wire.inputAudioDuration || undefined,
    outputDuration: wire.outputAudioDuration || undefined,
    sampleRate: wire.sampleRate || undefined,
  });
  return present({
    tokens: { input, output, cached, total },
    characters: inputCharacters > 0 ? { input: inputCharacters } : undefined,
    audio: Object.keys(audio).length > 0 ? audio : undefined,
  });
}

const point = z.pipe(
  z.looseObject({ usage: amounts }),
  z.transform(({ usage, ...wire }) => {
    const modelType = toText(wire.modelType);
    return present({
      model: toText(wire.model) ?? '',
      modelType: modelType?.endsWith('_UNSPECIFIED') ? undefined : modelType,
      timestamp: toTime(wire.timestamp),
      ...toAmounts(usage),
    });
  }),
);

/** Usage. A count above `Number.MAX_SAFE_INTEGER` is rejected, because rounding would make bills incorrect. */
export const usageStatistics = z.pipe(
  z.object({ totalUsage: amounts, dataPoints: z.nullish(z.array(point)) }),
  z.transform(
    ({ totalUsage, dataPoints }): ApiKeyUsage => ({
      totals: toAmounts(totalUsage),
      points: dataPoints ?? [],
    }),
  ),
);
