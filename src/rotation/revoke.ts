import { check } from '../errors/invalid.ts';
import type { PlatformAbortSignal } from '../internal/platform.ts';
import { retryUntil, throwIfAborted, withTimeout } from '../internal/wait.ts';
import type { Secret } from '../secret/secret.ts';
import { newRingId } from './key-names.ts';
import type { RingRecord } from './record.ts';
import * as records from './record.ts';
import { isTransientStoreFailure, type ManagedRing } from './ring-state.ts';
import { codeOf, isRejectionStatus, readStatus, ringError } from './safe-cause.ts';
import { deleteKey, listKeys, verify } from './service.ts';
import { checkMs } from './stores/store.ts';

/** Options for most methods of a {@link KeyRing}. */
export interface KeyRingCallOptions {
  /** Aborting it rejects the call with its reason. Requests in progress and the next reconciliation finish the work. */
  readonly signal?: PlatformAbortSignal | undefined;
}

/** Options for {@link KeyRing.revoke}. */
export interface RevokeOptions extends KeyRingCallOptions {
  /** The reason to include in the record and in events: 1 to 1,000 characters. @defaultValue 'revoked' */
  readonly reason?: string | undefined;
  /** Time limit in milliseconds for updating the record and confirming the revocation. @defaultValue 60_000 */
  readonly timeoutMs?: number | undefined;
}

/** The keys to revoke: the current key, all keys of the ring, or the key with the given id. */
export type RevokeTarget = 'current' | 'all' | (string & {});

/** With a longer reason, a record could exceed the size limit. */
const MAX_REASON_LENGTH = 1_000;
/** How long a revocation tries to update the record before it deletes the keys anyway. */
const MAX_WAIT_BEFORE_DELETE_MS = 10_000;
const POLL = { minMs: 200, maxMs: 5_000 };

/** Retires keys in one update, deletes them, and waits until the service neither lists nor accepts them. */
export class Revocation {
  readonly timeoutMs: number;
  protected readonly ring: ManagedRing;
  protected readonly target: RevokeTarget;
  /** Ids of the keys to revoke. Resolved once, because `current` refers to the promoted standby after the update. */
  protected ids: readonly string[] | undefined;
  readonly #reason: string;
  readonly #signal: AbortSignal;
  readonly #deadline: number;
  /** The secrets whose rejection confirms the revocation. */
  #secrets: readonly Secret[] = [];
  #isUpdated = false;
  /** Whether the service neither lists nor accepts the keys. */
  #isGone = false;
  /** Why the record has not been updated. */
  #failure: unknown;

  /** @throws {ConfigurationError} If an option is invalid. The error names the option. */
  constructor(ring: ManagedRing, target: RevokeTarget, options: RevokeOptions, signal: AbortSignal) {
    const { reason = 'revoked', timeoutMs = 60_000 } = options;
    const isTarget = typeof target === 'string' && target !== '';
    check(isTarget, 'target', "must be 'current', 'all' or a key id");
    const isReason = typeof reason === 'string' && reason !== '' && reason.length <= MAX_REASON_LENGTH;
    check(isReason, 'reason', `must be a string of 1 to ${MAX_REASON_LENGTH} characters`);
    checkMs(timeoutMs, 'timeoutMs');
    this.ring = ring;
    this.target = target;
    this.timeoutMs = timeoutMs;
    this.#reason = reason;
    this.#signal = signal;
    this.#deadline = ring.clock.monotonic() + timeoutMs;
  }

  async run(): Promise<void> {
    const { name, events, clock } = this.ring;
    const deleteAt = clock.monotonic() + Math.min(MAX_WAIT_BEFORE_DELETE_MS, this.timeoutMs / 3);
    await retryUntil(clock, this.#signal, deleteAt, POLL, () => this.#updateRecord(deleteAt));
    const ids = await this.#idsToDelete();
    await retryUntil(clock, this.#signal, this.#deadline, POLL, async () => {
      const [isUpdated] = await Promise.all([this.#updateRecord(this.#deadline), this.#deleteKeys(ids)]);
      return isUpdated && this.#isGone;
    });
    if (this.#isGone) for (const id of ids) events.emit('revoked', { id, reason: this.#reason });
    if (!this.#isUpdated) throw this.#failure;
    if (this.#isGone) return;
    const why = `the keys are retired, but the service may still accept them: it did not confirm the deletion within ${this.timeoutMs} ms.`;
    throw ringError(name, 'key_ring_revocation_unconfirmed', why, ids);
  }

  /** Tries once to retire the keys in the record. @returns False if the update failed but may be retried. */
  async #updateRecord(deadline: number): Promise<boolean> {
    if (this.#isUpdated) return true;
    const { name, state, clock, gracePeriodMs } = this.ring;
    const limit = () => ({ timeoutMs: Math.max(1, deadline - clock.monotonic()) });
    try {
      const read = await state.readLatest(limit());
      const record = read?.record ?? records.emptyRecord('');
      await this.resolveTarget(record);
      const { ids = [] } = this;
      if (read !== null && records.keysOf(record).some(({ id }) => ids.includes(id))) {
        // A revocation does not wait for a list, so only a lower bound on the service's time is known.
        const since = Math.max(record.current?.since ?? 0, record.standby?.createdAt ?? 0);
        const revoked = records.retire(record, ids, this.#reason, { since, gracePeriodMs });
        if ((await state.update(read, revoked, limit())) === undefined) {
          const message = 'the record kept changing during the revocation.';
          this.#failure = ringError(name, 'key_ring_conflict', message);
          return false;
        }
      }
      this.#isUpdated = true;
    } catch (failure) {
      this.#failure = failure;
      return !isTransientStoreFailure(failure);
    }
    return true;
  }

  /** Resolves the target to key ids unless this has been done before. */
  protected async resolveTarget(record: RingRecord): Promise<void> {
    if (this.ids !== undefined) return;
    const { target } = this;
    const id = target === 'current' ? record.current?.id : target;
    const keys = records.keysOf(record).filter((key) => target === 'all' || key.id === id);
    if (keys.length === 0 && target !== 'all') return;
    this.ids = keys.map((key) => key.id);
    // A key that cannot be decrypted is revoked anyway.
    const decrypting = keys.map((key) => this.ring.encryption.decrypt(key, record.ringId));
    const decrypted = await Promise.allSettled(decrypting);
    this.#secrets = decrypted.flatMap((one) => (one.status === 'fulfilled' ? [one.value.secret] : []));
  }

  async #idsToDelete(): Promise<readonly string[]> {
    const { state, name } = this.ring;
    const { latest } = state;
    if (!this.#isUpdated) {
      // The store failed, so the last known record is used.
      if (latest !== undefined) await this.resolveTarget(latest);
      if (!this.ids?.length) throw this.#failure;
    }
    if (this.ids !== undefined) return this.ids;
    if (this.target === 'current') {
      throw ringError(name, 'key_ring_no_active_key', 'there is no current key to revoke.');
    }
    // The id may belong to an orphan or to a key that is already retired.
    const { keys } = await listKeys(this.ring, this.#signal);
    const isOwn = keys.some(({ id, ringId }) => id === this.target && ringId === latest?.ringId);
    if (isOwn || latest?.retired.some(({ id }) => id === this.target)) return [this.target];
    // The message does not repeat the id, because the caller may have passed the key itself.
    throw ringError(name, 'key_ring_unknown_key', 'the ring has no key with this id, or has deleted it.');
  }

  /** Tries once to delete the keys and to confirm that the service neither accepts nor lists them. */
  async #deleteKeys(ids: readonly string[]): Promise<void> {
    if (this.#isGone) return;
    const { clock } = this.ring;
    const signal = this.#signal;
    const attempt = async (): Promise<void> => {
      // The keys are deleted in parallel, because any of them may have leaked.
      await Promise.all(ids.map((id) => deleteKey(this.ring, id, signal)));
      const verdicts = await Promise.all(this.#secrets.map((secret) => verify(this.ring, secret, signal)));
      if (verdicts.some(({ kind }) => kind !== 'rejected')) return;
      const { keys } = await listKeys(this.ring, signal);
      this.#isGone = !keys.some(({ id }) => ids.includes(id));
    };
    try {
      // Limits the time, because the service may never respond.
      await withTimeout(clock, Math.max(1, this.#deadline - clock.monotonic()), attempt);
    } catch (error) {
      throwIfAborted(signal);
      if (isRejectionStatus(readStatus(error)) || codeOf(error) === 'invalid_configuration') throw error;
    }
  }
}

/**
 * Accepts a record that is older than the latest known record. Raises the `epoch` and `seq` of the accepted record, so
 * that readers accept it too. Keys that are missing from the record become orphans.
 */
export async function recoverRing(ring: ManagedRing, signal: AbortSignal): Promise<void> {
  const { name, state, random } = ring;
  const known = state.latest;
  const { keys } = await listKeys(ring, signal);
  const read = await state.read({ retry: signal });
  const record = read?.record;
  const ahead = keys.filter(({ ringId, seq }) => ringId === record?.ringId && seq > record.seq);
  if (ahead.length === 0 && !records.isOlder(record, known)) return;
  const seqs = ahead.map(({ seq }) => seq);
  if (known !== undefined && known.ringId === record?.ringId) seqs.push(known.seq);
  const recovered = record
    ? records.recover(record, Math.max(0, ...seqs))
    : records.emptyRecord(newRingId(random));
  if ((await state.update(read, recovered, { retry: signal })) !== undefined) return;
  // The update may have succeeded in an earlier attempt whose response was lost.
  const { ringId, seq } = (await state.read({ retry: signal }))?.record ?? {};
  if (ringId === recovered.ringId && seq === recovered.seq) return;
  const message = 'another process changed the record during `recover()`. Check the record and try again.';
  throw ringError(name, 'key_ring_conflict', message);
}
