import { isObject } from '../http.ts';

/** Schemas that refer to themselves, or ask for more than anybody reads, have to end somewhere. */
const MOST_VALUES = 1000;
const DEEPEST = 16;
const LONGEST = 100;

/** The plainest value that fits a JSON schema, as far as that says what it wants with the common keywords. */
export function exampleOf(schema: unknown): unknown {
  return new Example(schema).of(schema, 0);
}

class Example {
  readonly #root: unknown;
  #values = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  of(schema: unknown, depth: number): unknown {
    if (!isObject(schema) || depth > DEEPEST || ++this.#values > MOST_VALUES) return null;
    const within = (part: unknown): unknown => this.of(part, depth + 1);
    if (typeof schema.$ref === 'string') return within(this.#resolve(schema.$ref));
    if ('const' in schema) return schema.const;
    if ('default' in schema) return schema.default;
    if (Array.isArray(schema.enum)) return schema.enum[0];
    for (const choices of [schema.anyOf, schema.oneOf]) if (Array.isArray(choices)) return within(choices[0]);
    if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map(within));
    switch (typeOf(schema)) {
      case 'object':
        return objectOf(schema, within);
      case 'array':
        return Array.from({ length: lengthOf(schema.minItems) }, () => within(schema.items));
      case 'string':
        return 'x'.repeat(lengthOf(schema.minLength));
      case 'number':
      case 'integer':
        return leastOf(schema);
      case 'boolean':
        return false;
      default:
        return null;
    }
  }

  /** What a reference within the same schema points at: `#/$defs/city`. */
  #resolve(reference: string): unknown {
    const [start, ...path] = reference.split('/');
    if (start !== '#') return undefined;
    return path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), this.#root);
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
  const needed = Object.entries(properties).filter(([name]) => required.includes(name));
  return Object.fromEntries(needed.map(([name, part]) => [name, within(part)]));
}

function lengthOf(value: unknown): number {
  return typeof value === 'number' ? Math.min(Math.max(0, Math.ceil(value)), LONGEST) : 0;
}

function leastOf({ minimum, exclusiveMinimum }: Record<string, unknown>): number {
  if (typeof exclusiveMinimum === 'number') return Math.floor(exclusiveMinimum) + 1;
  return typeof minimum === 'number' ? minimum : 0;
}
