import * as z from 'zod/mini';

/*
 * The control plane speaks protobuf JSON: zero values are left out, `null` is an absence, 64-bit integers travel
 * as strings. Every field is optional there; required here is only what nothing can be done without. Unknown
 * fields are no error.
 */

const text = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string());
const flag = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.boolean());
const list = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(/* @__PURE__ */ z.string()));

const NOT_HELD = 'expected a whole number that a JavaScript number can hold';

/**
 * An int64 or uint64: a string by protobuf's rules, though the contract declares some as numbers. What is neither is
 * no number here; what a number cannot hold is for those who use this to refuse, so that nothing is rounded.
 */
const integer = /* @__PURE__ */ z.pipe(
  /* @__PURE__ */ z.union([/* @__PURE__ */ z.number(), /* @__PURE__ */ z.string()]),
  /* @__PURE__ */ z.transform((value) =>
    // The sum turns -0, which JSON can write, into 0.
    typeof value === 'number' || /^-?\d{1,20}$/.test(value) ? Number(value) + 0 : Number.NaN,
  ),
);

const int64 = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ integer.check(/* @__PURE__ */ z.refine(Number.isSafeInteger, NOT_HELD)),
);
/** A part of a quota, to be held against its limit: {@link amountsHeld}. */
const amount = /* @__PURE__ */ z.nullish(integer);
const uint64 = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ integer.check(
    /* @__PURE__ */ z.refine((value) => Number.isSafeInteger(value) && value >= 0, NOT_HELD),
  ),
);

/** RFC 3339; an empty text is an absence too. */
const moment = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ z
    .string()
    .check(/* @__PURE__ */ z.refine((text) => text === '' || isMoment(text), 'expected an RFC 3339 time')),
);

function isMoment(text: string): boolean {
  const form = /^(\d{4}-\d\d-\d\d)t(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:z|[+-]\d\d:\d\d)$/i.exec(text);
  if (form === null || Number.isNaN(Date.parse(text))) return false;
  // Engines take the 30th of February for a day in March.
  const [, day = ''] = form;
  return new Date(day).toISOString().startsWith(day);
}

const identifier = /* @__PURE__ */ z.string().check(/* @__PURE__ */ z.minLength(1));

const fields = {
  name: text,
  key: text,
  creationTimestamp: moment,
  expireTime: moment,
  expired: flag,
  disabled: flag,
  lastUsedTime: moment,
  createBy: text,
  userId: text,
  workspace: int64,
  allowModels: list,
  denyModels: list,
  quota: amount,
  usedQuota: int64,
  remainingQuota: amount,
  remainingQuotaSyncedAt: moment,
  unlimitedQuota: flag,
};

/** Where there is no limit, whatever number stands for its amount means nothing. */
const held = (name: 'quota' | 'remainingQuota'): z.core.$ZodCheck<Partial<Record<string, unknown>>> =>
  z.refine<Partial<Record<string, unknown>>>(
    (key) => key.unlimitedQuota === true || key[name] == null || Number.isSafeInteger(key[name]),
    { path: [name], error: NOT_HELD },
  );

/** An API key as the lists and the updates answer it. */
export const apiKey = /* @__PURE__ */ z
  .object({ ...fields, id: identifier })
  .check(/* @__PURE__ */ held('quota'), /* @__PURE__ */ held('remainingQuota'));

/** The value, or something else where it is not of its type. What `z.catch` does too, at 3 kB for every bundle. */
const orElse = <Schema extends z.ZodMiniType, Fallback>(schema: Schema, fallback: Fallback) =>
  z.pipe(
    z.optional(z.unknown()),
    z.transform((value): z.output<Schema> | Fallback => {
      const result = schema.safeParse(value);
      return result.success ? result.data : fallback;
    }),
  );

/** Every field may be absent, but a message without any of them is an error that came with the wrong status. */
const anyOf = (...names: readonly string[]): z.core.$ZodCheck<object> =>
  z.refine<object>(
    (body) => !('message' in body) || names.some((name) => name in body),
    'expected an answer, not a message',
  );

/**
 * An API key as create answers it. It is the only moment at which its key is shown: no other field may be a reason
 * to lose it, so one that is not of its type counts as absent; an amount is no number then, since an absent one is 0.
 */
export const createdApiKey = /* @__PURE__ */ z.pipe(
  /* @__PURE__ */ z.looseObject({}).check(/* @__PURE__ */ anyOf('name', 'key')),
  /* @__PURE__ */ z.object({
    id: identifier,
    key: text,
    name: /* @__PURE__ */ orElse(text, undefined),
    creationTimestamp: /* @__PURE__ */ orElse(moment, undefined),
    expireTime: /* @__PURE__ */ orElse(moment, undefined),
    expired: /* @__PURE__ */ orElse(flag, undefined),
    disabled: /* @__PURE__ */ orElse(flag, undefined),
    lastUsedTime: /* @__PURE__ */ orElse(moment, undefined),
    createBy: /* @__PURE__ */ orElse(text, undefined),
    userId: /* @__PURE__ */ orElse(text, undefined),
    workspace: /* @__PURE__ */ orElse(int64, undefined),
    allowModels: /* @__PURE__ */ orElse(list, undefined),
    denyModels: /* @__PURE__ */ orElse(list, undefined),
    quota: /* @__PURE__ */ orElse(int64, Number.NaN),
    usedQuota: /* @__PURE__ */ orElse(int64, Number.NaN),
    remainingQuota: /* @__PURE__ */ orElse(int64, Number.NaN),
    remainingQuotaSyncedAt: /* @__PURE__ */ orElse(moment, undefined),
    unlimitedQuota: /* @__PURE__ */ orElse(flag, undefined),
  }),
);

/** An API key as delete answers it: what is gone need not be described. */
export const deletedApiKey = /* @__PURE__ */ z
  .looseObject({ ...fields, id: text })
  .check(
    /* @__PURE__ */ anyOf('id', 'name', 'key'),
    /* @__PURE__ */ held('quota'),
    /* @__PURE__ */ held('remainingQuota'),
  );

/** A page of API keys. */
export const apiKeyPage = /* @__PURE__ */ z
  .looseObject({
    items: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(apiKey)),
    page: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.object({ page: int64, pageSize: int64, total: int64 })),
  })
  .check(/* @__PURE__ */ anyOf('items', 'page'));

/** A whole key that is shown again. */
export const apiKeySecret = /* @__PURE__ */ z.object({ id: text, key: text });

/** The answer to "may one more be created?". */
export const creationCheck = /* @__PURE__ */ z
  .looseObject({ allowed: flag, reason: text })
  .check(/* @__PURE__ */ anyOf('allowed', 'reason'));

const usage = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ z.object({
    input: uint64,
    output: uint64,
    cached: uint64,
    total: uint64,
    inputCharacters: uint64,
    inputAudioDuration: uint64,
    outputAudioDuration: uint64,
    sampleRate: int64,
  }),
);

const dataPoint = /* @__PURE__ */ z.object({ model: text, modelType: text, timestamp: moment, usage });

/** What API keys were used for. */
export const usageStatistics = /* @__PURE__ */ z
  .looseObject({
    totalUsage: usage,
    dataPoints: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(dataPoint)),
  })
  .check(/* @__PURE__ */ anyOf('totalUsage', 'dataPoints'));

/** The fields of an API key in any of its forms. */
export type WireApiKey = z.output<typeof createdApiKey> | z.output<typeof deletedApiKey>;

export type WireUsage = NonNullable<z.output<typeof usage>>;
