import * as z from 'zod';
import { dataOf } from '../body.ts';
import { fields, keyReference } from '../checks.ts';
import { pythonJson } from '../data-plane/errors.ts';
import { INTERNAL_ERROR } from '../data-plane/gateway-wire.ts';
import { CONTROL_OPERATIONS, DATA_OPERATIONS, type EmulatedOperation } from '../operation.ts';
import type { Fault, RequestFilter, ScheduledFault } from './fault.ts';

/* One row per field of a fault: its valid values, the operations it applies to, random values, and effect on a body. */

/** The effect of a fault on the body of a response. */
export interface Corruption {
  /** Number of chunks before the corrupted chunk. */
  readonly after: number;
  /** Returns the replacement for the chunk at which the fault applies. */
  readonly event: (event: string) => string;
  readonly next: 'end' | 'drop' | 'continue';
  /** Returns the replacement for the body of a response that is not a stream. */
  readonly whole: (text: string) => string;
}

/** Sources of random values. */
type Draw = Readonly<Record<'random' | 'delayMs' | 'chunks', () => number>>;

interface Row {
  readonly check: z.ZodType;
  /** Returns the operations to which the field applies. Default: all operations. */
  readonly operations?: (value: never) => readonly EmulatedOperation[];
  /** Whether the field determines how the response ends. A fault can have only one such field. */
  readonly isEnding?: boolean;
  /** At least one of these fields must also be set. */
  readonly needs?: readonly (keyof Fault)[];
  /** Generates a random value for the field. If omitted, random faults never set this field. */
  readonly random?: (draw: Draw) => unknown;
  /** Generates the fields that accompany this field in a random fault. */
  readonly randomly?: (draw: Draw) => Fault;
  /** Returns the properties in which the corruption differs from a truncation. */
  readonly corruption?: (fault: Fault) => Partial<Corruption>;
}

const only = (...operations: EmulatedOperation[]) => {
  return (): readonly EmulatedOperation[] => operations;
};
const streams = only('chat', 'completions');

const count = (minimum: number): z.ZodType =>
  z.custom(
    (value) => Number(value) >= minimum && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
    `must be an integer of at least ${minimum}, or Infinity`,
  );
const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, 'must be a valid header name');
const headerValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be a valid header value');
const milliseconds: Row = { check: z.number().min(0), random: ({ delayMs }) => delayMs() };
const flag: Row = { check: z.boolean(), random: () => true };
const chunks: Row = { check: count(0), random: (draw) => draw.chunks() };

const FILTER: Readonly<Record<keyof RequestFilter, Row>> = {
  plane: {
    check: z.enum(['control', 'data']),
    operations: (plane: string) => (plane === 'control' ? CONTROL_OPERATIONS : DATA_OPERATIONS),
  },
  operation: {
    check: z.enum([...CONTROL_OPERATIONS, ...DATA_OPERATIONS]),
    operations: (operation: EmulatedOperation) => [operation],
  },
  key: { check: keyReference },
  nth: { check: count(1) },
};

const half = (text: string): string => text.slice(0, Math.floor(text.length / 2));

/** Creates a table row for a field that ends the response after a given number of chunks. */
function ending(corruption: (fault: Fault) => Partial<Corruption> = () => ({})): Row {
  return { ...chunks, isEnding: true, corruption };
}

/** Creates a row for an ending that sends an error. If the response is not a stream, the error replaces its body. */
function errorEnding(errorOf: (fault: Fault) => string, toEvent: (error: string) => string): Row {
  return ending((fault) => {
    const error = errorOf(fault);
    return { event: () => toEvent(error), whole: () => error };
  });
}

const event = (data: string): string => `data: ${data}\n\n`;
const eventAndDone = (data: string): string => event(data) + event('[DONE]');

const ENGINE_ERROR =
  '{"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.", "type": "InternalServerError", "param": null, "code": 500}}';
/** The engine error in the format of older vLLM versions. */
const FLAT_ERROR =
  '{"code":500,"message":"EngineCore died","object":"error","param":null,"type":"InternalServerError"}';
const ERROR = { code: null, message: 'The model failed', param: null, type: 'internal_error' };

/** Statuses after which clients may retry. */
const RANDOM_STATUSES: readonly number[] = [408, 409, 429, 500, 502, 503, 504];

const FAULTS: Readonly<Record<keyof Fault, Row>> = {
  ...FILTER,
  times: { check: count(1) },

  delayMs: milliseconds,
  chunkDelayMs: { ...milliseconds, operations: streams },
  stallAfterChunks: { ...chunks, operations: streams, randomly: (draw) => ({ stallMs: draw.delayMs() }) },
  stallMs: { check: milliseconds.check, needs: ['stallAfterChunks'] },

  crlf: { ...flag, operations: streams },
  comments: { ...flag, operations: streams },
  writeBytes: {
    check: count(1),
    operations: streams,
    random: ({ random }) => 1 + Math.floor(random() * 1000),
  },

  status: {
    check: z.int().min(200).max(599),
    isEnding: true,
    random: ({ random }) => oneOf(RANDOM_STATUSES, random),
  },
  body: { check: z.unknown(), needs: ['status'] },
  headers: { check: z.record(headerName, headerValue), needs: ['status'] },
  dropConnection: { ...flag, isEnding: true },
  applied: { ...flag, needs: ['status', 'dropConnection'], randomly: () => ({ dropConnection: true }) },

  truncateAfterChunks: ending(),
  nullEventAfterChunks: errorEnding(() => 'null', event),
  errorBodyAfterChunks: errorEnding(() => INTERNAL_ERROR, String),
  errorObjectAfterChunks: errorEnding(() => FLAT_ERROR, eventAndDone),
  errorAfterChunks: errorEnding(({ errorEvent }) => pythonJson({ error: errorEvent ?? ERROR }), event),
  errorEvent: { check: z.unknown(), needs: ['errorAfterChunks'] },
  engineDiesAfterChunks: errorEnding(() => ENGINE_ERROR, eventAndDone),
  dropAfterChunks: ending(() => ({ next: 'drop' })),
  malformedJson: {
    ...ending(() => ({
      event: (original) => event(half(dataOf(original) ?? '')),
      next: 'continue',
      whole: (text) => text.slice(0, -1),
    })),
    check: z.union([z.boolean(), count(0)], 'must be a boolean or a number of chunks'),
  },
  omitDone: {
    ...ending(() => ({ after: Number.POSITIVE_INFINITY, whole: (text) => text })),
    ...flag,
    operations: streams,
  },

  acceptedAfterMs: { ...milliseconds, operations: only('create') },
  acceptedForMs: { ...milliseconds, operations: only('delete') },
};

const NAMES = Object.keys(FAULTS) as (keyof Fault)[];

/** Returns the names of the fields that are set. A field with the value false counts as not set. */
function givenFields(fault: Fault): (keyof Fault)[] {
  return NAMES.filter((name) => fault[name] !== undefined && fault[name] !== false);
}

/** Returns the names of the fields that are set, except for `times` and the filter. */
export function effectsOf(fault: Fault): (keyof Fault)[] {
  return givenFields(fault).filter((name) => name !== 'times' && !(name in FILTER));
}

/** Returns the operations to which a fault can apply, or `undefined` if it can apply to any. */
export function possibleOperations(fault: Fault): readonly EmulatedOperation[] | undefined {
  const lists = givenFields(fault).map((name) => FAULTS[name].operations?.(fault[name] as never));
  const [first, ...others] = lists.filter((operations) => operations !== undefined);
  return first?.filter((operation) => others.every((each) => each.includes(operation)));
}

/** Returns the first problem with the combination of fields in a fault. */
function contradictionOf(fault: ScheduledFault): { path: (keyof Fault)[]; message: string } | undefined {
  const given = givenFields(fault);
  const quoted = (names: readonly (keyof Fault)[], word: string): string =>
    names.map((name) => `\`${name}\``).join(` ${word} `);
  const isRandom = fault.mode === 'random';
  if (!isRandom && effectsOf(fault).length === 0) return { path: [], message: 'The fault has no effect' };
  const [ending, other] = given.filter((name) => FAULTS[name].isEnding);
  if (other !== undefined) return { path: [other], message: `contradicts \`${ending}\`` };
  for (const name of given) {
    const { needs = [] } = FAULTS[name];
    const isMet = needs.length === 0 || needs.some((needed) => given.includes(needed));
    if (!isMet) return { path: [name], message: `needs ${quoted(needs, 'or')}` };
  }
  if (possibleOperations(fault)?.length !== 0) return undefined;
  const [first, ...others] = given.filter((name) => FAULTS[name].operations !== undefined);
  return first && { path: [first], message: `and ${quoted(others, 'and')} apply to different requests` };
}

function schemaOf<Mode extends z.ZodType>(mode: Mode, rows: Readonly<Record<string, Row>>) {
  const shape = Object.entries(rows).map(([name, row]) => [name, row.check.optional()]);
  return fields({ mode, ...(Object.fromEntries(shape) as Record<string, z.ZodOptional>) }).check(
    ({ value, issues }) => {
      const problem = contradictionOf(value as ScheduledFault);
      if (problem !== undefined) issues.push({ code: 'custom', input: value, ...problem });
    },
  );
}

const { times: _, ...lasting } = FAULTS;

/** The fault schemas by mode. */
export const FAULT_SCHEMAS = {
  next: schemaOf(z.literal('next').default('next'), FAULTS),
  always: schemaOf(z.literal('always'), lasting),
  random: schemaOf(z.literal('random'), {
    ...FILTER,
    seed: { check: z.number() },
    probability: { check: z.number().min(0).max(1) },
    maxDelayMs: milliseconds,
  }),
} as const;

/** The JSON form of a fault. */
export const scheduledFault = z.discriminatedUnion(
  'mode',
  [FAULT_SCHEMAS.next, FAULT_SCHEMAS.always, FAULT_SCHEMAS.random],
  'must be `next`, `always` or `random`',
);

/** Returns whether a field determines how a response ends, or modifies a field that does. */
function isEnding(name: keyof Fault): boolean {
  return [name, ...(FAULTS[name].needs ?? [])].some((each) => FAULTS[each].isEnding);
}

/**
 * Combines the faults of one request.
 *
 * @param faults - In ascending order of precedence. The last fault with an ending determines how the response ends.
 */
export function mergeFaults(faults: readonly Fault[]): Fault {
  const merged: Record<string, unknown> = {};
  for (const fault of faults) {
    const effects = effectsOf(fault);
    if (effects.some(isEnding)) for (const name of NAMES.filter(isEnding)) delete merged[name];
    for (const name of effects) merged[name] = fault[name];
  }
  return merged;
}

/** Returns how a fault corrupts a body, or `undefined` if the fault does not affect the body. */
export function corruptionOf(fault: Fault): Corruption | undefined {
  const name = effectsOf(fault).find((each) => FAULTS[each].corruption !== undefined);
  if (name === undefined) return undefined;
  const after = fault[name] === true ? 0 : Number(fault[name]);
  const whole = (text: string): string => (after === 0 ? '' : half(text));
  return { after, event: () => '', next: 'end', whole, ...FAULTS[name].corruption?.(fault) };
}

/** Upper bound for a random chunk count: roughly the number of chunks in one of the emulator's streams. */
const MAX_CHUNKS = 8;

/** Generates a random fault that can apply to an operation. Returns `undefined` if there is none. */
export function randomFault(
  operation: EmulatedOperation | undefined,
  { random, maxDelayMs }: { readonly random: () => number; readonly maxDelayMs: number },
): Fault | undefined {
  const below = (limit: number) => (): number => Math.floor(random() * limit);
  const draw = { random, delayMs: below(maxDelayMs), chunks: below(MAX_CHUNKS) };
  const faults = NAMES.flatMap((name): Fault[] => {
    const row = FAULTS[name];
    return row.random === undefined ? [] : [{ [name]: row.random(draw), ...row.randomly?.(draw) }];
  });
  const possible = faults.filter((fault) => {
    const operations = possibleOperations(fault);
    return operations === undefined || (operation !== undefined && operations.includes(operation));
  });
  return possible.length === 0 ? undefined : oneOf(possible, random);
}

function oneOf<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}
