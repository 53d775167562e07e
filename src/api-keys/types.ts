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
}

/** A key that has just been created, and the one moment at which the whole of it is at hand. */
export interface CreatedApiKey extends ApiKey {
  /** The key. Store it now: the service does not promise to show it again. */
  readonly secret: Secret;
}

/**
 * A key that is gone, masked. Only the id is certain: the service knows nothing more of a key that it deleted
 * at an attempt before, whose answer was lost.
 */
export type DeletedApiKey = Pick<ApiKey, 'id'> & Partial<ApiKey>;

/** What a new key is to be. */
export interface CreateApiKeyInput {
  /** A name that says what the key is for: one key for each project. */
  readonly name: string;
  /** From when on the service refuses it. Default: never. */
  readonly expiresAt?: Date | undefined;
}

/** Which keys to list, and how. */
export interface ListApiKeysQuery {
  /** A text to look for in id, name and key (`page.search`). */
  readonly search?: string | undefined;
  /**
   * What to sort by. The contract names the sortable fields (id, name, key) but not how a sort is written:
   * known names are sent as the wire spells them (`createdAt` as `creationTimestamp`), anything else as it is.
   */
  readonly sort?: 'id' | 'name' | 'createdAt' | (string & {}) | undefined;
  /** The page to begin with, from 1. Default: 1. */
  readonly page?: number | undefined;
  /** How many keys a page has, from 1. Default: the service's own. */
  readonly pageSize?: number | undefined;
}

/** A part of a list. */
export interface ApiKeyPage {
  /** The keys of this page, masked. */
  readonly items: readonly ApiKey[];
  /** Its number, from 1. */
  readonly page: number;
  /** How many keys a page has. */
  readonly pageSize: number;
  /** How many keys there are in all, as the service counts. */
  readonly total: number;
}

/** Whether one more key may be created now. */
export interface CreationCheck {
  readonly allowed: boolean;
  /** Why not, in the service's words. */
  readonly reason?: string | undefined;
}
