import { KeyRingError } from '../errors/index.ts';
import { newRingId } from './key-name.ts';
import { ownKeys } from './own-keys.ts';
import type { KeyManager } from './ports.ts';
import { emptyRecord, isOlder, type RingRecord } from './record.ts';
import type { RecordCell } from './record-cell.ts';
import { recover } from './transitions.ts';

/** What {@link recoverRing} works with. */
export interface RecoverContext {
  readonly ring: string;
  readonly manager: KeyManager;
  readonly cell: RecordCell;
  readonly random: () => number;
  readonly observe: (record: RingRecord) => void;
  /** The latest record that this ring object knows of. */
  readonly known: RingRecord | undefined;
}

/**
 * Takes a record that a store has gone back to for the truth: its numbers go beyond those of every living key and of
 * every record that was seen, so that readers believe it again, and the keys that it does not know become orphans.
 */
export async function recoverRing(context: RecoverContext, signal: AbortSignal): Promise<void> {
  const { ring, manager, cell, random, observe, known } = context;
  const living = await Array.fromAsync(ownKeys(manager, ring, signal));
  const read = await cell.read();
  const record = read?.record;
  const ahead = living.filter(({ ringId, seq }) => ringId === record?.ringId && seq > record.seq);
  const isBack =
    record === undefined ? known !== undefined : ahead.length > 0 || (known && isOlder(record, known));
  if (!isBack) return;
  const swapped = await cell.swap(
    read,
    record === undefined
      ? emptyRecord(newRingId(random))
      : recover(
          record,
          Math.max(...ahead.map(({ seq }) => seq), known?.ringId === record.ringId ? known.seq : 0),
        ),
  );
  if (swapped === undefined) {
    const message = `others changed the record of the ring ${ring} at the same time: look at it again first`;
    throw new KeyRingError(message, { code: 'key_ring_conflict', ring });
  }
  observe(swapped.record);
}
