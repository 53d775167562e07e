import { KeyRingError } from '../errors/index.ts';
import { isOlder, keysOf, type RingKey, type RingRecord } from './record.ts';
import type { ReadRecord } from './record-cell.ts';

/**
 * What a store is refused with that answers with less than was seen of it.
 *
 * @param forgotten - The keys that the store no longer knows.
 */
export function rolledBack(ring: string, forgotten: readonly Pick<RingKey, 'id'>[]): KeyRingError {
  return new KeyRingError(
    `the store of the ring ${ring} has gone back to an older state, or lost its record. No pass makes or deletes anything until recover() is called`,
    { code: 'key_ring_rolled_back', ring, keyIds: forgotten.map(({ id }) => id) },
  );
}

/**
 * Compares what a store answers with what was seen of it.
 *
 * @throws KeyRingError where that was more.
 */
export function refuseOlder(ring: string, read: ReadRecord | null, seen: RingRecord | undefined): void {
  if (seen === undefined || (read !== null && !isOlder(read.record, seen))) return;
  const kept = new Set(read === null ? [] : keysOf(read.record).map(({ id }) => id));
  throw rolledBack(
    ring,
    keysOf(seen).filter(({ id }) => !kept.has(id)),
  );
}
