import * as z from 'zod/mini';
import { dataOf } from '../body.ts';
import { credential, fields, nonEmpty } from '../checks.ts';
import { INTERNAL_ERROR } from '../data-plane/gateway-wire.ts';
import type { EmulatedOperation } from '../operation.ts';
import type { Fault, FaultKind, RequestFilter } from './fault.ts';

/*
 * One row for each field of a fault: what it accepts, which requests it makes sense for, how it is generated at random,
 * and what it does to a body.
 */

/** What a fault does to the body of a response. */
export interface Corruption {
  /** Number of chunks before the corrupted one. */
  readonly after: (fault: Fault) => number;
  /** What is sent in place of the chunk at which the fault applies. */
  readonly event: (event: string, fault: Fault) => string;
  readonly next: 'end' | 'drop' | 'continue';
  /** What is sent of a response in one piece. */
  readonly whole: (text: string, fault: Fault) => string;
}

/** Sources of random values. */
interface Draw {
  readonly random: () => number;
  readonly delayMs: () => number;
  readonly chunks: () => number;
}

interface Row {
  readonly check: z.ZodMiniType;
  /** Operations that a value of the field makes sense for. Default: all. */
  readonly operations?: ((value: never) => readonly EmulatedOperation[]) | undefined;
  /** The way in which the response ends. Different ones exclude each other. */
  readonly ending?: string;
  /** Fields of which at least one has to be given. */
  readonly needs?: readonly (keyof Fault)[];
  /** Generates a random fault of this kind. */
  readonly random?: (draw: Draw) => Fault;
  readonly corruption?: Corruption;
}

const CONTROL = [
  ...['create', 'list', 'listMine', 'reveal', 'delete', 'checkCreation'],
  ...['setStatus', 'setQuota', 'usage'],
] as EmulatedOperation[];
const DATA: EmulatedOperation[] = ['models', 'chat', 'completions', 'images'];

const only =
  (...operations: EmulatedOperation[]) =>
  () =>
    operations;
const streams = only('chat', 'completions');

/** An integer or `Infinity`. */
const count = (minimum: number): z.ZodMiniType =>
  z.custom(
    (value) => Number(value) >= minimum && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
    `must be an integer from ${minimum}, or Infinity`,
  );
const milliseconds = z.number().check(z.minimum(0));

const FILTER: Readonly<Record<keyof RequestFilter, Row>> = {
  plane: {
    check: z.enum(['control', 'data']),
    operations: (plane: string) => (plane === 'control' ? CONTROL : DATA),
  },
  operation: {
    check: z.enum([...CONTROL, ...DATA]),
    operations: (operation: EmulatedOperation) => [operation],
  },
  method: { check: z.string().check(z.regex(/^[a-z]+$/i, 'must be a method such as POST')) },
  path: { check: z.union([nonEmpty, z.instanceof(RegExp)], 'must be a glob or a RegExp') },
  key: { check: credential },
  nth: { check: count(1) },
  probability: { check: z.number().check(z.minimum(0), z.maximum(1)) },
};

/** A row for a delay. */
const delay = (field: FaultKind, operations?: Row['operations']): Row => ({
  check: milliseconds,
  operations,
  random: ({ delayMs }) => ({ [field]: delayMs() }),
});

const flag = (field: FaultKind, more: Partial<Row> = {}): Row => ({
  check: z.boolean(),
  random: () => ({ [field]: true }),
  ...more,
});

/** A row for a field that says after how many chunks something else is sent, which ends the response. */
function afterChunks(field: FaultKind, event: Corruption['event'], whole?: Corruption['whole']): Row {
  const after = (fault: Fault): number => Number(fault[field]);
  return {
    check: count(0),
    ending: field,
    random: (draw) => ({ [field]: draw.chunks() }),
    corruption: {
      after,
      event,
      next: field === 'dropAfterChunks' ? 'drop' : 'end',
      whole: whole ?? ((text, fault) => (after(fault) === 0 ? '' : half(text))),
    },
  };
}

/** A row for an ending that sends an error, whose JSON is the body of a response in one piece. */
const errorAfterChunks = (
  field: FaultKind,
  error: (fault: Fault) => string,
  event: (error: string) => string,
): Row =>
  afterChunks(
    field,
    (_, fault) => event(error(fault)),
    (_, fault) => error(fault),
  );

const half = (text: string): string => text.slice(0, Math.floor(text.length / 2));

/** A row for a chunk that is not JSON. */
const malformed = (field: FaultKind, after: Corruption['after'], more: Partial<Row>): Row => ({
  check: count(0),
  ending: field,
  corruption: {
    after,
    event: (event) => `data: ${half(dataOf(event) ?? '')}\n\n`,
    next: 'continue',
    whole: (text) => text.slice(0, -1),
  },
  ...more,
});

const event = (data: string): string => `data: ${data}\n\n`;
const eventAndDone = (data: string): string => `${event(data)}data: [DONE]\n\n`;

const ENGINE_ERROR =
  '{"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.", "type": "InternalServerError", "param": null, "code": 500}}';
/** The same in the form of an older vLLM. */
const FLAT_ERROR = {
  code: 500,
  message: 'EngineCore died',
  object: 'error',
  param: null,
  type: 'InternalServerError',
};
const ERROR = { code: null, message: 'The model failed', param: null, type: 'internal_error' };

/** Statuses that a client may retry. */
const RANDOM_STATUSES: readonly number[] = [408, 409, 429, 500, 502, 503, 504];

export const FAULTS: Readonly<Record<keyof Fault, Row>> = {
  ...FILTER,
  times: { check: count(1) },

  delayMs: delay('delayMs'),
  chunkDelayMs: delay('chunkDelayMs', streams),
  stallAfterChunks: {
    check: count(0),
    operations: streams,
    random: (draw) => ({ stallAfterChunks: draw.chunks(), stallMs: draw.delayMs() }),
  },
  stallMs: { check: milliseconds, needs: ['stallAfterChunks'] },

  crlf: flag('crlf', { operations: streams }),
  comments: flag('comments', { operations: streams }),
  writeBytes: {
    check: count(1),
    operations: streams,
    random: ({ random }) => ({ writeBytes: 1 + Math.floor(random() * 1000) }),
  },

  status: {
    check: z.int().check(z.minimum(200), z.maximum(599)),
    ending: 'replacement',
    random: ({ random }) => ({ status: oneOf(RANDOM_STATUSES, random) }),
  },
  body: { check: z.unknown(), needs: ['status'] },
  headers: {
    check: z.custom(isHeaders, 'must be an object of header names and values'),
    needs: ['status', 'html'],
  },
  html: {
    check: z.union([z.boolean(), z.string()], 'must be a boolean or a page'),
    ending: 'replacement',
    random: ({ random }) => ({ html: true, status: oneOf([200, 502, 503], random) }),
  },
  dropConnection: flag('dropConnection', { ending: 'dropConnection' }),
  applied: flag('applied', {
    needs: ['status', 'html', 'dropConnection'],
    random: () => ({ dropConnection: true, applied: true }),
  }),
  appliedAfterMs: {
    check: milliseconds,
    operations: only('create', 'delete'),
    random: ({ random, delayMs }) => ({
      appliedAfterMs: delayMs(),
      ...(random() < 0.5 && { dropConnection: true }),
    }),
  },

  truncateAfterChunks: afterChunks('truncateAfterChunks', () => ''),
  nullEventAfterChunks: errorAfterChunks('nullEventAfterChunks', () => 'null', event),
  errorBodyAfterChunks: errorAfterChunks(
    'errorBodyAfterChunks',
    () => INTERNAL_ERROR,
    (error) => error,
  ),
  errorObjectAfterChunks: errorAfterChunks(
    'errorObjectAfterChunks',
    ({ errorObject }) => JSON.stringify(errorObject ?? FLAT_ERROR),
    eventAndDone,
  ),
  errorObject: { check: z.unknown(), needs: ['errorObjectAfterChunks'] },
  errorAfterChunks: errorAfterChunks(
    'errorAfterChunks',
    ({ errorEvent }) => JSON.stringify({ error: errorEvent ?? ERROR }),
    event,
  ),
  errorEvent: { check: z.unknown(), needs: ['errorAfterChunks'] },
  engineDiesAfterChunks: errorAfterChunks('engineDiesAfterChunks', () => ENGINE_ERROR, eventAndDone),
  dropAfterChunks: afterChunks('dropAfterChunks', () => ''),
  halfEventAfterChunks: afterChunks('halfEventAfterChunks', half),
  malformedJson: malformed('malformedJson', () => 0, {
    check: z.boolean(),
    random: (draw) => ({ malformedJsonAfterChunks: draw.chunks() }),
  }),
  malformedJsonAfterChunks: malformed(
    'malformedJson',
    ({ malformedJsonAfterChunks = 0 }) => malformedJsonAfterChunks,
    {},
  ),
  omitDone: flag('omitDone', {
    operations: streams,
    ending: 'omitDone',
    corruption: {
      after: () => Number.POSITIVE_INFINITY,
      event: () => '',
      next: 'end',
      whole: (text) => text,
    },
  }),

  acceptedAfterMs: delay('acceptedAfterMs', only('create')),
  acceptedForMs: delay('acceptedForMs', only('delete')),
  listLagMs: delay('listLagMs', only('list', 'listMine')),
};

const NAMES = Object.keys(FAULTS) as (keyof Fault)[];

export const FAULT_KINDS: readonly FaultKind[] = NAMES.filter(
  (name): name is FaultKind => FAULTS[name].random !== undefined,
);

/** Names of the fields that are given and have an effect. A field that is false has none. */
export function effectsOf(fault: Fault): (keyof Fault)[] {
  return givenFields(fault).filter((name) => name !== 'times' && !(name in FILTER));
}

function givenFields(fault: Fault): (keyof Fault)[] {
  return NAMES.filter((name) => fault[name] !== undefined && fault[name] !== false);
}

/** Operations that a fault can apply to; `undefined` for any. */
export function possibleOperations(fault: Fault): readonly EmulatedOperation[] | undefined {
  const [first, ...others] = givenFields(fault).flatMap((name) => {
    const operations = FAULTS[name].operations?.(fault[name] as never);
    return operations === undefined ? [] : [operations];
  });
  return first?.filter((operation) => others.every((each) => each.includes(operation)));
}

/** The contradictions of a fault: the field and what is wrong with it. */
function* contradictions(fault: Fault): Generator<readonly [keyof Fault, string], void, undefined> {
  const given = givenFields(fault);
  const endings = given.filter((name) => FAULTS[name].ending !== undefined);
  for (const name of endings) {
    if (FAULTS[name].ending !== FAULTS[endings[0] ?? name].ending)
      yield [name, `contradicts \`${endings[0]}\``];
  }
  if (given.includes('body') && given.includes('html')) yield ['html', 'contradicts `body`'];
  for (const name of given) {
    const { needs = [] } = FAULTS[name];
    const isMet = needs.length === 0 || needs.some((needed) => given.includes(needed));
    if (!isMet) yield [name, `needs ${needs.map((needed) => `\`${needed}\``).join(' or ')}`];
  }
  if (possibleOperations(fault)?.length !== 0) return;
  const [first, ...others] = given.filter((name) => FAULTS[name].operations !== undefined);
  if (first === undefined) return;
  yield [first, `and ${others.map((name) => `\`${name}\``).join(' and ')} concern different requests`];
}

function schemaOf<Mode extends z.ZodMiniType>(mode: Mode, rows: Readonly<Record<string, Row>>) {
  const shape = Object.entries(rows).map(([name, row]) => [name, z.optional(row.check)]);
  return fields({ mode, ...(Object.fromEntries(shape) as Record<string, z.ZodMiniOptional>) }).check(
    ({ value, issues }) => {
      const [problem] = contradictions(value as Fault);
      const [path, message] = problem ?? [];
      if (path !== undefined) issues.push({ code: 'custom', path: [path], message, input: value });
    },
  );
}

const hasEffect = z.refine<object>((fault) => effectsOf(fault).length > 0, 'has no effect');
const { times: _, ...lasting } = FAULTS;

/** The schemas of faults by their mode. */
export const FAULT_SCHEMAS = {
  next: schemaOf(z._default(z.literal('next'), 'next'), FAULTS).check(hasEffect),
  always: schemaOf(z.literal('always'), lasting).check(hasEffect),
  random: schemaOf(z.literal('random'), {
    ...FILTER,
    seed: { check: z.number() },
    kinds: { check: z.array(z.enum(FAULT_KINDS)).check(z.minLength(1)) },
    maxDelayMs: { check: milliseconds },
  }),
} as const;

/** A fault in JSON. */
export const scheduledFault = z.discriminatedUnion('mode', [
  FAULT_SCHEMAS.next,
  FAULT_SCHEMAS.always,
  FAULT_SCHEMAS.random,
]);

/**
 * Combines the faults of one request.
 *
 * @param faults - In ascending precedence. The last one that ends the response in some way decides how.
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

/** Whether a field belongs to the way in which a response ends. */
function isEnding(name: keyof Fault): boolean {
  const { ending, needs = [] } = FAULTS[name];
  return ending !== undefined || name === 'appliedAfterMs' || needs.some((needed) => FAULTS[needed].ending);
}

/** The corruption that a fault asks for. */
export function corruptionOf(fault: Fault): Corruption | undefined {
  return effectsOf(fault)
    .map((name) => FAULTS[name].corruption)
    .find((corruption) => corruption !== undefined);
}

/** A stream of the emulator has about this number of chunks. */
const MAX_CHUNKS = 8;

/** Generates one of the faults that are possible for an operation; `undefined` if none of the kinds is. */
export function randomFault(
  kinds: readonly FaultKind[],
  operation: EmulatedOperation | undefined,
  { random, maxDelayMs }: { readonly random: () => number; readonly maxDelayMs: number },
): Fault | undefined {
  const delayMs = (): number => Math.floor(random() * maxDelayMs);
  const chunks = (): number => Math.floor(random() * MAX_CHUNKS);
  const faults = kinds.map((kind) => FAULTS[kind].random?.({ random, delayMs, chunks }) ?? {});
  const possible = faults.filter((fault) => {
    const operations = possibleOperations(fault);
    return operations === undefined || (operation !== undefined && operations.includes(operation));
  });
  return possible.length === 0 ? undefined : oneOf(possible, random);
}

function isHeaders(value: unknown): boolean {
  try {
    return new Headers(value as Record<string, string>) !== undefined && typeof value === 'object';
  } catch {
    return false;
  }
}

function oneOf<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}
