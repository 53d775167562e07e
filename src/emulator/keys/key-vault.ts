import { Secret } from '../../secret/secret.ts';
import { ALPHANUMERIC, type RandomText, URL_SAFE } from '../random.ts';
import { isAccepted, isListed, type KeyRecord, type Quota, type Scope } from './key-record.ts';
import type { User } from './users.ts';

/** What is asked for when a key is created. */
export interface NewKey {
  readonly name: string;
  readonly scope: Scope;
  readonly owner: User;
  readonly expiresAt: number;
  readonly quota: Quota;
}

/** How much later than asked for something happens, in milliseconds. */
export interface CreationDelays {
  /** Until the key is there. Its place within the limit is taken at once. */
  readonly appliedAfterMs: number;
  /** From then on until the data plane knows the key. */
  readonly acceptedAfterMs: number;
}

export interface DeletionDelays {
  /** Until the key is gone. */
  readonly appliedAfterMs: number;
  /** From then on until the data plane knows of it. */
  readonly acceptedForMs: number;
}

/** Ids stay below the length from which the request log takes a part of a path for a credential. */
const ID_LENGTH = 16;

/** How many deleted keys are remembered, for lists that lag and for keys that outlive their deletion. */
const MOST_DELETED = 1000;

/** What both planes share: the keys. It knows nothing of HTTP. */
export class KeyVault {
  readonly #byId = new Map<string, KeyRecord>();
  readonly #bySecret = new Map<string, KeyRecord>();
  /** In the order of their deletion. */
  #deleted: KeyRecord[] = [];
  readonly #maxKeys: number;
  readonly #now: () => number;
  readonly #drawText: RandomText;

  constructor(settings: { readonly maxKeys: number; readonly now: () => number }, drawText: RandomText) {
    this.#maxKeys = settings.maxKeys;
    this.#now = settings.now;
    this.#drawText = drawText;
  }

  /** Whether one more key would be one too many. */
  isFull(scope: Scope): boolean {
    const now = this.#now();
    let count = 0;
    for (const record of this.#byId.values()) if (record.scope === scope && now < record.deletedAt) count++;
    return count >= this.#maxKeys;
  }

  /**
   * The keys that there are, oldest first.
   *
   * @param scope - Default: all of them.
   * @param ageMs - How old the answer is: what is seen are the keys that there were then.
   */
  keys(scope?: Scope, ageMs = 0): KeyRecord[] {
    const at = this.#now() - ageMs;
    const listed = [...this.#byId.values()].filter(
      (record) => (scope === undefined || record.scope === scope) && isListed(record, at),
    );
    // Those that were carried out late are younger than some that were asked for after them.
    return listed.sort((a, b) => a.createdAt - b.createdAt);
  }

  find(id: string, scope?: Scope): KeyRecord | undefined {
    const record = this.#byId.get(id);
    if (record === undefined || !isListed(record, this.#now())) return undefined;
    return scope === undefined || record.scope === scope ? record : undefined;
  }

  /** The limit is the caller's to check, who has to say so in the words of the wire. */
  create(key: NewKey, delays: CreationDelays = { appliedAfterMs: 0, acceptedAfterMs: 0 }): KeyRecord {
    const whole = `sk-${this.#drawText(URL_SAFE, 45)}`;
    const createdAt = this.#now() + delays.appliedAfterMs;
    const record: KeyRecord = {
      ...key,
      id: this.#drawText(ALPHANUMERIC, ID_LENGTH),
      secret: new Secret(whole),
      createdAt,
      acceptedFrom: createdAt + delays.acceptedAfterMs,
      deletedAt: Number.POSITIVE_INFINITY,
      acceptedUntil: Number.POSITIVE_INFINITY,
      disabled: false,
      lastUsedAt: undefined,
      allowModels: [],
      denyModels: [],
      usedTokens: 0n,
      quotaReckonedAt: createdAt,
    };
    this.#byId.set(record.id, record);
    this.#bySecret.set(whole, record);
    return record;
  }

  delete(record: KeyRecord, delays: DeletionDelays = { appliedAfterMs: 0, acceptedForMs: 0 }): void {
    const deletedAt = this.#now() + delays.appliedAfterMs;
    // Of two deletions, one of them carried out late, the earlier one counts.
    if (deletedAt >= record.deletedAt) return;
    if (record.deletedAt === Number.POSITIVE_INFINITY) this.#deleted.push(record);
    record.deletedAt = deletedAt;
    record.acceptedUntil = deletedAt + delays.acceptedForMs;
    if (this.#deleted.length > MOST_DELETED) this.#forget(this.#deleted.shift());
  }

  /** The key that a caller may use now, which counts as its use. */
  use(whole: string): KeyRecord | undefined {
    const record = this.#bySecret.get(whole);
    const now = this.#now();
    if (record === undefined || !isAccepted(record, now)) return undefined;
    record.lastUsedAt = now;
    return record;
  }

  /** The key with this id, or the key that this is, whatever has become of it. */
  recall(idOrWhole: string): KeyRecord | undefined {
    return this.#byId.get(idOrWhole) ?? this.#bySecret.get(idOrWhole);
  }

  clear(): void {
    this.#byId.clear();
    this.#bySecret.clear();
    this.#deleted = [];
  }

  #forget(record: KeyRecord | undefined): void {
    if (record === undefined) return;
    this.#byId.delete(record.id);
    this.#bySecret.delete(record.secret.reveal());
  }
}
