import { Secret } from '../../secret/secret.ts';
import { ALPHANUMERIC, type RandomText, URL_SAFE } from '../random.ts';

/** A user of the control plane. All of them see the same account and the same workspaces. */
export interface User {
  /** Such as `u-8105f7322477`. */
  readonly id: string;
  readonly name: string;
  readonly token: Secret;
}

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

export function isExpired(record: KeyRecord, now: number): boolean {
  return record.expiresAt <= now;
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

/** The properties of a key to be created. */
export interface NewKeyRecord extends Pick<KeyRecord, 'name' | 'scope' | 'owner' | 'expiresAt' | 'quota'> {
  /** Default: a random one. */
  readonly fullKey?: string | undefined;
}

/** Delays of faults, in milliseconds. */
interface Delays {
  /** Until the key is created or deleted. A new key counts toward the limit at once. */
  readonly appliedAfterMs?: number | undefined;
  /** From its creation until the data plane accepts the key. */
  readonly acceptedAfterMs?: number | undefined;
  /** From its deletion until the data plane rejects the key. */
  readonly acceptedForMs?: number | undefined;
}

/** Short enough that the request log does not take an id in a path for a credential. */
const ID_LENGTH = 16;

/** Number of deleted keys that are remembered, for stale lists and late rejections. */
const MAX_DELETED = 1000;

const NEVER = Number.POSITIVE_INFINITY;

/** The API keys of the account and its workspaces. */
export class KeyRegistry {
  readonly #byId = new Map<string, KeyRecord>();
  readonly #byFullKey = new Map<string, KeyRecord>();
  /** In order of deletion. */
  #deleted: KeyRecord[] = [];
  readonly #maxKeys: number;
  readonly #now: () => number;
  readonly #randomText: RandomText;

  constructor(settings: { readonly maxKeys: number; readonly now: () => number }, randomText: RandomText) {
    this.#maxKeys = settings.maxKeys;
    this.#now = settings.now;
    this.#randomText = randomText;
  }

  /** Whether the scope has reached its limit. */
  isFull(scope: Scope): boolean {
    const now = this.#now();
    const existing = [...this.#byId.values()].filter((key) => key.scope === scope && now < key.deletedAt);
    return existing.length >= this.#maxKeys;
  }

  /**
   * The existing keys, oldest first.
   *
   * @param scope - Default: every scope.
   * @param ageMs - Age of the view: the keys that existed then.
   */
  list(scope?: Scope, ageMs = 0): KeyRecord[] {
    const at = this.#now() - ageMs;
    const listed = [...this.#byId.values()].filter((record) => isListed(record, scope, at));
    // A delayed creation can be younger than one that was requested after it.
    return listed.sort((a, b) => a.createdAt - b.createdAt);
  }

  find(id: string, scope?: Scope): KeyRecord | undefined {
    const record = this.#byId.get(id);
    return record !== undefined && isListed(record, scope, this.#now()) ? record : undefined;
  }

  /** Creates a key. The caller checks the limit. */
  create(
    { fullKey, ...key }: NewKeyRecord,
    { appliedAfterMs = 0, acceptedAfterMs = 0 }: Delays = {},
  ): KeyRecord {
    const value = fullKey ?? `sk-${this.#randomText(URL_SAFE, 45)}`;
    const createdAt = this.#now() + appliedAfterMs;
    const record: KeyRecord = {
      ...key,
      id: this.#randomText(ALPHANUMERIC, ID_LENGTH),
      secret: new Secret(value),
      createdAt,
      acceptedFrom: createdAt + acceptedAfterMs,
      deletedAt: NEVER,
      acceptedUntil: NEVER,
      disabled: false,
      lastUsedAt: undefined,
      allowModels: [],
      denyModels: [],
      usedTokens: 0n,
      quotaSyncedAt: createdAt,
    };
    this.#byId.set(record.id, record);
    this.#byFullKey.set(value, record);
    return record;
  }

  delete(record: KeyRecord, { appliedAfterMs = 0, acceptedForMs = 0 }: Delays = {}): void {
    const deletedAt = this.#now() + appliedAfterMs;
    // The earlier one of two deletions counts.
    if (deletedAt >= record.deletedAt) return;
    if (record.deletedAt === NEVER) this.#deleted.push(record);
    record.deletedAt = deletedAt;
    record.acceptedUntil = deletedAt + acceptedForMs;
    if (this.#deleted.length > MAX_DELETED) this.#forget(this.#deleted.shift());
  }

  /** The key that authenticates a request now, which counts as its use. */
  use(fullKey: string): KeyRecord | undefined {
    const record = this.#byFullKey.get(fullKey);
    const now = this.#now();
    if (record === undefined || record.disabled || isExpired(record, now)) return undefined;
    if (now < record.acceptedFrom || now >= record.acceptedUntil) return undefined;
    record.lastUsedAt = now;
    return record;
  }

  /** The record of an id or a full key, also after its deletion. */
  recall(idOrFullKey: string): KeyRecord | undefined {
    return this.#byId.get(idOrFullKey) ?? this.#byFullKey.get(idOrFullKey);
  }

  clear(): void {
    this.#byId.clear();
    this.#byFullKey.clear();
    this.#deleted = [];
  }

  #forget(record: KeyRecord | undefined): void {
    if (record === undefined) return;
    this.#byId.delete(record.id);
    const fullKey = record.secret.reveal();
    if (this.#byFullKey.get(fullKey) === record) this.#byFullKey.delete(fullKey);
  }
}

function isListed(record: KeyRecord, scope: Scope | undefined, at: number): boolean {
  const isInScope = scope === undefined || record.scope === scope;
  return isInScope && record.createdAt <= at && at < record.deletedAt;
}
