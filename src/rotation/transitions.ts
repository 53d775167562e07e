import type {
  Announcement,
  CreatedPending,
  CurrentKey,
  Lease,
  Pending,
  PreviousKey,
  RingKey,
  RingRecord,
} from './record.ts';
import { keysOf } from './record.ts';

/*
 * Every change to a record, as a pure function. plan.ts decides when each change is made. `pending` and `previous` are
 * replaced as a whole, without unknown fields of newer versions, because their meaning may depend on a field that
 * changes here. Unknown fields of the record itself are kept.
 */

/** The time of a promotion, and the grace period of the previous key. */
export type Promotion = Pick<CurrentKey, 'since'> & Pick<PreviousKey, 'gracePeriodMs'>;

/**
 * Announces a key before it is created, because a crash could otherwise leave a key without a reference; or replaces
 * the lease of a claim, but not its owner.
 */
export function claim(record: RingRecord, { name, seq, owner }: Announcement, lease: Lease): RingRecord {
  return { ...record, seq, pending: { name, seq, owner, ...lease, phase: 'claimed' } };
}

/** Drops a claim. If its key is created later, that key is an orphan and is deleted. */
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
 * Makes the standby or the pending key the current one, which fulfills a requested rotation. `retireAt` is set later,
 * once a list requested after this update arrives.
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

/** Permanently retires keys. If the current key is among them, the standby is promoted. */
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

/** Replaces the ciphertexts of keys, by id. */
export function reencrypt(record: RingRecord, ciphertexts: ReadonlyMap<string, string>): RingRecord {
  const replaced = (['current', 'standby', 'previous'] as const).flatMap((role) => {
    const key = record[role];
    return key ? [[role, { ...key, ciphertext: ciphertexts.get(key.id) ?? key.ciphertext }]] : [];
  });
  return { ...record, ...Object.fromEntries(replaced) };
}

/**
 * Resumes rotation after the store returned to an older state.
 *
 * @param highestSeq - Highest known number. No epoch was higher, because every promotion needs its own claim. One
 * number is skipped for a standby that has not been promoted.
 */
export function recover(record: RingRecord, highestSeq: number): RingRecord {
  const epoch = Math.max(record.seq, highestSeq);
  return { ...dropClaim(record), seq: epoch + 1, epoch };
}

/** Returns the record without the given keys. */
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
