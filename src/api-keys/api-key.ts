import type { Secret } from '../secret/secret.ts';

/** An API key as the service describes it. No field ever holds the whole key. */
export interface ApiKey {
  /** What {@link ApiKeys.delete} takes. */
  readonly id: string;
  /** The name it was created with. */
  readonly name: string;
  /** The key as it may be shown: `sk-******7ucU`. Masked here, whatever the server sent. */
  readonly maskedKey: string;
  /** When it was created (`creationTimestamp`); the year 1970 where the service leaves it out. */
  readonly createdAt: Date;
  /** From when on it is refused (`expireTime`); absent where it does not expire. */
  readonly expiresAt?: Date | undefined;
  /** Whether that time has come, by the service's clock. */
  readonly expired: boolean;
  /** Whether it is switched off, and so refused. */
  readonly disabled: boolean;
  /** When it was last used (`lastUsedTime`); absent where it never was, or the service does not say. */
  readonly lastUsedAt?: Date | undefined;
  /** Who created it (`createBy`). */
  readonly createdBy?: string | undefined;
  /** The user that it belongs to. */
  readonly userId?: string | undefined;
  /** The number of the workspace that it belongs to; absent for a key of the account. */
  readonly workspace?: number | undefined;
  /**
   * The models that it may call, as globs: `*` matches names without a slash, `**` everything. An empty list
   * allows all of them.
   */
  readonly allowModels: readonly string[];
  /** The models that it may not call, as globs; a deny beats an allow. */
  readonly denyModels: readonly string[];
  /** How many tokens it may use; keys of a workspace have one, keys of an account where the service says so. */
  readonly quota?: ApiKeyQuota | undefined;
}

/** How many tokens a key may use, and has used. */
export interface ApiKeyQuota {
  /** How many in all (`quota`, `unlimitedQuota`). */
  readonly limit: number | 'unlimited';
  /** How many it has used (`usedQuota`). */
  readonly used: number;
  /** How many are left (`remainingQuota`), as the service last counted: a count that it leaves out is 0. */
  readonly remaining: number | 'unlimited';
  /** When that was counted (`remainingQuotaSyncedAt`); absent where it has not been yet. */
  readonly syncedAt?: Date | undefined;
}

/** A key that has just been created, and the one moment at which the whole of it is at hand. */
export interface CreatedApiKey extends ApiKey {
  /** The key. Store it now: servers before 0.17 do not show it again. */
  readonly secret: Secret;
}

/**
 * A key that is gone, masked. Only the id is certain: the service knows nothing more of a key that it deleted
 * at an attempt before, whose answer was lost.
 */
export type DeletedApiKey = Pick<ApiKey, 'id'> & Partial<ApiKey>;
