import {
  type ClaimedPending,
  type CreatedPending,
  type CurrentKey,
  keysOf,
  type Pending,
  type PreviousKey,
  type RingKey,
  type RingRecord,
} from './record.ts';

/*
 * Every change of a record, as a pure function. plan.ts decides when each of them happens.
 *
 * `pending` and `previous` are written completely: unknown fields of a newer version in them are dropped, because their
 * meaning may depend on a field that changes here. Unknown fields of the record itself are kept.
 */

/** How long a lease lasts, and when it is over. */
export interface Lease {
  readonly leaseMs: number;
  readonly leaseUntil: number | undefined;
}

/** Announces a key before it is created. Otherwise a crash would leave a key that nothing refers to. */
export function claim(record: RingRecord, name: string, owner: string, lease: Lease): RingRecord {
  const seq = record.seq + 1;
  return { ...record, seq, pending: { name, seq, owner, ...lease, phase: 'claimed' } };
}

/** Replaces the lease of a claim. The owner stays. */
export function renewLease(record: RingRecord, pending: ClaimedPending, lease: Lease): RingRecord {
  const { name, seq, owner } = pending;
  return { ...record, pending: { name, seq, owner, ...lease, phase: 'claimed' } };
}

/** Abandons a claim. A key that is created for it all the same is an orphan and is deleted. */
export function dropClaim({ pending: _, ...record }: RingRecord): RingRecord {
  return record;
}

/** Stores the created key. */
export function storeKey(record: RingRecord, pending: Pending, key: RingKey): RingRecord {
  const { name, seq, owner, leaseMs, leaseUntil } = pending;
  return { ...record, pending: { name, seq, owner, leaseMs, leaseUntil, phase: 'created', key } };
}

/** Gives up a created key that the service does not accept. */
export function retirePending(record: RingRecord, { key }: CreatedPending, reason: string): RingRecord {
  return retire(dropClaim(record), [key.id], reason);
}

/** Makes the created key the standby. */
export function fillStandby(record: RingRecord, { key }: CreatedPending): RingRecord {
  return { ...dropClaim(record), standby: key };
}

/** When a key is promoted, and for how long the one before keeps working. */
export interface Promotion {
  readonly since: number;
  readonly gracePeriodMs: number;
}

/** Makes the created key the current one. */
export function promotePending(
  record: RingRecord,
  { key }: CreatedPending,
  promotion: Promotion,
): RingRecord {
  return promote(dropClaim(record), key, promotion);
}

/** Makes the standby the current key. */
export function promoteStandby(
  { standby, ...record }: RingRecord,
  key: RingKey,
  promotion: Promotion,
): RingRecord {
  return promote(record, key, promotion);
}

/** Fulfills a requested rotation. `retireAt` is written later, after a list that was sent after this update. */
function promote(
  { current, rotateEpoch: _, ...record }: RingRecord,
  key: RingKey,
  { since, gracePeriodMs }: Promotion,
): RingRecord {
  return {
    ...record,
    epoch: record.epoch + 1,
    ...(current && { previous: { ...ringKey(current), gracePeriodMs } }),
    current: { ...ringKey(key), since },
  };
}

/** Sets the end of the previous key's grace period. */
export function setRetireAt(record: RingRecord, previous: PreviousKey, retireAt: number): RingRecord {
  const { gracePeriodMs } = previous;
  return { ...record, previous: { ...ringKey(previous), gracePeriodMs, retireAt } };
}

/** Corrects the instant of the last promotion. */
export function setSince(record: RingRecord, current: CurrentKey, since: number): RingRecord {
  return { ...record, current: { ...current, since } };
}

export function retirePrevious({ previous, ...record }: RingRecord): RingRecord {
  return previous === undefined ? record : retire(record, [previous.id], 'replaced');
}

export function retireStandby({ standby, ...record }: RingRecord, reason: string): RingRecord {
  return standby === undefined ? record : retire(record, [standby.id], reason);
}

/** Frees the only slot of a ring with `deleteBeforeCreate`. Readers wait for the next key. */
export function retireCurrent({ current, ...record }: RingRecord, reason: string): RingRecord {
  return current === undefined ? record : retire(record, [current.id], reason);
}

/** Retires keys at once. If the current key is among them, the standby is promoted. */
export function revoke(
  record: RingRecord,
  ids: ReadonlySet<string>,
  reason: string,
  promotion: Promotion,
): RingRecord {
  const revoked = keysOf(record).filter(({ id }) => ids.has(id));
  const { current, standby, previous, pending, ...rest } = record;
  const isCreated = pending?.phase === 'created' && ids.has(pending.key.id);
  const remaining: RingRecord = {
    ...rest,
    ...(current && !ids.has(current.id) && { current }),
    ...(standby && !ids.has(standby.id) && { standby }),
    ...(previous && !ids.has(previous.id) && { previous }),
    ...(pending && !isCreated && { pending }),
  };
  const wasCurrent = current !== undefined && remaining.current === undefined;
  const promoted =
    wasCurrent && remaining.standby ? promoteStandby(remaining, remaining.standby, promotion) : remaining;
  return retire(
    promoted,
    revoked.map(({ id }) => id),
    reason,
  );
}

/** Removes deleted keys. */
export function forgetRetired(record: RingRecord, ids: ReadonlySet<string>): RingRecord {
  return { ...record, retired: record.retired.filter(({ id }) => !ids.has(id)) };
}

/** Requests a rotation out of the current epoch. */
export function requestRotation(record: RingRecord): RingRecord {
  return { ...record, rotateEpoch: record.epoch };
}

/** Replaces the ciphertext of keys. */
export function reencrypt(record: RingRecord, ciphertexts: ReadonlyMap<string, string>): RingRecord {
  const replaced = <Key extends RingKey>(key: Key): Key => ({
    ...key,
    ciphertext: ciphertexts.get(key.id) ?? key.ciphertext,
  });
  const { current, standby, previous } = record;
  return {
    ...record,
    ...(current && { current: replaced(current) }),
    ...(standby && { standby: replaced(standby) }),
    ...(previous && { previous: replaced(previous) }),
  };
}

/**
 * Continues after the store returned to an older state.
 *
 * @param highestSeq - Highest number that was seen. No epoch was higher, because every promotion needed a claim of its
 * own; one number is skipped for a standby that is still to be promoted.
 */
export function recover(record: RingRecord, highestSeq: number): RingRecord {
  const epoch = Math.max(record.seq, highestSeq);
  return { ...dropClaim(record), seq: epoch + 1, epoch };
}

function ringKey({ id, name, seq, maskedKey, ciphertext, createdAt, expiresAt }: RingKey): RingKey {
  return { id, name, seq, maskedKey, ciphertext, createdAt, expiresAt };
}

function retire(record: RingRecord, ids: readonly string[], reason: string): RingRecord {
  return { ...record, retired: [...record.retired, ...ids.map((id) => ({ id, reason }))] };
}
