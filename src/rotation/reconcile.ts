import { ApiKeyLimitError, ConfigurationError, isDrunError, KeyRingError } from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import type { RingEncryption } from './encryption.ts';
import type { Emit } from './events.ts';
import { type Clock, type KeyManager, type KeyVerifier, withTimeout } from './interfaces.ts';
import { codeOf, deleteKey, newKeyName, newRingId, type OwnKey } from './key-names.ts';
import { type Listing, latestTime, listKeys } from './listing.ts';
import {
  lifetimeMs,
  type Observation,
  type PlanContext,
  type Policy,
  type Progress,
  plan,
  type Step,
} from './plan.ts';
import {
  type CreatedPending,
  emptyRecord,
  keysOf,
  type Pending,
  type RetiredKey,
  type RingKey,
  type RingRecord,
} from './record.ts';
import { isTransientStoreFailure, type RingState, rolledBack, type VersionedRecord } from './ring-state.ts';
import * as to from './transitions.ts';
import { covers, type Verdict, verify } from './verification.ts';

/*
 * d.run can create, list and delete keys: nothing rotates one, a repeated create makes another key, and a deleted key is
 * rejected at once. So everything is announced in the record by a compare-and-swap that one of any number of replicas
 * wins. After a conflict, a crash or a lost response the next iteration starts over: record and list show what happened.
 */

/** What one ring object remembers between its reconciliations. */
export class RingMemory {
  /** Identifies this ring object, whatever `random` returns: equal owners would continue each other's claims. */
  readonly owner = crypto.randomUUID();
  /** Name of the last key for which a create was sent. */
  sentName: string | undefined;
  /** The key that was created and is not stored yet. */
  unstored: { readonly name: string; readonly key: UnstoredKey } | undefined;
  readonly reencryptedIds = new Set<string>();
  readonly reported = new Set<string>();
}

interface UnstoredKey {
  readonly id: string;
  readonly maskedKey: string;
  readonly secret: Secret;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** What a reconciliation works with. */
export interface ReconcileContext {
  readonly ring: string;
  readonly manager: KeyManager;
  readonly verifier: KeyVerifier;
  readonly state: RingState;
  readonly encryption: RingEncryption;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly emit: Emit;
  readonly memory: RingMemory;
}

/** How a reconciliation ended. */
export interface ReconcileResult {
  readonly record: RingRecord;
  /** Time until there is something to do; absent if only a request can bring that. */
  readonly nextInMs: number | undefined;
}

const MAX_ITERATIONS = 25;
const MAX_STORE_FAILURES = 4;
const STORE_RETRY_MS = 250;
const MIN_POLL_MS = 500;
const MAX_POLL_MS = 10_000;

/** Starts the next iteration. */
type Again = undefined;

/** One reconciliation. Safe at any time, for any number of replicas, and after any crash. */
export class Reconciliation {
  protected readonly context: ReconcileContext;
  protected readonly signal: AbortSignal;
  protected claim: Progress['claim'];
  protected isFull = false;
  #orphansDeleted = 0;
  #storeFailures = 0;
  readonly #outdatedIds = new Set<string>();
  readonly #undeletableIds = new Set<string>();
  readonly #unrecoverableNames = new Set<string>();

  constructor(context: ReconcileContext, signal: AbortSignal) {
    this.context = context;
    this.signal = signal;
  }

  async run(): Promise<ReconcileResult> {
    for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
      this.signal.throwIfAborted();
      const result = await this.iterate();
      if (result !== undefined) return result;
    }
    const { ring } = this.context;
    throw new KeyRingError(`Ring \`${ring}\`: gave up after ${MAX_ITERATIONS} conflicting updates.`, {
      code: 'key_ring_conflict',
      ring,
    });
  }

  protected async iterate(): Promise<ReconcileResult | Again> {
    let seen = await this.observe();
    while (seen !== undefined) {
      const step = this.plan(seen);
      if (step.kind === 'list-again') {
        seen = this.observed(seen, { confirmation: await this.list() });
      } else if (step.kind === 'verify-missing') {
        const verdict = await this.verify(step.key, seen.record);
        seen = this.observed(seen, { verdicts: new Map([...seen.verdicts, [step.key.id, verdict]]) });
      } else {
        return this.execute(step, seen);
      }
    }
    return undefined;
  }

  /** Lists the keys, and only then reads the record. */
  protected async observe(): Promise<Observation | Again> {
    const listing = await this.list();
    const read = await this.read();
    if (read === undefined) return undefined;
    const { record, version } = read;
    this.#reportConflicts(listing, record);
    for (const key of keysOf(record)) {
      const { isOutdated } = await this.context.encryption.decrypt(key, record.ringId);
      if (isOutdated && !this.context.memory.reencryptedIds.has(key.id)) this.#outdatedIds.add(key.id);
    }
    return this.observed({ listing, record, version, verdicts: new Map(), monotonicNow: 0, now: 0 }, {});
  }

  protected plan(seen: Observation): Step {
    return plan(seen, this.planContext);
  }

  protected get planContext(): PlanContext {
    const { policy, manager } = this.context;
    return { policy, progress: this.progress, canRecover: manager.getSecret !== undefined };
  }

  protected get progress(): Progress {
    const { memory } = this.context;
    return {
      owner: memory.owner,
      claim: this.claim,
      sentName: memory.sentName,
      unstoredName: memory.unstored?.name,
      outdatedIds: this.#outdatedIds,
      undeletableIds: this.#undeletableIds,
      unrecoverableNames: this.#unrecoverableNames,
      orphansDeleted: this.#orphansDeleted,
      isFull: this.isFull,
    };
  }

  protected async execute(step: Step, seen: Observation): Promise<ReconcileResult | Again> {
    const { record } = seen;
    const { pending } = record;
    switch (step.kind) {
      case 'rest':
        return { record, nextInMs: step.nextInMs };
      case 'stop':
        throw rolledBack(this.context.ring, step.lost);
      case 'delete-orphans':
        return this.deleteOrphans(step.keys);
      case 'delete-retired':
        return this.deleteRetired(seen, step.keys);
      case 'replace-missing':
        if (await this.update(seen, step.record)) this.context.emit('replaced', { id: step.key.id });
        return undefined;
      case 'drop-claim':
        this.isFull ||= step.isFull;
        await this.update(seen, step.record);
        return undefined;
      case 'update':
        await this.update(seen, step.record);
        return undefined;
      case 'recover-key':
        return pending && this.recoverKey(seen, pending, step.key);
      case 'store-key':
        return pending && this.storeKey(seen, pending);
      case 'verify-pending':
        return pending?.phase === 'created' ? this.verifyPending(seen, pending) : undefined;
      case 'reencrypt':
        return this.reencrypt(seen);
      case 'reject-lease':
        throw this.#leaseError(seen.listing, step.neededMs);
      case 'claim':
        return this.writeClaim(seen);
      case 'renew-claim':
        return pending?.phase === 'claimed'
          ? this.holdClaim(seen, (lease) => to.renewLease(record, pending, lease))
          : undefined;
      case 'create':
        return pending && this.create(seen, pending);
      default:
        return undefined;
    }
  }

  // Deletions

  protected async deleteOrphans(keys: readonly OwnKey[]): Promise<Again> {
    for (const { id, maskedKey = '' } of keys) {
      this.#orphansDeleted++;
      if (await this.#tryDelete(id)) this.context.emit('orphan-deleted', { id, maskedKey });
    }
  }

  protected async deleteRetired(seen: Observation, keys: readonly RetiredKey[]): Promise<Again> {
    const deleted: RetiredKey[] = [];
    for (const key of keys) if (await this.#tryDelete(key.id)) deleted.push(key);
    if (deleted.length === 0) return;
    const ids = new Set(deleted.map(({ id }) => id));
    if (await this.update(seen, to.forgetRetired(seen.record, ids))) {
      for (const { id, reason } of deleted) this.context.emit('deleted', { id, reason });
    }
  }

  /** @returns false if the access token may not delete keys. The ring then continues as long as there is room. */
  async #tryDelete(id: string): Promise<boolean> {
    const { manager, emit, memory, ring } = this.context;
    try {
      await deleteKey(manager, id, this.signal);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'permission_denied') throw error;
      this.#undeletableIds.add(id);
      if (!memory.reported.has(id)) {
        memory.reported.add(id);
        const message = `Ring \`${ring}\`: the access token may not delete key ${id}. Delete it by hand; the ring continues as long as the account has room.`;
        emit('error', { error: Object.assign(new Error(message), { name: 'KeyRingWarning', cause: error }) });
      }
      return false;
    }
  }

  // Claim and create

  protected writeClaim(seen: Observation): Promise<Again> {
    const { ring, random, memory } = this.context;
    const { record } = seen;
    const name = newKeyName(ring, record.ringId, record.seq + 1, random);
    return this.holdClaim(seen, (lease) => to.claim(record, name, memory.owner, lease));
  }

  /** Writes a claim with a new lease; the next iteration lists and reads again before it creates. */
  protected async holdClaim(seen: Observation, change: (lease: to.Lease) => RingRecord): Promise<Again> {
    const { policy, clock } = this.context;
    const sentAt = clock.monotonic();
    const latest = latestTime(seen.listing, sentAt);
    // The time since the list makes `leaseUntil` that much later, so it belongs to the length of the lease.
    const leaseMs = Math.ceil(policy.leaseMs + sentAt - seen.listing.sentAt);
    const leaseUntil = latest === undefined ? undefined : Math.ceil(latest + policy.leaseMs);
    const claimed = await this.update(seen, change({ leaseMs, leaseUntil }));
    if (claimed) this.claim = { version: claimed.version, sentAt };
  }

  protected async create(seen: Observation, pending: Pending): Promise<Again> {
    const { policy, clock, memory, emit } = this.context;
    const { name, seq } = pending;
    const sentAt = clock.monotonic();
    const expiresAt = (latestTime(seen.listing, sentAt) ?? clock.now()) + lifetimeMs(policy);
    const times = { createdAt: seen.now, expiresAt: Math.ceil(expiresAt) };
    memory.sentName = name;
    try {
      const { id, maskedKey, secret } = await this.sendCreate(name, times.expiresAt);
      memory.unstored = { name, key: { id, maskedKey, secret, ...times } };
      emit('created', { id, maskedKey, seq });
    } catch (error) {
      if (!isRejection(error)) return this.#awaitLateCreate(pending, times, sentAt);
      memory.sentName = undefined;
      await this.update(seen, to.dropClaim(seen.record));
      throw withRingKeys(error, seen);
    }
    return this.storeKey(seen, pending);
  }

  /** Sends the create once, and does not abort it with the call: every repetition can create a key that is lost. */
  protected sendCreate(name: string, expiresAt: number) {
    const { manager, policy, clock } = this.context;
    const { createTimeoutMs, quota } = policy;
    const input = { name, expiresAt: new Date(expiresAt), ...(quota !== undefined && { quota }) };
    return withTimeout(
      clock,
      createTimeoutMs,
      (signal) => manager.create(input, { signal, maxRetries: 0 }),
      () => new Error(`no response within ${createTimeoutMs} ms`),
    );
  }

  /** No response: looks for the key until late creates have settled. Afterwards the claim waits for its lease. */
  async #awaitLateCreate(
    pending: Pending,
    times: Pick<UnstoredKey, 'createdAt' | 'expiresAt'>,
    sentAt: number,
  ): Promise<Again> {
    const { clock, policy, memory } = this.context;
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      const leftMs = sentAt + policy.createTimeoutMs - clock.monotonic();
      if (leftMs > 0) await clock.sleep(Math.min(delayMs, leftMs), this.signal);
      const { keys } = await this.list();
      const [key, ...others] = keys.filter(({ name }) => name === pending.name);
      if (key !== undefined && others.length === 0) {
        const secret = await this.#showSecret(key);
        const { maskedKey = secret?.masked ?? '' } = key;
        if (secret)
          memory.unstored = { name: pending.name, key: { ...times, id: key.id, maskedKey, secret } };
        return;
      }
      if (leftMs <= delayMs) return;
    }
  }

  // The created key

  /** Stores the encrypted secret. Only then may the key be used. */
  protected async storeKey(seen: Observation, pending: Pending): Promise<Again> {
    const { encryption, memory } = this.context;
    const { record } = seen;
    if (memory.unstored === undefined) return;
    const { id, maskedKey, secret, createdAt, expiresAt } = memory.unstored.key;
    const { name, seq } = pending;
    const ciphertext = await encryption.encrypt(secret, record.ringId, seq);
    const key: RingKey = { id, name, seq, maskedKey, ciphertext, createdAt, expiresAt };
    if (await this.update(seen, to.storeKey(record, pending, key))) memory.unstored = undefined;
  }

  protected async recoverKey(seen: Observation, pending: Pending, listed: OwnKey): Promise<Again> {
    const { encryption, policy } = this.context;
    const { record, now } = seen;
    const secret = await this.#showSecret(listed);
    if (secret === undefined) return;
    const { name, seq } = pending;
    const ciphertext = await encryption.encrypt(secret, record.ringId, seq);
    const expiresAt = listed.expiresAt?.getTime() ?? now + lifetimeMs(policy);
    const { id, maskedKey = secret.masked } = listed;
    const key: RingKey = { id, name, seq, maskedKey, ciphertext, createdAt: now, expiresAt };
    await this.update(seen, to.storeKey(record, pending, key));
  }

  /** Undefined if the service cannot show the secret: servers before 0.17 answer 404, 405 or 501. */
  async #showSecret({ id, name }: OwnKey): Promise<Secret | undefined> {
    try {
      const secret = await this.context.manager.getSecret?.(id, { signal: this.signal });
      if (secret !== undefined) return secret;
    } catch (error) {
      const { status } = error as { readonly status?: unknown };
      const isUnsupported = codeOf(error) === 'permission_denied' || [404, 405, 501].includes(Number(status));
      if (!isUnsupported) throw error;
    }
    this.#unrecoverableNames.add(name);
    return undefined;
  }

  /** Verifies the secret as it was stored: the service may take a while, and the store must have kept it. */
  protected async verifyPending(
    seen: Observation,
    pending: CreatedPending,
  ): Promise<ReconcileResult | Again> {
    const { clock, policy, state } = this.context;
    const { record, version, listing } = seen;
    const ageMs = Math.max(0, (listing.servedAt ?? 0) - pending.key.createdAt);
    const deadline = seen.monotonicNow + Math.max(0, policy.activationTimeoutMs - ageMs);
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      const verdict = await this.verifyStored(seen, pending);
      if (verdict.kind === 'accepted') {
        await this.promote(seen, pending);
        return undefined;
      }
      if (clock.monotonic() >= deadline) {
        if (verdict.kind === 'undecided') return { record, nextInMs: undefined };
        return this.#rejectKey(seen, pending, verdict.kind);
      }
      await clock.sleep(Math.min(delayMs, Math.max(1, deadline - clock.monotonic())), this.signal);
      const read = await state.read().catch(() => undefined);
      if (read?.version !== version) return undefined;
    }
  }

  protected async verifyStored(
    seen: Observation,
    { key }: CreatedPending,
  ): Promise<Verdict | { readonly kind: 'insufficient' }> {
    const { current } = seen.record;
    const verdict = await this.verify(key, seen.record);
    if (verdict.kind !== 'accepted' || current === undefined) return verdict;
    return covers(verdict, await this.verify(current, seen.record)) ? verdict : { kind: 'insufficient' };
  }

  /** One update: the key becomes the standby, or the current key. */
  protected async promote(seen: Observation, pending: CreatedPending): Promise<void> {
    const { policy } = this.context;
    const { record, now } = seen;
    const isStandby = policy.standby && record.current !== undefined && record.standby === undefined;
    const promotion = { since: now, gracePeriodMs: policy.gracePeriodMs };
    await this.update(
      seen,
      isStandby ? to.fillStandby(record, pending) : to.promotePending(record, pending, promotion),
    );
  }

  async #rejectKey(
    seen: Observation,
    pending: CreatedPending,
    verdict: 'rejected' | 'insufficient',
  ): Promise<never> {
    const { ring, policy } = this.context;
    const { id } = pending.key;
    await this.update(seen, to.retirePending(seen.record, pending, verdict));
    const why =
      verdict === 'rejected'
        ? `the service rejected the new key ${id}`
        : `the new key ${id} may not use all models of the current one`;
    throw new KeyRingError(
      `Ring \`${ring}\`: ${why} for ${policy.activationTimeoutMs} ms. It is retired, and the current key stays in use.`,
      { code: 'key_ring_key_rejected', ring, keyIds: [id] },
    );
  }

  protected async reencrypt(seen: Observation): Promise<Again> {
    const { encryption, memory } = this.context;
    const { record } = seen;
    const ciphertexts = new Map<string, string>();
    for (const key of keysOf(record)) {
      if (!this.#outdatedIds.delete(key.id)) continue;
      // Once per key and process: replicas whose keys are in another order would encrypt them anew forever.
      memory.reencryptedIds.add(key.id);
      const { secret } = await encryption.decrypt(key, record.ringId);
      ciphertexts.set(key.id, await encryption.encrypt(secret, record.ringId, key.seq));
    }
    await this.update(seen, to.reencrypt(record, ciphertexts));
  }

  // Service and store

  protected async list(): Promise<Listing> {
    const { ring, manager, clock, emit, memory } = this.context;
    const listing = await listKeys(ring, manager, clock, this.signal);
    if (listing.servedAt === undefined && !memory.reported.has('date')) {
      memory.reported.add('date');
      const message = `Ring \`${ring}\`: the service sends no \`Date\` header, so no key and no lease of the ring expires.`;
      emit('error', { error: Object.assign(new Error(message), { name: 'KeyRingWarning' }) });
    }
    return listing;
  }

  /** Undefined if there was no record, or if the store failed and may be asked again. */
  protected async read(): Promise<VersionedRecord | Again> {
    const { state, random } = this.context;
    const read = await this.#retryable(() => state.readLatest());
    if (read === null) await this.#retryable(() => state.update(null, emptyRecord(newRingId(random))));
    return read ?? undefined;
  }

  /** @returns undefined after a conflict, or if it is unknown whether the update was applied. */
  protected update(seen: Observation, record: RingRecord): Promise<VersionedRecord | undefined> {
    return this.#retryable(() => this.context.state.update(seen, record));
  }

  /** A transient failure of the store starts the next iteration, which finds out what happened. */
  async #retryable<Result>(task: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await task();
    } catch (error) {
      if (!isTransientStoreFailure(error) || ++this.#storeFailures >= MAX_STORE_FAILURES) throw error;
      await this.context.clock.sleep(STORE_RETRY_MS * 2 ** this.#storeFailures, this.signal);
      return undefined;
    }
  }

  protected async verify(key: RingKey, { ringId }: RingRecord): Promise<Verdict> {
    const { encryption, verifier } = this.context;
    const { secret } = await encryption.decrypt(key, ringId);
    return verify(verifier, secret, this.signal);
  }

  protected observed(seen: Observation, news: Partial<Observation>): Observation {
    const { clock } = this.context;
    const { servedAt } = news.confirmation ?? seen.confirmation ?? seen.listing;
    return { ...seen, ...news, monotonicNow: clock.monotonic(), now: servedAt ?? clock.now() };
  }

  #reportConflicts({ keys }: Listing, { ringId }: RingRecord): void {
    const { emit, memory } = this.context;
    const others = Map.groupBy(
      keys.filter((key) => key.ringId !== ringId),
      (key) => key.ringId,
    );
    for (const [otherId, found] of others) {
      if (memory.reported.has(otherId)) continue;
      memory.reported.add(otherId);
      emit('name-conflict', { ringId: otherId, ids: found.map(({ id }) => id) });
    }
  }

  #leaseError({ durationMs }: Listing, neededMs: number): ConfigurationError {
    const { leaseMs } = this.context.policy;
    return new ConfigurationError(
      `\`leaseMs\` must be at least ${Math.ceil(neededMs)} (is ${leaseMs}): listing the keys took ${Math.round(durationMs)} ms.`,
      { option: 'leaseMs' },
    );
  }
}

/** Whether a create was rejected for certain, by the service or before it was sent. */
function isRejection(error: unknown): boolean {
  const code = codeOf(error);
  if (code === 'api_key_limit_reached' || code === 'invalid_configuration') return true;
  const { status } = (error ?? {}) as { readonly status?: unknown };
  // 408 is a timeout: the create may still happen.
  return isDrunError(error) && typeof status === 'number' && status >= 400 && status < 500 && status !== 408;
}

/** Adds the ring's own keys to an {@link ApiKeyLimitError}. */
function withRingKeys(error: unknown, { listing, record }: Observation): unknown {
  if (!isDrunError(error) || error.code !== 'api_key_limit_reached') return error;
  const ringKeyIds = listing.keys.filter(({ ringId }) => ringId === record.ringId).map(({ id }) => id);
  const own = ringKeyIds.length === 0 ? 'none of the keys' : ringKeyIds.join(', ');
  const message = `${error.message.replace(/\.$/, '')}. The ring itself owns ${own}.`;
  return new ApiKeyLimitError(message, {
    ...(error as ApiKeyLimitError),
    ringKeyIds,
    cause: error.cause,
  } as never);
}
