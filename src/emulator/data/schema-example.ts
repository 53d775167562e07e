import { isObject } from '../http.ts';

/** Schemas that refer to themselves have to end somewhere. */
const DEEPEST = 16;

/** The plainest value that fits a JSON schema, as far as that says what it wants with the common keywords. */
export function exampleOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (!isObject(schema) || depth > DEEPEST) return null;
  const within = (part: unknown): unknown => exampleOf(part, root, depth + 1);
  if (typeof schema.$ref === 'string') return within(resolve(schema.$ref, root));
  if ('const' in schema) return schema.const;
  if ('default' in schema) return schema.default;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  for (const choices of [schema.anyOf, schema.oneOf]) if (Array.isArray(choices)) return within(choices[0]);
  if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map(within));
  switch (typeOf(schema)) {
    case 'object':
      return objectOf(schema, within);
    case 'array':
      return Array.from({ length: numberOf(schema.minItems) }, () => within(schema.items));
    case 'string':
      return 'x'.repeat(numberOf(schema.minLength));
    case 'number':
    case 'integer':
      return (
        numberOf(schema.minimum ?? schema.exclusiveMinimum) + (schema.exclusiveMinimum === undefined ? 0 : 1)
      );
    case 'boolean':
      return false;
    default:
      return null;
  }
}

function typeOf(schema: Record<string, unknown>): unknown {
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  return type ?? (isObject(schema.properties) ? 'object' : undefined);
}

/** With the properties that have to be there. */
function objectOf(schema: Record<string, unknown>, within: (part: unknown) => unknown): object {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required: unknown[] = Array.isArray(schema.required) ? schema.required : [];
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, part]) =>
      required.includes(name) ? [[name, within(part)]] : [],
    ),
  );
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** What a reference within the same schema points at: `#/$defs/city`. */
function resolve(reference: string, root: unknown): unknown {
  const [start, ...path] = reference.split('/');
  if (start !== '#') return undefined;
  return path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), root);
}
