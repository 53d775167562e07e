import { isRecord } from '../internal/json.ts';

/** A JSON Schema, draft 2020-12. Schemas passed by the caller may use older drafts. */
export type JsonSchema = Record<string, unknown>;

/** Keywords that contain a schema or an array of schemas (`SCHEMAS`), or a record of schemas (`NAMED`). */
const SCHEMAS = ['items', 'prefixItems', 'additionalProperties', 'anyOf'];
const NAMED = ['properties', 'patternProperties', '$defs'];

/** The only values of `format` that OpenAI and vLLM's grammar engines accept in a schema. */
const FORMATS = 'date-time time date duration email hostname ipv4 ipv6 uuid'.split(' ');
/** OpenAI and all grammar engines reject patterns with lookaround. */
const LOOKAROUND = /\(\?<?[=!]/;

/**
 * Converts a library's schema to one that servers accept and models can satisfy. Resolves a reference at the root,
 * replaces `oneOf` with `anyOf`, merges `allOf`, closes every object, and makes fields required if they are nullable or
 * have a default. Removes keywords that servers reject: defaults, most formats, patterns with lookaround, and
 * `propertyNames`.
 */
export function closeSchema({ $schema: _, ...root }: JsonSchema): JsonSchema {
  const { $defs, ...schema } = resolve(root, root);
  return { ...(close(schema, root) as JsonSchema), ...(close({ $defs }, root) as JsonSchema) };
}

/** @param path - The `allOf` arrays merged to reach the schema, as JSON. */
function close(schema: unknown, root: JsonSchema, path: readonly string[] = []): unknown {
  if (Array.isArray(schema)) return schema.map((one) => close(one, root, path));
  if (!isRecord(schema)) return schema;
  const merged = [...path];
  const result = flatten(schema, root, merged);
  const { properties, required } = result;
  if (isRecord(properties)) {
    if (result.patternProperties === undefined) result.additionalProperties ??= false;
    const names = Object.keys(properties).filter(
      (name) => toArray(required).includes(name) || hasFallback(properties[name], root),
    );
    if (names.length > 0 || required !== undefined) result.required = names;
  }
  for (const [keyword, value] of Object.entries(result)) {
    if (SCHEMAS.includes(keyword)) result[keyword] = close(value, root, merged);
    else if (NAMED.includes(keyword) && isRecord(value))
      result[keyword] = mapValues(value, (one) => close(one, root, merged));
  }
  // Merging a schema with a union can produce alternatives that no value can match.
  const possible = toArray(result.anyOf).filter((one) => hasValue(one, root));
  if (possible.length > 0) result.anyOf = possible;
  return result;
}

function toArray(value: unknown): unknown[] {
  return [value ?? []].flat();
}

function mapValues(record: JsonSchema, map: (value: unknown, name: string) => unknown): JsonSchema {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}

/** Returns whether a model can send `null` or the default instead of omitting a field. */
function hasFallback(schema: unknown, root: JsonSchema): boolean {
  if (!isRecord(schema)) return false;
  const { default: value, type, anyOf, oneOf, ...rest } = resolve(schema, root);
  if (value !== undefined || toArray(type).includes('null') || valuesOf(rest)?.includes(null)) return true;
  return toArray(anyOf ?? oneOf).some((one) => hasFallback(one, root));
}

/** Returns the values of `enum` or `const`. */
function valuesOf(schema: JsonSchema): unknown[] | undefined {
  if ('const' in schema) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : undefined;
}

/** Replaces a reference within the document with its target, which can contain another reference. */
function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const { $ref, ...beside } = schema;
  if (typeof $ref !== 'string') return schema;
  const [document, ...path] = $ref.split('/');
  let target: unknown = document === '#' ? root : undefined;
  for (const part of path) {
    target = isRecord(target) ? target[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return { ...(isRecord(target) && target), ...beside };
}

/**
 * Merges `allOf`, and removes or replaces other keywords that servers reject or ignore, except in subschemas.
 *
 * @param path - The `allOf` arrays merged to reach the schema, as JSON. Newly merged arrays are appended.
 */
function flatten(schema: JsonSchema, root: JsonSchema, path: string[]): JsonSchema {
  const { allOf, oneOf, discriminator: _, propertyNames, default: __, ...result } = schema;
  if (!FORMATS.includes(String(result.format))) delete result.format;
  if (LOOKAROUND.test(String(result.pattern))) delete result.pattern;
  if (oneOf !== undefined) result.anyOf ??= oneOf;
  const keys = isRecord(propertyNames) ? valuesOf(propertyNames) : undefined;
  if (keys !== undefined && result.properties === undefined) {
    result.properties = Object.fromEntries(keys.map((key) => [key, result.additionalProperties]));
    delete result.additionalProperties;
  }
  if (Array.isArray(result.prefixItems) && result.items === false) {
    // llama.cpp ignores `prefixItems` if `items` is present.
    delete result.items;
    result.maxItems ??= result.prefixItems.length;
    if (result.prefixItems.length === 0) delete result.prefixItems;
  }
  if (!Array.isArray(allOf)) return result;
  // The intersection of two recursive schemas contains itself, so expand it only once.
  const key = JSON.stringify(allOf);
  const isRepeated = path.includes(key);
  path.push(key);
  return allOf
    .filter(isRecord)
    .map((part) => flatten(isRepeated ? part : resolve(part, root), root, path))
    .reduce(merge, result);
}

/** Keywords that become stricter as their value increases (`LARGER`) or decreases (`SMALLER`). */
const LARGER = /^(?:exclusiveM|m)inimum$|^min[A-Z]/;
const SMALLER = /^(?:exclusiveM|m)aximum$|^max[A-Z]/;

/**
 * Creates a schema for the values that match both schemas. Subschemas that differ are combined with `allOf`. If two
 * values of a keyword cannot be merged, such as two patterns, the second one is left out.
 */
function merge(a: JsonSchema, b: JsonSchema): JsonSchema {
  const union = [a, b].find(({ anyOf }) => Array.isArray(anyOf));
  if (union !== undefined) {
    const { anyOf, ...rest } = union;
    const others = union === a ? [rest, b] : [a, rest];
    return { anyOf: toArray(anyOf).map((one) => ({ allOf: [...others, one] })) };
  }
  const merged: JsonSchema = { ...b, ...a };
  for (const keyword of Object.keys(b).filter((one) => a[one] !== undefined)) {
    const [left, right] = [a[keyword], b[keyword]];
    if (NAMED.includes(keyword)) merged[keyword] = intersectAll(left as JsonSchema, right as JsonSchema);
    else if (keyword === 'prefixItems')
      merged.prefixItems = Object.values(intersectAll({ ...toArray(left) }, { ...toArray(right) }));
    else if (SCHEMAS.includes(keyword)) merged[keyword] = intersect(left, right);
    else if (keyword === 'required') merged.required = [...new Set([left, right].flat())];
    else if (keyword === 'type') merged.type = commonTypes(toArray(left), toArray(right));
    else if (LARGER.test(keyword)) merged[keyword] = Math.max(Number(left), Number(right));
    else if (SMALLER.test(keyword)) merged[keyword] = Math.min(Number(left), Number(right));
  }
  const [values, others] = [valuesOf(a), valuesOf(b)];
  if (values && others) merged.enum = values.filter((one) => others.includes(one));
  return hasEmptyList(merged) ? { not: {} } : merged;
}

function intersectAll(a: JsonSchema, b: JsonSchema): JsonSchema {
  const shared = mapValues(b, (one, name) => (Object.hasOwn(a, name) ? intersect(a[name], one) : one));
  return { ...a, ...shared };
}

function intersect(a: unknown, b: unknown): unknown {
  if (a === false || b === false) return false;
  return JSON.stringify(a) === JSON.stringify(b) ? a : { allOf: [a, b] };
}

function commonTypes(a: unknown[], b: unknown[]): unknown {
  const isIn = (type: unknown, types: unknown[]): boolean =>
    types.includes(type) || (type === 'integer' && types.includes('number'));
  const common = [...a.filter((type) => isIn(type, b)), ...b.filter((type) => isIn(type, a))];
  const types = [...new Set(common)];
  return types.length === 1 ? types[0] : types;
}

/** Returns whether `type` or `enum` is an empty array, in which case no value can match the schema. */
function hasEmptyList({ type, enum: values }: JsonSchema): boolean {
  return [type, values].some((list) => Array.isArray(list) && list.length === 0);
}

/**
 * Returns false only if it is certain that no value can match the schema.
 *
 * @param path - The references resolved and the `allOf` arrays merged to reach the schema.
 * @param possible - A cache of references to schemas that a value can match. Mutual recursion is slow without it.
 */
export function hasValue(
  schema: unknown,
  root = schema as JsonSchema,
  path: readonly string[] = [],
  possible = new Set<string>(),
): boolean {
  if (!isRecord(schema)) return schema !== false;
  const { $ref, allOf, not, type, anyOf, oneOf, properties, items, minItems } = schema;
  if (typeof $ref === 'string') {
    if (possible.has($ref)) return true;
    // Only an infinitely nested value could match a schema that requires itself.
    if (path.includes($ref) || !hasValue(resolve(schema, root), root, [...path, $ref], possible))
      return false;
    possible.add($ref);
    return true;
  }
  if (Array.isArray(allOf)) {
    const merged = [...path];
    return hasValue(flatten(schema, root, merged), root, merged, possible);
  }
  const within = (one: unknown): boolean => hasValue(one, root, path, possible);
  const alternatives = anyOf ?? oneOf;
  if (Array.isArray(alternatives) && !alternatives.some(within)) return false;
  const isNever = not === true || (isRecord(not) && Object.keys(not).length === 0);
  if (isNever || hasEmptyList(schema) || hasEmptyRange(schema)) return false;
  if (type === 'object' && Array.isArray(schema.required)) {
    const isOpen = schema.additionalProperties !== false || schema.patternProperties !== undefined;
    const fields = isRecord(properties) ? properties : {};
    return schema.required.every((name) => (Object.hasOwn(fields, name) ? within(fields[name]) : isOpen));
  }
  if (type !== 'array' || typeof minItems !== 'number') return true;
  const first = toArray(schema.prefixItems);
  return first.slice(0, minItems).every(within) && (minItems <= first.length || within(items ?? true));
}

function hasEmptyRange({ exclusiveMinimum, exclusiveMaximum, ...schema }: JsonSchema): boolean {
  const limits: JsonSchema = { minimum: exclusiveMinimum, maximum: exclusiveMaximum, ...schema };
  return ['imum', 'Length', 'Items', 'Properties'].some(
    (limit) => Number(limits[`min${limit}`]) > Number(limits[`max${limit}`]),
  );
}

/** Keywords that OpenAI's strict mode does not support. */
const NOT_STRICT =
  /^(?:patternProperties|propertyNames|prefixItems|additionalItems|contains|allOf|oneOf|not|pattern)$/;
const TYPED = /^(?:type|\$ref|anyOf|enum|const)$/;

/** Returns whether OpenAI's strict mode supports a schema: every object must be closed and require all its fields. */
export function isStrictSchema(schema: unknown, isRoot = true): boolean {
  if (!isRecord(schema) || Array.isArray(schema.items) || (isRoot && schema.type !== 'object')) return false;
  const { type, properties, required, additionalProperties, items = [], anyOf = [] } = schema;
  const keywords = Object.keys(schema);
  if (keywords.some((one) => NOT_STRICT.test(one)) || !keywords.some((one) => TYPED.test(one))) return false;
  // OpenAI rejects `$ref` alongside other keywords.
  if ('$ref' in schema && keywords.length > 1) return false;
  if (properties !== undefined || toArray(type).includes('object')) {
    const names = isRecord(properties) && Object.keys(properties);
    if (additionalProperties !== false || !names) return false;
    if (!names.every((name) => toArray(required).includes(name))) return false;
  }
  const named = [properties, schema.$defs, schema.definitions].filter(isRecord).flatMap(Object.values);
  return [...named, items, anyOf].flat().every((one) => isStrictSchema(one, false));
}
