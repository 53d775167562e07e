import { ApiKeyLimitError, ConfigurationError, isDrunError } from '../errors/index.ts';
import { withTimeout } from '../internal/wait.ts';
import type { Secret } from '../secret/secret.ts';
import type { RingEncryption } from './encryption.ts';
import type { Emit } from './events.ts';
import type { Clock, KeyManager, KeyVerifier } from './interfaces.ts';
import { codeOf, deleteKey, isRejectionStatus, newKeyName, newRingId, type OwnKey } from './key-names.ts';
import { type Listing, latestTime, listKeys } from './listing.ts';
import type { Observation, PlanContext, Policy, Progress, Step } from './plan.ts';
import * as planning from './plan.ts';
import type { RingRecord } from './record.ts';
import {
  type CreatedPending,
  emptyRecord,
  keysOf,
  type Pending,
  type RetiredKey,
  type RingKey,
} from './record.ts';
import { isTransientStoreFailure, type RingState, rolledBack, type VersionedRecord } from './ring-state.ts';
import { readStatus, ringError } from './safe-cause.ts';
import * as to from './transitions.ts';
import { covers, type Verdict, verify } from './verification.ts';

/*
 * d.run can create, list and delete keys: nothing rotates one, a repeated create makes another key, and a deleted key is
 * rejected at once. So everything is announced in the record by a compare-and-swap that one of any number of replicas
 * wins. After a conflict, a crash or a lost response the next iteration starts over: record and list show what happened.
 */

type UnstoredKey = Pick<RingKey, 'id' | 'maskedKey' | 'createdAt' | 'expiresAt'> & {
  readonly secret: Secret;
};

/** What one ring object remembers between its reconciliations. */
export class RingMemory {
  /** Identifies this ring object, whatever `random` returns: equal owners would continue each other's claims. */
  readonly owner = crypto.randomUUID();
  /** Name of the last key for which a create was sent. */
  sentName: string | undefined;
  /** The key that was created and is not stored yet. */
  unstored: { readonly name: string; readonly key: UnstoredKey } | undefined;
  readonly reencryptedIds = new Set<string>();
  readonly #reported = new Set<string>();

  /** @returns whether something is reported for the first time. */
  isNews(subject: string): boolean {
    return this.#reported.size < this.#reported.add(subject).size;
  }
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
  #isFull = false;
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
      const result = await this.#iterate();
      if (result !== undefined) return result;
    }
    throw ringError(
      this.context.ring,
      'key_ring_conflict',
      `gave up after ${MAX_ITERATIONS} conflicting updates.`,
    );
  }

  async #iterate(): Promise<ReconcileResult | Again> {
    let seen = await this.observe();
    while (seen !== undefined) {
      const step = this.plan(seen);
      if (step.kind === 'list-again') {
        seen = this.#observed(seen, { confirmation: await this.#list() });
      } else if (step.kind === 'verify-missing') {
        const verdict = await this.#verify(step.key, seen.record);
        seen = this.#observed(seen, { verdicts: new Map([...seen.verdicts, [step.key.id, verdict]]) });
      } else {
        return this.#execute(step, seen);
      }
    }
    return undefined;
  }

  /** Lists the keys, and only then reads the record. */
  protected async observe(): Promise<Observation | Again> {
    const { encryption, memory, emit } = this.context;
    const listing = await this.#list();
    const read = await this.read();
    if (read === undefined) return undefined;
    const { record, version } = read;
    const others = listing.keys.filter(({ ringId }) => ringId !== record.ringId);
    for (const [ringId, keys] of Map.groupBy(others, (key) => key.ringId)) {
      if (memory.isNews(ringId)) emit('name-conflict', { ringId, ids: keys.map(({ id }) => id) });
    }
    for (const key of keysOf(record)) {
      const { isOutdated } = await encryption.decrypt(key, record.ringId);
      if (isOutdated && !memory.reencryptedIds.has(key.id)) this.#outdatedIds.add(key.id);
    }
    return this.#observed({ listing, record, version, verdicts: new Map(), monotonicNow: 0, now: 0 }, {});
  }

  #observed(seen: Observation, news: Partial<Observation>): Observation {
    const { clock } = this.context;
    const { servedAt } = news.confirmation ?? seen.confirmation ?? seen.listing;
    return { ...seen, ...news, monotonicNow: clock.monotonic(), now: servedAt ?? clock.now() };
  }

  protected plan(seen: Observation): Step {
    return planning.plan(seen, this.planContext);
  }

  protected get planContext(): PlanContext {
    const { policy, manager } = this.context;
    return { policy, progress: this.progress, canRecover: manager.getSecret !== undefined };
  }

  protected get progress(): Progress {
    const { owner, sentName, unstored } = this.context.memory;
    return {
      owner,
      sentName,
      unstoredName: unstored?.name,
      claim: this.claim,
      outdatedIds: this.#outdatedIds,
      undeletableIds: this.#undeletableIds,
      unrecoverableNames: this.#unrecoverableNames,
      orphansDeleted: this.#orphansDeleted,
      isFull: this.#isFull,
    };
  }

  async #execute(step: Step, seen: Observation): Promise<ReconcileResult | Again> {
    const { record, listing } = seen;
    const { emit, policy } = this.context;
    switch (step.kind) {
      case 'rest':
        return { record, nextInMs: step.nextInMs };
      case 'stop':
        throw rolledBack(this.context.ring, step.lost);
      case 'reject-lease': {
        const needed = `\`leaseMs\` must be at least ${Math.ceil(step.neededMs)} (is ${policy.leaseMs})`;
        const message = `${needed}: listing the keys took ${Math.round(listing.durationMs)} ms.`;
        throw new ConfigurationError(message, { option: 'leaseMs' });
      }
      case 'update':
        if (await this.update(seen, step.record)) if (step.replaced) emit('replaced', { id: step.replaced });
        return undefined;
      case 'drop-claim':
        this.#isFull ||= step.isFull;
        await this.update(seen, to.dropClaim(record));
        return undefined;
      case 'delete-orphans':
        return this.#deleteOrphans(step.keys);
      case 'delete-retired':
        return this.#deleteRetired(seen, step.keys);
      case 'claim':
        return this.writeClaim(seen);
      case 'renew-claim':
        return this.#holdClaim(seen, (lease) => to.renewLease(record, step.pending, lease));
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
        return this.#reencrypt(seen);
      default:
        return undefined;
    }
  }

  async #deleteOrphans(keys: readonly OwnKey[]): Promise<Again> {
    for (const { id, maskedKey = '' } of keys) {
      this.#orphansDeleted++;
      if (await this.#tryDelete(id)) this.context.emit('orphan-deleted', { id, maskedKey });
    }
  }

  async #deleteRetired(seen: Observation, keys: readonly RetiredKey[]): Promise<Again> {
    const deleted: RetiredKey[] = [];
    for (const key of keys) if (await this.#tryDelete(key.id)) deleted.push(key);
    const ids = new Set(deleted.map(({ id }) => id));
    if (ids.size > 0 && (await this.update(seen, to.forgetRetired(seen.record, ids)))) {
      for (const { id, reason } of deleted) this.context.emit('deleted', { id, reason });
    }
  }

  /** @returns false if the access token may not delete keys. The ring then continues as long as there is room. */
  async #tryDelete(id: string): Promise<boolean> {
    try {
      await deleteKey(this.context.manager, id, this.signal);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'permission_denied') throw error;
      this.#undeletableIds.add(id);
      this.#warn(
        id,
        `the access token may not delete key ${id}. Delete it by hand; the ring continues while there is room.`,
      );
      return false;
    }
  }

  protected writeClaim(seen: Observation): Promise<Again> {
    const { ring, random, memory } = this.context;
    const { record } = seen;
    const name = newKeyName(ring, record.ringId, record.seq + 1, random);
    return this.#holdClaim(seen, (lease) => to.claim(record, name, memory.owner, lease));
  }

  /** Writes a claim with a new lease; the next iteration lists and reads again before it creates. */
  async #holdClaim(seen: Observation, change: (lease: to.Lease) => RingRecord): Promise<Again> {
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
    const { policy, clock, memory } = this.context;
    const { name } = pending;
    const sentAt = clock.monotonic();
    const latest = latestTime(seen.listing, sentAt) ?? clock.now();
    const expiresAt = Math.ceil(latest + planning.lifetimeMs(policy));
    memory.sentName = name;
    try {
      const { id, maskedKey, secret } = await this.sendCreate(name, expiresAt);
      memory.unstored = { name, key: { id, maskedKey, secret, createdAt: seen.now, expiresAt } };
    } catch (error) {
      if (!isRejection(error)) return this.#awaitLateCreate(name, seen.now, sentAt);
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
      (...wait) => clock.sleep(...wait),
      createTimeoutMs,
      (signal) => manager.create(input, { signal, maxRetries: 0 }),
    );
  }

  /** No response: looks for the key until late creates have settled. Afterwards the claim waits for its lease. */
  async #awaitLateCreate(keyName: string, createdAt: number, sentAt: number): Promise<Again> {
    const { clock, policy } = this.context;
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      const leftMs = sentAt + policy.createTimeoutMs - clock.monotonic();
      if (leftMs > 0) await clock.sleep(Math.min(delayMs, leftMs), this.signal);
      const { keys } = await this.#list();
      const [key, ...others] = keys.filter(({ name }) => name === keyName);
      if (key && others.length === 0) return void (await this.#recoverKey(key, createdAt));
      if (leftMs <= delayMs) return;
    }
  }

  /** Asks the service for a secret. @returns false if it cannot show it: servers before 0.17 answer 404, 405 or 501. */
  async #recoverKey({ id, name, expiresAt, maskedKey }: OwnKey, createdAt: number): Promise<boolean> {
    const { manager, memory, policy } = this.context;
    let secret: Secret | undefined;
    try {
      secret = await manager.getSecret?.(id, { signal: this.signal });
    } catch (error) {
      if (![403, 404, 405, 501].includes(Number(readStatus(error)))) throw error;
    }
    if (secret === undefined) {
      this.#unrecoverableNames.add(name);
      return false;
    }
    const end = expiresAt?.getTime() ?? createdAt + planning.lifetimeMs(policy);
    const key = { id, maskedKey: maskedKey ?? secret.masked, secret, createdAt, expiresAt: end };
    memory.unstored = { name, key };
    return true;
  }

  /** Stores the encrypted secret. Only then may the key be used. */
  protected async storeKey(seen: Observation, pending: Pending): Promise<Again> {
    const { encryption, memory, emit } = this.context;
    const { record } = seen;
    if (memory.unstored === undefined) return;
    const { secret, ...fields } = memory.unstored.key;
    const { name, seq } = pending;
    const ciphertext = await encryption.encrypt(secret, record.ringId, seq);
    const stored = await this.update(
      seen,
      to.storeKey(record, pending, { ...fields, name, seq, ciphertext }),
    );
    if (stored === undefined) return;
    memory.unstored = undefined;
    emit('created', { id: fields.id, maskedKey: fields.maskedKey, seq });
  }

  /** Verifies the secret as it was stored: the service may take a while, and the store must have kept it. */
  async #verifyPending(seen: Observation, pending: CreatedPending): Promise<ReconcileResult | Again> {
    const { clock, policy, state } = this.context;
    const { record, version, listing, monotonicNow } = seen;
    const ageMs = Math.max(0, (listing.servedAt ?? 0) - pending.key.createdAt);
    const deadline = monotonicNow + Math.max(0, policy.activationTimeoutMs - ageMs);
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      const verdict = await this.verifyStored(seen, pending);
      if (verdict.kind === 'accepted') return this.promote(seen, pending);
      const leftMs = deadline - clock.monotonic();
      if (leftMs <= 0 && verdict.kind === 'undecided') return { record, nextInMs: undefined };
      if (leftMs <= 0) return this.#rejectKey(seen, pending, verdict.kind);
      await clock.sleep(Math.min(delayMs, leftMs), this.signal);
      const read = await state.read().catch(() => undefined);
      if (read?.version !== version) return undefined;
    }
  }

  protected async verifyStored(
    { record }: Observation,
    { key }: CreatedPending,
  ): Promise<Verdict | { readonly kind: 'insufficient' }> {
    const verdict = await this.#verify(key, record);
    if (verdict.kind !== 'accepted' || record.current === undefined) return verdict;
    return covers(verdict, await this.#verify(record.current, record)) ? verdict : { kind: 'insufficient' };
  }

  /** One update: the key becomes the standby, or the current key. */
  protected async promote(seen: Observation, pending: CreatedPending): Promise<Again> {
    const { standby, gracePeriodMs } = this.context.policy;
    const { record, now } = seen;
    const isStandby = standby && record.current !== undefined && record.standby === undefined;
    const promoted = to.promotePending(record, pending, { since: now, gracePeriodMs });
    await this.update(seen, isStandby ? to.fillStandby(record, pending) : promoted);
  }

  async #rejectKey(seen: Observation, pending: CreatedPending, verdict: string): Promise<never> {
    const { id } = pending.key;
    await this.update(seen, to.retirePending(seen.record, pending, verdict));
    const why =
      verdict === 'rejected'
        ? `the service rejected the new key ${id}`
        : `the new key ${id} may not use all models of the current one`;
    const forMs = `for ${this.context.policy.activationTimeoutMs} ms`;
    const message = `${why} ${forMs}. It is retired, and the current key stays in use.`;
    throw ringError(this.context.ring, 'key_ring_key_rejected', message, [id]);
  }

  async #reencrypt(seen: Observation): Promise<Again> {
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

  async #list(): Promise<Listing> {
    const { ring, manager, clock } = this.context;
    const listing = await listKeys(ring, manager, clock, this.signal);
    if (listing.servedAt === undefined) {
      this.#warn('date', 'the service sends no `Date` header, so no key and no lease of the ring expires.');
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

  async #verify(key: RingKey, { ringId }: RingRecord): Promise<Verdict> {
    const { encryption, verifier } = this.context;
    const { secret } = await encryption.decrypt(key, ringId);
    return verify(verifier, secret, this.signal);
  }

  /** Emits an error event once per subject. */
  #warn(subject: string, message: string): void {
    const { ring, memory, emit } = this.context;
    if (memory.isNews(subject)) emit('error', { error: new Error(`Ring \`${ring}\`: ${message}`) });
  }
}

/** Whether a create was rejected for certain, by the service or before it was sent. */
function isRejection(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  if (['api_key_limit_reached', 'invalid_configuration', 'rate_limited'].includes(code)) return true;
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
