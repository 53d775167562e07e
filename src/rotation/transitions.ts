import { type CurrentKey, keysOf, type Pending, type RingKey, type RingRecord } from './record.ts';

/*
 * Every change of a record, as a function of the one before. Whoever wants to know what a swap does reads it here; when
 * it is done is the loop's affair.
 */

type Minted = Extract<Pending, { phase: 'created' }>;

/** Says that a key is going to be made, before it is: without, a key whose maker dies belongs to nobody for ever. */
export function claim(
  record: RingRecord,
  { name, owner, leaseUntil }: { readonly name: string; readonly owner: string; readonly leaseUntil: number },
): RingRecord {
  const seq = record.seq + 1;
  return { ...record, seq, pending: { name, seq, owner, leaseUntil, phase: 'claimed' } };
}

/** The claim is given up. A key that is made for it all the same is an orphan, and swept. */
export function dropClaim({ pending: _, ...record }: RingRecord): RingRecord {
  return record;
}

/** The key was made. */
export function minted(record: RingRecord, pending: Pending, key: RingKey, verifyFrom: number): RingRecord {
  const { name, seq, owner, leaseUntil } = pending;
  return { ...record, pending: { name, seq, owner, leaseUntil, phase: 'created', key, verifyFrom } };
}

/** A key in the making goes over to an owner, or its owner goes on with it. */
export function adopt(record: RingRecord, pending: Pending, owner: string, leaseUntil: number): RingRecord {
  return { ...record, pending: { ...pending, owner, leaseUntil } };
}

/** A key in the making is not going to be used. */
export function retirePending(record: RingRecord, { key }: Minted, reason: string): RingRecord {
  return retire(dropClaim(record), [key], reason);
}

/** A key in the making is ready, and waits for its turn. */
export function fillStandby(record: RingRecord, { key }: Minted): RingRecord {
  return { ...dropClaim(record), standby: key };
}

/** A key in the making becomes the current one, without having been standby. */
export function promotePending(
  record: RingRecord,
  { key }: Minted,
  times: { readonly now: number; readonly retireAt: number },
): RingRecord {
  return promote(dropClaim(record), key, times);
}

/** The standby becomes the current key. */
export function promoteStandby(
  { standby, ...record }: RingRecord & { readonly standby: RingKey },
  times: { readonly now: number; readonly retireAt: number },
): RingRecord {
  return promote(record, standby, times);
}

function promote(
  // A rotation that was asked for is done by this.
  { current, rotateEpoch: _, ...record }: RingRecord,
  key: RingKey,
  { now, retireAt }: { readonly now: number; readonly retireAt: number },
): RingRecord {
  return {
    ...record,
    epoch: record.epoch + 1,
    ...(current && { previous: { ...withoutSince(current), retireAt } }),
    current: { ...key, since: now },
  };
}

/** The previous key's time is over. */
export function retirePrevious({ previous, ...record }: RingRecord): RingRecord {
  return previous === undefined ? record : retire(record, [previous], 'replaced');
}

/** A standby that is not going to be used. */
export function retireStandby({ standby, ...record }: RingRecord, reason: string): RingRecord {
  return standby === undefined ? record : retire(record, [standby], reason);
}

/** Makes room for the next key where a ring has only one: readers wait until that is there. */
export function retireCurrent({ current, ...record }: RingRecord, reason: string): RingRecord {
  return current === undefined ? record : retire(record, [current], reason);
}

/**
 * Takes keys out of use at once. Where the current one is among them, the standby takes its place; without a standby
 * that may be used, the ring is locked.
 */
export function revoke(
  record: RingRecord,
  ids: ReadonlySet<string>,
  reason: string,
  now: number,
): RingRecord {
  const gone = keysOf(record).filter(({ id }) => ids.has(id));
  const kept = <Key extends RingKey>(key: Key | undefined): Key | undefined =>
    key === undefined || ids.has(key.id) ? undefined : key;
  const { current, standby, previous, pending, ...rest } = record;
  const left: RingRecord = compact({
    ...rest,
    current: kept(current),
    standby: kept(standby),
    previous: kept(previous),
    pending: pending?.phase === 'created' && ids.has(pending.key.id) ? undefined : pending,
  });
  const isLocked = current !== undefined && left.current === undefined;
  const healed =
    isLocked && left.standby
      ? promoteStandby({ ...left, standby: left.standby }, { now, retireAt: now })
      : left;
  return retire(healed, gone, reason);
}

/** Keys that were retired are deleted. */
export function forgetRetired(record: RingRecord, ids: ReadonlySet<string>): RingRecord {
  return { ...record, retired: record.retired.filter(({ id }) => !ids.has(id)) };
}

/** Asks for a rotation: the epoch of now is to be left. */
export function askForRotation(record: RingRecord): RingRecord {
  return { ...record, rotateEpoch: record.epoch };
}

/** Seals secrets anew. */
export function reseal(record: RingRecord, ciphertext: ReadonlyMap<string, string>): RingRecord {
  const again = <Key extends RingKey>(key: Key): Key => ({
    ...key,
    ciphertext: ciphertext.get(key.id) ?? key.ciphertext,
  });
  const { current, standby, previous, pending } = record;
  return {
    ...record,
    ...(current && { current: again(current) }),
    ...(standby && { standby: again(standby) }),
    ...(previous && { previous: again(previous) }),
    ...(pending?.phase === 'created' && { pending: { ...pending, key: again(pending.key) } }),
  };
}

/**
 * Goes on after the store went back to an older state: claims and promotions that it forgot are not counted again.
 *
 * @param highestSeq - The highest that was seen. No epoch can have been higher: each began with a key of its own. So that
 * this stays so, a number is left out for the standby, whose promotion is still to come.
 */
export function recover(record: RingRecord, highestSeq: number): RingRecord {
  const epoch = Math.max(record.seq, highestSeq);
  return { ...dropClaim(record), seq: epoch + 1, epoch };
}

function withoutSince({ since: _, ...key }: CurrentKey): RingKey {
  return key;
}

function retire(record: RingRecord, keys: readonly RingKey[], reason: string): RingRecord {
  return { ...record, retired: [...record.retired, ...keys.map(({ id }) => ({ id, reason }))] };
}

/** Without the fields that are undefined, which JSON would leave out anyway. */
function compact(record: RingRecord): RingRecord {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as unknown as RingRecord;
}
