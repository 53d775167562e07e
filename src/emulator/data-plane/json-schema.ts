import { fromJSONSchema, registry, type z } from 'zod';
import { isRecord } from '../../internal/json.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Keywords whose values map names to schemas. */
const MAPS: readonly string[] = ['properties', 'patternProperties', '$defs', 'definitions'];

/** Rewrites the parts of a schema that zod ignores or does not support. References become `#/$defs/<position>`. */
function normalized(schema: unknown) {
  const references: string[] = [];
  const rewritten = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(rewritten);
    if (!isRecord(part)) return part;
    // zod would fill in missing fields with their defaults, but a model must send these fields.
    const { $schema: _, default: __, ...keywords } = part;
    const copy = mapValues(keywords, (value, name) =>
      MAPS.includes(name) ? mapValues(Object(value), rewritten) : rewritten(value),
    );
    const { $ref: reference, required, properties, additionalProperties: rest, pattern } = copy;
    if (typeof reference === 'string') {
      if (!references.includes(reference)) references.push(reference);
      copy.$ref = `#/$defs/${references.indexOf(reference)}`;
    }
    // zod ignores names in `required` that `properties` does not list. zod's own record schemas contain such names.
    if (Array.isArray(required)) {
      const names = required.map((name) => [name, isRecord(rest) ? rest : {}]);
      copy.properties = { ...Object.fromEntries(names), ...Object(properties) };
    }
    // zod's `time` format requires an offset, but the pattern might not allow one.
    if (typeof pattern === 'string') delete copy.format;
    return copy;
  };
  const root = { allOf: [rewritten(schema)], $defs: [] as unknown[] };
  for (const reference of references) root.$defs.push(rewritten(resolve(schema, reference)));
  return root;
}

function mapValues(object: object, map: (value: unknown, name: string) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(value, name)]));
}

/** Resolves a JSON pointer, such as `#/definitions/Tree`. */
function resolve(root: unknown, reference: string): unknown {
  const path = decodeURIComponent(reference).replace(/^#\/?/, '').split('/');
  const names = path.filter((name) => name !== '');
  return names.reduce((part, name) => {
    const child = Object(part)[name.replaceAll('~1', '/').replaceAll('~0', '~')];
    if (child === undefined) throw new Error(`it does not define \`${reference}\``);
    return child;
  }, root);
}

/** Uses a separate registry, because the global registry never releases schemas that have an id. */
function validatorOf(schema: Schema): z.ZodType {
  return fromJSONSchema(schema, { registry: registry() });
}

/** Returns the first violation of a JSON Schema with its path, or `undefined` if there is none. */
export function violationOf(schema: unknown, value: unknown): string | undefined {
  let validator: z.ZodType;
  try {
    validator = validatorOf(normalized(schema));
  } catch {
    // The schema contains a keyword that zod does not support, such as `if`.
    return undefined;
  }
  const [issue] = validator.safeParse(value).error?.issues ?? [];
  return issue && `at ${['$', ...issue.path].join('.')}: ${issue.message}`;
}

const MAX_DEPTH = 64;
const MAX_STEPS = 50_000;
const MAX_LENGTH = 1000;

/** Returns a simple value that a schema accepts, or the reason why none was found. */
export function exampleOf(schema: unknown): { readonly value: unknown } | { readonly problem: string } {
  try {
    const root = normalized(schema);
    const validator = validatorOf(root);
    const generator = new Generator(root.$defs);
    // A recursive schema allows values of any depth. Raising the limit step by step finds the shallowest value.
    const value = firstOf(Array.from({ length: MAX_DEPTH }).keys(), (depth) => generator.value(root, depth));
    const [issue] = validator.safeParse(value).error?.issues ?? [];
    return issue === undefined ? { value } : { problem: issue.message };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** Returns the result of the first call that does not throw. @throws {Error} The last error if every call throws. */
function firstOf<T, R>(items: Iterable<T>, resultOf: (item: T) => R): R {
  let failure: unknown = new Error('no value can match it');
  for (const item of items) {
    try {
      return resultOf(item);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Generates values for schemas. All methods throw an `Error` if they find no value. */
class Generator {
  readonly #definitions: readonly unknown[];
  #steps = 0;

  constructor(definitions: readonly unknown[]) {
    this.#definitions = definitions;
  }

  /** @param depth - Maximum depth of non-empty objects and arrays. */
  value(schema: unknown, depth: number): unknown {
    this.#step();
    if (depth < 0) throw new Error('it is too deep');
    const { choices, ...fields } = this.#flattened(schema);
    const [alternatives, ...others] = choices as unknown[][];
    if (alternatives !== undefined) {
      const rest = others.map((anyOf) => ({ anyOf }));
      return firstOf(alternatives, (each) => this.value({ allOf: [fields, each, ...rest] }, depth));
    }
    if ('const' in fields) return fields.const;
    if (Array.isArray(fields.enum)) return fields.enum[0];
    return firstOf([fields.type ?? impliedType(fields)].flat(), (type) => {
      if (type === 'object') return this.#object(fields, depth);
      if (type === 'array') return this.#array(fields, depth);
      return leaf({ ...fields, type });
    });
  }

  #object(fields: Schema, depth: number): object {
    const { required = [], minProperties = 0, propertyNames, additionalProperties } = fields;
    const properties = Object(fields.properties);
    const names = new Set(required as string[]);
    const optional: string[] = [...Object.keys(properties), ...(Object(propertyNames).enum ?? [])];
    for (let index = 0; names.size < Number(minProperties); index++) {
      this.#step();
      names.add(optional[index] ?? `x${index}`);
    }
    const values = Array.from(names, (name) => {
      const schema = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
      return [name, this.value(schema, depth - 1)];
    });
    return Object.fromEntries(values);
  }

  #array({ items, prefixItems, additionalItems, minItems, maxItems }: Schema, depth: number): unknown[] {
    const isTuple = Array.isArray(items);
    const first = (isTuple ? items : (prefixItems ?? [])) as unknown[];
    const rest = isTuple ? additionalItems : items;
    const length = Math.min(Math.max(Number(minItems ?? 0), first.length), Number(maxItems ?? Infinity));
    this.#step(length);
    return Array.from({ length }, (_, index) =>
      this.value(index < first.length ? first[index] : rest, depth - 1),
    );
  }

  #step(count = 1): void {
    this.#steps += count;
    if (this.#steps > MAX_STEPS) throw new Error('it is too large or contradicts itself');
  }

  /** Merges a schema with its `$ref` and `allOf`. A value must match one alternative from each array in `choices`. */
  #flattened(schema: unknown): Schema {
    if (schema === false) throw new Error('no value can match it');
    const { $ref, allOf = [], anyOf, oneOf, choices = [], ...fields } = Object(schema);
    const parts: unknown[] = [...allOf];
    if ($ref !== undefined) parts.push(this.#definitions[Number($ref.split('/').at(-1))]);
    const own = [...choices, anyOf, oneOf].filter((list) => list !== undefined);
    return parts.map((part) => this.#flattened(part)).reduce(intersection, { ...fields, choices: own });
  }
}

/** Merges two flat schemas. If both set the same keyword, such as `minimum`, the value in `b` applies. */
function intersection(a: Schema, b: Schema): Schema {
  const properties = mapValues({ ...Object(a.properties), ...Object(b.properties) }, (_, name) => {
    return { allOf: [Object(a.properties)[name] ?? {}, Object(b.properties)[name] ?? {}] };
  });
  const required = [a.required ?? [], b.required ?? []].flat();
  return { ...a, ...b, properties, required, choices: [...Object(a.choices), ...Object(b.choices)] };
}

function impliedType(fields: Schema): string {
  if (Object.keys(Object(fields.properties)).length > 0) return 'object';
  return 'items' in fields || 'prefixItems' in fields ? 'array' : 'null';
}

/** Returns the first sample value that a schema without subschemas accepts. */
function leaf(schema: Schema): unknown {
  const candidates = schema.type === 'string' ? strings(schema) : [...numbers(schema), false, null];
  const validator = validatorOf(schema);
  const found = candidates.find((candidate) => validator.safeParse(candidate).success);
  if (found !== undefined) return found;
  throw new Error(validator.safeParse(candidates[0]).error?.issues[0]?.message);
}

function numbers({ type, multipleOf, ...bounds }: Schema): number[] {
  const step = Number(multipleOf ?? 1);
  const limits = Object.values(bounds).filter((bound) => typeof bound === 'number');
  const middle = limits.reduce((sum, limit) => sum + limit, 0) / limits.length;
  const near = [0, ...limits.flatMap((limit) => [limit, limit + step, limit - step]), middle];
  return near.flatMap((value) => [value, Math.ceil(value / step) * step, Math.floor(value / step) * step]);
}

function strings({ minLength = 0 }: Schema): string[] {
  const length = Math.min(Number(minLength), MAX_LENGTH);
  const simple = ['x', 'X', '0'].map((character) => character.repeat(length));
  return [...simple, 'x', 'X', '0', ...SAMPLES.flatMap((each) => [each, each.padStart(length, 'x')])];
}

/** Sample values for string formats. */
const SAMPLES: readonly string[] = [
  '2026-01-01T00:00:00Z',
  '2026-01-01',
  '00:00:00Z',
  '00:00:00',
  'P1D',
  'user@example.com',
  'https://example.com',
  'example.com',
  '192.0.2.1',
  '2001:db8::1',
  '00000000-0000-4000-8000-000000000000',
  '00000000-0000-7000-8000-000000000000',
  '2026-01-01T00:00:00.000Z',
  '2026-01-01T00:00',
  '+12025550123',
  '0'.repeat(26), // ULID
  'x'.repeat(21), // Nano ID
];
