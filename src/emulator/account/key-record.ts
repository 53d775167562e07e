import type { Secret } from '../../secret/secret.ts';
import type { User } from './users.ts';

/** The owner of a key: the account, or the workspace with this number. */
export type Scope = 'account' | number;

/** Whether a number fits the contract's type for workspaces, int32. */
export function isWorkspace(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 2 ** 31;
}

/** Number of tokens that a key may use. 64 bits wide, as on the wire. */
export type Quota = bigint | 'unlimited';

/** A key as the service stores it. Times are milliseconds since 1970; `Infinity` means never. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly secret: Secret;
  readonly scope: Scope;
  readonly owner: User;
  /** From then on the key is listed; later than its request if the creation was delayed. */
  readonly createdAt: number;
  /** From then on the data plane accepts the key. */
  readonly acceptedFrom: number;
  /** From then on the key is not listed. */
  deletedAt: number;
  /** Until then the data plane accepts the key. */
  acceptedUntil: number;
  expiresAt: number;
  disabled: boolean;
  lastUsedAt: number | undefined;
  allowModels: readonly string[];
  denyModels: readonly string[];
  quota: Quota;
  usedTokens: bigint;
  /** When the remaining quota was last updated. */
  quotaSyncedAt: number;
}

export function isListed(record: KeyRecord, at: number): boolean {
  return record.createdAt <= at && at < record.deletedAt;
}

export function isExpired(record: KeyRecord, now: number): boolean {
  return record.expiresAt <= now;
}

/** Whether the data plane accepts the key. */
export function isAccepted(record: KeyRecord, now: number): boolean {
  return (
    record.acceptedFrom <= now && now < record.acceptedUntil && !record.disabled && !isExpired(record, now)
  );
}

/** Remaining tokens; 0 if more were used than allowed, since a running request is not cut off. */
export function remainingTokens({ quota, usedTokens }: KeyRecord): Quota {
  if (quota === 'unlimited') return quota;
  return usedTokens < quota ? quota - usedTokens : 0n;
}

export function setQuota(record: KeyRecord, quota: Quota, now: number): void {
  record.quota = quota;
  record.quotaSyncedAt = now;
}

export function spendTokens(record: KeyRecord, tokens: number, now: number): void {
  record.usedTokens += BigInt(tokens);
  record.quotaSyncedAt = now;
}
