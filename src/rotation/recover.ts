import { KeyRingError } from '../errors/index.ts';
import { parseKeyName } from './key-name.ts';
import type { KeyIssuer } from './ports.ts';
import type { RingRecord } from './record.ts';
import type { RecordCell } from './record-cell.ts';
import { recover } from './transitions.ts';

/** What {@link recoverRing} works with. */
export interface RecoverContext {
  readonly ring: string;
  readonly issuer: KeyIssuer;
  readonly cell: RecordCell;
  readonly observe: (record: RingRecord) => void;
}

/**
 * Takes a record that a store has gone back to for the truth: its numbers go beyond those of every living key, so that
 * readers believe it again, and the keys that it does not know become orphans.
 */
export async function recoverRing(
  { ring, issuer, cell, observe }: RecoverContext,
  signal: AbortSignal,
): Promise<void> {
  let highest = 0;
  const keys: { readonly ringId: string; readonly seq: number }[] = [];
  for await (const { name } of issuer.list({}, { signal })) {
    const parsed = parseKeyName(name);
    if (parsed?.ring === ring) keys.push(parsed);
  }
  const read = await cell.read();
  if (read === null) return;
  for (const { ringId, seq } of keys) if (ringId === read.record.ringId) highest = Math.max(highest, seq);
  if (highest <= read.record.seq) return;
  const swapped = await cell.swap(read, recover(read.record, highest));
  if (swapped === undefined) {
    const message = `others changed the record of the ring ${ring} at the same time: look at it again first`;
    throw new KeyRingError(message, { code: 'key_ring_contended', ring });
  }
  observe(swapped.record);
}
