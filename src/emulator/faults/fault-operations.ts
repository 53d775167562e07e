import type { EmulatedOperation } from '../operation.ts';
import type { Fault } from './fault.ts';

/** What only some requests can meet with. */
const OPERATIONS_OF: Readonly<Partial<Record<keyof Fault, readonly EmulatedOperation[]>>> = {
  appliedAfterMs: ['create', 'delete'],
  acceptedAfterMs: ['create'],
  acceptedForMs: ['delete'],
  listLagMs: ['list', 'listMine'],
  chunkDelayMs: ['chat', 'completions'],
  omitDone: ['chat', 'completions'],
};

/** The operations that a fault can meet; undefined for any. */
export function possibleOperations(fault: Fault): readonly EmulatedOperation[] | undefined {
  const lists = givenFields(fault).flatMap((field) => {
    const operations = OPERATIONS_OF[field];
    return operations === undefined ? [] : [operations];
  });
  const [first, ...rest] = fault.operation === undefined ? lists : [[fault.operation], ...lists];
  return first?.filter((operation) => rest.every((others) => others.includes(operation)));
}

/** The fields of a fault that say something: `applied` may say no, to all others that is nothing. */
export function givenFields(fault: Fault): (keyof Fault)[] {
  return Object.entries(fault).flatMap(([field, value]) => {
    const isGiven = value !== undefined && (value !== false || field === 'applied');
    return isGiven ? [field as keyof Fault] : [];
  });
}

/** Whether a field makes sense with some operations only. */
export function isOnlyForSome(field: keyof Fault): boolean {
  return field in OPERATIONS_OF;
}
