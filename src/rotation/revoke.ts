import { ConfigurationError, KeyRingError } from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import type { Emit } from './events.ts';
import type { KeyTrial } from './key-trial.ts';
import { deleteKey, ownKeys } from './own-keys.ts';
import type { Clock, KeyManager } from './ports.ts';
import { keysOf, type RingKey, type RingRecord } from './record.ts';
import type { ReadRecord, RecordCell } from './record-cell.ts';
import type { RingSeal } from './ring-seal.ts';
import { refuseOlder } from './rolled-back.ts';
import { validMilliseconds } from './stores/arguments.ts';
import { revoke } from './transitions.ts';

/** Which keys are revoked: the current one, all of the ring, or the one with this id. */
export type RevokeTarget = 'current' | 'all' | (string & {});

/** What a revocation works with. */
export interface RevokeContext {
  readonly ring: string;
  readonly manager: KeyManager;
  readonly trial: KeyTrial;
  readonly cell: RecordCell;
  readonly seal: RingSeal;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly observe: (record: RingRecord) => void;
  /** What this ring object has seen last, for when the store is down. */
  readonly known: RingRecord | undefined;
}

export interface RevokeInit {
  readonly reason: string;
  /** How long the service may take to confirm. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Longer ones have no place in a record. */
const LONGEST_REASON = 1_000;

/** @throws ConfigurationError that names the option that is wrong. */
export function readRevokeOptions({
  reason = 'revoked',
  timeoutMs = 60_000,
}: {
  readonly reason?: string | undefined;
  readonly timeoutMs?: number | undefined;
}): Pick<RevokeInit, 'reason' | 'timeoutMs'> {
  // A record with another reason could never be read again.
  if (typeof reason !== 'string' || reason === '' || reason.length > LONGEST_REASON) {
    throw new ConfigurationError(`reason must be a text of 1 to ${LONGEST_REASON} characters`, {
      option: 'reason',
    });
  }
  return { reason, timeoutMs: validMilliseconds(timeoutMs, 'timeoutMs') };
}

const MOST_SWAPS = 10;
/** The failures of a store, or of what it holds. */
const UNREAD: ReadonlySet<KeyRingError['code']> = new Set([
  'key_ring_store_failed',
  'key_ring_record_invalid',
  'key_ring_rolled_back',
]);
const FIRST_LOOK_MS = 200;
const LONGEST_LOOK_MS = 5_000;

/**
 * Takes keys out of use at once: out of the record in one swap, then deletes them, then waits until the service neither
 * lists nor accepts them. Where the store fails, they are deleted all the same, and that is told afterwards.
 *
 * @returns the ids of the keys that are gone.
 */
export async function revokeKeys(
  context: RevokeContext,
  target: RevokeTarget,
  init: RevokeInit,
): Promise<readonly string[]> {
  const { record, keys, failure } = await takeOut(context, target, init);
  const secrets = await openSome(context, record, keys);
  // All at once: each of them may be in somebody else's hands.
  await Promise.all(keys.map(({ id }) => deleteKey(context.manager, id, init.signal)));
  await confirmGone(context, keys, secrets, init);
  for (const { id } of keys) context.emit('revoked', { id, reason: init.reason });
  if (failure !== undefined) throw failure;
  return keys.map(({ id }) => id);
}

interface TakenOut {
  /** The record that the keys stood in. */
  readonly record: RingRecord | undefined;
  readonly keys: readonly Pick<RingKey, 'id'>[];
  /** Why the record may still name them. */
  readonly failure?: unknown;
}

async function takeOut(context: RevokeContext, target: RevokeTarget, init: RevokeInit): Promise<TakenOut> {
  const { ring, cell, clock } = context;
  let { known } = context;
  try {
    for (let attempt = 0; attempt < MOST_SWAPS; attempt++) {
      const read = await cell.read();
      // What leaked is the key that was in use, whatever the store has gone back to.
      refuseOlder(ring, read, known);
      known = read?.record ?? known;
      const keys = chosen(read?.record, target);
      if (read === null || keys.length === 0)
        return { record: read?.record, keys: await strays(context, read, target, init) };
      const ids = new Set(keys.map(({ id }) => id));
      const swapped = await cell.swap(read, revoke(read.record, ids, init.reason, clock.now()));
      if (swapped === undefined) continue;
      context.observe(swapped.record);
      return { record: read.record, keys };
    }
  } catch (failure) {
    // Only where nobody knows what the record says: what was known of one that could be read is out of date.
    const isUnread = failure instanceof KeyRingError && UNREAD.has(failure.code);
    const keys = isUnread ? chosen(known, target) : [];
    if (keys.length === 0) throw failure;
    return { record: known, keys, failure };
  }
  throw new KeyRingError(`others changed the record of the ring ${ring} over and over`, {
    code: 'key_ring_conflict',
    ring,
  });
}

function chosen(record: RingRecord | undefined, target: RevokeTarget): RingKey[] {
  if (record === undefined) return [];
  if (target === 'all') return keysOf(record);
  const id = target === 'current' ? record.current?.id : target;
  return keysOf(record).filter((key) => key.id === id);
}

/** A key of the ring that the record does not name: an orphan, or one that is retired already. */
async function strays(
  { ring, manager }: RevokeContext,
  read: ReadRecord | null,
  target: RevokeTarget,
  { signal }: RevokeInit,
): Promise<Pick<RingKey, 'id'>[]> {
  if (target === 'all') return [];
  if (target !== 'current') {
    for await (const { id, ringId } of ownKeys(manager, ring, signal)) {
      if (id === target && ringId === read?.record.ringId) return [{ id }];
    }
    if (read?.record.retired.some(({ id }) => id === target)) return [{ id: target }];
  }
  throw new KeyRingError(
    target === 'current'
      ? `the ring ${ring} has no current key`
      : // Which id is not said: in a hurry somebody may have given the key itself.
        `the ring ${ring} has no key of this id`,
    { code: target === 'current' ? 'key_ring_no_active_key' : 'key_ring_unknown_key', ring },
  );
}

/** The secrets with which a refusal can be seen. A key that cannot be opened is deleted all the same. */
async function openSome(
  { seal }: RevokeContext,
  record: RingRecord | undefined,
  keys: readonly Pick<RingKey, 'id'>[],
): Promise<Secret[]> {
  if (record === undefined) return [];
  const sealed = keysOf(record).filter(({ id }) => keys.some((key) => key.id === id));
  const opened = await Promise.allSettled(sealed.map((key) => seal.open(key, record.ringId)));
  return opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value.secret] : []));
}

async function confirmGone(
  { ring, manager, trial, clock }: RevokeContext,
  keys: readonly Pick<RingKey, 'id'>[],
  secrets: readonly Secret[],
  { timeoutMs, signal }: RevokeInit,
): Promise<void> {
  const ids = new Set(keys.map(({ id }) => id));
  const deadline = clock.now() + timeoutMs;
  let accepted = [...secrets];
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 2, LONGEST_LOOK_MS)) {
    const verdicts = await Promise.all(accepted.map((secret) => trial.attempt(secret, undefined, signal)));
    accepted = accepted.filter((_, index) => verdicts[index] !== 'refused');
    const listed: string[] = [];
    for await (const { id } of manager.list({}, { signal })) if (ids.has(id)) listed.push(id);
    if (accepted.length === 0 && listed.length === 0) return;
    if (clock.now() + lookMs > deadline) {
      throw new KeyRingError(
        `the keys of the ring ${ring} are deleted, but the service has still ${listed.length > 0 ? 'listed' : 'accepted'} them after ${timeoutMs} ms`,
        { code: 'key_ring_revocation_unconfirmed', ring, keyIds: [...ids] },
      );
    }
    await clock.sleep(lookMs, signal);
  }
}
