import { isTimerMs } from '../internal/checks.ts';
import type { Secret } from '../secret/secret.ts';
import type { RingEncryption } from './encryption.ts';
import type { Emit } from './events.ts';
import type { Clock, KeyManager, KeyVerifier } from './interfaces.ts';
import { codeOf, deleteKey, isRejectionStatus, newRingId } from './key-names.ts';
import { listKeys } from './listing.ts';
import { emptyRecord, isOlder, keysOf, type RingRecord } from './record.ts';
import { isTransientStoreFailure, type RingState } from './ring-state.ts';
import { readStatus, ringError } from './safe-cause.ts';
import { invalid } from './stores/store.ts';
import * as to from './transitions.ts';
import { verify } from './verification.ts';

/** Which keys are revoked: the current one, all keys of the ring, or the one with this id. */
export type RevokeTarget = 'current' | 'all' | (string & {});

/** What {@link revokeKeys} and {@link recoverRing} work with. */
export interface RevokeContext {
  readonly ring: string;
  readonly manager: KeyManager;
  readonly verifier: KeyVerifier;
  readonly state: RingState;
  readonly encryption: RingEncryption;
  readonly clock: Clock;
  readonly random: () => number;
  readonly gracePeriodMs: number;
  readonly emit: Emit;
}

export interface RevokeInit {
  readonly reason: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A record would not hold longer ones. */
const MAX_REASON_LENGTH = 1_000;

/** @throws ConfigurationError that names the option. */
export function readRevokeOptions(
  target: RevokeTarget,
  reason = 'revoked',
  timeoutMs = 60_000,
): Pick<RevokeInit, 'reason' | 'timeoutMs'> {
  if (typeof target !== 'string' || target === '') {
    throw invalid('target', "must be 'current', 'all' or the id of a key");
  }
  if (typeof reason !== 'string' || reason === '' || reason.length > MAX_REASON_LENGTH) {
    throw invalid('reason', `must be a string of 1 to ${MAX_REASON_LENGTH} characters`);
  }
  if (!isTimerMs(timeoutMs)) throw invalid('timeoutMs', 'must be a positive number of milliseconds');
  return { reason, timeoutMs };
}

/** How long a revocation tries to update the record before it deletes the keys anyway. */
const MAX_WAIT_BEFORE_DELETE_MS = 10_000;
const MIN_POLL_MS = 200;
const CONFLICT = 'the record kept changing during the revocation.';
const MAX_POLL_MS = 5_000;

/** Retires keys in one update, deletes them, and waits until the service neither lists nor accepts them. */
export class Revocation {
  protected readonly context: RevokeContext;
  protected readonly target: RevokeTarget;
  readonly #init: RevokeInit;
  readonly #deadline: number;
  /** The keys to revoke. Determined once: after a lost response, `current` would be the promoted standby. */
  protected ids: readonly string[] | undefined;
  /** The secrets whose rejection confirms the revocation. */
  #secrets: readonly Secret[] = [];
  #isUpdated = false;
  /** Whether the service neither lists nor accepts the keys. */
  #isGone = false;
  /** Why the record is not updated yet. */
  #failure: unknown;

  constructor(context: RevokeContext, target: RevokeTarget, init: RevokeInit) {
    this.context = context;
    this.target = target;
    this.#init = init;
    this.#deadline = context.clock.monotonic() + init.timeoutMs;
  }

  async run(): Promise<void> {
    const { ring, emit, clock } = this.context;
    const { reason, signal, timeoutMs } = this.#init;
    const deleteAt = clock.monotonic() + Math.min(MAX_WAIT_BEFORE_DELETE_MS, timeoutMs / 3);
    await this.#poll(deleteAt, () => this.#updateRecord(deleteAt));
    const ids = await this.#idsToDelete();
    // All at once: each of them may be in the wrong hands.
    await this.#poll(this.#deadline, async () => {
      await Promise.all([this.#deleteKeys(ids, signal), this.#updateRecord(this.#deadline)]);
      const isPointless = this.#failure !== undefined && !isTransientStoreFailure(this.#failure);
      return this.#isGone && (this.#isUpdated || isPointless);
    });
    if (this.#isGone) for (const id of ids) emit('revoked', { id, reason });
    if (!this.#isUpdated) throw this.#failure ?? ringError(ring, 'key_ring_conflict', CONFLICT);
    if (this.#isGone) return;
    const why = `the keys are retired, but after ${timeoutMs} ms the service still lists or accepts them.`;
    throw ringError(ring, 'key_ring_revocation_unconfirmed', why, ids);
  }

  /** Calls a task until it returns true, or the deadline comes. */
  async #poll(deadline: number, task: () => Promise<boolean>): Promise<void> {
    const { clock } = this.context;
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      this.#init.signal.throwIfAborted();
      if ((await task()) || clock.monotonic() + delayMs > deadline) return;
      await clock.sleep(delayMs, this.#init.signal);
    }
  }

  /** One attempt to retire the keys. @returns whether another attempt is pointless. */
  async #updateRecord(deadline: number): Promise<boolean> {
    if (this.#isUpdated) return true;
    const { state, clock, gracePeriodMs } = this.context;
    const { reason } = this.#init;
    const leftMs = (): number => Math.max(1, deadline - clock.monotonic());
    try {
      const read = await state.readLatest(leftMs());
      const record = read?.record ?? emptyRecord('');
      await this.resolveTarget(record);
      const ids = new Set(this.ids);
      if (read !== null && keysOf(record).some(({ id }) => ids.has(id))) {
        // The service's time is at least that; a revocation does not wait for a list.
        const since = Math.max(record.current?.since ?? 0, record.standby?.createdAt ?? 0);
        const revoked = to.revoke(record, ids, reason, { since, gracePeriodMs });
        if ((await state.update(read, revoked, leftMs())) === undefined) return false;
      }
      this.#isUpdated = true;
    } catch (failure) {
      this.#failure = failure;
      return !isTransientStoreFailure(failure);
    }
    return true;
  }

  /** Turns the target into ids, once. */
  protected async resolveTarget(record: RingRecord): Promise<void> {
    if (this.ids === undefined) await this.choose(record);
  }

  protected async choose(record: RingRecord): Promise<void> {
    const { encryption } = this.context;
    const keys = keysOf(record).filter(({ id }) =>
      this.target === 'all' ? true : id === (this.target === 'current' ? record.current?.id : this.target),
    );
    if (keys.length === 0 && this.target !== 'all') return;
    this.ids = keys.map(({ id }) => id);
    // A key that cannot be decrypted is revoked anyway.
    const decrypted = await Promise.allSettled(keys.map((key) => encryption.decrypt(key, record.ringId)));
    this.#secrets = decrypted.flatMap((result) =>
      result.status === 'fulfilled' ? [result.value.secret] : [],
    );
  }

  async #idsToDelete(): Promise<readonly string[]> {
    const { state, ring, manager, clock } = this.context;
    const { latest } = state;
    if (!this.#isUpdated) {
      // The store is unreachable: delete by the last known record.
      if (this.ids === undefined && latest !== undefined) await this.choose(latest);
      if (this.ids === undefined || this.ids.length === 0)
        throw this.#failure ?? ringError(ring, 'key_ring_conflict', CONFLICT);
    }
    if (this.ids !== undefined) return this.ids;
    if (this.target === 'current') {
      throw ringError(ring, 'key_ring_no_active_key', 'there is no current key to revoke.');
    }
    // An orphan of the ring, or a retired key.
    const { keys } = await listKeys(ring, manager, clock, this.#init.signal);
    const isOwn = keys.some(({ id, ringId }) => id === this.target && ringId === latest?.ringId);
    if (isOwn || latest?.retired.some(({ id }) => id === this.target)) return [this.target];
    // The id is not repeated: in a hurry the caller may have passed the key itself.
    throw ringError(ring, 'key_ring_unknown_key', 'no key of the ring has this id.');
  }

  /** One attempt to delete the keys, and to confirm that by a list and by rejected requests. */
  async #deleteKeys(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#isGone) return;
    const { ring, manager, verifier, clock } = this.context;
    try {
      await Promise.all(ids.map((id) => deleteKey(manager, id, signal)));
      const verdicts = await Promise.all(this.#secrets.map((secret) => verify(verifier, secret, signal)));
      if (verdicts.some(({ kind }) => kind !== 'rejected')) return;
      const { keys } = await listKeys(ring, manager, clock, signal);
      this.#isGone = !keys.some(({ id }) => ids.includes(id));
    } catch (error) {
      signal.throwIfAborted();
      if (isRejectionStatus(readStatus(error)) || codeOf(error) === 'invalid_configuration') throw error;
    }
  }
}

/**
 * Accepts a record that is older than one that was seen: continues beyond the numbers of all living keys and of all
 * seen records, so that readers believe it again. Keys that it does not know become orphans.
 */
export async function recoverRing(context: RevokeContext, signal: AbortSignal): Promise<void> {
  const { ring, manager, clock, state, random } = context;
  const known = state.latest;
  const { keys } = await listKeys(ring, manager, clock, signal);
  const read = await state.read();
  const record = read?.record;
  const ahead = keys.filter(({ ringId, seq }) => ringId === record?.ringId && seq > record.seq);
  const isRolledBack =
    record === undefined ? known !== undefined : ahead.length > 0 || (known && isOlder(record, known));
  if (!isRolledBack) return;
  const knownSeq = known !== undefined && known.ringId === record?.ringId ? known.seq : 0;
  const recovered =
    record === undefined
      ? emptyRecord(newRingId(random))
      : to.recover(record, Math.max(knownSeq, ...ahead.map(({ seq }) => seq)));
  if ((await state.update(read, recovered)) !== undefined) return;
  const message =
    'another process changed the record during `recover()`. Check the ring before you call it again.';
  throw ringError(ring, 'key_ring_conflict', message);
}
