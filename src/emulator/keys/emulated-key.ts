import { isExpired, type KeyRecord, remainingTokens } from './key-record.ts';

/** How many tokens a key may use, and has used. */
export interface EmulatedQuota {
  readonly limit: number | 'unlimited';
  readonly used: number;
  /** 0 where more was used than there was: a call is not cut off in the middle. */
  readonly remaining: number | 'unlimited';
}

/** A key as it is at the moment of looking. It does not change afterwards, and never holds the whole key. */
export interface EmulatedKey {
  readonly id: string;
  readonly name: string;
  /** Such as `sk-******7ucU`. */
  readonly maskedKey: string;
  /** The number of the workspace that it belongs to; absent for a key of the account. */
  readonly workspace?: number | undefined;
  /** The name of the user who created it. */
  readonly createdBy: string;
  readonly createdAt: Date;
  /** From when on the data plane refuses the key; absent where it does not expire. */
  readonly expiresAt?: Date | undefined;
  readonly expired: boolean;
  readonly disabled: boolean;
  /** When the data plane last accepted the key; absent where it never did. */
  readonly lastUsedAt?: Date | undefined;
  /** The models that it may call, as globs; all of them where the list is empty. */
  readonly allowModels: readonly string[];
  /** The models that it may not call, as globs; a deny beats an allow. */
  readonly denyModels: readonly string[];
  readonly quota: EmulatedQuota;
}

export function emulatedKey(record: KeyRecord, now: number): EmulatedKey {
  return {
    id: record.id,
    name: record.name,
    maskedKey: record.secret.masked,
    ...(record.scope === 'account' ? {} : { workspace: record.scope }),
    createdBy: record.owner.name,
    createdAt: new Date(record.createdAt),
    ...(record.expiresAt === Number.POSITIVE_INFINITY ? {} : { expiresAt: new Date(record.expiresAt) }),
    expired: isExpired(record, now),
    disabled: record.disabled,
    ...(record.lastUsedAt === undefined ? {} : { lastUsedAt: new Date(record.lastUsedAt) }),
    allowModels: [...record.allowModels],
    denyModels: [...record.denyModels],
    quota: {
      limit: asNumber(record.quota),
      used: Number(record.usedTokens),
      remaining: asNumber(remainingTokens(record)),
    },
  };
}

function asNumber(quota: bigint | 'unlimited'): number | 'unlimited' {
  return quota === 'unlimited' ? quota : Number(quota);
}
