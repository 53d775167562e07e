import type { KeyQuota } from './interfaces.ts';
import type { OwnKey } from './key-names.ts';
import { type Listing, latestTime, SLACK_MS } from './listing.ts';
import {
  type ClaimedPending,
  type CreatedPending,
  keysOf,
  type RetiredKey,
  type RingKey,
  type RingRecord,
} from './record.ts';
import * as to from './transitions.ts';
import type { Verdict } from './verification.ts';

/*
 * What a reconciliation does next, as a pure function of what it has observed. The order of the rules is essential: each
 * one is where it is because another order loses a key, creates one too many, or deletes one that is in use. The model in
 * test/model removes each rule and finds what breaks.
 */

/** How a ring behaves. Durations in milliseconds. */
export interface Policy {
  readonly maxAgeMs: number;
  readonly gracePeriodMs: number;
  readonly standby: boolean;
  readonly deleteBeforeCreate: boolean;
  readonly leaseMs: number;
  readonly createTimeoutMs: number;
  readonly activationTimeoutMs: number;
  readonly quota: KeyQuota | undefined;
}

/** The service and the store, as one iteration sees them. */
export interface Observation {
  /** Sent before the record was read: a key stored in between would look like an orphan otherwise. */
  readonly listing: Listing;
  readonly record: RingRecord;
  readonly version: string;
  /** Sent after the record was read. Absent until a rule needs it. */
  readonly confirmation?: Listing | undefined;
  /** Verdicts on keys that `confirmation` lacks, by id. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly monotonicNow: number;
  /** The instant to write into the record: the service's time, or the local clock without a `Date` header. */
  readonly now: number;
}

/** What this ring object did before, in this run and in earlier ones. */
export interface Progress {
  /** Identifies this ring object in a claim. */
  readonly owner: string;
  /** The claim that this run has written. */
  readonly claim: { readonly version: string; readonly sentAt: number } | undefined;
  /** The key for which this ring object has sent a create, and the one that was created and is not stored yet. */
  readonly sentName: string | undefined;
  readonly unstoredName: string | undefined;
  /** Keys that were encrypted with an old key, and were not encrypted anew by this process. */
  readonly outdatedIds: ReadonlySet<string>;
  /** Keys that this run may not delete, and claims whose key the service cannot show. */
  readonly undeletableIds: ReadonlySet<string>;
  readonly unrecoverableNames: ReadonlySet<string>;
  readonly orphansDeleted: number;
  /** Whether this run has dropped a claim because all slots were in use. */
  readonly isFull: boolean;
}

export interface PlanContext {
  readonly policy: Policy;
  readonly progress: Progress;
  /** Whether the key manager can show secrets. */
  readonly canRecover: boolean;
}

/** One step of a reconciliation. Each contains at most one update of the record. */
export type Step =
  | { readonly kind: 'rest'; readonly nextInMs?: number | undefined }
  | { readonly kind: 'stop'; readonly lost: readonly OwnKey[] }
  | { readonly kind: 'reject-lease'; readonly neededMs: number }
  | { readonly kind: 'list-again' | 'reencrypt' | 'claim' }
  | { readonly kind: 'verify-missing'; readonly key: RingKey }
  | { readonly kind: 'update'; readonly record: RingRecord; readonly replaced?: string }
  | { readonly kind: 'delete-orphans'; readonly keys: readonly OwnKey[] }
  | { readonly kind: 'delete-retired'; readonly keys: readonly RetiredKey[] }
  | { readonly kind: 'drop-claim'; readonly isFull: boolean }
  | { readonly kind: 'renew-claim' | 'create' | 'store-key'; readonly pending: ClaimedPending }
  | { readonly kind: 'recover-key'; readonly pending: ClaimedPending; readonly key: OwnKey }
  | { readonly kind: 'verify-pending'; readonly pending: CreatedPending };

export type Rule = (seen: Observation, context: PlanContext) => Step | undefined;

/** More orphans are not deleted in one run, so that a mistake cannot empty an account. */
const MAX_ORPHANS = 3;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Lifetime of a key from its creation: as the standby, the current and the previous key, and a day. */
export function lifetimeMs({ maxAgeMs, gracePeriodMs, standby }: Policy): number {
  return (standby ? 2 : 1) * maxAgeMs + gracePeriodMs + DAY_MS;
}

/** The rules by name, in order of precedence. The first one that applies decides. */
export const RULES: Readonly<Record<string, Rule>> = {
  stopAfterRollback,
  deleteOrphans,
  deleteRetired,
  retirePrevious,
  correctSince,
  replaceMissing,
  continueCreated,
  continueOwnClaim,
  takeOverClaim,
  reencryptOutdated,
  useStandby,
  claimNextKey,
};

/** Returns the next step. */
export function plan(seen: Observation, context: PlanContext, rules = RULES): Step {
  for (const rule of Object.values(rules)) {
    const step = rule(seen, context);
    if (step !== undefined) return step;
  }
  return rest(seen, context);
}

function stopAfterRollback(seen: Observation): Step | undefined {
  const lost = ownListed(seen).filter(({ seq }) => seq > seen.record.seq);
  return lost.length > 0 ? { kind: 'stop', lost } : undefined;
}

function deleteOrphans(seen: Observation, { progress }: PlanContext): Step | undefined {
  const keys = orphansOf(seen, progress).slice(0, Math.max(0, MAX_ORPHANS - progress.orphansDeleted));
  return keys.length > 0 ? { kind: 'delete-orphans', keys } : undefined;
}

function deleteRetired({ record }: Observation, { progress }: PlanContext): Step | undefined {
  const keys = record.retired.filter(({ id }) => !progress.undeletableIds.has(id));
  return keys.length > 0 ? { kind: 'delete-retired', keys } : undefined;
}

/** Waiting uses "at least": only the `Date` of a list sent after the read shows that an instant has passed. */
function retirePrevious({ record, listing, confirmation }: Observation): Step | undefined {
  const { servedAt } = confirmation ?? listing;
  if (record.previous === undefined || servedAt === undefined) return undefined;
  const { gracePeriodMs, retireAt } = record.previous;
  const isWrong = retireAt === undefined || retireAt - servedAt > gracePeriodMs + 2 * SLACK_MS;
  if (!isWrong && servedAt <= retireAt) return undefined;
  if (confirmation === undefined) return { kind: 'list-again' };
  const changed = isWrong
    ? to.setRetireAt(record, record.previous, servedAt + SLACK_MS + gracePeriodMs)
    : to.retireRole(record, 'previous', 'replaced');
  return { kind: 'update', record: changed };
}

/** A promotion in the future was written with a wrong clock. */
function correctSince({ record, listing, confirmation }: Observation): Step | undefined {
  const { current } = record;
  const { servedAt } = confirmation ?? listing;
  if (current === undefined || servedAt === undefined || current.since - servedAt <= 2 * SLACK_MS) return;
  if (confirmation === undefined) return { kind: 'list-again' };
  return { kind: 'update', record: { ...record, current: { ...current, since: servedAt } } };
}

/** Lists may lag, so a missing key is replaced only if the service rejects it too. */
function replaceMissing(seen: Observation, { policy }: PlanContext): Step | undefined {
  const { record, listing, confirmation, verdicts, now } = seen;
  const usable = (confirmation ?? listing).keys.filter(({ expired, disabled }) => !expired && !disabled);
  for (const key of [record.current, record.standby]) {
    if (key === undefined || usable.some(({ id }) => id === key.id)) continue;
    if (confirmation === undefined) return { kind: 'list-again' };
    const verdict = verdicts.get(key.id);
    if (verdict === undefined) return { kind: 'verify-missing', key };
    if (verdict.kind !== 'rejected') continue;
    const promotion = { since: now, gracePeriodMs: policy.gracePeriodMs };
    const replaced = to.revoke(record, new Set([key.id]), 'missing', promotion);
    return { kind: 'update', record: replaced, replaced: key.id };
  }
  return undefined;
}

/** A created key needs no lease: every replica may verify and promote it. */
function continueCreated({ record }: Observation): Step | undefined {
  const { pending } = record;
  return pending?.phase === 'created' ? { kind: 'verify-pending', pending } : undefined;
}

function continueOwnClaim(seen: Observation, { policy, progress }: PlanContext): Step | undefined {
  const { record, version, listing, monotonicNow } = seen;
  const { claim, owner, sentName, unstoredName } = progress;
  const { pending } = record;
  if (pending?.phase !== 'claimed' || pending.owner !== owner) return undefined;
  if (unstoredName === pending.name) return { kind: 'store-key', pending };
  // A create without a response binds its owner too: it waits for the lease like everybody else.
  if (sentName === pending.name) return undefined;
  if (claim?.version !== version) return leaseError(seen, policy) ?? { kind: 'renew-claim', pending };
  // Counted after the claim: two replicas that count before it would each find room for one key.
  if (!hasRoom(seen, policy, progress)) return { kind: 'drop-claim', isFull: true };
  // Acting uses "at most": create and settling must fit before the end of the lease, in the service's time and in this
  // process's.
  const { leaseUntil = Number.POSITIVE_INFINITY } = pending;
  const latest = latestTime(listing, monotonicNow) ?? Number.NEGATIVE_INFINITY;
  const isKnown = pending.leaseUntil === undefined || listing.servedAt !== undefined;
  const isLeased = isKnown && latest + policy.createTimeoutMs <= leaseUntil;
  const isHeld = monotonicNow - claim.sentAt + policy.createTimeoutMs <= policy.leaseMs;
  return isLeased && isHeld ? { kind: 'create', pending } : { kind: 'drop-claim', isFull: false };
}

/** A claim without a stored key is taken over once a list sent after the read shows that its lease is over. */
function takeOverClaim(seen: Observation, context: PlanContext): Step | undefined {
  const { record, listing, confirmation, monotonicNow } = seen;
  const { pending } = record;
  if (pending?.phase !== 'claimed') return undefined;
  const { name, leaseMs, leaseUntil } = pending;
  const { servedAt } = confirmation ?? listing;
  if (servedAt === undefined) return rest(seen, context);
  const isWrong = leaseUntil === undefined || leaseUntil - servedAt > leaseMs + 2 * SLACK_MS;
  if (!isWrong && servedAt <= leaseUntil) return rest(seen, context);
  if (confirmation === undefined) return { kind: 'list-again' };
  if (isWrong) {
    const lease = { leaseMs, leaseUntil: (latestTime(confirmation, monotonicNow) ?? 0) + leaseMs };
    return { kind: 'update', record: to.renewLease(record, pending, lease) };
  }
  const [key, ...others] = confirmation.keys.filter((listed) => listed.name === name);
  const canRecover = context.canRecover && !context.progress.unrecoverableNames.has(name);
  if (key && others.length === 0 && canRecover) return { kind: 'recover-key', pending, key };
  return { kind: 'drop-claim', isFull: false };
}

function reencryptOutdated({ record }: Observation, { progress }: PlanContext): Step | undefined {
  const isOutdated = keysOf(record).some(({ id }) => progress.outdatedIds.has(id));
  return isOutdated ? { kind: 'reencrypt' } : undefined;
}

function useStandby(seen: Observation, { policy }: PlanContext): Step | undefined {
  const { record, now } = seen;
  const { standby, previous, current } = record;
  if (standby === undefined) return undefined;
  if (isExpiring(standby, seen, policy)) {
    return { kind: 'update', record: to.retireRole(record, 'standby', 'expiring') };
  }
  if (previous !== undefined || (current !== undefined && !isDue(seen, policy))) return undefined;
  const promotion = { since: now, gracePeriodMs: policy.gracePeriodMs };
  return { kind: 'update', record: to.promoteStandby(record, standby, promotion) };
}

function claimNextKey(seen: Observation, { policy, progress }: PlanContext): Step | undefined {
  const { record } = seen;
  const { current, standby, previous } = record;
  const isNeeded = !current || isDue(seen, policy) || (policy.standby && !standby);
  if (!isNeeded || progress.isFull || orphansOf(seen, progress).length > 0) return undefined;
  // Beside a previous key there is room only if there is no current one.
  if (previous && current) return undefined;
  if (policy.deleteBeforeCreate && current) {
    return { kind: 'update', record: to.retireRole(record, 'current', 'replaced') };
  }
  if (!hasRoom(seen, policy, progress)) return undefined;
  return leaseError(seen, policy) ?? { kind: 'claim' };
}

/** A list that is slower than the lease would make every owner drop its claim. */
function leaseError({ listing }: Observation, policy: Policy): Step | undefined {
  const neededMs = policy.createTimeoutMs + 2 * SLACK_MS + 2 * listing.durationMs;
  return policy.leaseMs < neededMs ? { kind: 'reject-lease', neededMs } : undefined;
}

function rest(seen: Observation, { policy, progress }: PlanContext): Step {
  const { servedAt } = seen.confirmation ?? seen.listing;
  if (orphansOf(seen, progress).length > 0) return { kind: 'rest', nextInMs: 0 };
  const { current, previous, pending } = seen.record;
  const instants = [current && current.since + policy.maxAgeMs, previous?.retireAt, pending?.leaseUntil];
  // What is due already waits for something else.
  const waits = instants.flatMap((at) => (at === undefined || servedAt === undefined ? [] : [at - servedAt]));
  const future = waits.filter((waitMs) => waitMs >= 0);
  return future.length > 0 ? { kind: 'rest', nextInMs: Math.min(...future) } : { kind: 'rest' };
}

/** A rotation is requested, or the current key is old. */
function isDue(seen: Observation, policy: Policy): boolean {
  const { current, rotateEpoch } = seen.record;
  if (current === undefined) return false;
  const { servedAt = 0 } = seen.listing;
  return (
    rotateEpoch !== undefined ||
    isExpiring(current, seen, policy) ||
    servedAt >= current.since + policy.maxAgeMs
  );
}

function isExpiring({ expiresAt }: RingKey, { listing }: Observation, { gracePeriodMs }: Policy): boolean {
  return listing.servedAt !== undefined && listing.servedAt >= expiresAt - gracePeriodMs - DAY_MS / 2;
}

/** The listed keys of this ring, not of another one with the same name. */
function ownListed({ listing, record }: Observation): OwnKey[] {
  return listing.keys.filter(({ ringId }) => ringId === record.ringId);
}

function orphansOf(seen: Observation, { undeletableIds }: Progress): OwnKey[] {
  const { record } = seen;
  const known = new Set([...keysOf(record), ...record.retired].map(({ id }) => id));
  return ownListed(seen).filter(
    ({ id, name }) => !known.has(id) && !undeletableIds.has(id) && name !== record.pending?.name,
  );
}

/** Whether a slot is free. Keys that may not be deleted do not count: the account's limit decides about those. */
function hasRoom(seen: Observation, { deleteBeforeCreate }: Policy, { undeletableIds }: Progress): boolean {
  const ids = new Set([...ownListed(seen), ...keysOf(seen.record)].map(({ id }) => id));
  for (const id of undeletableIds) ids.delete(id);
  return ids.size < (deleteBeforeCreate ? 1 : 2);
}
