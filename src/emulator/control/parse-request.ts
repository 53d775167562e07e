import * as z from 'zod/mini';
import { invalidField } from './control-errors.ts';

/** A request of the schema's type. @throws Refusal that names the field which is not of its type. */
export function parseRequest<Schema extends z.ZodMiniType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  throw invalidField(String(result.error.issues[0]?.path[0]));
}

/** An RFC 3339 time; `null` is an absence. */
export const moment = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.iso.datetime({ offset: true }));

export const flag = /* @__PURE__ */ z.nullish(/* @__PURE__ */ z.boolean());

const LARGEST_INT64 = 2n ** 63n - 1n;

/** A count as an int64: a string, as protobuf's JSON writes it and the contract declares it. */
export const count = /* @__PURE__ */ z.nullish(
  /* @__PURE__ */ z
    .string()
    .check(/* @__PURE__ */ z.refine((text) => /^\d{1,19}$/.test(text) && BigInt(text) <= LARGEST_INT64)),
);
