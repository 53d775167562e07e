import type { Effects } from '../call.ts';
import type { Fault } from './fault.ts';
import { givenFields } from './fault-operations.ts';

/** What happens in the middle of an answer. */
export interface Distortion {
  readonly kind:
    | 'truncate'
    | 'drop'
    | 'error'
    | 'nullEvent'
    | 'errorBody'
    | 'errorObject'
    | 'halfEvent'
    | 'malformedJson';
  readonly afterChunks: number;
  readonly errorEvent?: unknown;
  readonly errorObject?: unknown;
}

/** What is answered in place of the service. */
export type Substitute =
  | { readonly kind: 'drop' }
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** Undefined for what the contract has. */
      readonly body: unknown;
      readonly html: string | undefined;
      readonly headers: Readonly<Record<string, string>>;
    };

/** All that goes wrong with one call. */
export interface MetFaults {
  /** The fields of the faults, for the log. */
  readonly names: readonly string[];
  readonly delayMs: number;
  readonly chunkDelayMs: number;
  readonly effects: Effects;
  readonly substitute: Substitute | undefined;
  readonly isApplied: boolean;
  readonly distortion: Distortion | undefined;
}

const DELAYS = [
  'delayMs',
  'chunkDelayMs',
  'acceptedAfterMs',
  'acceptedForMs',
  'listLagMs',
] as const satisfies readonly (keyof Fault)[];

const ENDINGS = [
  'status',
  'body',
  'headers',
  'html',
  'dropConnection',
  'applied',
  'appliedAfterMs',
  'truncateAfterChunks',
  'dropAfterChunks',
  'errorAfterChunks',
  'errorEvent',
  'nullEventAfterChunks',
  'errorBodyAfterChunks',
  'errorObjectAfterChunks',
  'errorObject',
  'halfEventAfterChunks',
  'malformedJson',
  'malformedJsonAfterChunks',
  'omitDone',
] as const satisfies readonly (keyof Fault)[];

const GATEWAY_PAGE =
  '<!doctype html><html><head><title>Service maintenance</title></head><body><h1>We will be back soon</h1></body></html>\n';

/** Puts the faults of a call together. @param faults - Those that give way first. */
export function metFaults(faults: readonly Fault[]): MetFaults {
  const delays = Object.assign({}, ...faults.map((fault) => pick(fault, DELAYS))) as Fault;
  const ending = faults.map((fault) => pick(fault, ENDINGS)).findLast((part) => givenFields(part).length > 0);
  const substitute = ending && substituteOf(ending);
  const isLate = ending?.appliedAfterMs !== undefined;
  return {
    names: [...givenFields(delays), ...givenFields(ending ?? {})],
    delayMs: delays.delayMs ?? 0,
    chunkDelayMs: delays.chunkDelayMs ?? 0,
    effects: {
      appliedAfterMs: ending?.appliedAfterMs ?? 0,
      acceptedAfterMs: delays.acceptedAfterMs ?? 0,
      acceptedForMs: delays.acceptedForMs ?? 0,
      listLagMs: delays.listLagMs ?? 0,
    },
    substitute,
    isApplied: substitute === undefined || isLate || ending?.applied === true,
    distortion: ending && distortionOf(ending),
  };
}

function substituteOf({ status, body, headers, html, dropConnection }: Fault): Substitute | undefined {
  if (dropConnection) return { kind: 'drop' };
  const page = html === true ? GATEWAY_PAGE : html;
  const isPage = typeof page === 'string';
  if (status === undefined && !isPage) return undefined;
  return {
    kind: 'answer',
    status: status ?? 200,
    body,
    html: isPage ? page : undefined,
    headers: headers ?? {},
  };
}

function distortionOf(fault: Fault): Distortion | undefined {
  if (fault.omitDone) return { kind: 'truncate', afterChunks: Number.POSITIVE_INFINITY };
  if (fault.malformedJson) return { kind: 'malformedJson', afterChunks: 0 };
  const { errorEvent, errorObject } = fault;
  const kinds = [
    ['truncate', fault.truncateAfterChunks],
    ['drop', fault.dropAfterChunks],
    ['error', fault.errorAfterChunks],
    ['nullEvent', fault.nullEventAfterChunks],
    ['errorBody', fault.errorBodyAfterChunks],
    ['errorObject', fault.errorObjectAfterChunks],
    ['halfEvent', fault.halfEventAfterChunks],
    ['malformedJson', fault.malformedJsonAfterChunks],
  ] as const;
  for (const [kind, afterChunks] of kinds)
    if (afterChunks !== undefined) return { kind, afterChunks, errorEvent, errorObject };
  return undefined;
}

function pick(fault: Fault, fields: readonly (keyof Fault)[]): Fault {
  return Object.fromEntries(
    fields.flatMap((field) => (fault[field] === undefined ? [] : [[field, fault[field]]])),
  );
}
