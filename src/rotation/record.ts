import { isRecord as isObject, parseJson } from '../internal/json.ts';
import { ringError } from './safe-cause.ts';

/** A key in the record. All times are in milliseconds since 1970, according to the service's clock. */
export interface RingKey {
  readonly id: string;
  /** Name under which the service lists the key. */
  readonly name: string;
  /** Number of the claim that announced the key. */
  readonly seq: number;
  readonly maskedKey: string;
  readonly ciphertext: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** The key that readers use. */
interface CurrentKey extends RingKey {
  /** When the key was promoted. */
  readonly since: number;
}

/** The previously current key. Readers with an older copy of the record still use this key. */
export interface PreviousKey extends RingKey {
  /** The length of the key's grace period, as configured when the key was replaced. */
  readonly gracePeriodMs: number;
  /** Absent until a list requested after the promotion shows the service's time. */
  readonly retireAt?: number | undefined;
}

/** A key to be created, and the ring object that creates it. */
export interface Announcement extends Pick<RingKey, 'name' | 'seq'> {
  readonly owner: string;
}

export interface Lease {
  /** Length of the lease when it was written. */
  readonly leaseMs: number;
  /** End of the lease. Absent if the owner did not know the service's time. */
  readonly leaseUntil?: number | undefined;
}

/** A claim for a key that has not been stored yet. */
export type ClaimedPending = Announcement & Lease & { readonly phase: 'claimed' };
/** A key that has been created and stored but not yet verified. */
export type CreatedPending = Announcement & Lease & { readonly phase: 'created'; readonly key: RingKey };
/** A key that is being created. A record contains at most one. */
export type Pending = ClaimedPending | CreatedPending;

/** A key that must never be used again and must be deleted. */
export interface RetiredKey {
  readonly id: string;
  readonly reason: string;
}

/** The shared state of a ring: one document in a store. */
export interface RingRecord {
  /** Major and minor version of the format. Package versions with the same major format version can share a record. */
  readonly format: string;
  /** Random id, generated once. Distinguishes the ring's keys from those of other rings with the same name. */
  readonly ringId: string;
  /** Number of claims so far. */
  readonly seq: number;
  /** Number of promotions so far. */
  readonly epoch: number;
  /** The epoch that a requested rotation will end. Absent if no rotation is requested. */
  readonly rotateEpoch?: number | undefined;
  /** Absent before the first promotion, and after a revocation if there was no standby. */
  readonly current?: CurrentKey | undefined;
  readonly standby?: RingKey | undefined;
  readonly previous?: PreviousKey | undefined;
  readonly pending?: Pending | undefined;
  readonly retired: readonly RetiredKey[];
}

const FORMAT = '1.0';

export function emptyRecord(ringId: string): RingRecord {
  return { format: FORMAT, ringId, seq: 0, epoch: 0, retired: [] };
}

/** Returns the keys in a record that are not retired. */
export function keysOf({ current, standby, previous, pending }: RingRecord): RingKey[] {
  const created = pending?.phase === 'created' ? pending.key : undefined;
  return [current, standby, previous, created].filter((key) => key !== undefined);
}

/** Returns whether `record` is missing or an earlier state of the same ring: `epoch` and `seq` never decrease. */
export function isOlder(record: RingRecord | undefined, than: RingRecord | undefined): boolean {
  if (record === undefined || than === undefined) return than !== undefined;
  if (record.ringId !== than.ringId) return false;
  return record.epoch < than.epoch || (record.epoch === than.epoch && record.seq < than.seq);
}

/** Parses a record. @throws {KeyRingError} With code `key_ring_record_invalid`. */
export function parseRecord(ring: string, text: string): RingRecord {
  const value = parseJson(text);
  if (isRecord(value)) return value as RingRecord;
  const { format } = (value ?? {}) as { readonly format?: unknown };
  const isNewer = typeof format === 'string' && Number.parseInt(format, 10) > Number.parseInt(FORMAT, 10);
  const why = isNewer
    ? 'the record was written by a newer version of drun-sdk. Update drun-sdk in this process.'
    : 'the stored value is not a record that this version can read.';
  throw ringError(ring, 'key_ring_record_invalid', why);
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;

function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

/** Returns a function that checks the given fields of an object and ignores all others. */
function objectOf(fields: Readonly<Record<string, Check>>): Check {
  return (value) => isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));
}

const KEY = {
  id: isText,
  name: isText,
  seq: isCount,
  maskedKey: isText,
  ciphertext: isText,
  createdAt: Number.isFinite,
  expiresAt: Number.isFinite,
};
const isKey = objectOf(KEY);
const isClaim = objectOf({
  name: isText,
  seq: isCount,
  owner: isText,
  leaseMs: Number.isFinite,
  leaseUntil: optional(Number.isFinite),
});
const isClaimed = objectOf({ phase: (phase) => phase === 'claimed' });
const isCreated = objectOf({ phase: (phase) => phase === 'created', key: isKey });
const isRetiredKey = objectOf({ id: isText, reason: isText });

const isRecord = objectOf({
  format: (format) => typeof format === 'string' && /^1\.\d+$/.test(format),
  ringId: isText,
  seq: isCount,
  epoch: isCount,
  rotateEpoch: optional(isCount),
  current: optional(objectOf({ ...KEY, since: Number.isFinite })),
  standby: optional(isKey),
  previous: optional(
    objectOf({ ...KEY, gracePeriodMs: Number.isFinite, retireAt: optional(Number.isFinite) }),
  ),
  pending: optional((pending) => isClaim(pending) && (isClaimed(pending) || isCreated(pending))),
  retired: (keys) => Array.isArray(keys) && keys.every(isRetiredKey),
});

/*
 * All changes to a record, as pure functions. They keep the record's unknown fields, which newer versions may have set,
 * but not those of `pending` and `previous`, because these may depend on a field that changes here.
 */

/** The time of a promotion, and the grace period of the previous key. */
export type Promotion = Pick<CurrentKey, 'since'> & Pick<PreviousKey, 'gracePeriodMs'>;

/** Announces a key before it is created, so that it can be found after a crash. Also renews the lease of a claim. */
export function claim(record: RingRecord, { name, seq, owner }: Announcement, lease: Lease): RingRecord {
  return { ...record, seq, pending: { name, seq, owner, ...lease, phase: 'claimed' } };
}

/** Drops a claim. If the claim's key is created anyway, the key becomes an orphan and is deleted. */
export function dropClaim({ pending: _, ...record }: RingRecord): RingRecord {
  return record;
}

export function storeKey(record: RingRecord, pending: Pending, key: RingKey): RingRecord {
  const { name, seq, owner, leaseMs, leaseUntil } = pending;
  return { ...record, pending: { name, seq, owner, leaseMs, leaseUntil, phase: 'created', key } };
}

export function fillStandby(record: RingRecord, { key }: CreatedPending): RingRecord {
  return { ...dropClaim(record), standby: key };
}

/** Makes a key current, which fulfills a requested rotation. `retireAt` is set after the next list request. */
export function promote(record: RingRecord, key: RingKey, { since, gracePeriodMs }: Promotion): RingRecord {
  const { current, rotateEpoch: _, ...rest } = without(record, [key.id]);
  const previous = current && { previous: { ...ringKey(current), gracePeriodMs } };
  return { ...rest, epoch: rest.epoch + 1, ...previous, current: { ...ringKey(key), since } };
}

export function setRetireAt(record: RingRecord, previous: PreviousKey, retireAt: number): RingRecord {
  const { gracePeriodMs } = previous;
  return { ...record, previous: { ...ringKey(previous), gracePeriodMs, retireAt } };
}

/** Permanently retires keys. If the current key is retired, the standby is promoted. */
export function retire(
  record: RingRecord,
  ids: readonly string[],
  reason: string,
  promotion: Promotion,
): RingRecord {
  const keys = keysOf(record).filter(({ id }) => ids.includes(id));
  const retired = [...record.retired, ...keys.map(({ id }) => ({ id, reason }))];
  const remaining = { ...without(record, ids), retired };
  const isHeadless = record.current !== undefined && remaining.current === undefined;
  return isHeadless && remaining.standby ? promote(remaining, remaining.standby, promotion) : remaining;
}

/** Removes deleted keys from the record. */
export function forgetRetired(record: RingRecord, ids: readonly string[]): RingRecord {
  return { ...record, retired: record.retired.filter(({ id }) => !ids.includes(id)) };
}

/** Replaces the ciphertext of a key. */
export function reencrypt(record: RingRecord, { id }: RingKey, ciphertext: string): RingRecord {
  const replace = <Key extends RingKey>(key: Key | undefined): Key | undefined =>
    key?.id === id ? { ...key, ciphertext } : key;
  const { current, standby, previous } = record;
  return { ...record, current: replace(current), standby: replace(standby), previous: replace(previous) };
}

/**
 * Raises `epoch` and `seq` after a rollback. The lost epoch cannot exceed `highestSeq`, the highest known claim number,
 * because every promotion needs its own claim. `seq` is one higher, because a standby may still be promoted.
 */
export function recover(record: RingRecord, highestSeq: number): RingRecord {
  const epoch = Math.max(record.seq, highestSeq);
  return { ...dropClaim(record), seq: epoch + 1, epoch };
}

/** Returns the record without the given keys. */
function without(record: RingRecord, ids: readonly string[]): RingRecord {
  const keep = <Key extends RingKey>(key: Key | undefined): Key | undefined =>
    key && ids.includes(key.id) ? undefined : key;
  const { current, standby, previous, pending } = record;
  const isPending = pending?.phase !== 'created' || keep(pending.key) !== undefined;
  return {
    ...record,
    current: keep(current),
    standby: keep(standby),
    previous: keep(previous),
    pending: isPending ? pending : undefined,
  };
}

function ringKey({ id, name, seq, maskedKey, ciphertext, createdAt, expiresAt }: RingKey): RingKey {
  return { id, name, seq, maskedKey, ciphertext, createdAt, expiresAt };
}
