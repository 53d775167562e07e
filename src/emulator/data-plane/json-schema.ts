import { fromJSONSchema } from 'zod';
import { isObject } from '../http.ts';

type Schema = Record<string, unknown>;

/** Returns the first violation of a JSON schema with its path; `undefined` if there is none. */
export function violationOf(schema: unknown, value: unknown): string | undefined {
  let result: ReturnType<ReturnType<typeof fromJSONSchema>['safeParse']>;
  try {
    result = fromJSONSchema(schema as Schema).safeParse(value);
  } catch {
    // zod does not know some keywords, such as `if`.
    return undefined;
  }
  const [issue] = result.error?.issues ?? [];
  if (issue !== undefined) return `at ${['$', ...issue.path].join('.')}: ${issue.message}`;
  // zod fills in defaults, but a model has to send them.
  const isComplete = JSON.stringify(result.data).length === JSON.stringify(value).length;
  return isComplete ? undefined : 'a required property that has a default is missing';
}

/** Returns the simplest value that a schema accepts, or why none was found. */
export function exampleOf(schema: unknown): { readonly value: unknown } | { readonly problem: string } {
  try {
    const value = new Generator(schema).generate(schema);
    const problem = violationOf(schema, value);
    return problem === undefined ? { value } : { problem };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** Bounds for schemas that refer to themselves or demand more than anyone reads. */
const MAX_DEPTH = 16;
const MAX_VALUES = 5000;
const MAX_LENGTH = 1000;

/** Generates values for the keywords that zod, valibot and arktype produce. */
class Generator {
  readonly #root: unknown;
  #count = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  generate(schema: unknown, depth = 0): unknown {
    if (depth > MAX_DEPTH || ++this.#count > MAX_VALUES) throw new Error('it is too deep or too large');
    if (schema === false) throw new Error('it accepts nothing');
    if (!isObject(schema)) return null;
    const within = (part: unknown): unknown => this.generate(part, depth + 1);
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema;
    if ($ref !== undefined) return within(merge(rest, this.#resolved(schema)));
    const choices = anyOf ?? oneOf;
    if (Array.isArray(allOf)) {
      const parts = allOf.map((part) => this.#resolved(part));
      return within(
        parts.reduce<unknown>(merge, { ...rest, ...(choices !== undefined && { anyOf: choices }) }),
      );
    }
    if (Array.isArray(choices)) return first(choices, (choice) => within(merge(rest, choice)));
    if ('const' in schema) return schema.const;
    if ('default' in schema) return schema.default;
    if (Array.isArray(schema.enum)) return schema.enum[0];
    const types = [schema.type ?? ('properties' in schema ? 'object' : 'null')].flat();
    return first(types, (type) => {
      if (type === 'object') return objectOf(schema, within);
      if (type === 'array') return arrayOf(schema, within);
      if (type === 'string') return stringOf(schema);
      if (type === 'number' || type === 'integer') return numberOf(schema, type);
      return type === 'boolean' ? false : null;
    });
  }

  /** Resolves a reference within the schema, such as `#/$defs/city`. */
  #resolved(schema: unknown): unknown {
    if (!isObject(schema) || typeof schema.$ref !== 'string') return schema;
    const path = schema.$ref.split('/').slice(1);
    const names = path.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
    return names.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), this.#root);
  }
}

/** The first result that does not fail. */
function first<T>(choices: readonly T[], generate: (choice: T) => unknown): unknown {
  let problem: unknown;
  for (const choice of choices) {
    try {
      return generate(choice);
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

function objectOf(schema: Schema, generate: (schema: unknown) => unknown): object {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const names = new Set(listOf(schema.required).map(String));
  for (let extra = 0; names.size < Math.min(bound(schema.minProperties, 0), MAX_LENGTH); extra++) {
    names.add(Object.keys(properties)[extra] ?? `x${extra}`);
  }
  const schemaOf = (name: string): unknown => properties[name] ?? schema.additionalProperties ?? true;
  return Object.fromEntries(Array.from(names, (name) => [name, generate(schemaOf(name))]));
}

function arrayOf(schema: Schema, generate: (schema: unknown) => unknown): unknown[] {
  // Draft 7 has the items of a tuple in `items`.
  const prefix = listOf(schema.prefixItems ?? schema.items);
  const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
  const length = Math.min(bound(schema.minItems, 0), MAX_LENGTH);
  return Array.from({ length }, (_, index) => generate(index < prefix.length ? prefix[index] : rest));
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-01T00:00:00Z',
  date: '2026-01-01',
  time: '00:00:00Z',
  duration: 'P1D',
  email: 'user@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uuid: '00000000-0000-4000-8000-000000000000',
  uri: 'https://example.com',
  url: 'https://example.com',
  base64: 'eHh4',
};

function stringOf({ minLength, format, pattern }: Schema): string {
  const minimum = Math.min(bound(minLength, 0), MAX_LENGTH);
  const simple = FORMATS[String(format)] ?? 'x'.repeat(minimum);
  if (typeof pattern !== 'string') return simple;
  // The patterns of formats and of simple character classes.
  const candidates = [simple, ...['x', 'X', '0'].map((text) => text.repeat(Math.max(1, minimum)))];
  const match = candidates.find((candidate) => new RegExp(pattern, 'u').test(candidate));
  if (match === undefined) throw new Error(`no simple string matches ${pattern}`);
  return match;
}

function numberOf(schema: Schema, type: 'number' | 'integer'): number {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const step = bound(schema.multipleOf, 1);
  const low = Math.max(bound(minimum, -Infinity), bound(exclusiveMinimum, -Infinity));
  const high = Math.min(bound(maximum, Infinity), bound(exclusiveMaximum, Infinity));
  const multiple = Math.ceil(low / step) * step;
  const candidates = [0, multiple, multiple + step, low, high, high - step];
  const value = [...candidates, ...(type === 'number' ? [(low + high) / 2] : [])].find((candidate) => {
    const isInside = Number.isFinite(candidate) && candidate >= low && candidate <= high;
    return isInside && candidate !== exclusiveMinimum && candidate !== exclusiveMaximum;
  });
  if (value === undefined) throw new Error('no simple number is in range');
  return value;
}

/** Combines two schemas that both apply. */
function merge(a: unknown, b: unknown): unknown {
  if (!isObject(a) || !isObject(b)) return a === false || b === false ? false : isObject(a) ? a : b;
  const merged: Schema = { ...a, ...b };
  for (const [name, left] of Object.entries(a)) {
    const right = b[name];
    if (right === undefined) continue;
    if (name === 'properties' && isObject(left) && isObject(right)) {
      const both = Object.keys(left).filter((property) => property in right);
      const combined = both.map((property) => [property, merge(left[property], right[property])]);
      merged[name] = { ...left, ...right, ...Object.fromEntries(combined) };
    } else if (name === 'required') merged[name] = [...listOf(left), ...listOf(right)];
    else if (/^(?:min|exclusiveMin)/.test(name)) merged[name] = Math.max(Number(left), Number(right));
    else if (/^(?:max|exclusiveMax)/.test(name)) merged[name] = Math.min(Number(left), Number(right));
    else if (name === 'type' && right === 'number') merged[name] = left;
  }
  return merged;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function bound(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
