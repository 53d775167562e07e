import { isDrunError, KeyRingError } from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import type { Emit } from './events.ts';
import { newKeyName, newRingId } from './key-name.ts';
import type { KeyTrial } from './key-trial.ts';
import { addRingKeys } from './limit.ts';
import { deleteKey, type OwnKey, ownKeys } from './own-keys.ts';
import { budgetOf, expiryMarginMs, lifetimeMs, type Policy } from './policy.ts';
import type { Clock, IssuedKey, KeyIssuer } from './ports.ts';
import { emptyRecord, keysOf, type Pending, type RingKey, type RingRecord } from './record.ts';
import type { ReadRecord, RecordCell } from './record-cell.ts';
import type { RingSeal } from './ring-seal.ts';
import { refuseOlder, rolledBack } from './rolled-back.ts';
import * as to from './transitions.ts';

/*
 * One pass of the rotation, from top to bottom. d.run can create, list and delete keys, and nothing else: no call
 * rotates one, none can be repeated without making another key, and a deleted key is refused at once. So whatever is
 * going to be done is said in the record first, by a compare-and-swap that only one of any number of replicas wins; and
 * whoever finds the record changed, or does not know whether its own change got there, starts again at the top, where
 * the record and the list tell what happened. The order of the steps is the whole of it: each is where it is because
 * another order loses a key, makes one too many, or deletes one that is in use.
 */

/** What a pass works with. */
export interface PassContext {
  readonly ring: string;
  /** Names this ring object: a claim of its own needs no lease. */
  readonly owner: string;
  readonly issuer: KeyIssuer;
  readonly trial: KeyTrial;
  readonly cell: RecordCell;
  readonly seal: RingSeal;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly emit: Emit;
  /** Is told of every record that is read or written. */
  readonly observe: (record: RingRecord) => void;
  /** The latest record that this ring object knows of. */
  readonly known: () => RingRecord | undefined;
}

/** How a pass ended. */
export interface PassResult {
  readonly record: RingRecord;
  /** When there is something to do again, in milliseconds since 1970; undefined where only a wish can bring that. */
  readonly nextAt: number | undefined;
}

/** More is not swept in a pass: a mistake of this program must not empty an account. */
const MOST_SWEPT = 3;
/** How often a pass starts again at the top before it leaves the rest to the next one. */
const MOST_ROUNDS = 25;
/** How often a pass goes on although the store failed. */
const MOST_STORE_FAILURES = 3;
const STORE_RETRY_MS = 250;
const LONGEST_TRIAL_DELAY_MS = 10_000;

const TRIAL_FAILURES = { refused: 'refused', lacking: 'good for less models than the current one' } as const;

type Again = undefined;

/** Carries out one pass. Safe at any time, by any number of replicas, and after any crash. */
export async function runPass(context: PassContext, signal: AbortSignal): Promise<PassResult> {
  return new Pass(context, signal).run();
}

class Pass {
  readonly #context: PassContext;
  readonly #signal: AbortSignal;
  #swept = 0;
  #storeFailures = 0;
  /** Which other rings were told of. */
  readonly #told = new Set<string>();
  /** A key that was made and is not in the record yet. */
  #inHand: { readonly name: string; readonly key: IssuedKey; readonly expiresAt: number } | undefined;

  constructor(context: PassContext, signal: AbortSignal) {
    this.#context = context;
    this.#signal = signal;
  }

  async run(): Promise<PassResult> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      this.#signal.throwIfAborted();
      const result = await this.#round();
      if (result !== undefined) return result;
    }
    const { ring } = this.#context;
    throw new KeyRingError(`others changed the record of the ring ${ring} over and over`, {
      code: 'key_ring_conflict',
      ring,
    });
  }

  /** @returns how the pass ended, or undefined to start again. */
  async #round(): Promise<PassResult | Again> {
    const { clock, policy } = this.#context;

    // 1. List, and only then read: a key that another replica stored in between would look like an orphan otherwise.
    const listed = await this.#list();
    const read = await this.#read();
    if (read === undefined) return undefined;
    const { record } = read;
    const own = listed.filter(({ ringId }) => ringId === record.ringId);
    this.#tellOfOthers(listed, record);
    this.#refuseRollback(own, record);
    const sealed = await this.#openAll(read);
    if (sealed === undefined) return undefined;

    // 2. Sweep what the record refers to nowhere: nobody can have used it.
    const orphans = own.filter((key) => !isReferenced(key, record));
    const swept = orphans.slice(0, MOST_SWEPT - this.#swept);
    for (const orphan of swept) await this.#sweep(orphan);
    const isClean = swept.length === orphans.length;

    // 3. Delete what is retired, before anything is made.
    if (record.retired.length > 0) return this.#deleteRetired(read);

    // 4. A key that was replaced has had its time.
    if (record.previous && record.previous.retireAt <= clock.now()) {
      return this.#swap(read, to.retirePrevious(record));
    }

    const gone = await this.#findGone(own, record, sealed);
    if (gone !== undefined) {
      const healed = await this.#swapped(read, to.revoke(record, new Set([gone.id]), 'gone', clock.now()));
      if (healed) this.#context.emit('healed', { id: gone.id });
      return undefined;
    }

    // 5. Somebody is making a key, or was.
    if (record.pending) return this.#goOnWith(record.pending, read, own);

    const isDue = this.#isDue(record);
    if (record.standby && this.#isTooOld(record.standby)) {
      return this.#swap(read, to.retireStandby(record, 'too old'));
    }
    // 10. With a standby there is nothing to wait for.
    if (record.standby && !record.previous && (isDue || !record.current)) {
      return this.#promote(read, { ...record, standby: record.standby });
    }

    // 6. Claim, only while nothing else takes up the ring's room: without the claim, a key whose maker dies would
    // belong to nobody for ever. Where the current key was revoked, there is room beside the previous one.
    const isWanted = !record.current || isDue || (policy.standby && !record.standby);
    if (!isWanted || (record.previous && record.current) || !isClean) return this.#rest(record, isClean);
    if (policy.deleteFirst && record.current) {
      return this.#swap(read, to.retireCurrent(record, 'replaced'));
    }
    const claimed = await this.#claim(read);
    return claimed && this.#make(claimed);
  }

  // Step 1

  #list(): Promise<OwnKey[]> {
    const { issuer, ring } = this.#context;
    return Array.fromAsync(ownKeys(issuer, ring, this.#signal));
  }

  /** Undefined where the record was not there, or could not be read now. */
  async #read(): Promise<ReadRecord | Again> {
    const { ring, cell, random, known, observe } = this.#context;
    // From before the question: the answer may be older than what others of this process have read meanwhile.
    const last = known();
    const read = await this.#tryStore(() => cell.read());
    if (read === undefined) return undefined;
    refuseOlder(ring, read, last);
    if (read === null) {
      await this.#swapped(null, emptyRecord(newRingId(random)));
      return undefined;
    }
    observe(read.record);
    return read;
  }

  #tellOfOthers(listed: readonly OwnKey[], { ringId }: RingRecord): void {
    const others = listed.filter((key) => key.ringId !== ringId);
    for (const [otherId, keys] of Map.groupBy(others, (key) => key.ringId)) {
      if (this.#told.has(otherId)) continue;
      this.#told.add(otherId);
      this.#context.emit('foreign-ring', { ringId: otherId, ids: keys.map(({ id }) => id) });
    }
  }

  /** A key that was claimed after the record says that any was: the store has forgotten something. */
  #refuseRollback(own: readonly OwnKey[], { seq }: RingRecord): void {
    const ahead = own.filter((key) => key.seq > seq);
    if (ahead.length > 0) throw rolledBack(this.#context.ring, ahead);
  }

  /** The secrets of the record. Undefined where they were sealed anew, and the record is another one now. */
  async #openAll(read: ReadRecord): Promise<ReadonlyMap<string, Secret> | Again> {
    const { seal } = this.#context;
    const { record } = read;
    const secrets = new Map<string, Secret>();
    const sealedAnew = new Map<string, string>();
    for (const key of keysOf(record)) {
      const { secret, isOld } = await seal.open(key, record.ringId);
      secrets.set(key.id, secret);
      if (isOld) sealedAnew.set(key.id, await seal.seal(secret, record.ringId, key.seq));
    }
    if (sealedAnew.size === 0) return secrets;
    return this.#swap(read, to.reseal(record, sealedAnew));
  }

  // Steps 2 and 3

  async #sweep({ id, maskedKey }: OwnKey): Promise<void> {
    this.#swept++;
    await this.#delete(id);
    this.#context.emit('orphan-swept', { id, maskedKey });
  }

  async #deleteRetired(read: ReadRecord): Promise<Again> {
    const { retired } = read.record;
    for (const { id } of retired) await this.#delete(id);
    const ids = new Set(retired.map(({ id }) => id));
    if (await this.#swapped(read, to.forgetRetired(read.record, ids))) {
      for (const { id, reason } of retired) this.#context.emit('deleted', { id, reason });
    }
  }

  #delete(id: string): Promise<void> {
    return deleteKey(this.#context.issuer, id, this.#signal);
  }

  /** A key in use that the list lacks, or has as unusable, and that the service refuses: a list alone may lag. */
  async #findGone(
    own: readonly OwnKey[],
    { current, standby }: RingRecord,
    secrets: ReadonlyMap<string, Secret>,
  ): Promise<RingKey | undefined> {
    for (const key of [current, standby]) {
      const listed = own.find(({ id }) => id === key?.id);
      const secret = secrets.get(key?.id ?? '');
      if (secret === undefined || (listed && !listed.expired && !listed.disabled)) continue;
      if ((await this.#context.trial.attempt(secret, undefined, this.#signal)) === 'refused') return key;
    }
    return undefined;
  }

  // Step 5

  async #goOnWith(pending: Pending, read: ReadRecord, own: readonly OwnKey[]): Promise<PassResult | Again> {
    const { clock, owner, policy } = this.#context;
    const now = clock.now();
    if (pending.owner !== owner && pending.leaseUntil > now) return this.#rest(read.record);
    const { record } = read;
    if (pending.phase === 'minted') {
      const adopted = await this.#swapped(read, to.adopt(record, pending, owner, now + policy.leaseMs));
      return adopted && this.#verify(adopted);
    }
    const { name } = pending;
    if (this.#inHand?.name === name) return this.#persist(read, pending, this.#inHand);
    const made = own.filter((key) => key.name === name);
    const [found] = made;
    if (found && made.length === 1) {
      const secret = await this.#reveal(found.id);
      if (secret) {
        const expiresAt = found.expiresAt?.getTime() ?? now + lifetimeMs(policy);
        return this.#persist(read, pending, { key: { ...found, secret }, expiresAt });
      }
    }
    // Whatever was made, or is yet to come, is an orphan.
    return this.#swap(read, to.dropClaim(record));
  }

  /** Undefined where the service cannot show a key again. */
  async #reveal(id: string): Promise<Secret | undefined> {
    try {
      return await this.#context.issuer.getSecret?.(id, { signal: this.#signal });
    } catch (error) {
      if (isDrunError(error) && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  // Steps 6 to 8

  async #claim(read: ReadRecord): Promise<ReadRecord | Again> {
    const { ring, owner, policy, clock, random } = this.#context;
    const { record } = read;
    const name = newKeyName({ ring, ringId: record.ringId, seq: record.seq + 1 }, random);
    return this.#swapped(read, to.claim(record, { name, owner, leaseUntil: clock.now() + policy.leaseMs }));
  }

  async #make(claimed: ReadRecord): Promise<PassResult | Again> {
    const { issuer, policy, clock } = this.#context;
    const { record } = claimed;
    const pending = record.pending as Pending;

    // 7. List again: counted before the claim, two replicas would each find room for one more, and make two.
    const own = (await this.#list()).filter(({ ringId }) => ringId === record.ringId);
    const living = new Set([...own, ...keysOf(record)].map(({ id }) => id));
    if (living.size >= budgetOf(policy)) return this.#swap(claimed, to.dropClaim(record));

    const now = clock.now();
    // What is made after its lease is over would be made beside the key of whoever took over.
    if (pending.leaseUntil - now < policy.leaseMs / 2) return this.#swap(claimed, to.dropClaim(record));
    const expiresAt = now + lifetimeMs(policy);
    let key: IssuedKey;
    try {
      // Once, and not given up half-way: every repetition can make a key that nobody holds.
      key = await issuer.create({ name: pending.name, expiresAt: new Date(expiresAt) }, { maxRetries: 0 });
    } catch (error) {
      if (!isClearRefusal(error)) {
        // It may have been made, or be on its way: the next round finds it by its name.
        await clock.sleep(policy.settleMs, this.#signal);
        return undefined;
      }
      await this.#swapped(claimed, to.dropClaim(record));
      throw addRingKeys(error, own);
    }
    this.#context.emit('minted', { id: key.id, maskedKey: key.maskedKey, seq: pending.seq });
    this.#inHand = { name: pending.name, key, expiresAt };
    return this.#persist(claimed, pending, this.#inHand);
  }

  /** 8. Store the secret; only now may anybody use it. */
  async #persist(
    read: ReadRecord,
    pending: Pending,
    {
      key: { id, maskedKey, secret },
      expiresAt,
    }: { readonly key: Pick<IssuedKey, 'id' | 'maskedKey' | 'secret'>; readonly expiresAt: number },
  ): Promise<PassResult | Again> {
    const { seal, clock, owner, policy } = this.#context;
    const { record } = read;
    const { name, seq } = pending;
    const now = clock.now();
    const sealed = await seal.seal(secret, record.ringId, seq);
    const key: RingKey = { id, name, seq, maskedKey, sealed, createdAt: now, expiresAt };
    const mine = { ...pending, owner, leaseUntil: now + policy.leaseMs };
    const stored = await this.#swapped(read, to.minted(record, mine, key, now));
    if (stored === undefined) return undefined;
    this.#inHand = undefined;
    return this.#verify(stored);
  }

  // Steps 9 and 10

  /** 9. Try the key as it was stored: the service may take a while to accept it, and the store must have it right. */
  async #verify(stored: ReadRecord): Promise<PassResult | Again> {
    const { seal, trial, clock, policy, ring } = this.#context;
    const { record } = stored;
    const pending = record.pending as Extract<Pending, { phase: 'minted' }>;
    const { secret } = await seal.open(pending.key, record.ringId);
    const current = record.current && (await seal.open(record.current, record.ringId)).secret;
    const deadline = pending.mintedAt + policy.activationMs;
    for (let delayMs = STORE_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_TRIAL_DELAY_MS)) {
      const verdict = await trial.attempt(secret, current, this.#signal);
      if (verdict === 'accepted') return this.#putToUse(stored, pending);
      const now = clock.now();
      if (verdict !== 'unknown' && now >= deadline) {
        await this.#swapped(stored, to.retirePending(record, pending, 'not accepted'));
        throw new KeyRingError(
          `a new key of the ring ${ring} was ${TRIAL_FAILURES[verdict]} for ${policy.activationMs} ms, and is given up`,
          { code: 'key_ring_key_rejected', ring, keyIds: [pending.key.id] },
        );
      }
      // The rest is for the next pass, before others take the key over.
      if (now + delayMs >= pending.leaseUntil) return { record, nextAt: now };
      await clock.sleep(delayMs, this.#signal);
    }
  }

  /** 10. One swap: the key is standby, or the current one. */
  async #putToUse(stored: ReadRecord, pending: Extract<Pending, { phase: 'minted' }>): Promise<Again> {
    const { policy, clock } = this.#context;
    const { record } = stored;
    const now = clock.now();
    // With a standby the current key is replaced by it, in the next round.
    const waits = policy.standby && record.current !== undefined && record.standby === undefined;
    await this.#swapped(
      stored,
      waits
        ? to.fillStandby(record, pending)
        : to.promotePending(record, pending, { now, retireAt: now + policy.graceMs }),
    );
  }

  async #promote(read: ReadRecord, record: RingRecord & { readonly standby: RingKey }): Promise<Again> {
    const { policy, clock } = this.#context;
    const now = clock.now();
    return this.#swap(read, to.promoteStandby(record, { now, retireAt: now + policy.graceMs }));
  }

  // When

  #isDue({ current, leaveEpoch }: RingRecord): boolean {
    const { clock, policy } = this.#context;
    if (current === undefined) return false;
    return (
      leaveEpoch !== undefined || clock.now() >= current.since + policy.maxAgeMs || this.#isTooOld(current)
    );
  }

  #isTooOld({ expiresAt }: RingKey): boolean {
    const { clock, policy } = this.#context;
    return clock.now() >= expiresAt - expiryMarginMs(policy);
  }

  /** Nothing to do now. */
  #rest(record: RingRecord, isClean = true): PassResult {
    const { policy, clock } = this.#context;
    const { current, previous, pending } = record;
    const times = [
      ...(current ? [current.since + policy.maxAgeMs] : []),
      ...(previous ? [previous.retireAt] : []),
      ...(pending ? [pending.leaseUntil] : []),
      ...(isClean ? [] : [clock.now()]),
    ];
    return { record, nextAt: times.length > 0 ? Math.min(...times) : undefined };
  }

  // The store

  /** Swaps, and starts again whatever came of it: the record tells. */
  async #swap(before: ReadRecord, record: RingRecord): Promise<Again> {
    await this.#swapped(before, record);
  }

  /** Undefined where somebody else came first, or where that is not known. */
  async #swapped(before: ReadRecord | null, record: RingRecord): Promise<ReadRecord | Again> {
    const { cell, observe } = this.#context;
    const swapped = await this.#tryStore(() => cell.swap(before, record));
    if (swapped !== undefined) observe(swapped.record);
    return swapped;
  }

  /** Undefined where the store failed and may be asked once more. */
  async #tryStore<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await question();
    } catch (error) {
      const mayHelp = error instanceof KeyRingError && error.code === 'key_ring_store_failed';
      if (!mayHelp || ++this.#storeFailures >= MOST_STORE_FAILURES) throw error;
      await this.#context.clock.sleep(STORE_RETRY_MS * 2 ** this.#storeFailures, this.#signal);
      return undefined;
    }
  }
}

function isReferenced({ id, name }: OwnKey, record: RingRecord): boolean {
  return (
    record.pending?.name === name ||
    keysOf(record).some((key) => key.id === id) ||
    record.retired.some((key) => key.id === id)
  );
}

/** Whether nothing can have been made: the service, or this program, said no. */
function isClearRefusal(error: unknown): boolean {
  if (!isDrunError(error)) return false;
  if (error.code === 'invalid_configuration') return true;
  // A time-out of the service's own is no refusal: it may have gone on.
  return 'status' in error && isBetween(error.status, 400, 499) && error.status !== 408;
}

function isBetween(status: number | undefined, low: number, high: number): boolean {
  return status !== undefined && status >= low && status <= high;
}
