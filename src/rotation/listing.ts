import type { Clock, KeyManager } from './interfaces.ts';
import { type OwnKey, ownKeys } from './key-names.ts';

/**
 * Tolerance for the service's time, in milliseconds: `Date` has whole seconds, the clocks of nodes differ, and
 * responses take a while.
 */
export const SLACK_MS = 5_000;

/** One list response: the ring's keys, and the service's time. */
export interface Listing {
  /** The keys of all rings with this name. */
  readonly keys: readonly OwnKey[];
  /** Earliest time of the service when the response arrived: `Date` plus `Age`. */
  readonly servedAt: number | undefined;
  /** When the request was sent, by the monotonic clock. */
  readonly sentAt: number;
  readonly durationMs: number;
}

/** Lists all keys with one request. */
export async function listKeys(
  ring: string,
  manager: KeyManager,
  clock: Clock,
  signal: AbortSignal,
): Promise<Listing> {
  const sentAt = clock.monotonic();
  const { items, servedAt } = await manager.list({}, { signal });
  const time = servedAt?.getTime() ?? Number.NaN;
  return {
    keys: ownKeys(ring, items),
    servedAt: Number.isFinite(time) ? time : undefined,
    sentAt,
    durationMs: clock.monotonic() - sentAt,
  };
}

/** The latest time that the service's clock can show now. */
export function latestTime({ servedAt, sentAt }: Listing, monotonicNow: number): number | undefined {
  return servedAt === undefined ? undefined : servedAt + SLACK_MS + (monotonicNow - sentAt);
}
