import * as z from 'zod/mini';

/*
 * The control plane speaks protobuf JSON: zero values are left out, `null` is an absence, 64-bit integers travel
 * as strings. Every field is optional there; required here is only what nothing can be done without. Unknown
 * fields are no error.
 */

const text = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.string());
const flag = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.boolean());
const list = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(/* @__PURE__ */ z.string()));
const integer = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.int());

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

/** RFC 3339. */
const moment = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.iso.datetime({ offset: true }));

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
  workspace: integer,
  allowModels: list,
  denyModels: list,
};

/** An API key as create and the lists answer it. */
export const apiKey = /* @__PURE__ */ z.object({ ...fields, id: identifier });

/** An API key as delete answers it: what is gone need not be described. */
export const deletedApiKey = /* @__PURE__ */ z.object({ ...fields, id: text });

/** A page of API keys. */
export const apiKeyPage = /* @__PURE__ */ z.object({
  items: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.array(apiKey)),
  page: /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.object({ page: count, pageSize: count, total: count })),
});

/** The answer to "may one more be created?". */
export const creationCheck = /* @__PURE__ */ z.object({ allowed: flag, reason: text });

/** The fields of an API key in either form. */
export type WireApiKey = z.output<typeof deletedApiKey>;
