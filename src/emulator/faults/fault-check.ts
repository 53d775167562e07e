import { isSecret } from '../../secret/secret.ts';
import { isObject } from '../http.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';
import type { Fault, RandomFaults, RequestFilter } from './fault.ts';
import { givenFields, isOnlyForSome, possibleOperations } from './fault-operations.ts';
import { FAULT_KINDS } from './random-fault.ts';

/** What a value has to be, and how to say so. */
type Rule = readonly [accepts: (value: unknown) => boolean, expected: string];

const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);

const anything: Rule = [() => true, ''];
const boolean: Rule = [(value) => typeof value === 'boolean', 'a boolean'];
const milliseconds: Rule = [
  (value) => isNumber(value) && value >= 0 && value < Number.POSITIVE_INFINITY,
  'a number of milliseconds from 0',
];
const chunks: Rule = [
  (value) => isNumber(value) && value >= 0 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
  'a whole number from 0, or Infinity',
];
const fromOne: Rule = [
  (value) => isNumber(value) && value >= 1 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
  'a whole number from 1',
];

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

const filterRules: Readonly<Record<keyof RequestFilter, Rule>> = {
  plane: [(value) => value === 'control' || value === 'data', 'control or data'],
  operation: [
    (value) => typeof value === 'string' && Object.hasOwn(OPERATIONS, value),
    `one of ${Object.keys(OPERATIONS).join(', ')}`,
  ],
  method: [(value) => typeof value === 'string' && /^[a-z]+$/i.test(value), 'a method, such as POST'],
  path: [
    (value) => value instanceof RegExp || (typeof value === 'string' && value !== ''),
    'a text or a RegExp',
  ],
  key: [
    (value) => isSecret(value) || (typeof value === 'string' && value !== ''),
    'the id or the name of a key, or a key',
  ],
  nth: fromOne,
  probability: [(value) => isNumber(value) && value >= 0 && value <= 1, 'a number from 0 to 1'],
};

const faultRules: Readonly<Record<keyof Fault, Rule>> = {
  ...filterRules,
  times: fromOne,
  delayMs: milliseconds,
  chunkDelayMs: milliseconds,
  status: [
    (value) => isNumber(value) && Number.isInteger(value) && value >= 200 && value <= 599,
    'a status from 200 to 599',
  ],
  body: anything,
  headers: [isHeaders, 'an object of headers'],
  html: [(value) => typeof value === 'boolean' || typeof value === 'string', 'a boolean or a text'],
  dropConnection: boolean,
  applied: boolean,
  appliedAfterMs: milliseconds,
  truncateAfterChunks: chunks,
  dropAfterChunks: chunks,
  errorAfterChunks: chunks,
  errorEvent: anything,
  nullEventAfterChunks: chunks,
  errorBodyAfterChunks: chunks,
  errorObjectAfterChunks: chunks,
  errorObject: anything,
  halfEventAfterChunks: chunks,
  malformedJson: boolean,
  malformedJsonAfterChunks: chunks,
  omitDone: boolean,
  acceptedAfterMs: milliseconds,
  acceptedForMs: milliseconds,
  listLagMs: milliseconds,
};

const randomRules: Readonly<Record<keyof RandomFaults, Rule>> = {
  ...filterRules,
  seed: [isNumber, 'a number'],
  kinds: [
    (value) => Array.isArray(value) && value.length > 0 && value.every((kind) => FAULT_KINDS.includes(kind)),
    `an array of ${FAULT_KINDS.join(', ')}`,
  ],
  maxDelayMs: milliseconds,
};

/** A call is answered in one way. */
const WAYS_TO_ANSWER = [
  ['status', 'html'],
  ['dropConnection'],
  ['truncateAfterChunks'],
  ['dropAfterChunks'],
  ['errorAfterChunks'],
  ['nullEventAfterChunks'],
  ['errorBodyAfterChunks'],
  ['errorObjectAfterChunks'],
  ['halfEventAfterChunks'],
  ['malformedJson'],
  ['malformedJsonAfterChunks'],
  ['omitDone'],
] as const satisfies readonly (readonly (keyof Fault)[])[];

const NO_EFFECTS: readonly (keyof Fault)[] = [
  'times',
  ...(Object.keys(filterRules) as (keyof RequestFilter)[]),
];

/** @throws TypeError that names the field that is wrong, or the two that contradict each other. */
export function checkFault(fault: Fault, method: 'next' | 'always'): void {
  checkFields(fault, faultRules, method);
  const given = givenFields(fault);
  const fail = (problem: string): never => {
    throw new TypeError(`faults.${method}: ${problem}`);
  };
  if (given.every((field) => NO_EFFECTS.includes(field))) fail('the fault does not say what goes wrong');
  if (method === 'always' && given.includes('times')) fail('`times` is for faults.next');

  const ways = WAYS_TO_ANSWER.map((way) => way.find((field) => given.includes(field))).filter(
    (way) => way !== undefined,
  );
  if (ways.length > 1) fail(`\`${ways[0]}\` and \`${ways[1]}\` contradict each other`);
  if (given.includes('body') && given.includes('html')) fail('`body` and `html` contradict each other');
  if (given.includes('body') && !given.includes('status')) fail('`body` needs a `status`');
  const isReplaced = given.includes('status') || given.includes('html');
  if (given.includes('headers') && !isReplaced) fail('`headers` needs a `status` or `html`');
  if (given.includes('errorEvent') && !given.includes('errorAfterChunks')) {
    fail('`errorEvent` needs `errorAfterChunks`');
  }
  if (given.includes('errorObject') && !given.includes('errorObjectAfterChunks')) {
    fail('`errorObject` needs `errorObjectAfterChunks`');
  }
  if (given.includes('applied') && !isReplaced && !given.includes('dropConnection')) {
    fail(
      '`applied` needs `status`, `html` or `dropConnection`: whatever is answered as usual is carried out',
    );
  }
  if (fault.applied === false && given.includes('appliedAfterMs')) {
    fail('`applied` and `appliedAfterMs` contradict each other');
  }
  checkOperations(fault, fail);
}

/** @throws TypeError that names the field that is wrong. */
export function checkRandomFaults(faults: RandomFaults): void {
  checkFields(faults, randomRules, 'random');
  checkOperations(faults, (problem) => {
    throw new TypeError(`faults.random: ${problem}`);
  });
}

function checkOperations(fault: Fault, fail: (problem: string) => never): void {
  const operations = possibleOperations(fault);
  if (operations?.length === 0) {
    const fields = givenFields(fault).filter((field) => field === 'operation' || isOnlyForSome(field));
    fail(`${fields.map((field) => `\`${field}\``).join(' and ')} concern different requests`);
  }
  const { plane } = fault;
  if (plane !== undefined && operations?.every((operation) => OPERATIONS[operation] !== plane)) {
    fail(`\`plane\` is ${plane}, where there is no ${operations.join(' or ')}`);
  }
}

function checkFields(
  value: object,
  rules: Readonly<Record<string, Rule>>,
  method: 'next' | 'always' | 'random',
): void {
  if (!isObject(value)) throw new TypeError(`faults.${method}: the fault must be an object`);
  for (const [field, given] of Object.entries(value)) {
    const rule = Object.hasOwn(rules, field) ? rules[field] : undefined;
    if (rule === undefined) throw new TypeError(`faults.${method}: there is no \`${field}\``);
    const [accepts, expected] = rule;
    // The value stays out of the message: it may be a key.
    if (given !== undefined && !accepts(given)) {
      throw new TypeError(`faults.${method}: \`${field}\` must be ${expected}`);
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
