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

export function retirePending(record: RingRecord, { key }: CreatedPending, reason: string): RingRecord {
  return retire(dropClaim(record), [key], reason);
}

export function fillStandby(record: RingRecord, { key }: CreatedPending): RingRecord {
  return { ...dropClaim(record), standby: key };
}

export function promotePending(
  record: RingRecord,
  { key }: CreatedPending,
  promotion: Promotion,
): RingRecord {
  return promote(dropClaim(record), key, promotion);
}

export function promoteStandby(
  { standby: _, ...record }: RingRecord,
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
  const previous = current && { previous: { ...ringKey(current), gracePeriodMs } };
  return { ...record, epoch: record.epoch + 1, ...previous, current: { ...ringKey(key), since } };
}

export function setRetireAt(record: RingRecord, previous: PreviousKey, retireAt: number): RingRecord {
  const { gracePeriodMs } = previous;
  return { ...record, previous: { ...ringKey(previous), gracePeriodMs, retireAt } };
}

/** Retires the key in one role. */
export function retireRole(
  record: RingRecord,
  role: 'current' | 'standby' | 'previous',
  reason: string,
): RingRecord {
  const { [role]: key, ...rest } = record;
  return key === undefined ? record : retire(rest as RingRecord, [key], reason);
}

/** Retires keys at once. If the current key is among them, the standby is promoted. */
export function revoke(
  record: RingRecord,
  ids: ReadonlySet<string>,
  reason: string,
  promotion: Promotion,
): RingRecord {
  const { current, standby, previous, pending, ...rest } = record;
  const isCreated = pending?.phase === 'created' && ids.has(pending.key.id);
  const remaining: RingRecord = {
    ...rest,
    ...(current && !ids.has(current.id) && { current }),
    ...(standby && !ids.has(standby.id) && { standby }),
    ...(previous && !ids.has(previous.id) && { previous }),
    ...(pending && !isCreated && { pending }),
  };
  const heir = current && remaining.current === undefined ? remaining.standby : undefined;
  const revoked = keysOf(record).filter(({ id }) => ids.has(id));
  return retire(heir ? promoteStandby(remaining, heir, promotion) : remaining, revoked, reason);
}

/** Removes deleted keys. */
export function forgetRetired(record: RingRecord, ids: ReadonlySet<string>): RingRecord {
  return { ...record, retired: record.retired.filter(({ id }) => !ids.has(id)) };
}

/** Replaces the ciphertexts of keys, by id. */
export function reencrypt(record: RingRecord, ciphertexts: ReadonlyMap<string, string>): RingRecord {
  const roles = ['current', 'standby', 'previous'] as const;
  const replaced = roles.map((role) => {
    const key = record[role];
    return [role, key && { ...key, ciphertext: ciphertexts.get(key.id) ?? key.ciphertext }];
  });
  return { ...record, ...Object.fromEntries(replaced.filter(([, key]) => key !== undefined)) };
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

function retire(record: RingRecord, keys: readonly RingKey[], reason: string): RingRecord {
  return { ...record, retired: [...record.retired, ...keys.map(({ id }) => ({ id, reason }))] };
}
