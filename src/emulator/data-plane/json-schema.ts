import { isObject } from '../http.ts';

/*
 * The part of JSON Schema that zod, valibot and arktype produce.
 */

type Schema = Record<string, unknown>;

/** Bounds for schemas that refer to themselves or demand more than anyone reads. */
const MAX_DEPTH = 16;
const MAX_VALUES = 5000;
const MAX_LENGTH = 1000;

/** Returns the first violation of a JSON schema with its path; `undefined` if there is none. */
export function violationOf(root: unknown, value: unknown): string | undefined {
  return new Validator(root).violation(root, value, '$', 0);
}

class Validator {
  readonly #root: unknown;

  constructor(root: unknown) {
    this.#root = root;
  }

  violation(schema: unknown, value: unknown, path: string, depth: number): string | undefined {
    if (schema === false) return `at ${path}: nothing is allowed`;
    if (!isObject(schema) || depth > 2 * MAX_DEPTH) return undefined;
    const within = (part: unknown, item: unknown = value, at = path): string | undefined =>
      this.violation(part, item, at, depth + 1);
    const passes = (part: unknown): boolean => within(part) === undefined;
    const isNot = (name: string, holds: (expected: never) => boolean): boolean =>
      schema[name] !== undefined && !holds(schema[name] as never);
    const size = Array.isArray(value)
      ? value.length
      : isObject(value)
        ? Object.keys(value).length
        : [...String(value)].length;
    const unit = Array.isArray(value) ? 'Items' : isObject(value) ? 'Properties' : 'Length';
    const isText = typeof value === 'string';
    const isNumber = typeof value === 'number';
    const failed = [
      isNot('type', (types: unknown) => [types].flat().some((type) => hasType(value, type))) && 'type',
      'const' in schema && !isEqual(schema.const, value) && 'const',
      isNot('enum', (values: unknown[]) => values.some((each) => isEqual(each, value))) && 'enum',
      isNot('anyOf', (parts: unknown[]) => parts.some(passes)) && 'anyOf',
      isNot('oneOf', (parts: unknown[]) => parts.filter(passes).length === 1) && 'oneOf',
      isNot('not', (part: unknown) => !passes(part)) && 'not',
      isText && isNot('pattern', (pattern: string) => matches(pattern, value)) && 'pattern',
      isNumber && isNot('minimum', (limit: number) => value >= limit) && 'minimum',
      isNumber && isNot('maximum', (limit: number) => value <= limit) && 'maximum',
      isNumber && isNot('exclusiveMinimum', (limit: number) => value > limit) && 'exclusiveMinimum',
      isNumber && isNot('exclusiveMaximum', (limit: number) => value < limit) && 'exclusiveMaximum',
      isNumber &&
        isNot('multipleOf', (step: number) => Number.isInteger(Number((value / step).toFixed(9)))) &&
        'multipleOf',
      !isNumber && isNot(`min${unit}`, (limit: number) => size >= limit) && `min${unit}`,
      !isNumber && isNot(`max${unit}`, (limit: number) => size <= limit) && `max${unit}`,
      schema.uniqueItems === true &&
        Array.isArray(value) &&
        new Set(value.map((item) => JSON.stringify(item))).size < size &&
        'uniqueItems',
    ].find((keyword) => typeof keyword === 'string');
    if (failed !== undefined) return `at ${path}: \`${failed}\` is violated`;
    const parts = [
      ...listOf(schema.allOf),
      ...(typeof schema.$ref === 'string' ? [resolve(this.#root, schema.$ref)] : []),
    ];
    const children = [
      ...parts.map((part) => [part, value, path] as const),
      ...(Array.isArray(value)
        ? itemsOf(schema, value, path)
        : isObject(value)
          ? propertiesOf(schema, value, path)
          : []),
    ];
    return children
      .map(([part, item, at]) => within(part, item, at))
      .find((problem) => problem !== undefined);
  }
}

type Child = readonly [schema: unknown, value: unknown, path: string];

function itemsOf(schema: Schema, items: readonly unknown[], path: string): Child[] {
  const prefix = listOf(schema.prefixItems ?? schema.items);
  const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
  return items.map((item, index) => [
    index < prefix.length ? prefix[index] : rest,
    item,
    `${path}[${index}]`,
  ]);
}

function propertiesOf(schema: Schema, value: Schema, path: string): Child[] {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const patterns = Object.entries(isObject(schema.patternProperties) ? schema.patternProperties : {});
  const missing = listOf(schema.required).filter((name) => !Object.hasOwn(value, String(name)));
  const children = Object.entries(value).flatMap(([name, item]): Child[] => {
    const own = Object.hasOwn(properties, name) ? [properties[name]] : [];
    const parts = [...own, ...patterns.filter(([pattern]) => matches(pattern, name)).map(([, part]) => part)];
    const at = `${path}.${name}`;
    return [
      [schema.propertyNames, name, at],
      ...(parts.length === 0 ? [schema.additionalProperties] : parts).map((part): Child => [part, item, at]),
    ];
  });
  return [
    ...missing.map((name): Child => [false, undefined, `${path}.${String(name)} (required)`]),
    ...children,
  ];
}

/** A pattern that is not a regular expression matches everything. */
function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true;
  }
}

function hasType(value: unknown, type: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  return type === 'integer' ? Number.isInteger(value) : typeof value === type;
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Resolves a reference within a schema, such as `#/$defs/city`. */
function resolve(root: unknown, reference: string): unknown {
  const path = reference.split('/').slice(1);
  const names = path.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), root);
}

/** Returns the simplest value that a schema accepts, or why none was found. */
export function exampleOf(schema: unknown): { readonly value: unknown } | { readonly problem: string } {
  try {
    const value = new Generator(schema).generate(schema, 0, 0);
    const problem = violationOf(schema, value);
    return problem === undefined ? { value } : { problem };
  } catch (error) {
    if (error instanceof NoExample) return { problem: error.message };
    throw error;
  }
}

class NoExample extends Error {}

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
      return this.generate(merge(rest, resolve(this.#root, $ref)), depth + 1, variant);
    }
    const choices = listOf(anyOf ?? oneOf);
    if (Array.isArray(allOf)) {
      const parts = allOf.map((part) =>
        isObject(part) && part.$ref ? resolve(this.#root, String(part.$ref)) : part,
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
  const { pattern } = schema;
  const candidates = [
    known ?? filler,
    filler,
    ...['x', 'X', '0'].map((text) => text.repeat(Math.max(1, minimum))),
  ];
  const match = candidates.find((candidate) => matches(pattern, candidate));
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
