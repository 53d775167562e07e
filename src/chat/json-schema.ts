import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import type { ResponseIssue } from '../errors/index.ts';
import { check, invalid, isPlainObject } from '../errors/invalid.ts';
import { isRecord } from '../internal/json.ts';
import type { SchemaOptions } from './options.ts';
import type { ResponseFormat } from './request.ts';
import { closeSchema, hasValue, isStrictSchema, type JsonSchema } from './schema-rules.ts';
import { isStandardSchema, isTool } from './tools.ts';

/** Schema options, all optional. */
export type AnySchemaOptions = Partial<SchemaOptions<object>>;

export interface Checked {
  readonly value?: unknown;
  /** Present only if the value is invalid. */
  readonly issues?: readonly ResponseIssue[];
}

/** A list with thousands of invalid items must not fill the error message and the model's context. */
const MAX_ISSUES = 20;

/** The draft that model servers implement. xgrammar, OpenAI and Gemini reject the tuple syntax of earlier drafts. */
const TARGET = 'draft-2020-12';

/** Makes schema libraries reject types that JSON cannot represent, and omit checks that JSON Schema cannot express. */
const LIBRARY_OPTIONS: Readonly<Record<string, object>> = {
  zod: {
    override: ({ jsonSchema }: { readonly jsonSchema: JsonSchema }) =>
      jsonSchema.contentEncoding === 'binary' && reject('File'),
  },
  valibot: { overrideAction: ({ errors, jsonSchema }: JsonSchema) => errors && jsonSchema },
  arktype: {
    fallback: {
      domain: ({ domain }: { readonly domain: string }) => reject(domain),
      proto: ({ proto }: { readonly proto: { readonly name: string } }) => reject(proto.name),
      date: () => reject('Date'),
      unit: ({ unit }: JsonSchema) => (unit === undefined ? { not: {} } : reject(`value ${String(unit)}`)),
    },
  },
};

function reject(type: string): never {
  throw new Error(`JSON cannot represent ${type}`);
}

/**
 * Converts a schema to JSON Schema. A JSON Schema is returned unchanged.
 *
 * @param option - Name of the schema option, for error messages.
 * @throws {ConfigurationError} If the value is not a schema, or if the schema cannot be converted to JSON Schema or
 * cannot match any value.
 */
async function toJsonSchema(schema: object, option: string): Promise<JsonSchema> {
  check(!('_def' in Object(schema)) || '_zod' in schema, option, 'requires zod 4');
  const isStandard = isStandardSchema(schema);
  const rule = 'must be a Standard Schema (such as a zod, valibot or arktype schema) or a JSON Schema';
  check(isStandard || (isRecord(schema) && isPlainObject(schema)), option, rule);
  const json = isStandard ? closeSchema(await convert(schema, option)) : (schema as JsonSchema);
  check(hasValue(json), option, 'is a schema that no value can match');
  return json;
}

async function convert(schema: StandardSchemaV1, option: string): Promise<JsonSchema> {
  const { jsonSchema, vendor } = schema['~standard'] as StandardSchemaV1.Props &
    Partial<StandardJSONSchemaV1.Props>;
  const options = { target: TARGET, libraryOptions: { ...LIBRARY_OPTIONS[vendor] } };
  try {
    if (jsonSchema !== undefined) return jsonSchema.input(options);
    // zod/mini schemas do not include the conversion to JSON Schema, so the conversion is imported on demand.
    if (vendor === 'zod') return (await import('./zod-schema.ts')).zodJsonSchema(schema, options);
  } catch (thrown) {
    const why = thrown instanceof Error ? `: ${thrown.message}` : '';
    throw invalid(option, `cannot be converted to JSON Schema${why}`);
  }
  const hint = vendor === 'valibot' ? '. Wrap it in `toStandardJsonSchema` from @valibot/to-json-schema' : '';
  throw invalid(option, `is a schema that does not provide a JSON Schema${hint}`);
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
