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
 * Every change of a record, as a pure function. plan.ts decides when each of them happens. `pending` and `previous` are
 * written completely, without fields of newer versions, whose meaning may depend on a field that changes here. Unknown
 * fields of the record itself are kept.
 */

/** How long a lease lasts, and when it is over. */
export type Lease = Pick<Pending, 'leaseMs' | 'leaseUntil'>;

/** When a key is promoted, and for how long the one before keeps working. */
export type Promotion = Pick<CurrentKey, 'since'> & Pick<PreviousKey, 'gracePeriodMs'>;

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

/** Abandons a claim. A key that is created for it anyway is an orphan and is deleted. */
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

/**
 * Makes the standby or the pending key the current one, which fulfills a requested rotation. `retireAt` is written later,
 * after a list that was sent after this update.
 */
export function promote(record: RingRecord, key: RingKey, { since, gracePeriodMs }: Promotion): RingRecord {
  const { current, rotateEpoch: _, ...rest } = without(record, [key.id]);
  const previous = current && { previous: { ...ringKey(current), gracePeriodMs } };
  return { ...rest, epoch: rest.epoch + 1, ...previous, current: { ...ringKey(key), since } };
}

export function setRetireAt(record: RingRecord, previous: PreviousKey, retireAt: number): RingRecord {
  const { gracePeriodMs } = previous;
  return { ...record, previous: { ...ringKey(previous), gracePeriodMs, retireAt } };
}

/** Takes keys out of use for good. If the current key is among them, the standby is promoted. */
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

/** Removes deleted keys. */
export function forgetRetired(record: RingRecord, ids: readonly string[]): RingRecord {
  return { ...record, retired: record.retired.filter(({ id }) => !ids.includes(id)) };
}

/** Replaces the ciphertexts of keys, by id. */
export function reencrypt(record: RingRecord, ciphertexts: ReadonlyMap<string, string>): RingRecord {
  const replaced = (['current', 'standby', 'previous'] as const).flatMap((role) => {
    const key = record[role];
    return key ? [[role, { ...key, ciphertext: ciphertexts.get(key.id) ?? key.ciphertext }]] : [];
  });
  return { ...record, ...Object.fromEntries(replaced) };
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

/** The record without keys in the roles that they have. */
function without(record: RingRecord, ids: readonly string[]): RingRecord {
  const { current, standby, previous, pending, ...rest } = record;
  const stays = (key: RingKey | undefined): boolean => key !== undefined && !ids.includes(key.id);
  const isPending = pending?.phase === 'created' ? stays(pending.key) : pending !== undefined;
  return {
    ...rest,
    ...(stays(current) && { current }),
    ...(stays(standby) && { standby }),
    ...(stays(previous) && { previous }),
    ...(isPending && { pending }),
  };
}

function ringKey({ id, name, seq, maskedKey, ciphertext, createdAt, expiresAt }: RingKey): RingKey {
  return { id, name, seq, maskedKey, ciphertext, createdAt, expiresAt };
}
