import * as z from 'zod/mini';
import { isSecret } from '../../secret/secret.ts';
import { dataOf } from '../body.ts';
import { check, nonEmpty } from '../checks.ts';
import { INTERNAL_ERROR } from '../data-plane/gateway-wire.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';
import type { Fault, FaultKind, RandomFaults, RequestFilter } from './fault.ts';

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
  /** Operations that the field makes sense for. Default: all. */
  readonly operations?: readonly EmulatedOperation[] | undefined;
  /** Fields with different endings exclude each other. */
  readonly ending?: string;
  /** Fields of which at least one has to be given. */
  readonly needs?: readonly (keyof Fault)[];
  /** Generates a random fault of this kind. */
  readonly random?: (draw: Draw) => Fault;
  readonly corruption?: Corruption;
}

const OPERATIONS: Readonly<Record<EmulatedPlane, readonly EmulatedOperation[]>> = {
  control: [
    'create',
    'list',
    'listMine',
    'reveal',
    'delete',
    'checkCreation',
    'setStatus',
    'setQuota',
    'usage',
  ],
  data: ['models', 'chat', 'completions', 'images'],
};
const STREAMS: readonly EmulatedOperation[] = ['chat', 'completions'];

/** An integer or `Infinity`. */
const count = (minimum: number): z.ZodMiniType =>
  z.custom(
    (value) => Number(value) >= minimum && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
    `must be an integer from ${minimum}, or Infinity`,
  );
const milliseconds = z.number().check(z.minimum(0));
const isHeaders = (value: unknown): boolean => {
  try {
    return new Headers(value as Record<string, string>) !== undefined && typeof value === 'object';
  } catch {
    return false;
  }
};

const FILTER: Readonly<Record<keyof RequestFilter, Row>> = {
  plane: { check: z.enum(['control', 'data']) },
  operation: { check: z.enum([...OPERATIONS.control, ...OPERATIONS.data]) },
  method: { check: z.string().check(z.regex(/^[a-z]+$/i)) },
  path: { check: z.union([nonEmpty, z.instanceof(RegExp)]) },
  key: { check: z.union([nonEmpty, z.custom(isSecret)]) },
  nth: { check: count(1) },
  probability: { check: z.number().check(z.minimum(0), z.maximum(1)) },
};

/** A row for a delay that is random by itself. */
const delay = (field: FaultKind, operations?: readonly EmulatedOperation[]): Row => ({
  check: milliseconds,
  operations,
  random: ({ delayMs }) => ({ [field]: delayMs() }),
});

const flag = (field: FaultKind, more: Partial<Row> = {}): Row => ({
  check: z.boolean(),
  random: () => ({ [field]: true }),
  ...more,
});

const half = (text: string): string => text.slice(0, Math.floor(text.length / 2));

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

const malformed = (after: Corruption['after']): Corruption => ({
  after,
  event: (event) => `data: ${half(dataOf(event) ?? '')}\n\n`,
  next: 'continue',
  whole: (text) => text.slice(0, -1),
});

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

const flatError = ({ errorObject }: Fault): string => JSON.stringify(errorObject ?? FLAT_ERROR);
const plainError = ({ errorEvent }: Fault): string => JSON.stringify({ error: errorEvent ?? ERROR });

/** Statuses that a client may retry. */
const RANDOM_STATUSES: readonly number[] = [408, 409, 429, 500, 502, 503, 504];

const FAULTS: Readonly<Record<keyof Fault, Row>> = {
  ...FILTER,
  times: { check: count(1) },

  delayMs: delay('delayMs'),
  chunkDelayMs: delay('chunkDelayMs', STREAMS),
  stallAfterChunks: {
    check: count(0),
    operations: STREAMS,
    random: (draw) => ({ stallAfterChunks: draw.chunks(), stallMs: draw.delayMs() }),
  },
  stallMs: { check: milliseconds, needs: ['stallAfterChunks'] },

  crlf: flag('crlf', { operations: STREAMS }),
  comments: flag('comments', { operations: STREAMS }),
  writeBytes: {
    check: count(1),
    operations: STREAMS,
    random: ({ random }) => ({ writeBytes: 1 + Math.floor(random() * 1000) }),
  },

  status: {
    check: z.int().check(z.minimum(200), z.maximum(599)),
    ending: 'replacement',
    random: ({ random }) => ({ status: oneOf(RANDOM_STATUSES, random) }),
  },
  body: { check: z.unknown(), needs: ['status'] },
  headers: { check: z.custom(isHeaders), needs: ['status', 'html'] },
  html: {
    check: z.union([z.boolean(), z.string()]),
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
    operations: ['create', 'delete'],
    random: ({ random, delayMs }) => ({
      appliedAfterMs: delayMs(),
      ...(random() < 0.5 && { dropConnection: true }),
    }),
  },

  truncateAfterChunks: afterChunks('truncateAfterChunks', () => ''),
  nullEventAfterChunks: afterChunks(
    'nullEventAfterChunks',
    () => 'data: null\n\n',
    () => 'null',
  ),
  errorBodyAfterChunks: afterChunks(
    'errorBodyAfterChunks',
    () => INTERNAL_ERROR,
    () => INTERNAL_ERROR,
  ),
  errorObjectAfterChunks: afterChunks(
    'errorObjectAfterChunks',
    (_, fault) => `data: ${flatError(fault)}\n\ndata: [DONE]\n\n`,
    (_, fault) => flatError(fault),
  ),
  errorObject: { check: z.unknown(), needs: ['errorObjectAfterChunks'] },
  errorAfterChunks: afterChunks(
    'errorAfterChunks',
    (_, fault) => `data: ${plainError(fault)}\n\n`,
    (_, fault) => plainError(fault),
  ),
  errorEvent: { check: z.unknown(), needs: ['errorAfterChunks'] },
  engineDiesAfterChunks: afterChunks(
    'engineDiesAfterChunks',
    () => `data: ${ENGINE_ERROR}\n\ndata: [DONE]\n\n`,
    () => ENGINE_ERROR,
  ),
  dropAfterChunks: afterChunks('dropAfterChunks', () => ''),
  halfEventAfterChunks: afterChunks('halfEventAfterChunks', half),
  malformedJson: flag('malformedJson', {
    ending: 'malformedJson',
    random: (draw) => ({ malformedJsonAfterChunks: draw.chunks() }),
    corruption: malformed(() => 0),
  }),
  malformedJsonAfterChunks: {
    check: count(0),
    ending: 'malformedJsonAfterChunks',
    corruption: malformed(({ malformedJsonAfterChunks }) => malformedJsonAfterChunks ?? 0),
  },
  omitDone: flag('omitDone', {
    operations: STREAMS,
    ending: 'omitDone',
    corruption: {
      after: () => Number.POSITIVE_INFINITY,
      event: () => '',
      next: 'end',
      whole: (text) => text,
    },
  }),

  acceptedAfterMs: delay('acceptedAfterMs', ['create']),
  acceptedForMs: delay('acceptedForMs', ['delete']),
  listLagMs: delay('listLagMs', ['list', 'listMine']),
};

const FIELDS = Object.keys(FAULTS) as (keyof Fault)[];

export const FAULT_KINDS: readonly FaultKind[] = FIELDS.filter(
  (field): field is FaultKind => FAULTS[field].random !== undefined,
);

const schemaOf = (rows: Readonly<Record<string, Row>>): z.ZodMiniType =>
  z.strictObject(
    Object.fromEntries(Object.entries(rows).map(([field, row]) => [field, z.optional(row.check)])),
  );
const faultSchema = schemaOf(FAULTS);
const randomSchema = schemaOf({
  ...FILTER,
  seed: { check: z.number() },
  kinds: { check: z.array(z.enum(FAULT_KINDS)).check(z.minLength(1)) },
  maxDelayMs: { check: milliseconds },
});

/** Fields with an effect. `applied` may be false; any other field that is false is not given. */
export function givenFields(fault: Fault): (keyof Fault)[] {
  return FIELDS.filter(
    (field) => fault[field] !== undefined && (fault[field] !== false || field === 'applied'),
  );
}

/** Operations that a fault can apply to; `undefined` for any. */
export function possibleOperations(fault: Fault): readonly EmulatedOperation[] | undefined {
  const lists = [
    fault.operation && [fault.operation],
    ...givenFields(fault).map((field) => FAULTS[field].operations),
  ];
  const [first, ...rest] = lists.filter((operations) => operations !== undefined);
  return first?.filter((operation) => rest.every((others) => others.includes(operation)));
}

/** Whether a field belongs to the way in which a response ends. */
function isEnding(field: keyof Fault): boolean {
  const { ending, needs = [] } = FAULTS[field];
  return ending !== undefined || field === 'appliedAfterMs' || (needs.length > 0 && field !== 'stallMs');
}

/** Combines the faults of one request. @param faults - In ascending precedence. */
export function mergeFaults(faults: readonly Fault[]): Fault {
  const pick = (fault: Fault, fields: readonly (keyof Fault)[]): Fault =>
    Object.fromEntries(
      fields.flatMap((field) => (fault[field] === undefined ? [] : [[field, fault[field]]])),
    );
  const effects = FIELDS.filter((field) => !(field in FILTER) && field !== 'times');
  const endings = faults.map((fault) => pick(fault, effects.filter(isEnding)));
  const others = faults.map((fault) =>
    pick(
      fault,
      effects.filter((field) => !isEnding(field)),
    ),
  );
  return Object.assign(
    {},
    ...others,
    endings.findLast((fault) => givenFields(fault).length > 0),
  );
}

/** The corruption that a fault asks for. */
export function corruptionOf(fault: Fault): Corruption | undefined {
  return givenFields(fault)
    .map((field) => FAULTS[field].corruption)
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

/** @throws {TypeError} That names a field that is invalid or contradicts another. */
export function checkFault(fault: Fault, method: 'next' | 'always'): void {
  check(`faults.${method}`, faultSchema, fault);
  const given = givenFields(fault);
  const fail = (problem: string): never => {
    throw new TypeError(`faults.${method}: ${problem}.`);
  };
  if (given.every((field) => field === 'times' || field in FILTER)) fail('the fault has no effect');
  if (method === 'always' && given.includes('times')) fail('`times` is for `faults.next`');
  const exclusive = given.filter((field) => FAULTS[field].ending !== undefined);
  const other = exclusive.find((field) => FAULTS[field].ending !== FAULTS[exclusive[0] ?? field].ending);
  if (other !== undefined) fail(`\`${exclusive[0]}\` and \`${other}\` contradict each other`);
  if (given.includes('body') && given.includes('html')) fail('`body` and `html` contradict each other');
  for (const field of given) {
    const { needs } = FAULTS[field];
    if (needs === undefined || needs.some((needed) => given.includes(needed))) continue;
    fail(`\`${field}\` needs ${needs.map((needed) => `\`${needed}\``).join(' or ')}`);
  }
  if (fault.applied === false && given.includes('appliedAfterMs')) {
    fail('`applied` and `appliedAfterMs` contradict each other');
  }
  checkOperations(fault, fail);
}

/** @throws {TypeError} That names the invalid field. */
export function checkRandomFaults(faults: RandomFaults): void {
  check('faults.random', randomSchema, faults);
  checkOperations({ operation: faults.operation, plane: faults.plane }, (problem) => {
    throw new TypeError(`faults.random: ${problem}.`);
  });
}

function checkOperations(fault: Fault, fail: (problem: string) => never): void {
  const operations = possibleOperations(fault);
  if (operations?.length === 0) {
    const fields = givenFields(fault).filter((field) => field === 'operation' || FAULTS[field].operations);
    fail(`${fields.map((field) => `\`${field}\``).join(' and ')} concern different requests`);
  }
  const { plane } = fault;
  if (plane !== undefined && operations && !operations.some((each) => OPERATIONS[plane].includes(each))) {
    fail(`\`plane\` is ${plane}, which has no operation ${operations.join(' or ')}`);
  }
}

function oneOf<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}
