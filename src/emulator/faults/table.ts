import { isSecret } from '../../secret/secret.ts';
import { dataOf } from '../body.ts';
import type { EmulatedOperation, EmulatedPlane } from '../context.ts';
import { INTERNAL_ERROR } from '../data-plane/gateway-wire.ts';
import { isObject } from '../http.ts';
import type { Fault, FaultKind, RandomFaults, RequestFilter } from './fault.ts';

/*
 * One row for each field of a fault: what it accepts, which requests it makes sense for, how it is generated at random,
 * and what it does to a body.
 */

/** What a value has to be. */
type Check = readonly [accepts: (value: unknown) => boolean, expected: string];

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
  readonly check: Check;
  /** Operations that the field makes sense for. Default: all. */
  readonly operations?: readonly EmulatedOperation[];
  /** Fields with different endings exclude each other. */
  readonly ending?: string;
  /** Fields of which at least one has to be given. */
  readonly needs?: readonly (keyof Fault)[];
  /** Generates a random fault of this kind. */
  readonly random?: (draw: Draw) => Fault;
  readonly corruption?: Corruption;
}

const OPERATIONS: Readonly<Record<EmulatedOperation, EmulatedPlane>> = {
  create: 'control',
  list: 'control',
  listMine: 'control',
  reveal: 'control',
  delete: 'control',
  checkCreation: 'control',
  setStatus: 'control',
  setQuota: 'control',
  usage: 'control',
  models: 'data',
  chat: 'data',
  completions: 'data',
  images: 'data',
};

const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);
const isCount = (value: unknown, minimum: number): boolean =>
  isNumber(value) && value >= minimum && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY);
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

const anything: Check = [() => true, ''];
const boolean: Check = [(value) => typeof value === 'boolean', 'a boolean'];
const milliseconds: Check = [
  (value) => isNumber(value) && value >= 0 && value < Number.POSITIVE_INFINITY,
  'a non-negative number of milliseconds',
];
const chunks: Check = [(value) => isCount(value, 0), 'a non-negative integer or Infinity'];
const positive: Check = [(value) => isCount(value, 1), 'a positive integer or Infinity'];

const FILTER: Readonly<Record<keyof RequestFilter, Row>> = {
  plane: { check: [(value) => value === 'control' || value === 'data', "'control' or 'data'"] },
  operation: {
    check: [
      (value) => typeof value === 'string' && Object.hasOwn(OPERATIONS, value),
      `one of ${Object.keys(OPERATIONS).join(', ')}`,
    ],
  },
  method: {
    check: [(value) => typeof value === 'string' && /^[a-z]+$/i.test(value), 'a method such as POST'],
  },
  path: { check: [(value) => value instanceof RegExp || isText(value), 'a string or a RegExp'] },
  key: { check: [(value) => isSecret(value) || isText(value), 'the id, the name or the value of a key'] },
  nth: { check: positive },
  probability: { check: [(value) => isNumber(value) && value >= 0 && value <= 1, 'a number from 0 to 1'] },
};

const STREAMS: readonly EmulatedOperation[] = ['chat', 'completions'];

/** Statuses that a client may retry. */
const RANDOM_STATUSES: readonly number[] = [408, 409, 429, 500, 502, 503, 504];

const ENGINE_ERROR =
  '{"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.", "type": "InternalServerError", "param": null, "code": 500}}';

/** The error of a failed engine in the form of an older vLLM. */
const FLAT_ERROR = {
  code: 500,
  message: 'EngineCore died',
  object: 'error',
  param: null,
  type: 'InternalServerError',
};

const defaultError = { code: null, message: 'The model failed', param: null, type: 'internal_error' };

const half = (text: string): string => text.slice(0, Math.floor(text.length / 2));

/** A row for a field that says after how many chunks something happens. */
function afterChunks(
  field: FaultKind,
  { event, next, whole }: Omit<Corruption, 'after' | 'whole'> & Partial<Pick<Corruption, 'whole'>>,
): Row {
  const after = (fault: Fault): number => Number(fault[field]);
  const firstHalf = (text: string, fault: Fault): string => (after(fault) === 0 ? '' : half(text));
  return {
    check: chunks,
    ending: field,
    random: (draw) => ({ [field]: draw.chunks() }),
    corruption: { after, event, next, whole: whole ?? firstHalf },
  };
}

function malformed(after: Corruption['after']): Pick<Row, 'corruption'> {
  return {
    corruption: {
      after,
      event: (event) => `data: ${half(dataOf(event) ?? '')}\n\n`,
      next: 'continue',
      whole: (text) => text.slice(0, -1),
    },
  };
}

export const FAULTS: Readonly<Record<keyof Fault, Row>> = {
  ...FILTER,
  times: { check: positive },

  delayMs: { check: milliseconds, random: ({ delayMs }) => ({ delayMs: delayMs() }) },
  chunkDelayMs: {
    check: milliseconds,
    operations: STREAMS,
    random: ({ delayMs }) => ({ chunkDelayMs: delayMs() }),
  },
  stallAfterChunks: {
    check: chunks,
    operations: STREAMS,
    random: (draw) => ({ stallAfterChunks: draw.chunks(), stallMs: draw.delayMs() }),
  },
  stallMs: { check: milliseconds, needs: ['stallAfterChunks'] },

  crlf: { check: boolean, operations: STREAMS, random: () => ({ crlf: true }) },
  comments: { check: boolean, operations: STREAMS, random: () => ({ comments: true }) },
  writeBytes: {
    check: positive,
    operations: STREAMS,
    random: ({ random }) => ({ writeBytes: 1 + Math.floor(random() * 1000) }),
  },

  status: {
    check: [
      (value) => Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599,
      'a status from 200 to 599',
    ],
    ending: 'replacement',
    random: ({ random }) => ({ status: oneOf(RANDOM_STATUSES, random) }),
  },
  body: { check: anything, needs: ['status'] },
  headers: { check: [isHeaders, 'a record of headers'], needs: ['status', 'html'] },
  html: {
    check: [(value) => typeof value === 'boolean' || typeof value === 'string', 'a boolean or a string'],
    ending: 'replacement',
    random: ({ random }) => ({ html: true, status: oneOf([200, 502, 503], random) }),
  },
  dropConnection: { check: boolean, ending: 'dropConnection', random: () => ({ dropConnection: true }) },
  applied: {
    check: boolean,
    needs: ['status', 'html', 'dropConnection'],
    random: () => ({ dropConnection: true, applied: true }),
  },
  appliedAfterMs: {
    check: milliseconds,
    operations: ['create', 'delete'],
    random: ({ random, delayMs }) => ({
      appliedAfterMs: delayMs(),
      ...(random() < 0.5 && { dropConnection: true }),
    }),
  },

  truncateAfterChunks: afterChunks('truncateAfterChunks', { event: () => '', next: 'end' }),
  nullEventAfterChunks: afterChunks('nullEventAfterChunks', {
    event: () => 'data: null\n\n',
    next: 'end',
    whole: () => 'null',
  }),
  errorBodyAfterChunks: afterChunks('errorBodyAfterChunks', {
    event: () => INTERNAL_ERROR,
    next: 'end',
    whole: () => INTERNAL_ERROR,
  }),
  errorObjectAfterChunks: afterChunks('errorObjectAfterChunks', {
    event: (_, { errorObject }) => `data: ${JSON.stringify(errorObject ?? FLAT_ERROR)}\n\ndata: [DONE]\n\n`,
    next: 'end',
    whole: (_, { errorObject }) => JSON.stringify(errorObject ?? FLAT_ERROR),
  }),
  errorObject: { check: anything, needs: ['errorObjectAfterChunks'] },
  errorAfterChunks: afterChunks('errorAfterChunks', {
    event: (_, { errorEvent }) => `data: ${JSON.stringify({ error: errorEvent ?? defaultError })}\n\n`,
    next: 'end',
    whole: (_, { errorEvent }) => JSON.stringify({ error: errorEvent ?? defaultError }),
  }),
  errorEvent: { check: anything, needs: ['errorAfterChunks'] },
  engineDiesAfterChunks: afterChunks('engineDiesAfterChunks', {
    event: () => `data: ${ENGINE_ERROR}\n\ndata: [DONE]\n\n`,
    next: 'end',
    whole: () => ENGINE_ERROR,
  }),
  dropAfterChunks: afterChunks('dropAfterChunks', { event: () => '', next: 'drop' }),
  halfEventAfterChunks: afterChunks('halfEventAfterChunks', { event: half, next: 'end' }),
  malformedJson: {
    check: boolean,
    ending: 'malformedJson',
    random: (draw) => ({ malformedJsonAfterChunks: draw.chunks() }),
    ...malformed(() => 0),
  },
  malformedJsonAfterChunks: {
    check: chunks,
    ending: 'malformedJsonAfterChunks',
    ...malformed(({ malformedJsonAfterChunks }) => malformedJsonAfterChunks ?? 0),
  },
  omitDone: {
    check: boolean,
    operations: STREAMS,
    ending: 'omitDone',
    random: () => ({ omitDone: true }),
    corruption: {
      after: () => Number.POSITIVE_INFINITY,
      event: () => '',
      next: 'end',
      whole: (text) => text,
    },
  },

  acceptedAfterMs: {
    check: milliseconds,
    operations: ['create'],
    random: ({ delayMs }) => ({ acceptedAfterMs: delayMs() }),
  },
  acceptedForMs: {
    check: milliseconds,
    operations: ['delete'],
    random: ({ delayMs }) => ({ acceptedForMs: delayMs() }),
  },
  listLagMs: {
    check: milliseconds,
    operations: ['list', 'listMine'],
    random: ({ delayMs }) => ({ listLagMs: delayMs() }),
  },
};

const FIELDS = Object.keys(FAULTS) as (keyof Fault)[];

export const FAULT_KINDS: readonly FaultKind[] = FIELDS.filter(
  (field): field is FaultKind => 'random' in FAULTS[field],
);

const RANDOM_FAULTS: Readonly<Record<keyof RandomFaults, Row>> = {
  ...FILTER,
  seed: { check: [isNumber, 'a number'] },
  kinds: {
    check: [
      (value) =>
        Array.isArray(value) && value.length > 0 && value.every((kind) => FAULT_KINDS.includes(kind)),
      `a non-empty array of ${FAULT_KINDS.join(', ')}`,
    ],
  },
  maxDelayMs: { check: milliseconds },
};

/** Fields with an effect. `applied` may be false; any other field that is false is not given. */
export function givenFields(fault: Fault): (keyof Fault)[] {
  return Object.entries(fault).flatMap(([field, value]) =>
    value !== undefined && (value !== false || field === 'applied') ? [field as keyof Fault] : [],
  );
}

/** Operations that a fault can apply to; `undefined` for any. */
export function possibleOperations(fault: Fault): readonly EmulatedOperation[] | undefined {
  const lists = givenFields(fault).flatMap((field) => {
    const { operations } = FAULTS[field];
    return operations === undefined ? [] : [operations];
  });
  const [first, ...rest] = fault.operation === undefined ? lists : [[fault.operation], ...lists];
  return first?.filter((operation) => rest.every((others) => others.includes(operation)));
}

/** Fields that decide how a response ends, with those that belong to them. */
const ENDING_FIELDS = FIELDS.filter((field) => {
  const { ending, needs } = FAULTS[field];
  return ending !== undefined || (needs !== undefined && field !== 'stallMs') || field === 'appliedAfterMs';
});

/** Combines the faults of one request. @param faults - In ascending precedence. */
export function mergeFaults(faults: readonly Fault[]): Fault {
  const isEnding = (field: string): boolean => (ENDING_FIELDS as string[]).includes(field);
  const isFilter = (field: string): boolean => field in FILTER || field === 'times';
  const parts = faults.map((fault) =>
    Object.entries(fault).filter(([name, value]) => !isFilter(name) && value !== undefined),
  );
  const others = parts.flatMap((fields) => fields.filter(([name]) => !isEnding(name)));
  const ending = parts
    .map((fields) => fields.filter(([name]) => isEnding(name)))
    .findLast((fields) => givenFields(Object.fromEntries(fields)).length > 0);
  return Object.fromEntries([...others, ...(ending ?? [])]);
}

/** The corruption that a fault asks for. */
export function corruptionOf(fault: Fault): Corruption | undefined {
  const field = givenFields(fault).find((each) => FAULTS[each].corruption !== undefined);
  return field === undefined ? undefined : FAULTS[field].corruption;
}

/** A stream of the emulator has about so many chunks. */
const MAX_CHUNKS = 8;

/** Generates one of the faults that are possible for an operation; `undefined` if none of the kinds is. */
export function randomFault(
  kinds: readonly FaultKind[],
  operation: EmulatedOperation | undefined,
  { random, maxDelayMs }: { readonly random: () => number; readonly maxDelayMs: number },
): Fault | undefined {
  const draw: Draw = {
    random,
    delayMs: () => Math.floor(random() * maxDelayMs),
    chunks: () => Math.floor(random() * MAX_CHUNKS),
  };
  const possible = kinds.flatMap((kind) => {
    const fault = FAULTS[kind].random?.(draw);
    if (fault === undefined) return [];
    const operations = possibleOperations(fault);
    return operations === undefined || (operation !== undefined && operations.includes(operation))
      ? [fault]
      : [];
  });
  return possible.length === 0 ? undefined : oneOf(possible, random);
}

/** @throws {TypeError} That names a field that is invalid or contradicts another. */
export function checkFault(fault: Fault, method: 'next' | 'always'): void {
  checkFields(fault, FAULTS, method);
  const given = givenFields(fault);
  const fail = (problem: string): never => {
    throw new TypeError(`faults.${method}: ${problem}.`);
  };
  if (given.every((field) => field === 'times' || field in FILTER)) fail('the fault has no effect');
  if (method === 'always' && given.includes('times')) fail('`times` is for `faults.next`');

  const endings = new Map<string, string>();
  for (const field of given) {
    const { ending } = FAULTS[field];
    if (ending !== undefined && !endings.has(ending)) endings.set(ending, field);
  }
  const [first, second] = endings.values();
  if (second !== undefined) fail(`\`${first}\` and \`${second}\` contradict each other`);
  if (given.includes('body') && given.includes('html')) fail('`body` and `html` contradict each other');
  for (const field of given) {
    const { needs } = FAULTS[field];
    if (needs !== undefined && !needs.some((other) => given.includes(other))) {
      fail(`\`${field}\` needs ${needs.map((other) => `\`${other}\``).join(' or ')}`);
    }
  }
  if (fault.applied === false && given.includes('appliedAfterMs')) {
    fail('`applied` and `appliedAfterMs` contradict each other');
  }
  checkOperations(fault, fail);
}

/** @throws {TypeError} That names the invalid field. */
export function checkRandomFaults(faults: RandomFaults): void {
  checkFields(faults, RANDOM_FAULTS, 'random');
  checkOperations({ operation: faults.operation, plane: faults.plane }, (problem) => {
    throw new TypeError(`faults.random: ${problem}.`);
  });
}

function checkOperations(fault: Fault, fail: (problem: string) => never): void {
  const operations = possibleOperations(fault);
  if (operations?.length === 0) {
    const fields = givenFields(fault).filter(
      (field) => field === 'operation' || FAULTS[field].operations !== undefined,
    );
    fail(`${fields.map((field) => `\`${field}\``).join(' and ')} concern different requests`);
  }
  const { plane } = fault;
  if (plane !== undefined && operations?.every((operation) => OPERATIONS[operation] !== plane)) {
    fail(`\`plane\` is ${plane}, which has no operation ${operations.join(' or ')}`);
  }
}

function checkFields(
  value: object,
  rows: Readonly<Record<string, Row>>,
  method: 'next' | 'always' | 'random',
): void {
  if (!isObject(value)) throw new TypeError(`faults.${method}: the fault must be an object.`);
  for (const [field, given] of Object.entries(value)) {
    const row = Object.hasOwn(rows, field) ? rows[field] : undefined;
    if (row === undefined) throw new TypeError(`faults.${method}: \`${field}\` is unknown.`);
    const [accepts, expected] = row.check;
    // The value is not repeated: it may be a key.
    if (given !== undefined && !accepts(given)) {
      throw new TypeError(`faults.${method}: \`${field}\` must be ${expected}.`);
    }
  }
}

function isHeaders(value: unknown): boolean {
  try {
    return isObject(value) && new Headers(value as Record<string, string>) !== undefined;
  } catch {
    return false;
  }
}

function oneOf<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}
