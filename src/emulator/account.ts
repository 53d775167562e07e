import { Secret } from '../secret/secret.ts';
import { ALPHANUMERIC, HEXADECIMAL, type RandomText, URL_SAFE } from './random.ts';

/** A user of the control plane. All users share the account and its workspaces. */
export interface User {
  /** Such as `u-8105f7322477`. */
  readonly id: string;
  readonly name: string;
  readonly token: Secret;
}

/** The owner of a key: the account, or the workspace with this number. */
export type Scope = 'account' | number;

/** Whether a number is a valid workspace number (int32 in the contract). */
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
  /** When the key first appears in lists; later than the request if a fault delays the creation. */
  readonly createdAt: number;
  /** When the data plane starts to accept the key. */
  readonly acceptedFrom: number;
  /** When the key stops being listed. */
  deletedAt: number;
  /** When the data plane stops accepting the key. */
  acceptedUntil: number;
  expiresAt: number;
  disabled: boolean;
  lastUsedAt: number | undefined;
  allowModels: readonly string[];
  denyModels: readonly string[];
  quota: Quota;
  usedTokens: bigint;
  /** When the remaining quota was last computed. */
  quotaSyncedAt: number;
}

/** Returns the remaining tokens; 0 if more were used than allowed, because a running request is not cut off. */
export function remainingTokens({ quota, usedTokens }: KeyRecord): Quota {
  if (quota === 'unlimited') return quota;
  return usedTokens < quota ? quota - usedTokens : 0n;
}

/** The properties of a key to be created. */
export interface NewKeyRecord extends Pick<KeyRecord, 'name' | 'scope' | 'owner'> {
  /** Default: never. */
  readonly expiresAt?: number | undefined;
  /** Default: unlimited. */
  readonly quota?: Quota | undefined;
  /** Default: a random one. */
  readonly fullKey?: string | undefined;
}

/** Delays caused by faults, in milliseconds. */
interface Delays {
  /** Until the key is created or deleted. A new key counts toward the limit at once. */
  readonly appliedAfterMs?: number | undefined;
  /** From the key's creation until the data plane accepts it. */
  readonly acceptedAfterMs?: number | undefined;
  /** From the key's deletion until the data plane rejects it. */
  readonly acceptedForMs?: number | undefined;
}

/** Number of tokens that a request used. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Input tokens that were served from a cache. */
  readonly cached: number;
  readonly total: number;
}

/** Tokens that one request used, by key and model. */
export interface UsageEntry {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly scope: Scope;
  readonly keyId: string;
  readonly model: string;
  readonly usage: TokenUsage;
}

interface AccountSettings {
  readonly accessToken: string | undefined;
  readonly maxKeys: number;
  readonly now: () => number;
}

/** Short enough that the request log does not mistake an id in a path for a credential. */
const ID_LENGTH = 16;

/** Number of deleted keys that are remembered, for stale lists and late rejections. */
const MAX_DELETED = 1000;

const MAX_USAGE_ENTRIES = 100_000;

const NEVER = Number.POSITIVE_INFINITY;

/** The emulated account: its users, its API keys and those of its workspaces, and their usage. */
export class Account {
  /** The user that always exists. */
  readonly owner: User;
  readonly #settings: AccountSettings;
  readonly #randomText: RandomText;
  readonly #users = new Map<string, User>();
  readonly #byId = new Map<string, KeyRecord>();
  readonly #byFullKey = new Map<string, KeyRecord>();
  /** In order of deletion. */
  #deleted: KeyRecord[] = [];
  #usage: UsageEntry[] = [];

  constructor(settings: AccountSettings, randomText: RandomText) {
    const { accessToken = randomText(ALPHANUMERIC, 48) } = settings;
    this.owner = { id: 'u-8105f7322477', name: 'owner', token: new Secret(accessToken) };
    this.#settings = settings;
    this.#randomText = randomText;
    this.#users.set(this.owner.name, this.owner);
  }

  get users(): readonly User[] {
    return [...this.#users.values()];
  }

  /** Returns the user with this name, creating one if necessary. */
  userNamed(name: string): User {
    const known = this.#users.get(name);
    if (known !== undefined) return known;
    const id = `u-${this.#randomText(HEXADECIMAL, 12)}`;
    const user = { id, name, token: new Secret(this.#randomText(ALPHANUMERIC, 48)) };
    this.#users.set(name, user);
    return user;
  }

  /** Whether the scope has reached its limit of keys. */
  isFull(scope: Scope): boolean {
    const { now, maxKeys } = this.#settings;
    const time = now();
    const existing = [...this.#byId.values()].filter((key) => key.scope === scope && time < key.deletedAt);
    return existing.length >= maxKeys;
  }

  /**
   * The existing keys, oldest first.
   *
   * @param scope - Default: every scope.
   * @param ageMs - Age of the view, which contains the keys that existed that long ago.
   */
  list(scope?: Scope, ageMs = 0): KeyRecord[] {
    const at = this.#settings.now() - ageMs;
    const listed = [...this.#byId.values()].filter((record) => isListed(record, scope, at));
    // A delayed creation can take effect after one that was requested later.
    return listed.sort((a, b) => a.createdAt - b.createdAt);
  }

  find(id: string, scope?: Scope): KeyRecord | undefined {
    const record = this.#byId.get(id);
    return record !== undefined && isListed(record, scope, this.#settings.now()) ? record : undefined;
  }

  /** Creates a key. The caller checks the limit. */
  create(
    { fullKey, expiresAt = NEVER, quota = 'unlimited', ...key }: NewKeyRecord,
    { appliedAfterMs = 0, acceptedAfterMs = 0 }: Delays = {},
  ): KeyRecord {
    const value = fullKey ?? `sk-${this.#randomText(URL_SAFE, 45)}`;
    const createdAt = this.#settings.now() + appliedAfterMs;
    const record: KeyRecord = {
      ...key,
      id: this.#randomText(ALPHANUMERIC, ID_LENGTH),
      secret: new Secret(value),
      createdAt,
      acceptedFrom: createdAt + acceptedAfterMs,
      deletedAt: NEVER,
      acceptedUntil: NEVER,
      expiresAt,
      quota,
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
    const deletedAt = this.#settings.now() + appliedAfterMs;
    // If a key is deleted twice, the earlier deletion counts.
    if (deletedAt >= record.deletedAt) return;
    if (record.deletedAt === NEVER) this.#deleted.push(record);
    record.deletedAt = deletedAt;
    record.acceptedUntil = deletedAt + acceptedForMs;
    const forgotten = this.#deleted.length > MAX_DELETED ? this.#deleted.shift() : undefined;
    if (forgotten === undefined) return;
    this.#byId.delete(forgotten.id);
    const fullKey = forgotten.secret.reveal();
    if (this.#byFullKey.get(fullKey) === forgotten) this.#byFullKey.delete(fullKey);
  }

  /** Returns the key that authenticates a request, and updates its last use. */
  use(fullKey: string): KeyRecord | undefined {
    const record = this.#byFullKey.get(fullKey);
    const now = this.#settings.now();
    if (record === undefined || record.disabled || record.expiresAt <= now) return undefined;
    if (now < record.acceptedFrom || now >= record.acceptedUntil) return undefined;
    record.lastUsedAt = now;
    return record;
  }

  /** Returns the record for an id or a full key, even after its deletion. */
  recall(idOrFullKey: string): KeyRecord | undefined {
    return this.#byId.get(idOrFullKey) ?? this.#byFullKey.get(idOrFullKey);
  }

  /** Usage of the most recent requests, including those of deleted keys. */
  get usage(): readonly UsageEntry[] {
    return this.#usage;
  }

  /** Records the usage of a request and deducts it from the key's quota, unless a reset has removed the key. */
  spend(record: KeyRecord, model: string, usage: TokenUsage): void {
    if (this.#byId.get(record.id) !== record) return;
    const time = this.#settings.now();
    record.usedTokens += BigInt(usage.total);
    record.quotaSyncedAt = time;
    this.#usage.push({ time, scope: record.scope, keyId: record.id, model, usage });
    if (this.#usage.length > MAX_USAGE_ENTRIES) this.#usage.splice(0, MAX_USAGE_ENTRIES / 10);
  }

  /** Removes all keys and their usage. */
  clear(): void {
    this.#byId.clear();
    this.#byFullKey.clear();
    this.#deleted = [];
    this.#usage = [];
  }
}

function isListed(record: KeyRecord, scope: Scope | undefined, at: number): boolean {
  const isInScope = scope === undefined || record.scope === scope;
  return isInScope && record.createdAt <= at && at < record.deletedAt;
}
