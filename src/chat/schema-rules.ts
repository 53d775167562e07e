import { isRecord } from '../internal/json.ts';

/** A JSON Schema, draft 2020-12. Schemas passed by the caller may use older drafts. */
export type JsonSchema = Record<string, unknown>;

/**
 * Keywords that contain a schema or an array of schemas (`SCHEMAS`), or a record of schemas (`NAMED`). `allOf` is
 * omitted, because its subschemas would reject each other's fields once they are closed.
 */
const SCHEMAS = 'items prefixItems additionalProperties anyOf oneOf not contains'.split(' ');
const NAMED = ['properties', 'patternProperties', '$defs'];

/** The only values of `format` that OpenAI and vLLM's grammar engines accept in a schema. */
const FORMATS = 'date-time time date duration email hostname ipv4 ipv6 uuid'.split(' ');
/** OpenAI and all grammar engines reject patterns with lookaround. */
const LOOKAROUND = /\(\?<?[=!]/;

/**
 * Converts a library's schema to one that servers accept and models can satisfy. Resolves a reference at the root,
 * replaces `oneOf` with `anyOf`, merges `allOf`, closes every object, and makes fields required if they are nullable or
 * have a default. Removes keywords that servers reject: most formats, patterns with lookaround, and `propertyNames`.
 */
export function closeSchema({ $schema: _, ...schema }: JsonSchema): JsonSchema {
  const { $ref, ...rest } = schema;
  const root = typeof $ref === 'string' && $ref !== '#' ? { ...resolve($ref, schema), ...rest } : schema;
  return close(root, root) as JsonSchema;
}

function close(schema: unknown, root: JsonSchema): unknown {
  if (Array.isArray(schema)) return schema.map((one) => close(one, root));
  if (!isRecord(schema)) return schema;
  const merged = Array.isArray(schema.allOf) ? (mergeAll(schema, root) ?? schema) : schema;
  const { oneOf, discriminator: _, propertyNames, ...result } = { ...merged } as JsonSchema;
  if (!FORMATS.includes(String(result.format))) delete result.format;
  if (LOOKAROUND.test(String(result.pattern))) delete result.pattern;
  const { enum: keys } = { ...(propertyNames as JsonSchema | undefined) };
  if (Array.isArray(keys) && result.properties === undefined) {
    result.properties = Object.fromEntries(keys.map((key) => [key, result.additionalProperties]));
    delete result.additionalProperties;
  }
  if (oneOf !== undefined) result[result.anyOf === undefined ? 'anyOf' : 'oneOf'] = oneOf;
  for (const keyword of SCHEMAS) {
    if (keyword in result) result[keyword] = close(result[keyword], root);
  }
  // llama.cpp ignores `prefixItems` if `items` is present.
  if (Array.isArray(result.prefixItems) && result.items === false) {
    delete result.items;
    result.maxItems ??= result.prefixItems.length;
  }
  // Merging a schema with a union can produce alternatives that no value can match.
  const possible = [result.anyOf ?? []].flat().filter((one) => hasValue(one, root));
  if (possible.length > 0) result.anyOf = possible;
  for (const keyword of NAMED) {
    const named = result[keyword];
    if (!isRecord(named)) continue;
    result[keyword] = Object.fromEntries(
      Object.entries(named).map(([name, one]) => [name, close(one, root)]),
    );
  }
  const { properties, required = [] } = result;
  if (!isRecord(properties)) return result;
  if (result.patternProperties === undefined) result.additionalProperties ??= false;
  const names = Object.keys(properties).filter((name) => {
    const { default: value, ...property } = { ...(properties[name] as JsonSchema) };
    if (value !== undefined) properties[name] = property;
    return (required as string[]).includes(name) || value !== undefined || allowsNull(property, root);
  });
  if (names.length > 0 || result.required !== undefined) result.required = names;
  return result;
}

function allowsNull(schema: unknown, root: JsonSchema): boolean {
  if (!isRecord(schema)) return false;
  const { type, anyOf, oneOf, $ref } = schema;
  if (typeof $ref === 'string' && $ref !== '#') {
    const { $ref: next, ...target } = resolve($ref, root);
    return next === undefined && allowsNull(target, root);
  }
  const isNull = type === 'null' || (Array.isArray(type) && type.includes('null')) || schema.const === null;
  const isEnum = Array.isArray(schema.enum) && schema.enum.includes(null);
  return isNull || isEnum || [anyOf ?? oneOf ?? []].flat().some((one) => allowsNull(one, root));
}

/** Resolves a reference within the document. */
function resolve(ref: string, root: JsonSchema): JsonSchema {
  let target: unknown = root;
  for (const part of decodeURIComponent(ref).split('/').slice(1)) {
    target = isRecord(target) ? target[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return isRecord(target) ? target : {};
}

/** Merges `allOf` and its sibling keywords into one schema. Returns `undefined` if they cannot be merged. */
function mergeAll({ allOf, ...rest }: JsonSchema, root: JsonSchema, depth = 0): JsonSchema | undefined {
  if (depth > 20) return undefined;
  let merged: JsonSchema | undefined = rest;
  for (const part of allOf as unknown[]) {
    if (!isRecord(part) || merged === undefined) return undefined;
    const { $ref, ...beside } = part;
    const target = typeof $ref === 'string' ? { ...resolve($ref, root), ...beside } : part;
    const flat = Array.isArray(target.allOf) ? mergeAll(target, root, depth + 1) : target;
    merged = flat && mergeTwo(merged, flat, root, depth);
  }
  return merged;
}

/** Keywords that become stricter as their value increases (`LARGER`) or decreases (`SMALLER`). */
const LARGER = /^(?:exclusiveM|m)inimum$|^min[A-Z]/;
const SMALLER = /^(?:exclusiveM|m)aximum$|^max[A-Z]/;
const NOTES = ['title', 'description', 'default', 'examples', '$id', '$comment', 'id'];

function mergeTwo(a: JsonSchema, b: JsonSchema, root: JsonSchema, depth: number): JsonSchema | undefined {
  const alternatives = [a, b].find((one) => one.anyOf !== undefined || one.oneOf !== undefined);
  if (alternatives !== undefined) {
    const { anyOf, oneOf, ...rest } = alternatives;
    const base = mergeTwo(rest, alternatives === a ? b : a, root, depth);
    const branches = [anyOf ?? oneOf]
      .flat()
      .map((one) => base && mergeAll({ allOf: [one, base] }, root, depth + 1));
    return branches.includes(undefined) ? undefined : { anyOf: branches };
  }
  const merged: JsonSchema = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    const before = merged[keyword];
    if (before === undefined) merged[keyword] = value;
    else if (JSON.stringify(before) === JSON.stringify(value) || NOTES.includes(keyword)) continue;
    else if (NAMED.includes(keyword))
      merged[keyword] = mergeNamed(before as JsonSchema, value as JsonSchema, root, depth);
    else if (keyword === 'required') merged.required = [...new Set([before, value].flat())];
    else if (keyword === 'type') merged.type = commonTypes([before].flat(), [value].flat());
    else if (keyword === 'enum') merged.enum = [before].flat().filter((one) => [value].flat().includes(one));
    else if (keyword === 'const') merged.enum = [];
    else if (keyword === 'additionalProperties')
      merged[keyword] = before === false || value === false ? false : before;
    else if (LARGER.test(keyword)) merged[keyword] = Math.max(Number(before), Number(value));
    else if (SMALLER.test(keyword)) merged[keyword] = Math.min(Number(before), Number(value));
    else if (keyword === 'items') {
      const both = { allOf: [before, value] };
      merged.items = mergeAll(both, root, depth + 1) ?? both;
    } else return undefined;
    if (merged[keyword] === undefined) delete merged[keyword];
  }
  return hasEmptyList(merged) ? { not: {} } : merged;
}

function mergeNamed(a: JsonSchema, b: JsonSchema, root: JsonSchema, depth: number): JsonSchema {
  const merged = { ...a, ...b };
  for (const name of Object.keys(a)) {
    if (!Object.hasOwn(b, name)) continue;
    const both = { allOf: [a[name], b[name]] };
    merged[name] = mergeAll(both, root, depth + 1) ?? both;
  }
  return merged;
}

/** Returns whether `type` or `enum` is an empty array, in which case no value can match the schema. */
function hasEmptyList({ type, enum: values }: JsonSchema): boolean {
  return [type, values].some((list) => Array.isArray(list) && list.length === 0);
}

function commonTypes(a: unknown[], b: unknown[]): unknown {
  const isInteger = (types: unknown[]): boolean => types.includes('integer') && !types.includes('number');
  const common = a.filter((type) => b.includes(type));
  if ((isInteger(a) && b.includes('number')) || (isInteger(b) && a.includes('number')))
    common.push('integer');
  return common.length === 1 ? common[0] : common;
}

/** Returns false only if it is certain that no value can match the schema. */
export function hasValue(
  schema: unknown,
  root = schema as JsonSchema,
  above: readonly unknown[] = [],
): boolean {
  if (!isRecord(schema)) return schema !== false;
  // Only an infinitely nested value could match a schema that requires itself.
  if (above.includes(schema)) return false;
  const within = (one: unknown): boolean => hasValue(one, root, [...above, schema]);
  const { $ref, not, type, anyOf, oneOf, properties, items, minItems } = schema;
  if (typeof $ref === 'string') return within($ref === '#' ? root : resolve($ref, root));
  if (Array.isArray(schema.allOf)) return within(mergeAll(schema, root) ?? true);
  if (not === true || (isRecord(not) && Object.keys(not).length === 0)) return false;
  if (hasEmptyList(schema)) return false;
  if ('const' in schema && Array.isArray(schema.enum) && !schema.enum.includes(schema.const)) return false;
  const alternatives = anyOf ?? oneOf;
  if (Array.isArray(alternatives) && !alternatives.some(within)) return false;
  const limits = ['imum', 'Length', 'Items', 'Properties'];
  if (limits.some((limit) => Number(schema[`min${limit}`]) > Number(schema[`max${limit}`]))) return false;
  if (type === 'object' && Array.isArray(schema.required)) {
    const isOpen = schema.additionalProperties !== false || schema.patternProperties !== undefined;
    const fields = isRecord(properties) ? properties : {};
    return schema.required.every((name) => (Object.hasOwn(fields, name) ? within(fields[name]) : isOpen));
  }
  if (type !== 'array' || typeof minItems !== 'number') return true;
  const first = [schema.prefixItems ?? []].flat();
  return first.slice(0, minItems).every(within) && (minItems <= first.length || within(items ?? true));
}

/** Keywords that OpenAI's strict mode does not support. */
const NOT_STRICT =
  /^(?:patternProperties|propertyNames|prefixItems|additionalItems|contains|allOf|oneOf|not|pattern)$/;
const TYPED = /^(?:type|\$ref|anyOf|enum|const)$/;

/** Returns whether OpenAI's strict mode supports a schema: every object must be closed and require all its fields. */
export function isStrictSchema(schema: unknown, isRoot = true): boolean {
  if (!isRecord(schema) || (isRoot && schema.type !== 'object')) return false;
  const { type, properties, required, additionalProperties, items = [], anyOf = [] } = schema;
  const keywords = Object.keys(schema);
  if (keywords.some((keyword) => NOT_STRICT.test(keyword)) || !keywords.some((one) => TYPED.test(one)))
    return false;
  if ([type].flat().includes('object') || properties !== undefined) {
    const isClosed = additionalProperties === false && isRecord(properties);
    const isRequired = (name: string): boolean => [required].flat().includes(name);
    if (!isClosed || !Object.keys(properties).every(isRequired)) return false;
  }
  const named = [properties, schema.$defs, schema.definitions].filter(isRecord).flatMap(Object.values);
  return (
    !Array.isArray(schema.items) && [...named, items, anyOf].flat().every((one) => isStrictSchema(one, false))
  );
}
