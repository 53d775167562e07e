import { check } from '../errors/invalid.ts';
import { isDate } from '../internal/checks.ts';
import { isRecord } from '../internal/json.ts';
import { throwIfAborted } from '../internal/wait.ts';
import { isSecret, type Secret } from '../secret/secret.ts';
import type { CreatedRingKey, KeyVerification } from './interfaces.ts';
import { type OwnKey, ownKeys } from './key-names.ts';
import { SLACK_MS } from './options.ts';
import type { ManagedRing } from './ring-state.ts';
import { codeOf } from './safe-cause.ts';

/* Requests to the service. Key managers and key verifiers may be custom, so their results are checked. */

/** A list response: the ring's keys and the service's time. */
export interface Listing {
  /** The keys of all rings with this name. */
  readonly keys: readonly OwnKey[];
  /** Lower bound on the service's time when the response arrived: `Date` plus `Age`. */
  readonly servedAt: number | undefined;
  /** When the list request was sent, according to the monotonic clock. */
  readonly sentAt: number;
  readonly durationMs: number;
}

/** Lists the keys of all rings with this name, with one call to the key manager. */
export async function listKeys({ name, manager, clock }: ManagedRing, signal: AbortSignal): Promise<Listing> {
  const sentAt = clock.monotonic();
  const { items, servedAt } = (await manager.list({}, { signal })) ?? {};
  const isList = Array.isArray(items) && items.every((item) => isRecord(item) && typeof item.id === 'string');
  check(isList, 'manager', 'must return `{ items, servedAt }` from `list`, with an `id` in each item');
  check(servedAt == null || isDate(servedAt), 'manager', 'must return a Date as `servedAt` from `list`');
  const time = servedAt?.getTime() ?? Number.NaN;
  return {
    keys: ownKeys(name, items),
    servedAt: Number.isFinite(time) ? time : undefined,
    sentAt,
    durationMs: clock.monotonic() - sentAt,
  };
}

/** Returns an upper bound on the service's current time, or `Infinity` if the list response contained no time. */
export function latestTime(
  { servedAt = Number.POSITIVE_INFINITY, sentAt }: Listing,
  monotonicNow: number,
): number {
  return servedAt + SLACK_MS + (monotonicNow - sentAt);
}

/** Deletes a key. A missing key counts as deleted. */
export async function deleteKey({ manager }: ManagedRing, id: string, signal: AbortSignal): Promise<void> {
  try {
    await manager.delete(id, { signal });
  } catch (error) {
    if (codeOf(error) !== 'not_found') throw error;
  }
}

export function checkCreated(created: CreatedRingKey | undefined): CreatedRingKey {
  const isCreated = typeof created?.id === 'string' && created.id !== '' && isSecret(created.secret);
  check(isCreated, 'manager', 'must return `{ id, secret }` with a Secret from `create`');
  return created as CreatedRingKey;
}

/** Whether the service accepts a key. `undecided`: the check was inconclusive, for example if the quota is used up. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly models: readonly string[] }
  | { readonly kind: 'rejected' }
  | { readonly kind: 'undecided'; readonly error?: unknown };

/** Error codes that do not indicate that the service rejected the key. */
const NOT_ABOUT_THE_KEY: readonly unknown[] = [
  'insufficient_quota',
  'permission_denied',
  'rate_limited',
  'server_error',
];

/** Checks whether the service accepts a key. */
export async function verify(
  { verifier }: ManagedRing,
  secret: Secret,
  signal: AbortSignal,
): Promise<Verdict> {
  let result: KeyVerification | undefined;
  try {
    result = await verifier.verify(secret, { signal });
  } catch (error) {
    throwIfAborted(signal);
    return { kind: 'undecided', error };
  }
  check(typeof result?.accepted === 'boolean', 'verifier', 'must return `{ accepted }` from `verify`');
  if (result.accepted) return { kind: 'accepted', models: Array.isArray(result.models) ? result.models : [] };
  return { kind: NOT_ABOUT_THE_KEY.includes(result.code) ? 'undecided' : 'rejected' };
}
