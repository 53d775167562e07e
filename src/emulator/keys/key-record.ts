import type { Secret } from '../../secret/secret.ts';
import type { User } from './users.ts';

/** Whose keys: the account's, or those of the workspace with this number. */
export type Scope = 'account' | number;

/** A number that the contract's type for workspaces, int32, can hold. */
export function isWorkspace(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 2 ** 31;
}

/** How many tokens a key may use. 64 bits wide, as on the wire. */
export type Quota = bigint | 'unlimited';

/** A key as the service holds it. Times are milliseconds since 1970; `Infinity` is never. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly secret: Secret;
  readonly scope: Scope;
  readonly owner: User;
  /** From when on it is listed; later than its creation was asked for where that was carried out late. */
  readonly createdAt: number;
  /** From when on the data plane knows it. */
  readonly acceptedFrom: number;
  /** From when on it is not listed any more. */
  deletedAt: number;
  /** Until when the data plane knows it. */
  acceptedUntil: number;
  expiresAt: number;
  disabled: boolean;
  lastUsedAt: number | undefined;
  allowModels: readonly string[];
  denyModels: readonly string[];
  quota: Quota;
  usedTokens: bigint;
  /** When what is left of the quota was last reckoned. */
  quotaReckonedAt: number;
}

export function isListed(record: KeyRecord, at: number): boolean {
  return record.createdAt <= at && at < record.deletedAt;
}

export function isExpired(record: KeyRecord, now: number): boolean {
  return record.expiresAt <= now;
}

/** Whether the data plane takes the key. */
export function isAccepted(record: KeyRecord, now: number): boolean {
  return (
    record.acceptedFrom <= now && now < record.acceptedUntil && !record.disabled && !isExpired(record, now)
  );
}

/** How many tokens the key may still use; 0 where it used more, for a call is not cut off in the middle. */
export function remainingTokens({ quota, usedTokens }: KeyRecord): Quota {
  if (quota === 'unlimited') return quota;
  return usedTokens < quota ? quota - usedTokens : 0n;
}

export function setQuota(record: KeyRecord, quota: Quota, now: number): void {
  record.quota = quota;
  record.quotaReckonedAt = now;
}

export function spendTokens(record: KeyRecord, tokens: number, now: number): void {
  record.usedTokens += BigInt(tokens);
  record.quotaReckonedAt = now;
}
