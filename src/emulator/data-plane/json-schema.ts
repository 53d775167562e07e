import { fromJSONSchema, registry, type z } from 'zod';
import { isObject } from '../http.ts';

/** Uses its own registry, because the global one keeps every schema that has an id. */
function validatorOf(schema: unknown): z.ZodType {
  // zod finds the definitions of a schema only under the name that its draft has for them.
  const defaultTarget = isObject(schema) && 'definitions' in schema ? 'draft-7' : 'draft-2020-12';
  return fromJSONSchema(schema as Record<string, unknown>, { registry: registry(), defaultTarget });
}

/** Returns the first violation of a JSON schema with its path; `undefined` if there is none. */
export function violationOf(schema: unknown, value: unknown): string | undefined {
  let result: z.ZodSafeParseResult<unknown>;
  try {
    result = validatorOf(schema).safeParse(value);
  } catch {
    // zod does not support some keywords, such as `if`.
    return undefined;
  }
  const [issue] = result.error?.issues ?? [];
  if (issue !== undefined) return `at ${['$', ...issue.path].join('.')}: ${issue.message}`;
  // zod fills in defaults, but a model has to send the fields.
  const isComplete = JSON.stringify(result.data).length === JSON.stringify(value).length;
  return isComplete ? undefined : 'a required property that has a default is missing';
}

const MAX_REPAIRS = 200;
const MAX_SIZE = 1000;

/**
 * Returns a simple value that a schema accepts, or the reason why none was found. Starts with null and repairs the
 * issues that zod reports until there are none.
 */
export function exampleOf(schema: unknown): { readonly value: unknown } | { readonly problem: string } {
  let value: unknown = null;
  let problem = 'it is too deep or contradicts itself';
  try {
    const validator = validatorOf(schema);
    for (let round = 0; round < MAX_REPAIRS; round++) {
      const result = validator.safeParse(value);
      if (result.success) return { value: result.data };
      value = repairedAll(value, result.error.issues, round);
    }
  } catch (error) {
    problem = (error as Error).message;
  }
  return { problem };
}

type Issue = z.core.$ZodIssue;

/** Repairs the first issue of each path, because a format may be reported together with its pattern. */
function repairedAll(value: unknown, issues: readonly Issue[], round: number): unknown {
  const byPath = Map.groupBy(issues, ({ path }) => path.join('.'));
  return [...byPath.values()].reduce(
    (part, [issue]) => (issue === undefined ? part : repairedAt(part, issue.path, issue, round)),
    value,
  );
}

/** @throws {Error} If the issue cannot be repaired. */
function repairedAt(value: unknown, path: readonly PropertyKey[], issue: Issue, round: number): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return repaired(value, issue, round);
  if (Array.isArray(value)) {
    // The item may be missing.
    const items = [...value];
    items[Number(name)] = repairedAt(items[Number(name)], rest, issue, round);
    return items;
  }
  const parent = isObject(value) ? value : {};
  return { ...parent, [name]: repairedAt(parent[String(name)], rest, issue, round) };
}

function repaired(value: unknown, issue: Issue, round: number): unknown {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int') return Math.ceil(Number(value));
      if (issue.expected in SIMPLEST) return structuredClone(SIMPLEST[issue.expected]);
      break;
    case 'invalid_value':
      return issue.values[0];
    case 'too_small':
      return resized(value, Number(issue.minimum), issue.inclusive === false ? stepIn(round) : 0);
    case 'too_big':
      return resized(value, Number(issue.maximum), issue.inclusive === false ? -stepIn(round) : 0);
    case 'not_multiple_of':
      return Math.ceil(Number(value) / issue.divisor) * issue.divisor;
    case 'unrecognized_keys':
      return Object.fromEntries(
        Object.entries(value as object).filter(([name]) => !issue.keys.includes(name)),
      );
    case 'invalid_format': {
      const known = FORMATS[issue.format];
      if (known !== undefined && known !== value) return known;
      // One of these matches the pattern of a simple character class.
      const next = CHARACTERS[CHARACTERS.indexOf(String(value)[0] ?? '') + 1];
      if (next !== undefined) return next.repeat(Math.max(1, String(value).length));
      break;
    }
    case 'invalid_union':
      return repairedForUnion(value, issue.errors, round);
  }
  throw new Error(issue.message);
}

/**
 * Repairs the issues of the first alternative that can be repaired. Later rounds begin with the last alternative,
 * because that ends a recursive type.
 */
function repairedForUnion(value: unknown, alternatives: readonly Issue[][], round: number): unknown {
  let failure: unknown = new Error('more than one alternative matches');
  for (const issues of round < 12 ? alternatives : alternatives.toReversed()) {
    try {
      return repairedAll(value, issues, round);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

const SIMPLEST: Readonly<Record<string, unknown>> = {
  string: '',
  number: 0,
  boolean: false,
  null: null,
  nonoptional: null,
  object: {},
  record: {},
  array: [],
  tuple: [],
};

const CHARACTERS: readonly string[] = ['x', 'X', '0'];

const FORMATS: Readonly<Record<string, string>> = {
  datetime: '2026-01-01T00:00:00Z',
  date: '2026-01-01',
  time: '00:00:00',
  duration: 'P1D',
  email: 'user@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uuid: '00000000-0000-4000-8000-000000000000',
  guid: '00000000-0000-4000-8000-000000000000',
  url: 'https://example.com',
  base64: 'eHh4',
};

/** Returns integer steps first, then decreasing fractions for open intervals. */
function stepIn(round: number): number {
  return round < 10 ? 1 : 2 ** (10 - round);
}

/** Resizes a string, an array, an object or a number to the required size. */
function resized(value: unknown, size: number, step: number): unknown {
  if (typeof value === 'number') return size + step;
  if (size > MAX_SIZE) throw new Error(`it requires a size of ${size}`);
  if (typeof value === 'string') return 'x'.repeat(size);
  if (Array.isArray(value)) return Array.from({ length: size }, (_, index) => value[index] ?? null);
  const names = Array.from({ length: size }, (_, index) => [`x${index}`, null]);
  return { ...Object.fromEntries(names), ...(value as object) };
}
