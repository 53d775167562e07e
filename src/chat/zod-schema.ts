import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { type $ZodType, toJSONSchema } from 'zod/v4/core';

/** Converts a zod/mini schema to JSON Schema. Kept in a separate file so that bundlers can drop unused parts of zod. */
export function zodJsonSchema(
  schema: StandardSchemaV1,
  { libraryOptions }: StandardJSONSchemaV1.Options,
): Record<string, unknown> {
  return { ...toJSONSchema(schema as unknown as $ZodType, { ...libraryOptions, io: 'input' }) };
}
