import { isObject } from '../http.ts';

type Schema = Record<string, unknown>;

/**
 * Validates a value against a JSON schema.
 *
 * @returns The first violation with its path; `undefined` if there is none or the schema cannot be read.
 */
export async function violationOf(schema: unknown, value: unknown): Promise<string | undefined> {
  // On demand: most tests need no schema, and this part of zod is large.
  const { fromJSONSchema } = await import('zod');
  let type: ReturnType<typeof fromJSONSchema>;
  try {
    const defaultTarget = isObject(schema) && 'definitions' in schema ? 'draft-7' : 'draft-2020-12';
    type = fromJSONSchema(schema as boolean, { defaultTarget });
  } catch {
    return undefined;
  }
  const issue = type.safeParse(value).error?.issues[0];
  return issue && `at $${issue.path.map((part) => `.${String(part)}`).join('')}: ${issue.message}`;
}

/** Returns the simplest value that a schema accepts, or why none was found. */
export async function exampleOf(
  schema: unknown,
): Promise<{ readonly value: unknown } | { readonly problem: string }> {
  try {
    const value = new Generator(schema).generate(schema, 0, 0);
    const problem = await violationOf(schema, value);
    return problem === undefined ? { value } : { problem };
  } catch (error) {
    if (error instanceof NoExample) return { problem: error.message };
    throw error;
  }
}

class NoExample extends Error {}

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
    if (depth > MAX_DEPTH || ++this.#count > MAX_VALUES) throw new NoExample('it is too deep or too large');
    if (schema === false) throw new NoExample('it accepts nothing');
    if (!isObject(schema)) return variant === 0 ? null : variant;
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema;
    if (typeof $ref === 'string') {
      return this.generate(merge(rest, this.#resolve($ref)), depth + 1, variant);
    }
    const choices = listOf(anyOf ?? oneOf);
    if (Array.isArray(allOf)) {
      const parts = allOf.map((part) =>
        isObject(part) && part.$ref ? this.#resolve(String(part.$ref)) : part,
      );
      const merged = parts.reduce<unknown>(merge, choices.length > 0 ? { ...rest, anyOf: choices } : rest);
      return this.generate(merged, depth + 1, variant);
    }
    if (choices.length > 0) {
      return first(choices, variant, (choice) => this.generate(merge(rest, choice), depth + 1, variant));
    }
    const values = Array.isArray(schema.enum) ? schema.enum : listOf(schema.examples);
    if ('const' in schema) return schema.const;
    if ('default' in schema && variant === 0) return schema.default;
    if (values.length > 0) return values[variant % values.length];
    const types = schema.type === undefined ? [impliedType(schema)] : [schema.type].flat();
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
    const anyName = merge({ type: 'string', minLength: 1 }, schema.propertyNames ?? {});
    for (let extra = 0; names.size < minimum; extra++)
      names.add(String(this.generate(anyName, depth + 1, extra)));
    const generate = (name: string): unknown =>
      this.generate(properties[name] ?? schema.additionalProperties ?? true, depth + 1, 0);
    return Object.fromEntries([...names].map((name) => [name, generate(name)]));
  }

  #array(schema: Schema, depth: number): unknown[] {
    const prefix = listOf(schema.prefixItems ?? (Array.isArray(schema.items) ? schema.items : []));
    const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
    const contains = 'contains' in schema ? 1 : 0;
    const length = Math.min(Math.max(bound(schema.minItems, 0), contains), MAX_LENGTH);
    return Array.from({ length }, (_, index) => {
      const part = index < prefix.length ? prefix[index] : (rest ?? true);
      const item = index < contains ? merge(part, schema.contains) : part;
      return this.generate(item, depth + 1, schema.uniqueItems === true ? index : 0);
    });
  }

  /** Resolves a reference within the schema, such as `#/$defs/city`. */
  #resolve(reference: string): unknown {
    const path = reference.split('/').slice(1);
    const names = path.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
    return names.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), this.#root);
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
  time: '00:00:00',
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

function stringOf(schema: Schema, variant: number): string {
  const minimum = Math.min(bound(schema.minLength, 0), MAX_LENGTH);
  const filler = 'x'.repeat(variant > 0 ? minimum + variant : minimum);
  const known = typeof schema.format === 'string' ? FORMATS[schema.format] : undefined;
  if (typeof schema.pattern !== 'string') return known ?? filler;
  const pattern = new RegExp(schema.pattern, 'u');
  const candidates = [
    known ?? filler,
    filler,
    ...['x', 'X', '0'].map((text) => text.repeat(Math.max(1, minimum))),
  ];
  const match = candidates.find((candidate) => pattern.test(candidate));
  if (match === undefined) throw new NoExample(`no simple string matches ${schema.pattern}`);
  return match;
}

function numberOf(schema: Schema, type: 'number' | 'integer', variant: number): number {
  const step = bound(schema.multipleOf, 1);
  const low = Math.max(bound(schema.minimum, -Infinity), bound(schema.exclusiveMinimum, -Infinity));
  const high = Math.min(bound(schema.maximum, Infinity), bound(schema.exclusiveMaximum, Infinity));
  const isValid = (value: number): boolean =>
    Number.isFinite(value) &&
    value >= low &&
    value <= high &&
    value !== schema.exclusiveMinimum &&
    value !== schema.exclusiveMaximum;
  const multiple = Math.ceil(low / step) * step;
  const candidates = [0, multiple, multiple + step, low, high, high - step];
  const value = [...candidates, ...(type === 'number' ? [(low + high) / 2] : [])].find(isValid);
  if (value === undefined) throw new NoExample('no simple number is in range');
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

function impliedType(schema: Schema): string {
  if ('properties' in schema || 'required' in schema || 'minProperties' in schema) return 'object';
  if ('items' in schema || 'prefixItems' in schema || 'minItems' in schema) return 'array';
  if ('minLength' in schema || 'format' in schema || 'pattern' in schema) return 'string';
  return 'minimum' in schema || 'maximum' in schema || 'multipleOf' in schema ? 'number' : 'null';
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function bound(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
