import { ApiKeyLimitError, isDrunError } from '../errors/index.ts';
import { check } from '../errors/invalid.ts';
import { retryUntil, throwIfAborted, withTimeout } from '../internal/wait.ts';
import { isSecret, type Secret } from '../secret/secret.ts';
import { newKeyName, newRingId, type OwnKey } from './key-names.ts';
import type { Observation, RingMemory, Step } from './plan.ts';
import * as planning from './plan.ts';
import type { Announcement, ClaimedPending, CreatedPending, Pending, RingKey, RingRecord } from './record.ts';
import * as records from './record.ts';
import type { ManagedRing, VersionedRecord } from './ring-state.ts';
import { codeOf, isRejectionStatus, readStatus, ringError, safeCause } from './safe-cause.ts';
import * as service from './service.ts';

/*
 * d.run has no rotation endpoint. A repeated create request creates another key, and a deleted key is rejected
 * immediately. Therefore, every action is first announced in the record by a compare-and-swap that only one replica can
 * win. After a conflict, a crash or a lost response, the record and the list show the next iteration what happened.
 */

/** The result of a reconciliation. */
export interface ReconcileResult {
  /** The version of the record that was last read. */
  readonly version: string;
  /** Milliseconds until more work is due. Absent if no work is scheduled. */
  readonly nextInMs?: number | undefined;
}

const MAX_ITERATIONS = 25;
const POLL = { minMs: 500, maxMs: 10_000 };
/** Statuses of a server that cannot return full keys (before 0.17) or does not let the access token read them. */
const NOT_SHOWN: readonly unknown[] = [403, 404, 405, 501];

/** Error codes of create requests that the service rejected or that were never sent. */
const NOT_CREATED: readonly unknown[] = ['api_key_limit_reached', 'invalid_configuration', 'rate_limited'];

/** One reconciliation. It can run at any time, on any number of replicas, and after any crash. */
export class Reconciliation {
  protected readonly ring: ManagedRing;
  protected readonly signal: AbortSignal;
  protected readonly progress: planning.Progress;
  /** The version that the previous iteration read. */
  #version: string | undefined;

  constructor(ring: ManagedRing, memory: RingMemory, signal: AbortSignal) {
    this.ring = ring;
    this.signal = signal;
    this.progress = new planning.Progress(memory);
  }

  async run(): Promise<ReconcileResult> {
    for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
      throwIfAborted(this.signal);
      const seen = await this.observe();
      const result = seen && (await this.#continue(seen));
      if (result !== undefined) return result;
    }
    const message = `the reconciliation gave up after ${MAX_ITERATIONS} conflicting updates.`;
    throw ringError(this.ring.name, 'key_ring_conflict', message);
  }

  /** Lists the keys first, and then reads the record. */
  protected async observe(): Promise<Observation | undefined> {
    const { encryption, events, clock } = this.ring;
    const { memory } = this.progress;
    const listing = await this.#list();
    const read = await this.read();
    if (read === undefined) return undefined;
    const { record, version } = read;
    const isConfirmed = version === this.#version;
    this.#version = version;
    const others = listing.keys.filter(({ ringId }) => ringId !== record.ringId);
    for (const [ringId, keys] of Map.groupBy(others, (key) => key.ringId)) {
      if (memory.isNews(ringId)) events.emit('name-conflict', { ringId, ids: keys.map(({ id }) => id) });
    }
    let outdated: RingKey | undefined;
    for (const key of records.keysOf(record)) {
      const { isOutdated } = await encryption.decrypt(key, record.ringId);
      if (isOutdated && !memory.reencryptedIds.has(key.id)) outdated = key;
    }
    const rejectedIds = new Set<string>();
    for (const key of isConfirmed ? planning.missingKeys(record, listing) : []) {
      if ((await this.#verify(key, record)).kind === 'rejected') rejectedIds.add(key.id);
    }
    const { ring: settings, progress } = this;
    const times = { monotonicNow: clock.monotonic(), now: listing.servedAt ?? clock.now() };
    return { ...read, ...times, listing, isConfirmed, rejectedIds, outdated, settings, progress };
  }

  protected plan(seen: Observation): Step {
    return planning.plan(seen);
  }

  /** Takes the next step. Returns undefined to start the next iteration. */
  async #continue(seen: Observation): Promise<ReconcileResult | undefined> {
    const { record, version } = seen;
    const { events } = this.ring;
    const step = this.plan(seen);
    switch (step.kind) {
      case 'rest':
        return { version, nextInMs: step.nextInMs };
      case 'fail':
        throw step.error;
      case 'confirm':
        return undefined;
      case 'update':
        if ((await this.update(seen, step.record)) && step.replaced)
          events.emit('replaced', { id: step.replaced });
        return undefined;
      case 'delete-orphans':
        this.progress.orphansDeleted += step.keys.length;
        for (const { id, maskedKey = '' } of await this.#delete(step.keys)) {
          events.emit('orphan-deleted', { id, maskedKey });
        }
        return undefined;
      case 'delete-retired': {
        const deleted = await this.#delete(step.keys);
        const ids = deleted.map(({ id }) => id);
        const isUpdated = ids.length > 0 && (await this.update(seen, records.forgetRetired(record, ids)));
        if (isUpdated) for (const { id, reason } of deleted) events.emit('deleted', { id, reason });
        return undefined;
      }
      case 'claim':
        return this.writeClaim(seen, step.pending ?? this.#announce(record));
      case 'create':
        return this.create(seen, step.pending);
      case 'recover-key':
        if (await this.#recoverKey(step.key, seen.now)) await this.storeKey(seen, step.pending);
        return undefined;
      case 'store-key':
        return this.storeKey(seen, step.pending);
      case 'verify-pending':
        return this.#verifyPending(seen, step.pending);
      case 'reencrypt':
        return this.#reencrypt(seen, step.key);
    }
  }

  /** Deletes keys, skipping those that the access token is not allowed to delete. @returns The deleted keys. */
  async #delete<Key extends { readonly id: string }>(keys: readonly Key[]): Promise<Key[]> {
    const deleted: Key[] = [];
    for (const key of keys) {
      try {
        await service.deleteKey(this.ring, key.id, this.signal);
        deleted.push(key);
      } catch (error) {
        if (codeOf(error) !== 'permission_denied') throw error;
        this.progress.undeletableIds.add(key.id);
        const advice = 'Delete it manually. The ring keeps working while the account has room for new keys.';
        this.#warn(key.id, `the access token may not delete key ${key.id}. ${advice}`);
      }
    }
    return deleted;
  }

  #announce({ ringId, seq }: RingRecord): Announcement {
    const { name, random } = this.ring;
    const next = seq + 1;
    return { name: newKeyName(name, ringId, next, random), seq: next, owner: this.progress.memory.owner };
  }

  /** Writes a claim with a new lease. The next iteration reads the list and the record before it creates the key. */
  protected async writeClaim(seen: Observation, announcement: Announcement): Promise<undefined> {
    const { leaseMs, clock } = this.ring;
    const sentAt = clock.monotonic();
    const latest = service.latestTime(seen.listing, sentAt);
    const lease = {
      // Includes the time since the list request, because `leaseUntil` includes it too.
      leaseMs: Math.ceil(leaseMs + sentAt - seen.listing.sentAt),
      leaseUntil: Number.isFinite(latest) ? Math.ceil(latest + leaseMs) : undefined,
    };
    const claimed = await this.update(seen, records.claim(seen.record, announcement, lease));
    if (claimed) this.progress.claim = { version: claimed.version, sentAt };
  }

  protected async create(seen: Observation, pending: ClaimedPending): Promise<undefined> {
    const { clock } = this.ring;
    const { memory } = this.progress;
    const { name } = pending;
    const sentAt = clock.monotonic();
    const latest = service.latestTime(seen.listing, sentAt);
    const now = Number.isFinite(latest) ? latest : clock.now();
    const expiresAt = Math.ceil(now + planning.lifetimeMs(this.ring));
    memory.sentName = name;
    try {
      const { id, secret } = service.checkCreated(await this.sendCreate(name, expiresAt));
      memory.unstored = { id, name, secret, createdAt: seen.now, expiresAt };
    } catch (error) {
      if (!isRejection(error)) return this.#awaitLateCreate(name, seen.now, sentAt);
      memory.sentName = undefined;
      await this.update(seen, records.dropClaim(seen.record));
      throw withRingKeys(error, seen);
    }
    return this.storeKey(seen, pending);
  }

  /** Sends the create request once, even if the call is aborted. A repeated request could create another key. */
  protected sendCreate(name: string, expiresAt: number) {
    const { manager, createTimeoutMs, quota, clock } = this.ring;
    const input = { name, expiresAt: new Date(expiresAt), ...(quota !== undefined && { quota }) };
    return withTimeout(clock, createTimeoutMs, (signal) => manager.create(input, { signal, maxRetries: 0 }));
  }

  /** Polls for the key while the create request can still take effect. If it never appears, the lease must run out. */
  async #awaitLateCreate(keyName: string, createdAt: number, sentAt: number): Promise<undefined> {
    const { clock, createTimeoutMs } = this.ring;
    await retryUntil(clock, this.signal, sentAt + createTimeoutMs, POLL, async () => {
      const { keys } = await this.#list();
      const [key, ...others] = keys.filter(({ name }) => name === keyName);
      if (key === undefined || others.length > 0) return undefined;
      await this.#recoverKey(key, createdAt);
      return key;
    });
  }

  /** Reads the secret of a listed key. @returns False if the service cannot return the secret. */
  async #recoverKey({ id, name, expiresAt }: OwnKey, createdAt: number): Promise<boolean> {
    const { memory, unrecoverableNames } = this.progress;
    let secret: Secret | undefined;
    try {
      secret = await this.ring.manager.getSecret?.(id, { signal: this.signal });
    } catch (error) {
      if (!NOT_SHOWN.includes(readStatus(error))) throw error;
    }
    if (secret === undefined) {
      unrecoverableNames.add(name);
      return false;
    }
    check(isSecret(secret), 'manager', 'must return a Secret from `getSecret`');
    const end = Number(expiresAt) || createdAt + planning.lifetimeMs(this.ring);
    memory.unstored = { id, name, secret, createdAt, expiresAt: end };
    return true;
  }

  /** Encrypts and stores the secret of a created key, which must not be used until it has been stored. */
  protected async storeKey({ record, ...seen }: Observation, pending: Pending): Promise<undefined> {
    const { encryption, events } = this.ring;
    const { memory } = this.progress;
    if (memory.unstored === undefined) return;
    const { secret, ...fields } = memory.unstored;
    const { seq } = pending;
    const ciphertext = await encryption.encrypt(secret, record.ringId, seq);
    const maskedKey = secret.masked;
    const changed = records.storeKey(record, pending, { ...fields, maskedKey, seq, ciphertext });
    if ((await this.update({ ...seen, record }, changed)) === undefined) return;
    memory.unstored = undefined;
    events.emit('created', { id: fields.id, maskedKey, seq });
  }

  /** Verifies the stored secret: the service may need time to accept it, and the store may have corrupted it. */
  async #verifyPending(seen: Observation, pending: CreatedPending): Promise<ReconcileResult | undefined> {
    const { activationTimeoutMs, state, clock } = this.ring;
    const { version, listing, monotonicNow } = seen;
    const ageMs = Math.max(0, (listing.servedAt ?? 0) - pending.key.createdAt);
    let verdict: Awaited<ReturnType<typeof this.verifyStored>> | undefined;
    const deadline = monotonicNow + Math.max(0, activationTimeoutMs - ageMs);
    const isOver = await retryUntil(clock, this.signal, deadline, POLL, async () => {
      // Another replica may have promoted the key in the meantime.
      if (verdict && (await state.read().catch(() => undefined))?.version !== version) return true;
      verdict = await this.verifyStored(seen, pending);
      return verdict.kind === 'accepted';
    });
    if (verdict?.kind === 'accepted') return this.promote(seen, pending);
    if (isOver) return undefined;
    if (verdict?.kind === 'undecided') {
      const why = `it is unknown whether the service accepts the new key ${pending.key.id}`;
      this.#report(`${why}: ${safeCause(verdict.error).message}.`);
      return { version };
    }
    return this.#rejectKey(seen, pending, verdict?.kind ?? 'rejected');
  }

  protected async verifyStored(
    { record }: Observation,
    { key }: CreatedPending,
  ): Promise<service.Verdict | { readonly kind: 'insufficient' }> {
    const verdict = await this.#verify(key, record);
    if (verdict.kind !== 'accepted' || record.current === undefined) return verdict;
    // If the models of the current key cannot be listed, it is enough for the service to accept the new key.
    const current = await this.#verify(record.current, record);
    const models = current.kind === 'accepted' ? current.models : [];
    return models.every((model) => verdict.models.includes(model)) ? verdict : { kind: 'insufficient' };
  }

  /** Makes a verified key the standby or the current key in one update. */
  protected async promote(seen: Observation, pending: CreatedPending): Promise<undefined> {
    const { record } = seen;
    const isStandby = this.ring.standby && record.current !== undefined && record.standby === undefined;
    const changed = isStandby
      ? records.fillStandby(record, pending)
      : records.promote(record, pending.key, planning.promotionOf(seen));
    await this.update(seen, changed);
  }

  async #rejectKey(seen: Observation, { key }: CreatedPending, verdict: string): Promise<never> {
    const { id } = key;
    const { name, activationTimeoutMs } = this.ring;
    const promotion = planning.promotionOf(seen);
    await this.update(seen, records.retire(seen.record, [id], verdict, promotion));
    const why =
      verdict === 'rejected'
        ? `the service has rejected the new key ${id}`
        : `the new key ${id} has not had access to all models of the current key`;
    const message = `${why} for ${activationTimeoutMs} ms. It has been retired, and the current key remains in use.`;
    throw ringError(name, 'key_ring_key_rejected', message, [id]);
  }

  async #reencrypt(seen: Observation, key: RingKey): Promise<undefined> {
    const { encryption } = this.ring;
    const { ringId } = seen.record;
    // Once per key and process, or replicas whose encryption keys are in different orders would never stop.
    this.progress.memory.reencryptedIds.add(key.id);
    const { secret } = await encryption.decrypt(key, ringId);
    const ciphertext = await encryption.encrypt(secret, ringId, key.seq);
    await this.update(seen, records.reencrypt(seen.record, key, ciphertext));
  }

  async #list(): Promise<service.Listing> {
    const listing = await service.listKeys(this.ring, this.signal);
    if (listing.servedAt === undefined) {
      this.#warn('date', 'the service sends no `Date` header, so nothing in the ring expires.');
    }
    return listing;
  }

  /** Reads the record. If no record exists, creates one and returns undefined. */
  protected async read(): Promise<VersionedRecord | undefined> {
    const { state, random } = this.ring;
    const read = await state.readLatest({ retry: this.signal });
    if (read === null) await this.update(null, records.emptyRecord(newRingId(random)));
    return read ?? undefined;
  }

  /** Updates the record. @returns Undefined if the record has changed since it was read. */
  protected update(seen: VersionedRecord | null, record: RingRecord): Promise<VersionedRecord | undefined> {
    return this.ring.state.update(seen, record, { retry: this.signal });
  }

  async #verify(key: RingKey, { ringId }: RingRecord): Promise<service.Verdict> {
    const { secret } = await this.ring.encryption.decrypt(key, ringId);
    return service.verify(this.ring, secret, this.signal);
  }

  /** Emits an `error` event, but only once per subject. */
  #warn(subject: string, message: string): void {
    if (this.progress.memory.isNews(subject)) this.#report(message);
  }

  #report(message: string): void {
    this.ring.events.emit('error', { error: new Error(`Ring \`${this.ring.name}\`: ${message}`) });
  }
}

/** Returns whether an error proves that a create request created no key. */
function isRejection(error: unknown): boolean {
  if (NOT_CREATED.includes(codeOf(error))) return true;
  return isDrunError(error) && isRejectionStatus(readStatus(error));
}

/** Adds the ring's own keys to an {@link ApiKeyLimitError}. */
function withRingKeys(error: unknown, { listing, record }: Observation): unknown {
  if (!isDrunError(error) || error.code !== 'api_key_limit_reached') return error;
  const ringKeyIds = listing.keys.filter(({ ringId }) => ringId === record.ringId).map(({ id }) => id);
  const own = ringKeyIds.length === 0 ? 'none of the keys' : ringKeyIds.join(', ');
  const message = `${error.message.replace(/\.$/, '')}. The ring itself owns ${own}.`;
  return new ApiKeyLimitError(message, { ...(error as ApiKeyLimitError), ringKeyIds, cause: error.cause });
}
