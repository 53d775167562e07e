import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError, type ResponseIssue } from '../errors/index.ts';
import { isRecord } from '../internal/json.ts';
import type { SchemaOptions } from './options.ts';
import type { ResponseFormat } from './request.ts';
import { closeSchema, hasValue, isStrictSchema, type JsonSchema } from './schema-rules.ts';
import { isStandardSchema, isTool } from './tools.ts';

/** Schema options, all optional. */
export type AnySchemaOptions = Partial<SchemaOptions<object>>;

/** The result of validating a value against a schema. */
export interface Checked {
  readonly value?: unknown;
  /** Present only if the value is invalid. */
  readonly issues?: readonly ResponseIssue[];
}

const MAX_ISSUES = 20;

/** The draft that model servers implement. xgrammar, OpenAI and Gemini reject the tuple syntax of earlier drafts. */
const TARGET = 'draft-2020-12';

/** The argument that schema libraries pass to the functions in `LIBRARY_OPTIONS`. */
interface Conversion {
  readonly jsonSchema: JsonSchema;
  readonly errors: unknown;
  readonly domain: string;
  readonly proto: { readonly name: string };
  readonly unit: unknown;
}

/** Makes schema libraries reject types that JSON cannot represent, and omit checks that JSON Schema cannot express. */
const LIBRARY_OPTIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  zod: {
    override: ({ jsonSchema }: Conversion) => jsonSchema.contentEncoding === 'binary' && reject('File'),
  },
  valibot: { overrideAction: ({ errors, jsonSchema }: Conversion) => errors && jsonSchema },
  arktype: {
    fallback: {
      domain: ({ domain }: Conversion) => reject(domain),
      proto: ({ proto }: Conversion) => reject(proto.name),
      date: () => reject('Date'),
      unit: ({ unit }: Conversion) => (unit === undefined ? { not: {} } : reject(`value ${String(unit)}`)),
    },
  },
};

function reject(type: string): never {
  throw new Error(`JSON cannot represent ${type}`);
}

const written = new WeakMap<object, JsonSchema>();

/**
 * Converts a schema to JSON Schema. A JSON Schema is returned unchanged.
 *
 * @param option - Name of the schema option, for error messages.
 * @throws {ConfigurationError} If the value is not a schema, or if the schema cannot be converted to JSON Schema or
 * cannot match any value.
 */
async function toJsonSchema(schema: object, option: string): Promise<JsonSchema> {
  const known = isStandardSchema(schema) ? written.get(schema) : undefined;
  if (known !== undefined) return known;
  const fail = (why: string): never => {
    throw new ConfigurationError(`\`${option}\` ${why.replace(/\.$/, '')}.`, { option });
  };
  const json = isStandardSchema(schema) ? closeSchema(await write(schema, fail)) : rawSchema(schema, fail);
  if (!hasValue(json)) return fail('is a schema that no value can match');
  if (isStandardSchema(schema)) written.set(schema, json);
  return json;
}

function rawSchema(schema: unknown, fail: (why: string) => never): JsonSchema {
  if (isRecord(schema) && '_def' in schema) return fail('requires zod 4');
  // Instances of classes are not JSON Schemas. Objects from other realms have a different `Object.prototype`.
  const prototype: unknown = isRecord(schema) ? Object.getPrototypeOf(schema) : undefined;
  const isPlain = prototype === null || (isRecord(prototype) && Object.getPrototypeOf(prototype) === null);
  return isRecord(schema) && isPlain && !('kind' in schema)
    ? schema
    : fail('must be a Standard Schema (such as a zod, valibot or arktype schema) or a JSON Schema');
}

async function write(schema: StandardSchemaV1, fail: (why: string) => never): Promise<JsonSchema> {
  const { jsonSchema, vendor } = schema['~standard'] as StandardSchemaV1.Props &
    Partial<StandardJSONSchemaV1.Props>;
  try {
    const libraryOptions = LIBRARY_OPTIONS[vendor];
    if (jsonSchema !== undefined) return jsonSchema.input({ target: TARGET, libraryOptions });
    // zod/mini schemas do not include the conversion to JSON Schema, so the conversion is imported on demand.
    if (vendor === 'zod' && '_zod' in schema)
      return (await import('./zod-schema.ts')).zodJsonSchema(schema, { target: TARGET, ...libraryOptions });
  } catch (thrown) {
    return fail(`cannot be converted to JSON Schema${thrown instanceof Error ? `: ${thrown.message}` : ''}`);
  }
  if (vendor === 'zod') return fail('requires zod 4');
  const hint = vendor === 'valibot' ? '. Wrap it in `toStandardJsonSchema` from @valibot/to-json-schema' : '';
  return fail(`is a schema that does not provide a JSON Schema${hint}`);
}

/** Creates the `response_format` that makes a server enforce a schema. */
export async function toResponseFormat(
  wanted: object,
  { schemaName = 'answer', strict }: AnySchemaOptions,
): Promise<ResponseFormat> {
  const schema = await toJsonSchema(wanted, 'schema');
  const json_schema = { name: schemaName, schema, strict: strict ?? isStrictSchema(schema) };
  return { type: 'json_schema', json_schema };
}

/** Converts a tool to the definition that is sent to the model. Returns existing definitions unchanged. */
export async function toToolDefinition(tool: object): Promise<object> {
  if (!isTool(tool)) return tool;
  const { name, description, strict, parameters } = tool;
  const schema = await toJsonSchema(parameters, `parameters of the tool ${name}`);
  return { type: 'function', function: { name, description, parameters: schema, strict } };
}

/** Validates a value. A plain JSON Schema accepts every value. Errors thrown by the schema are not caught. */
export async function validate(schema: object, value: unknown): Promise<Checked> {
  if (!isStandardSchema(schema)) return { value };
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return { value: result.value };
  const issues = result.issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
    return { path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)), message };
  });
  return { issues };
}

/** Formats issues on one line. */
export function issuesText(issues: readonly ResponseIssue[]): string {
  return issues.map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': ')).join('; ');
}
