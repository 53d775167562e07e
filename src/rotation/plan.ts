import { invalid } from '../errors/invalid.ts';
import type { Secret } from '../secret/secret.ts';
import type { OwnKey } from './key-names.ts';
import { DAY_MS, type KeyRingSettings, SLACK_MS } from './options.ts';
import type { ClaimedPending, CreatedPending, RetiredKey, RingKey, RingRecord } from './record.ts';
import * as records from './record.ts';
import { rolledBack } from './ring-state.ts';
import { type Listing, latestTime } from './service.ts';

/*
 * Decides the next step of a reconciliation, as a pure function of its observations. In a different order, the rules
 * could lose a key, create too many keys, or delete a key in use. Tests check that removing a rule breaks an invariant.
 */

/** The state of the service and the store, as observed by one iteration. */
export interface Observation {
  /** Requested before the record was read: in the reverse order, a key stored in between would look like an orphan. */
  readonly listing: Listing;
  readonly record: RingRecord;
  readonly version: string;
  /** Whether the record is unchanged since the previous iteration read it, before this list was requested. */
  readonly isConfirmed: boolean;
  /** Ids of keys that are missing from a confirmed list and that the service rejects. */
  readonly rejectedIds: ReadonlySet<string>;
  /** A key whose secret this process must re-encrypt, because its encryption key is outdated. */
  readonly outdated: RingKey | undefined;
  readonly settings: KeyRingSettings;
  readonly progress: Readonly<Progress>;
  readonly monotonicNow: number;
  /** The time to write to the record: the service's time, or local time if there is no `Date` header. */
  readonly now: number;
}

/** A key that has been created but not stored yet. */
export interface UnstoredKey extends Pick<RingKey, 'id' | 'name' | 'createdAt' | 'expiresAt'> {
  readonly secret: Secret;
}

/** State that a `KeyRing` object keeps between reconciliations. */
export class RingMemory {
  /** Not created with the `random` option, because ring objects with equal ids would continue each other's claims. */
  readonly owner = crypto.randomUUID();
  /** Name of the key in the last create request. */
  sentName: string | undefined;
  unstored: UnstoredKey | undefined;
  readonly reencryptedIds = new Set<string>();
  readonly #reported = new Set<string>();

  /** Returns true only on the first call with a given subject. */
  isNews(subject: string): boolean {
    return this.#reported.size < this.#reported.add(subject).size;
  }
}

/** What one reconciliation has done so far. */
export class Progress {
  readonly memory: RingMemory;
  /** The claim that this reconciliation has written. */
  claim: { readonly version: string; readonly sentAt: number } | undefined;
  /** Ids of keys that the access token may not delete, and names of keys whose secret the service cannot return. */
  readonly undeletableIds = new Set<string>();
  readonly unrecoverableNames = new Set<string>();
  orphansDeleted = 0;

  constructor(memory: RingMemory) {
    this.memory = memory;
  }
}

/** A step of a reconciliation. Each step updates the record at most once. */
export type Step =
  | { readonly kind: 'rest'; readonly nextInMs?: number | undefined }
  | { readonly kind: 'fail'; readonly error: Error }
  /** Starts the next iteration, which confirms the list unless the record has changed. */
  | { readonly kind: 'confirm' }
  | { readonly kind: 'reencrypt'; readonly key: RingKey }
  /** `replaced` is the id of the missing key that this update retires. */
  | { readonly kind: 'update'; readonly record: RingRecord; readonly replaced?: string }
  | { readonly kind: 'delete-orphans'; readonly keys: readonly OwnKey[] }
  | { readonly kind: 'delete-retired'; readonly keys: readonly RetiredKey[] }
  /** Writes a claim or, with `pending`, renews the lease of that claim. */
  | { readonly kind: 'claim'; readonly pending?: ClaimedPending }
  | { readonly kind: 'create' | 'store-key'; readonly pending: ClaimedPending }
  | { readonly kind: 'recover-key'; readonly pending: ClaimedPending; readonly key: OwnKey }
  | { readonly kind: 'verify-pending'; readonly pending: CreatedPending };

type UpdateStep = Extract<Step, { kind: 'update' }>;
export type Rule = (seen: Observation) => Step | undefined;

/** Maximum number of orphans deleted in one reconciliation, so that a bug cannot delete all keys of an account. */
const MAX_ORPHANS = 3;

/** Returns the lifetime of a key: its time as the standby, current and previous key, plus one day. */
export function lifetimeMs({ maxAgeMs, gracePeriodMs, standby }: KeyRingSettings): number {
  return (standby ? 2 : 1) * maxAgeMs + gracePeriodMs + DAY_MS;
}

/** The rules by name, in order of precedence. The first applicable rule determines the step. */
export const RULES: Readonly<Record<string, Rule>> = {
  stopAfterRollback,
  deleteOrphans,
  deleteRetired,
  correctInstants,
  retirePrevious,
  replaceMissing,
  continueCreated,
  continueOwnClaim,
  takeOverClaim,
  reencryptOutdated,
  useStandby,
  claimNextKey,
};

/** Returns the next step. */
export function plan(seen: Observation, rules = RULES): Step {
  for (const rule of Object.values(rules)) {
    const step = rule(seen);
    if (step !== undefined) return step;
  }
  return rest(seen);
}

function stopAfterRollback(seen: Observation): Step | undefined {
  const lost = ownListed(seen).filter(({ seq }) => seq > seen.record.seq);
  return lost.length > 0 ? { kind: 'fail', error: rolledBack(seen.settings.name, lost) } : undefined;
}

function deleteOrphans(seen: Observation): Step | undefined {
  const keys = orphansOf(seen).slice(0, Math.max(0, MAX_ORPHANS - seen.progress.orphansDeleted));
  return keys.length > 0 ? { kind: 'delete-orphans', keys } : undefined;
}

function deleteRetired({ record, progress }: Observation): Step | undefined {
  const keys = record.retired.filter(({ id }) => !progress.undeletableIds.has(id));
  return keys.length > 0 ? { kind: 'delete-retired', keys } : undefined;
}

/** If the list was requested after the read, sets missing times and corrects times that are too far in the future. */
function correctInstants(seen: Observation): Step | undefined {
  const { record, listing, isConfirmed, monotonicNow } = seen;
  const { current, previous, pending } = record;
  const { servedAt } = listing;
  if (servedAt === undefined) return undefined;
  const isWrong = (instant: number | undefined, lengthMs: number): boolean =>
    instant === undefined || instant - servedAt > lengthMs + 2 * SLACK_MS;
  let changed: RingRecord | undefined;
  if (previous && isWrong(previous.retireAt, previous.gracePeriodMs)) {
    changed = records.setRetireAt(record, previous, servedAt + SLACK_MS + previous.gracePeriodMs);
  } else if (current && isWrong(current.since, 0)) {
    changed = { ...record, current: { ...current, since: servedAt } };
  } else if (pending?.phase === 'claimed' && isWrong(pending.leaseUntil, pending.leaseMs)) {
    const { leaseMs } = pending;
    const leaseUntil = latestTime(listing, monotonicNow) + leaseMs;
    changed = records.claim(record, pending, { leaseMs, leaseUntil });
  }
  return changed && (isConfirmed ? update(changed) : { kind: 'confirm' });
}

/** The grace period has ended once the `Date` of a list that was requested after the read is later than `retireAt`. */
function retirePrevious(seen: Observation): Step | undefined {
  const { previous } = seen.record;
  if (previous === undefined || !hasPassed(previous.retireAt, seen.listing)) return undefined;
  return seen.isConfirmed ? retire(seen, previous, 'replaced') : { kind: 'confirm' };
}

/** A list may be outdated, so a key that it does not contain is replaced only if the service also rejects the key. */
function replaceMissing(seen: Observation): Step | undefined {
  const { record, listing, isConfirmed, rejectedIds } = seen;
  const missing = missingKeys(record, listing);
  if (missing.length > 0 && !isConfirmed) return { kind: 'confirm' };
  const key = missing.find(({ id }) => rejectedIds.has(id));
  return key && { ...retire(seen, key, 'missing'), replaced: key.id };
}

/** Returns whichever of the current key and the standby a list omits or shows as expired or disabled. */
export function missingKeys({ current, standby }: RingRecord, { keys }: Listing): RingKey[] {
  const usable = new Set(keys.filter(({ expired, disabled }) => !expired && !disabled).map(({ id }) => id));
  return [current, standby].filter((key) => key !== undefined).filter(({ id }) => !usable.has(id));
}

/** A key that has been stored needs no lease, because any replica can verify and promote it. */
function continueCreated({ record }: Observation): Step | undefined {
  const { pending } = record;
  return pending?.phase === 'created' ? { kind: 'verify-pending', pending } : undefined;
}

function continueOwnClaim(seen: Observation): Step | undefined {
  const { record, version, listing, settings, progress, monotonicNow } = seen;
  const { claim, memory } = progress;
  const { pending } = record;
  if (pending?.phase !== 'claimed' || pending.owner !== memory.owner) return undefined;
  if (memory.unstored?.name === pending.name) return { kind: 'store-key', pending };
  // After a create request without a response, the owner must wait for the lease to end, like any other replica.
  if (memory.sentName === pending.name) return undefined;
  if (claim?.version !== version) return leaseError(seen) ?? { kind: 'claim', pending };
  // Keys are counted after the claim. If two replicas counted before claiming, neither would see the limit.
  if (!hasRoom(seen)) return update(records.dropClaim(record));
  // The key must be created or recovered before the lease ends. This is checked twice: against the service's latest
  // possible time, and against this process's clock.
  const { leaseUntil } = pending;
  const end = latestTime(listing, monotonicNow) + settings.createTimeoutMs;
  const isLeased = leaseUntil === undefined || end <= leaseUntil;
  const isHeld = monotonicNow - claim.sentAt + settings.createTimeoutMs <= settings.leaseMs;
  return isLeased && isHeld ? { kind: 'create', pending } : update(records.dropClaim(record));
}

/** Takes over a claim without a stored key if a list requested after the read shows that the lease has ended. */
function takeOverClaim(seen: Observation): Step | undefined {
  const { record, listing, isConfirmed, settings, progress } = seen;
  const { pending } = record;
  if (pending?.phase !== 'claimed') return undefined;
  const { name, leaseUntil } = pending;
  if (!hasPassed(leaseUntil, listing)) return rest(seen);
  if (!isConfirmed) return { kind: 'confirm' };
  const [key, ...others] = listing.keys.filter((listed) => listed.name === name);
  const canRecover = settings.manager?.getSecret !== undefined && !progress.unrecoverableNames.has(name);
  if (key && others.length === 0 && canRecover) return { kind: 'recover-key', pending, key };
  return update(records.dropClaim(record));
}

function reencryptOutdated({ outdated }: Observation): Step | undefined {
  return outdated && { kind: 'reencrypt', key: outdated };
}

function useStandby(seen: Observation): Step | undefined {
  const { record } = seen;
  const { standby, previous, current } = record;
  if (standby === undefined) return undefined;
  if (isExpiring(standby, seen)) return retire(seen, standby, 'expiring');
  if (current !== undefined && (previous !== undefined || !isDue(seen))) return undefined;
  return update(records.promote(record, standby, promotionOf(seen)));
}

function claimNextKey(seen: Observation): Step | undefined {
  const { record, settings } = seen;
  const { current, standby, previous } = record;
  const isNeeded = !current || isDue(seen) || (settings.standby && !standby);
  if (!isNeeded || orphansOf(seen).length > 0) return undefined;
  if (settings.deleteBeforeCreate && current && !previous) return retire(seen, current, 'replaced');
  if (!hasRoom(seen)) return undefined;
  return leaseError(seen) ?? { kind: 'claim' };
}

/** Fails if list requests take so long that every claim would be dropped before the key is created. */
function leaseError({ listing, settings }: Observation): Step | undefined {
  const { leaseMs, createTimeoutMs } = settings;
  const neededMs = createTimeoutMs + 2 * SLACK_MS + 2 * listing.durationMs;
  if (leaseMs >= neededMs) return undefined;
  const rule = `must be at least ${Math.ceil(neededMs)} (is ${leaseMs}): listing the keys took ${Math.round(listing.durationMs)} ms`;
  return { kind: 'fail', error: invalid('leaseMs', rule) };
}

function rest(seen: Observation): Step {
  const { servedAt = Number.NaN } = seen.listing;
  if (orphansOf(seen).length > 0) return { kind: 'rest', nextInMs: 0 };
  const { current, previous, pending } = seen.record;
  const dueAt = current && current.since + seen.settings.maxAgeMs;
  const instants = [dueAt, previous?.retireAt, pending?.leaseUntil];
  // Times in the past are ignored, because work that is already due is waiting for another event.
  const waits = instants.map((at = Number.NaN) => at - servedAt).filter((waitMs) => waitMs >= 0);
  return waits.length > 0 ? { kind: 'rest', nextInMs: Math.min(...waits) } : { kind: 'rest' };
}

function update(record: RingRecord): UpdateStep {
  return { kind: 'update', record };
}

function retire(seen: Observation, { id }: RingKey, reason: string): UpdateStep {
  return update(records.retire(seen.record, [id], reason, promotionOf(seen)));
}

/** Returns whether a list proves that the given time has passed. */
function hasPassed(instant = Number.NaN, { servedAt = Number.NaN }: Listing): boolean {
  return servedAt > instant;
}

/** Returns whether the current key must be replaced: on request, at its maximum age, or before it expires. */
function isDue(seen: Observation): boolean {
  const { current, rotateEpoch } = seen.record;
  if (current === undefined) return false;
  const { servedAt = 0 } = seen.listing;
  const isOld = servedAt >= current.since + seen.settings.maxAgeMs;
  return rotateEpoch !== undefined || isOld || isExpiring(current, seen);
}

function isExpiring({ expiresAt }: RingKey, { listing, settings }: Observation): boolean {
  const { servedAt = 0 } = listing;
  return servedAt >= expiresAt - settings.gracePeriodMs - DAY_MS / 2;
}

/** Returns the parameters of a promotion at the time of the given observation. */
export function promotionOf({ now, settings }: Observation): records.Promotion {
  return { since: now, gracePeriodMs: settings.gracePeriodMs };
}

/** Returns the listed keys of this ring, but not those of other rings with the same name. */
function ownListed({ listing, record }: Observation): OwnKey[] {
  return listing.keys.filter(({ ringId }) => ringId === record.ringId);
}

function orphansOf(seen: Observation): OwnKey[] {
  const { record, progress } = seen;
  const known = new Set([...records.keysOf(record), ...record.retired].map(({ id }) => id));
  return ownListed(seen).filter(
    ({ id, name }) => !known.has(id) && !progress.undeletableIds.has(id) && name !== record.pending?.name,
  );
}

/** Returns whether another key can be added. Keys that cannot be deleted count only toward the account's limit. */
function hasRoom(seen: Observation): boolean {
  const ids = new Set([...ownListed(seen), ...records.keysOf(seen.record)].map(({ id }) => id));
  for (const id of seen.progress.undeletableIds) ids.delete(id);
  return ids.size < (seen.settings.deleteBeforeCreate ? 1 : 2);
}
