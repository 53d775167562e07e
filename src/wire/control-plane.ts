import * as z from 'zod/mini';

/*
 * The control plane speaks protobuf JSON: zero values are left out, `null` is an absence, 64-bit integers travel
 * as strings. Every field is optional there; required here is only what nothing can be done without. Unknown
 * fields are no error.
 */

const text = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string());
const flag = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.boolean());
const list = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(/* @__PURE__ */ z.string()));

/** An int64: a string by protobuf's rules, though the contract declares some as numbers. */
const count = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ z.pipe(
    /* @__PURE__ */ z.union([
      /* @__PURE__ */ z.int(),
      /* @__PURE__ */ z.string().check(/* @__PURE__ */ z.regex(/^-?\d{1,15}$/)),
    ]),
    /* @__PURE__ */ z.transform(Number),
  ),
);

/** RFC 3339; an empty text is an absence too. */
const moment = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ z
    .string()
    .check(/* @__PURE__ */ z.refine((text) => text === '' || isMoment(text), 'expected an RFC 3339 time')),
);

function isMoment(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\dt\d\d:\d\d:\d\d(?:\.\d+)?(?:z|[+-]\d\d:\d\d)$/i.test(text) &&
    !Number.isNaN(Date.parse(text))
  );
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
  workspace: count,
  allowModels: list,
  denyModels: list,
};

/** An API key as the lists answer it. */
const apiKey = /* @__PURE__ */ z.object({ ...fields, id: identifier });

/**
 * An API key as create answers it. It is the only moment at which its key is shown: no other field may be a reason
 * to lose it, so one that is not of its type counts as absent.
 */
export const createdApiKey = /* @__PURE__ */ z.object({
  id: identifier,
  key: text,
  name: /* @__PURE__ */ z.catch(text, undefined),
  creationTimestamp: /* @__PURE__ */ z.catch(moment, undefined),
  expireTime: /* @__PURE__ */ z.catch(moment, undefined),
  expired: /* @__PURE__ */ z.catch(flag, undefined),
  disabled: /* @__PURE__ */ z.catch(flag, undefined),
  lastUsedTime: /* @__PURE__ */ z.catch(moment, undefined),
  createBy: /* @__PURE__ */ z.catch(text, undefined),
  userId: /* @__PURE__ */ z.catch(text, undefined),
  workspace: /* @__PURE__ */ z.catch(count, undefined),
  allowModels: /* @__PURE__ */ z.catch(list, undefined),
  denyModels: /* @__PURE__ */ z.catch(list, undefined),
});

/** Every field may be absent, but a message without any of them is an error that came with the wrong status. */
const anyOf = (...names: readonly string[]): z.core.$ZodCheck<object> =>
  z.refine<object>(
    (body) => !('message' in body) || names.some((name) => name in body),
    'expected an answer, not a message',
  );

/** An API key as delete answers it: what is gone need not be described. */
export const deletedApiKey = /* @__PURE__ */ z
  .looseObject({ ...fields, id: text })
  .check(/* @__PURE__ */ anyOf('id', 'name', 'key'));

/** A page of API keys. */
export const apiKeyPage = /* @__PURE__ */ z
  .looseObject({
    items: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(apiKey)),
    page: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.object({ page: count, pageSize: count, total: count })),
  })
  .check(/* @__PURE__ */ anyOf('items', 'page'));

/** The answer to "may one more be created?". */
export const creationCheck = /* @__PURE__ */ z
  .looseObject({ allowed: flag, reason: text })
  .check(/* @__PURE__ */ anyOf('allowed', 'reason'));

/** The fields of an API key in either form. */
export type WireApiKey = z.output<typeof createdApiKey> | z.output<typeof deletedApiKey>;
