import { KeyRingError } from '../errors/index.ts';

/** A key of the ring, as the record has it. Times are milliseconds since 1970. */
export interface RingKey {
  readonly id: string;
  /** Its name at the service, by which a list tells whose it is. */
  readonly name: string;
  /** Which claim it was made for. */
  readonly seq: number;
  readonly maskedKey: string;
  /** Its secret, sealed. */
  readonly ciphertext: string;
  readonly createdAt: number;
  /** From when on the service refuses it. */
  readonly expiresAt: number;
}

/** The key that readers use. */
export interface CurrentKey extends RingKey {
  /** When it became the current one. */
  readonly since: number;
}

/** The key that was current before; readers that have not heard of the next one still use it. */
export interface PreviousKey extends RingKey {
  readonly retireAt: number;
}

/** A key in the making. One at a time. */
export type Pending = {
  readonly name: string;
  readonly seq: number;
  /** Which ring object is at it; others keep off until the lease is over. */
  readonly owner: string;
  readonly leaseUntil: number;
} & (
  | { readonly phase: 'claimed' }
  | { readonly phase: 'created'; readonly key: RingKey; readonly verifyFrom: number }
);

/** A key that is never used again and has to be deleted. */
interface RetiredKey {
  readonly id: string;
  readonly reason: string;
}

/** All that is known of a ring: one document in one cell of a store. */
export interface RingRecord {
  readonly format: 1;
  /** Made once, at random: tells the keys of this ring from those of another one of the same name. */
  readonly ringId: string;
  /** How many keys were claimed. */
  readonly seq: number;
  /** How many keys have become the current one. */
  readonly epoch: number;
  /** A rotation was asked for: the epoch that is to be left. */
  readonly rotateEpoch?: number | undefined;
  /** Absent where the ring is locked: before its first key, and after a revocation without a standby. */
  readonly current?: CurrentKey | undefined;
  readonly standby?: RingKey | undefined;
  readonly previous?: PreviousKey | undefined;
  readonly pending?: Pending | undefined;
  readonly retired: readonly RetiredKey[];
}

export function emptyRecord(ringId: string): RingRecord {
  return { format: 1, ringId, seq: 0, epoch: 0, retired: [] };
}

/** The keys that the record refers to by their ids. */
export function keysOf({ current, standby, previous, pending }: RingRecord): RingKey[] {
  const minted = pending?.phase === 'created' ? pending.key : undefined;
  return [current, standby, previous, minted].filter((key) => key !== undefined);
}

/** Whether a record is an earlier state of a ring than another one: its numbers only grow. */
export function isOlder(record: RingRecord, than: RingRecord): boolean {
  if (record.ringId !== than.ringId) return false;
  return record.epoch < than.epoch || (record.epoch === than.epoch && record.seq < than.seq);
}

/**
 * Reads a record.
 *
 * @throws KeyRingError where it is none.
 */
export function parseRecord(ring: string, text: string): RingRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No record either.
  }
  if (isRecord(value)) return value as RingRecord;
  const message = `the store holds something for the ring ${ring} that this version cannot read as a record`;
  throw new KeyRingError(message, { code: 'key_ring_record_invalid', ring });
}

export function writeRecord(record: RingRecord): string {
  return JSON.stringify(record);
}

type Test = (value: unknown) => boolean;

const text: Test = (value) => typeof value === 'string' && value !== '';
const count: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const time: Test = (value) => Number.isFinite(value);

const key = {
  id: text,
  name: text,
  seq: count,
  maskedKey: text,
  ciphertext: text,
  createdAt: time,
  expiresAt: time,
};
const claim = { name: text, seq: count, owner: text, leaseUntil: time };

function isRecord(value: unknown): value is RingRecord {
  return hasFields(value, {
    format: (format) => format === 1,
    ringId: text,
    seq: count,
    epoch: count,
    rotateEpoch: optional(count),
    current: optional(object({ ...key, since: time })),
    standby: optional(object(key)),
    previous: optional(object({ ...key, retireAt: time })),
    pending: optional(isPending),
    retired: isRetired,
  });
}

function isPending(value: unknown): boolean {
  if (!hasFields(value, claim)) return false;
  const { phase } = value as { phase: unknown };
  return (
    phase === 'claimed' || (phase === 'created' && hasFields(value, { key: object(key), verifyFrom: time }))
  );
}

function isRetired(value: unknown): boolean {
  return Array.isArray(value) && value.every(object({ id: text, reason: text }));
}

function hasFields(value: unknown, fields: Readonly<Record<string, Test>>): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, test]) => test((value as Record<string, unknown>)[name]))
  );
}

function object(fields: Readonly<Record<string, Test>>): Test {
  return (value) => hasFields(value, fields);
}

function optional(test: Test): Test {
  return (value) => value === undefined || test(value);
}
