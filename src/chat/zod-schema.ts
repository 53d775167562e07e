import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type $ZodType, toJSONSchema } from 'zod/v4/core';

/** The JSON Schema of a schema of zod/mini. A file of its own, loaded only by who uses such schemas. */
export function zodJsonSchema(schema: StandardSchemaV1): Record<string, unknown> {
  return { ...toJSONSchema(schema as unknown as $ZodType, { target: 'draft-7', io: 'input' }) };
}
