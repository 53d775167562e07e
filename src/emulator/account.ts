import { Secret } from '../secret/secret.ts';
import { ALPHANUMERIC, type RandomText, URL_SAFE } from './random.ts';

/** The owner of a key: the account, or a workspace identified by its number. */
export type Scope = 'account' | number;

/** Returns whether a number is a valid workspace number, which the API contract defines as a positive int32. */
export function isWorkspace(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 2 ** 31;
}

/** The number of tokens that a key may use. Quotas are bigints because they are 64-bit integers on the wire. */
export type Quota = bigint | 'unlimited';

/** Name of the user who owns the access token. */
export const OWNER = 'owner';

/** A key as the service stores it. Times are in milliseconds since 1970, and `Infinity` means never. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly secret: Secret;
  readonly scope: Scope;
  /** Name of the user who created the key. */
  readonly createdBy: string;
  readonly createdAt: number;
  /** When the data plane starts accepting the key. */
  readonly acceptedFrom: number;
  isDeleted: boolean;
  /** When the data plane stops accepting the key after its deletion. */
  acceptedUntil: number;
  expiresAt: number;
  disabled: boolean;
  lastUsedAt: number | undefined;
  allowModels: readonly string[];
  denyModels: readonly string[];
  quota: Quota;
  usedTokens: bigint;
}

/** Returns the number of tokens left, or 0 if requests in progress have exceeded the quota. */
export function remainingTokens({ quota, usedTokens }: KeyRecord): Quota {
  if (quota === 'unlimited') return quota;
  return usedTokens < quota ? quota - usedTokens : 0n;
}

/** The properties of a new key. */
export interface NewKeyRecord extends Partial<Omit<KeyRecord, 'name' | 'scope'>> {
  readonly name: string;
  readonly scope: Scope;
  /** Default: a random key. */
  readonly fullKey?: string | undefined;
  /** Time from creation until the data plane accepts the key. Default: 0. */
  readonly acceptedAfterMs?: number | undefined;
}

/** Number of tokens that a request used. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Input tokens served from a cache. */
  readonly cached: number;
  readonly total: number;
}

/** The token usage of one request, with its key and model. */
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

/** Ids are short enough that the request log does not mistake them for credentials. */
const ID_LENGTH = 16;

/** Number of deletions after which deleted keys are purged. Until then, the log and faults can still identify them. */
const MAX_DELETED = 1000;

const MAX_USAGE_ENTRIES = 100_000;

const NEVER = Number.POSITIVE_INFINITY;

/** The emulated account: its API keys, the API keys of its workspaces, and the usage of all keys. */
export class Account {
  /** The access token for the control plane. */
  readonly token: Secret;
  readonly #settings: AccountSettings;
  readonly #randomText: RandomText;
  readonly #byId = new Map<string, KeyRecord>();
  readonly #byFullKey = new Map<string, KeyRecord>();
  #deletions = 0;
  #usage: UsageEntry[] = [];

  constructor(settings: AccountSettings, randomText: RandomText) {
    this.token = new Secret(settings.accessToken ?? randomText(ALPHANUMERIC, 48));
    this.#settings = settings;
    this.#randomText = randomText;
  }

  /** Returns whether the scope has reached its key limit. */
  isFull(scope: Scope): boolean {
    return this.list(scope).length >= this.#settings.maxKeys;
  }

  /** Returns the existing keys, oldest first. @param scope - Limits the result to one scope. Default: all scopes. */
  list(scope?: Scope): KeyRecord[] {
    const existing = [...this.#byId.values()].filter(({ isDeleted }) => !isDeleted);
    return existing.filter((record) => scope === undefined || record.scope === scope);
  }

  find(id: string, scope?: Scope): KeyRecord | undefined {
    return this.list(scope).find((record) => record.id === id);
  }

  /** Creates a key. The caller must check the key limit first. */
  create({ fullKey, acceptedAfterMs = 0, ...key }: NewKeyRecord): KeyRecord {
    const value = fullKey ?? `sk-${this.#randomText(URL_SAFE, 45)}`;
    const createdAt = this.#settings.now();
    const record: KeyRecord = {
      id: this.#randomText(ALPHANUMERIC, ID_LENGTH),
      secret: new Secret(value),
      createdBy: OWNER,
      createdAt,
      acceptedFrom: createdAt + acceptedAfterMs,
      isDeleted: false,
      acceptedUntil: NEVER,
      expiresAt: NEVER,
      disabled: false,
      lastUsedAt: undefined,
      allowModels: [],
      denyModels: [],
      quota: 'unlimited',
      usedTokens: 0n,
      ...key,
    };
    this.#byId.set(record.id, record);
    this.#byFullKey.set(value, record);
    return record;
  }

  /** Deletes a key. @param acceptedForMs - Time until the data plane rejects the key. */
  delete(record: KeyRecord, acceptedForMs = 0): void {
    record.isDeleted = true;
    record.acceptedUntil = this.#settings.now() + acceptedForMs;
    if (++this.#deletions % MAX_DELETED !== 0) return;
    const now = this.#settings.now();
    for (const map of [this.#byId, this.#byFullKey]) {
      for (const [name, { acceptedUntil }] of map) if (acceptedUntil <= now) map.delete(name);
    }
  }

  /** Returns the key and updates `lastUsedAt`. Returns `undefined` if the data plane does not accept the key. */
  use(fullKey: string): KeyRecord | undefined {
    const record = this.#byFullKey.get(fullKey);
    const now = this.#settings.now();
    if (record === undefined || record.disabled || record.expiresAt <= now) return undefined;
    if (now < record.acceptedFrom || now >= record.acceptedUntil) return undefined;
    record.lastUsedAt = now;
    return record;
  }

  /** Returns the record for an id or a full key, even if the key has been deleted. */
  recall(idOrFullKey: string): KeyRecord | undefined {
    return this.#byId.get(idOrFullKey) ?? this.#byFullKey.get(idOrFullKey);
  }

  /** Returns the usage of the most recent requests in a scope, even if their keys have since been deleted. */
  usage(scope: Scope): UsageEntry[] {
    return this.#usage.filter((entry) => entry.scope === scope);
  }

  /** Records the usage of a request and deducts it from the key's quota, unless a reset or purge removed the key. */
  spend(record: KeyRecord, model: string, usage: TokenUsage): void {
    if (this.#byId.get(record.id) !== record) return;
    record.usedTokens += BigInt(usage.total);
    this.#usage.push({ time: this.#settings.now(), scope: record.scope, keyId: record.id, model, usage });
    if (this.#usage.length > MAX_USAGE_ENTRIES) this.#usage.splice(0, MAX_USAGE_ENTRIES / 10);
  }

  /** Clears the usage of the selected keys. */
  clearUsage(isSelected: (keyId: string) => boolean): void {
    this.#usage = this.#usage.filter(({ keyId }) => !isSelected(keyId));
    for (const record of this.list()) if (isSelected(record.id)) record.usedTokens = 0n;
  }

  /** Removes all keys and their usage. */
  clear(): void {
    this.#byId.clear();
    this.#byFullKey.clear();
    this.#usage = [];
  }
}
