import type { EmulatedOperation } from '../operation.ts';
import type { Fault, FaultKind } from './fault.ts';
import { possibleOperations } from './fault-operations.ts';

/** What is drawn for one fault: a number from 0 to below 1, a delay, a number of chunks. */
interface Draw {
  readonly random: () => number;
  readonly delayMs: () => number;
  readonly chunks: () => number;
}

/** Those that a client may hope to get over by asking again. */
const STATUSES: readonly number[] = [408, 409, 429, 500, 502, 503, 504];

/** A stream of the emulator's own has about as many chunks. */
const MOST_CHUNKS = 8;

const MAKERS: Readonly<Record<FaultKind, (draw: Draw) => Fault>> = {
  delayMs: ({ delayMs }) => ({ delayMs: delayMs() }),
  chunkDelayMs: ({ delayMs }) => ({ chunkDelayMs: delayMs() }),
  status: ({ random }) => ({ status: oneOf(STATUSES, random) }),
  html: ({ random }) => ({ html: true, status: oneOf([200, 502, 503], random) }),
  dropConnection: () => ({ dropConnection: true }),
  applied: () => ({ dropConnection: true, applied: true }),
  appliedAfterMs: ({ random, delayMs }) => ({
    appliedAfterMs: delayMs(),
    ...(random() < 0.5 && { dropConnection: true }),
  }),
  truncateAfterChunks: ({ chunks }) => ({ truncateAfterChunks: chunks() }),
  dropAfterChunks: ({ chunks }) => ({ dropAfterChunks: chunks() }),
  errorAfterChunks: ({ chunks }) => ({ errorAfterChunks: chunks() }),
  halfEventAfterChunks: ({ chunks }) => ({ halfEventAfterChunks: chunks() }),
  malformedJson: ({ chunks }) => ({ malformedJsonAfterChunks: chunks() }),
  omitDone: () => ({ omitDone: true }),
  acceptedAfterMs: ({ delayMs }) => ({ acceptedAfterMs: delayMs() }),
  acceptedForMs: ({ delayMs }) => ({ acceptedForMs: delayMs() }),
  listLagMs: ({ delayMs }) => ({ listLagMs: delayMs() }),
};

export const FAULT_KINDS = Object.keys(MAKERS) as FaultKind[];

/** Draws one of the faults that are possible with an operation; undefined where none of the kinds is. */
export function randomFault(
  kinds: readonly FaultKind[],
  operation: EmulatedOperation | undefined,
  { random, maxDelayMs }: { readonly random: () => number; readonly maxDelayMs: number },
): Fault | undefined {
  const draw: Draw = {
    random,
    delayMs: () => Math.floor(random() * maxDelayMs),
    chunks: () => Math.floor(random() * MOST_CHUNKS),
  };
  const possible = kinds.map((kind) => MAKERS[kind](draw)).filter((fault) => isPossible(fault, operation));
  return possible.length === 0 ? undefined : oneOf(possible, random);
}

function isPossible(fault: Fault, operation: EmulatedOperation | undefined): boolean {
  const operations = possibleOperations(fault);
  return operations === undefined || (operation !== undefined && operations.includes(operation));
}

function oneOf<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}
