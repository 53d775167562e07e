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
    const value = new Generator(schema).generate(schema, 0, 0);
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

  /** @param variant - Different numbers give different values, for unique items. */
  generate(schema: unknown, depth: number, variant: number): unknown {
    if (depth > MAX_DEPTH || ++this.#count > MAX_VALUES) throw new Error('it is too deep or too large');
    if (schema === false) throw new Error('it accepts nothing');
    if (!isObject(schema)) return variant === 0 ? null : variant;
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema;
    if (typeof $ref === 'string') {
      return this.generate(merge(rest, resolve(this.#root, $ref)), depth + 1, variant);
    }
    const choices = listOf(anyOf ?? oneOf);
    if (Array.isArray(allOf)) {
      const parts = allOf.map((part) => (part?.$ref ? resolve(this.#root, String(part.$ref)) : part));
      const merged = parts.reduce<unknown>(merge, choices.length > 0 ? { ...rest, anyOf: choices } : rest);
      return this.generate(merged, depth + 1, variant);
    }
    if (choices.length > 0) {
      return first(choices, variant, (choice) => this.generate(merge(rest, choice), depth + 1, variant));
    }
    if ('const' in schema) return schema.const;
    if ('default' in schema && variant === 0) return schema.default;
    if (Array.isArray(schema.enum)) return schema.enum[variant % schema.enum.length];
    const types = [schema.type ?? ('properties' in schema ? 'object' : 'null')].flat();
    return first(types, 0, (type) => this.#ofType(type, schema, depth, variant));
  }

  #ofType(type: unknown, schema: Schema, depth: number, variant: number): unknown {
    if (type === 'object') return this.#object(schema, depth);
    if (type === 'array') return this.#array(schema, depth);
    if (type === 'string') return stringOf(schema, variant);
    if (type === 'number' || type === 'integer') return numberOf(schema, type, variant);
    return type === 'boolean' ? variant % 2 === 1 : null;
  }

  #object(schema: Schema, depth: number): object {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const minimum = Math.min(bound(schema.minProperties, 0), MAX_LENGTH);
    const names = new Set(listOf(schema.required).map(String));
    for (const name of Object.keys(properties)) if (names.size < minimum) names.add(name);
    for (let extra = 0; names.size < minimum; extra++) names.add(`x${extra}`);
    const generate = (name: string): unknown =>
      this.generate(properties[name] ?? schema.additionalProperties ?? true, depth + 1, 0);
    return Object.fromEntries([...names].map((name) => [name, generate(name)]));
  }

  #array(schema: Schema, depth: number): unknown[] {
    // Draft 7 has the items of a tuple in `items`.
    const prefix = listOf(schema.prefixItems ?? schema.items);
    const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
    const length = Math.min(bound(schema.minItems, 0), MAX_LENGTH);
    return Array.from({ length }, (_, index) => {
      const item = index < prefix.length ? prefix[index] : (rest ?? true);
      return this.generate(item, depth + 1, schema.uniqueItems === true ? index : 0);
    });
  }
}

/** The first result that does not fail, beginning with the choice of a variant. */
function first<T>(choices: readonly T[], variant: number, generate: (choice: T) => unknown): unknown {
  const start = variant % choices.length;
  let problem: unknown;
  for (const choice of [...choices.slice(start), ...choices.slice(0, start)]) {
    try {
      return generate(choice);
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
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

function stringOf({ minLength, format, pattern }: Schema, variant: number): string {
  const minimum = Math.min(bound(minLength, 0), MAX_LENGTH);
  const known = typeof format === 'string' ? FORMATS[format] : undefined;
  const filler = known ?? 'x'.repeat(variant > 0 ? minimum + variant : minimum);
  if (typeof pattern !== 'string') return filler;
  // The patterns of formats and of simple character classes.
  const candidates = [filler, ...['x', 'X', '0'].map((text) => text.repeat(Math.max(1, minimum)))];
  const match = candidates.find((candidate) => new RegExp(pattern, 'u').test(candidate));
  if (match === undefined) throw new Error(`no simple string matches ${pattern}`);
  return match;
}

function numberOf(schema: Schema, type: 'number' | 'integer', variant: number): number {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const step = bound(schema.multipleOf, 1);
  const low = Math.max(bound(minimum, -Infinity), bound(exclusiveMinimum, -Infinity));
  const high = Math.min(bound(maximum, Infinity), bound(exclusiveMaximum, Infinity));
  const isValid = (value: number): boolean => {
    const isInside = Number.isFinite(value) && value >= low && value <= high;
    return isInside && value !== exclusiveMinimum && value !== exclusiveMaximum;
  };
  const multiple = Math.ceil(low / step) * step;
  const candidates = [0, multiple, multiple + step, low, high, high - step];
  const value = [...candidates, ...(type === 'number' ? [(low + high) / 2] : [])].find(isValid);
  if (value === undefined) throw new Error('no simple number is in range');
  return value + variant * step;
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

/** Resolves a reference within a schema, such as `#/$defs/city`. */
function resolve(root: unknown, reference: string): unknown {
  const path = reference.split('/').slice(1);
  const names = path.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), root);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function bound(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
