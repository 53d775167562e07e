import * as z from 'zod/mini';
import { mask } from '../secret/mask.ts';
import { Secret } from '../secret/secret.ts';
import type { ApiKey, ApiKeyQuota, ApiKeyUsage, CreationCheck, UsageAmounts } from './types.ts';

/*
 * The responses of the control plane, as schemas whose output is what the client returns. The wire format is protobuf
 * JSON: zero values may be left out, 64-bit integers are strings, unknown fields are allowed. Of a key only the id is
 * required. A field that cannot be read counts as absent, so that one odd key does not fail a list.
 *
 * Loaded with the first response: importing the package does not load zod.
 */

const identifier = z.string().check(z.minLength(1));

const integer = z.pipe(
  z.union([z.number(), z.string().check(z.regex(/^-?\d{1,20}$/))]),
  // The addition turns -0 into 0.
  z.transform((value) => Number(value) + 0),
);
const amount = z.nullish(integer.check(z.refine(Number.isSafeInteger)));
const count = integer.check(
  z.refine((value) => Number.isSafeInteger(value) && value >= 0, 'expected an integer from 0 to 2^53 - 1'),
);

/** RFC 3339. The zero times of Go (year 1) and protobuf (1970) mean that there is no time. */
const time = z.pipe(
  z.string().check(z.refine(isTimestamp)),
  z.transform((text) => (Date.parse(text) > 0 ? new Date(text) : undefined)),
);

function isTimestamp(text: string): boolean {
  const match = /^(\d{4}-\d\d-\d\d)t(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:z|[+-]\d\d:\d\d)$/i.exec(text);
  if (match?.[1] === undefined || Number.isNaN(Date.parse(text))) return false;
  // `Date` accepts the 30th of February as a day in March.
  return new Date(match[1]).toISOString().startsWith(match[1]);
}

/** Reads a value as absent if it is not of its type. */
function lenient<Schema extends z.ZodMiniType>(schema: Schema) {
  return z.pipe(
    z.optional(z.unknown()),
    z.transform((value): z.output<Schema> | undefined => {
      const result = schema.safeParse(value);
      return result.success ? result.data : undefined;
    }),
  );
}

const text = lenient(z.string());
const flag = lenient(z.boolean());
const strings = lenient(
  z.pipe(
    z.array(z.unknown()),
    z.transform((items) => items.filter((item) => typeof item === 'string')),
  ),
);

const unread = z.optional(z.unknown());
const fields = {
  name: text,
  key: text,
  creationTimestamp: lenient(time),
  expireTime: lenient(time),
  expired: flag,
  disabled: flag,
  lastUsedTime: lenient(time),
  createBy: text,
  userId: text,
  workspace: lenient(count),
  allowModels: strings,
  denyModels: strings,
  remainingQuotaSyncedAt: lenient(time),
  // Read together, by `toQuota`.
  quota: unread,
  usedQuota: unread,
  remainingQuota: unread,
  unlimitedQuota: unread,
};
const wireKey = z.object({ ...fields, id: identifier });
type WireKey = z.output<typeof wireKey>;

/** Describes a key, without the full key that the service may have sent. */
function toApiKey(wire: WireKey): ApiKey {
  const quota = toQuota(wire);
  return {
    id: wire.id,
    name: wire.name ?? '',
    maskedKey: mask(wire.key ?? ''),
    createdAt: wire.creationTimestamp ?? new Date(0),
    ...(wire.expireTime && { expiresAt: wire.expireTime }),
    expired: wire.expired ?? false,
    disabled: wire.disabled ?? false,
    ...(wire.lastUsedTime && { lastUsedAt: wire.lastUsedTime }),
    ...(wire.createBy && { createdBy: wire.createBy }),
    ...(wire.userId && { userId: wire.userId }),
    ...(wire.workspace && { workspace: wire.workspace }),
    allowModels: wire.allowModels ?? [],
    denyModels: wire.denyModels ?? [],
    ...(quota && { quota }),
  };
}

const unlimited = z.object({ unlimitedQuota: z.literal(true), usedQuota: amount });
const limited = z.object({ quota: amount, usedQuota: amount, remainingQuota: amount });

/**
 * Every key of a workspace has a quota, in which an absent amount is 0. A key of an account has one if the service
 * sends any part of it.
 */
function toQuota(wire: WireKey): ApiKeyQuota | undefined {
  const parts = [wire.quota, wire.usedQuota, wire.remainingQuota, wire.unlimitedQuota];
  if (!wire.workspace && parts.every((part) => part === undefined || part === null)) return undefined;
  const syncedAt = wire.remainingQuotaSyncedAt && { syncedAt: wire.remainingQuotaSyncedAt };
  // Without a limit, whatever the service sends as its amount means nothing.
  const withoutLimit = unlimited.safeParse(wire);
  if (withoutLimit.success) {
    return {
      limit: 'unlimited',
      used: withoutLimit.data.usedQuota ?? 0,
      remaining: 'unlimited',
      ...syncedAt,
    };
  }
  const { success, data } = limited.safeParse(wire);
  if (!success) return undefined;
  const limit = data.quota ?? 0;
  const used = data.usedQuota ?? 0;
  return { limit, used, remaining: data.remainingQuota ?? Math.max(0, limit - used), ...syncedAt };
}

/** The full key, unless the service masked it or no header can carry it. */
function toSecret(key: string | undefined): Secret | undefined {
  return key && /^[\x21-\x7e]+$/.test(key) && !key.includes('*') ? new Secret(key) : undefined;
}

/** A key, as the updates return it. */
export const apiKey = z.pipe(wireKey, z.transform(toApiKey));

/** A key as create returns it; without `secret` if the service did not send the full key. */
export const createdApiKey = z.pipe(
  // A body with neither is an error whose id is not the id of a key: `{ id, message }`.
  z.looseObject({}).check(z.refine((body) => 'name' in body || 'key' in body, 'expected `name` or `key`')),
  z.pipe(
    wireKey,
    z.transform((wire) => ({ key: toApiKey(wire), secret: toSecret(wire.key) })),
  ),
);

/** A key as delete returns it: possibly an empty message, or one with only the id. */
export const deletedApiKey = z.pipe(
  z.object({ ...fields, id: text }),
  z.transform((wire): { readonly id: string | undefined; readonly key: ApiKey | undefined } => {
    const isDescribed = wire.name !== undefined || wire.key !== undefined;
    return { id: wire.id, key: isDescribed ? toApiKey({ ...wire, id: wire.id ?? '' }) : undefined };
  }),
);

/** A page of keys. */
export const apiKeyPage = z.pipe(
  z.object({
    items: z.nullish(z.array(apiKey)),
    page: lenient(z.object({ page: lenient(count), pageSize: lenient(count), total: lenient(count) })),
  }),
  z.transform(({ items, page }) => ({ items: items ?? [], ...page })),
);

/** The full key, as the service shows it again. */
export const apiKeySecret = z.pipe(
  z.object({ id: text, key: text }),
  z.transform(({ id, key }) => ({ id, secret: toSecret(key) })),
);

export const creationCheck = z.pipe(
  z.object({ allowed: z.nullish(z.boolean()), reason: text }),
  z.transform(
    ({ allowed, reason }): CreationCheck => ({ allowed: allowed ?? false, ...(reason && { reason }) }),
  ),
);

const optionalCount = z.nullish(count);
const amounts = z.pipe(
  z.nullish(
    z.object({
      input: optionalCount,
      output: optionalCount,
      cached: optionalCount,
      total: optionalCount,
      inputCharacters: optionalCount,
      inputAudioDuration: optionalCount,
      outputAudioDuration: optionalCount,
      sampleRate: optionalCount,
    }),
  ),
  z.transform((wire): UsageAmounts => {
    const { input, output, cached, total, inputCharacters } = wire ?? {};
    const audio = {
      ...(wire?.inputAudioDuration && { inputDuration: wire.inputAudioDuration }),
      ...(wire?.outputAudioDuration && { outputDuration: wire.outputAudioDuration }),
      ...(wire?.sampleRate && { sampleRate: wire.sampleRate }),
    };
    return {
      tokens: { input: input ?? 0, output: output ?? 0, cached: cached ?? 0, total: total ?? 0 },
      ...(inputCharacters && { characters: { input: inputCharacters } }),
      ...(Object.keys(audio).length > 0 && { audio }),
    };
  }),
);

const point = z.pipe(
  z.object({ model: text, modelType: text, timestamp: lenient(time), usage: amounts }),
  z.transform(({ model, modelType, timestamp, usage }) => ({
    model: model ?? '',
    ...(modelType && !modelType.endsWith('_UNSPECIFIED') && { modelType }),
    ...(timestamp && { timestamp }),
    ...usage,
  })),
);

/** Usage. A count that a JavaScript number cannot hold is an error, since rounding it would falsify a bill. */
export const usageStatistics = z.pipe(
  z.object({ totalUsage: amounts, dataPoints: z.nullish(z.array(point)) }),
  z.transform(
    ({ totalUsage, dataPoints }): ApiKeyUsage => ({ totals: totalUsage, points: dataPoints ?? [] }),
  ),
);
