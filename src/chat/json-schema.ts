import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError, type ResponseIssue } from '../errors/index.ts';

/** What a schema makes of a value that passes. */
export type SchemaOutput<Schema extends StandardSchemaV1> = StandardSchemaV1.InferOutput<Schema>;

/** A value held against a schema. */
export type Checked<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly ResponseIssue[] };

const MOST_ISSUES = 20;

/** Model servers read draft 7 everywhere; later drafts not all of them. */
const TARGET = 'draft-07';

const known = new WeakMap<StandardSchemaV1, Record<string, unknown>>();

/**
 * The JSON Schema of what a schema accepts, with every object closed: a strict server asks for that, and a model has
 * no business to add fields.
 *
 * @param option - What the caller calls the schema.
 * @throws ConfigurationError if it is no Standard Schema, or one that cannot be written as JSON Schema.
 */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  const isAny = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isAny && '~standard' in value;
}

export async function jsonSchemaOf(
  schema: StandardSchemaV1,
  option: string,
): Promise<Record<string, unknown>> {
  const standard = schema?.['~standard'];
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new ConfigurationError(
      `${option} must be a Standard Schema, such as one of zod, valibot or arktype`,
      {
        option,
      },
    );
  }
  const before = known.get(schema);
  if (before !== undefined) return before;
  const { $schema: _, ...written } = await write(schema, option);
  const closed = closeObjects(written) as Record<string, unknown>;
  known.set(schema, closed);
  return closed;
}

async function write(schema: StandardSchemaV1, option: string): Promise<Record<string, unknown>> {
  const { jsonSchema, vendor } = schema['~standard'] as StandardSchemaV1.Props &
    Partial<StandardJSONSchemaV1.Props>;
  try {
    if (jsonSchema !== undefined) return jsonSchema.input({ target: TARGET });
    // zod/mini leaves the writer out of its schemas, so that a bundle can do without: loaded when it is needed.
    if (vendor === 'zod') return (await import('./zod-schema.ts')).zodJsonSchema(schema);
  } catch (thrown) {
    const why = thrown instanceof Error ? `: ${thrown.message}` : '';
    throw new ConfigurationError(`${option} cannot be written as JSON Schema${why}`, { option });
  }
  const hint = vendor === 'valibot' ? ': wrap it in toStandardJsonSchema of @valibot/to-json-schema' : '';
  throw new ConfigurationError(`${option} is a schema that gives no JSON Schema${hint}`, { option });
}

/** Keywords whose value is a schema or a list of them; not `allOf`, whose parts would shut each other out. */
const SCHEMAS = ['items', 'prefixItems', 'anyOf', 'oneOf', 'additionalProperties'];
/** Keywords whose value names schemas. */
const NAMED_SCHEMAS = ['properties', '$defs', 'definitions'];

function closeObjects(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closeObjects);
  if (typeof schema !== 'object' || schema === null) return schema;
  const closed: Record<string, unknown> = { ...schema };
  for (const keyword of SCHEMAS) if (keyword in closed) closed[keyword] = closeObjects(closed[keyword]);
  for (const keyword of NAMED_SCHEMAS) {
    if (!(keyword in closed)) continue;
    const named = Object.entries(closed[keyword] as object);
    closed[keyword] = Object.fromEntries(named.map(([name, value]) => [name, closeObjects(value)]));
  }
  if (closed.type === 'object') closed.additionalProperties ??= false;
  return closed;
}

/** Holds a value against a schema. What the schema throws is the caller's own error, and comes through. */
export async function checkAgainst<Schema extends StandardSchemaV1>(
  schema: Schema,
  value: unknown,
): Promise<Checked<SchemaOutput<Schema>>> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return { value: result.value as SchemaOutput<Schema> };
  return { issues: result.issues.slice(0, MOST_ISSUES).map(toIssue) };
}

function toIssue({ path = [], message }: StandardSchemaV1.Issue): ResponseIssue {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  return { path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)), message };
}

/** Issues in one line. */
export function issuesText(issues: readonly ResponseIssue[]): string {
  return issues.map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': ')).join('; ');
}
