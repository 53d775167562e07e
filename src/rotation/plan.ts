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
  /** Name of the key for which this ring object has sent a create. */
  readonly sentName: string | undefined;
  /** Name of the key that was created and is not stored yet. */
  readonly unstoredName: string | undefined;
  /** Keys that were encrypted with an old key, and were not encrypted anew by this process. */
  readonly outdatedIds: ReadonlySet<string>;
  /** Keys that this run may not delete. */
  readonly undeletableIds: ReadonlySet<string>;
  /** Claims whose key cannot be shown by the service. */
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
  retireExpiringStandby,
  promoteStandby,
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
  const { previous } = record;
  if (previous === undefined) return undefined;
  const { gracePeriodMs, retireAt } = previous;
  const { servedAt } = confirmation ?? listing;
  if (servedAt === undefined) return undefined;
  const isWrong = retireAt !== undefined && retireAt - servedAt > gracePeriodMs + 2 * SLACK_MS;
  if (retireAt === undefined || isWrong) {
    if (confirmation === undefined) return { kind: 'list-again' };
    const corrected = servedAt + SLACK_MS + gracePeriodMs;
    return { kind: 'update', record: to.setRetireAt(record, previous, corrected) };
  }
  if (servedAt <= retireAt) return undefined;
  return confirmation === undefined
    ? { kind: 'list-again' }
    : { kind: 'update', record: to.retireRole(record, 'previous', 'replaced') };
}

/** A promotion in the future was written with a wrong clock. */
function correctSince({ record, listing, confirmation }: Observation): Step | undefined {
  const { current } = record;
  const { servedAt } = confirmation ?? listing;
  if (current === undefined || servedAt === undefined) return undefined;
  if (current.since - servedAt <= 2 * SLACK_MS) return undefined;
  return confirmation === undefined
    ? { kind: 'list-again' }
    : { kind: 'update', record: { ...record, current: { ...current, since: servedAt } } };
}

/** Lists may lag, so a missing key is replaced only if the service rejects it too. */
function replaceMissing(seen: Observation, { policy }: PlanContext): Step | undefined {
  const { record, listing, confirmation, verdicts, now } = seen;
  const listed = (confirmation ?? listing).keys;
  for (const key of [record.current, record.standby]) {
    if (key === undefined) continue;
    if (listed.some(({ id, expired, disabled }) => id === key.id && !expired && !disabled)) continue;
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

function continueOwnClaim(seen: Observation, context: PlanContext): Step | undefined {
  const { record, version, listing, monotonicNow } = seen;
  const { policy, progress } = context;
  const { pending } = record;
  if (pending?.phase !== 'claimed' || pending.owner !== progress.owner) return undefined;
  if (progress.unstoredName === pending.name) return { kind: 'store-key', pending };
  // A create without a response binds its owner too: it waits for the lease like everybody else.
  if (progress.sentName === pending.name) return undefined;
  if (progress.claim?.version !== version)
    return leaseError(seen, policy) ?? { kind: 'renew-claim', pending };
  // Counted after the claim: two replicas that count before it would each find room for one key.
  if (livingIds(seen, progress).size >= budgetOf(policy)) {
    return { kind: 'drop-claim', isFull: true };
  }
  // Acting uses "at most": create and settling must fit before the end of the lease, in the service's time and in this
  // process's.
  const { leaseUntil } = pending;
  const latest = latestTime(listing, monotonicNow);
  const isLeased =
    leaseUntil === undefined || (latest !== undefined && latest + policy.createTimeoutMs <= leaseUntil);
  const heldMs = monotonicNow - progress.claim.sentAt;
  if (!isLeased || heldMs + policy.createTimeoutMs > policy.leaseMs) {
    return { kind: 'drop-claim', isFull: false };
  }
  return { kind: 'create', pending };
}

/** A claim without a stored key is taken over once a list sent after the read shows that its lease is over. */
function takeOverClaim(seen: Observation, context: PlanContext): Step | undefined {
  const { record, listing, confirmation } = seen;
  const { pending } = record;
  if (pending?.phase !== 'claimed') return undefined;
  const { leaseMs, leaseUntil } = pending;
  const { servedAt } = confirmation ?? listing;
  if (servedAt === undefined) return rest(seen, context);
  const isWrong = leaseUntil === undefined || leaseUntil - servedAt > leaseMs + 2 * SLACK_MS;
  if (!isWrong && servedAt <= leaseUntil) return rest(seen, context);
  if (confirmation === undefined) return { kind: 'list-again' };
  return isWrong ? restartLease(seen, pending, confirmation) : takeOver(seen, context, pending, confirmation);
}

function restartLease(
  { record, monotonicNow }: Observation,
  pending: ClaimedPending,
  confirmation: Listing,
): Step {
  const latest = latestTime(confirmation, monotonicNow) ?? 0;
  const lease = { leaseMs: pending.leaseMs, leaseUntil: latest + pending.leaseMs };
  return { kind: 'update', record: to.renewLease(record, pending, lease) };
}

function takeOver(
  { record }: Observation,
  { canRecover, progress }: PlanContext,
  pending: ClaimedPending,
  confirmation: Listing,
): Step {
  const [key, ...others] = confirmation.keys.filter(({ name }) => name === pending.name);
  const isRecoverable = canRecover && !progress.unrecoverableNames.has(pending.name);
  if (key !== undefined && others.length === 0 && isRecoverable) return { kind: 'recover-key', pending, key };
  return { kind: 'update', record: to.dropClaim(record) };
}

function reencryptOutdated({ record }: Observation, { progress }: PlanContext): Step | undefined {
  const isOutdated = keysOf(record).some(({ id }) => progress.outdatedIds.has(id));
  return isOutdated ? { kind: 'reencrypt' } : undefined;
}

function retireExpiringStandby(seen: Observation, { policy }: PlanContext): Step | undefined {
  const { record } = seen;
  return record.standby && isExpiring(record.standby, seen, policy)
    ? { kind: 'update', record: to.retireRole(record, 'standby', 'expiring') }
    : undefined;
}

function promoteStandby(seen: Observation, { policy }: PlanContext): Step | undefined {
  const { record, now } = seen;
  const { standby, previous, current } = record;
  if (standby === undefined || previous !== undefined) return undefined;
  if (current !== undefined && !isDue(seen, policy)) return undefined;
  const promotion = { since: now, gracePeriodMs: policy.gracePeriodMs };
  return { kind: 'update', record: to.promoteStandby(record, standby, promotion) };
}

function claimNextKey(seen: Observation, context: PlanContext): Step | undefined {
  const { record } = seen;
  const { policy, progress } = context;
  const { current, standby, previous } = record;
  const isNeeded = !current || isDue(seen, policy) || (policy.standby && !standby);
  if (!isNeeded || progress.isFull || orphansOf(seen, progress).length > 0) return undefined;
  // Beside a previous key there is room only if there is no current one.
  if (previous && current) return undefined;
  if (policy.deleteBeforeCreate && current) {
    return { kind: 'update', record: to.retireRole(record, 'current', 'replaced') };
  }
  if (livingIds(seen, progress).size >= budgetOf(policy)) return undefined;
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
  if (servedAt === undefined) return { kind: 'rest' };
  const { current, previous, pending } = seen.record;
  const instants = [current && current.since + policy.maxAgeMs, previous?.retireAt, pending?.leaseUntil];
  const waits = instants.filter((at) => at !== undefined).map((at) => Math.max(0, at - servedAt));
  return waits.length > 0 ? { kind: 'rest', nextInMs: Math.min(...waits) } : { kind: 'rest' };
}

/** A rotation is requested, or the current key is old. */
function isDue(seen: Observation, policy: Policy): boolean {
  const { record, listing } = seen;
  const { current, rotateEpoch } = record;
  if (current === undefined) return false;
  if (rotateEpoch !== undefined || isExpiring(current, seen, policy)) return true;
  return listing.servedAt !== undefined && listing.servedAt >= current.since + policy.maxAgeMs;
}

function isExpiring({ expiresAt }: RingKey, { listing }: Observation, { gracePeriodMs }: Policy): boolean {
  return listing.servedAt !== undefined && listing.servedAt >= expiresAt - gracePeriodMs - DAY_MS / 2;
}

/** Number of keys that a ring may have. */
function budgetOf({ deleteBeforeCreate }: Policy): number {
  return deleteBeforeCreate ? 1 : 2;
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

/** The keys that use a slot. Keys that may not be deleted do not count: the account's limit decides about those. */
function livingIds(seen: Observation, { undeletableIds }: Progress): Set<string> {
  const ids = [...ownListed(seen), ...keysOf(seen.record)].map(({ id }) => id);
  return new Set(ids.filter((id) => !undeletableIds.has(id)));
}
