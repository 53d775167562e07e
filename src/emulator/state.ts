import { Secret } from '../secret/secret.ts';
import { ALPHANUMERIC, type RandomText, URL_SAFE } from './random.ts';

/** A key as the service holds it. Times are milliseconds since 1970. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly secret: Secret;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  disabled: boolean;
  lastUsedAt: number | undefined;
}

/** What is asked for when a key is created. */
export interface NewKey {
  readonly name: string;
  readonly expiresAt: number | undefined;
}

/** Ids stay below the length from which the request log takes a part of a path for a credential. */
const ID_LENGTH = 16;

/** What both planes share: the keys. It knows nothing of HTTP. */
export class State {
  readonly #byId = new Map<string, KeyRecord>();
  readonly #bySecret = new Map<string, KeyRecord>();
  readonly #maxKeys: number;
  readonly #now: () => number;
  readonly #randomText: RandomText;

  constructor(settings: { readonly maxKeys: number; readonly now: () => number }, drawText: RandomText) {
    this.#maxKeys = settings.maxKeys;
    this.#now = settings.now;
    this.#randomText = drawText;
  }

  /** Whether one more key would be one too many. */
  get full(): boolean {
    return this.#byId.size >= this.#maxKeys;
  }

  /** Oldest first. */
  keys(): KeyRecord[] {
    return [...this.#byId.values()];
  }

  find(id: string): KeyRecord | undefined {
    return this.#byId.get(id);
  }

  /** The limit is the caller's to check, who has to say so in the words of the wire. */
  create({ name, expiresAt }: NewKey): KeyRecord {
    const whole = `sk-${this.#randomText(URL_SAFE, 45)}`;
    const record: KeyRecord = {
      id: this.#randomText(ALPHANUMERIC, ID_LENGTH),
      name,
      secret: new Secret(whole),
      createdAt: this.#now(),
      expiresAt,
      disabled: false,
      lastUsedAt: undefined,
    };
    this.#byId.set(record.id, record);
    this.#bySecret.set(whole, record);
    return record;
  }

  delete(id: string): KeyRecord | undefined {
    const record = this.#byId.get(id);
    if (record === undefined) return undefined;
    this.#byId.delete(id);
    this.#bySecret.delete(record.secret.reveal());
    return record;
  }

  /** The key that a caller may use now, which counts as its use. */
  use(whole: string): KeyRecord | undefined {
    const record = this.#bySecret.get(whole);
    const now = this.#now();
    if (record === undefined || record.disabled || isExpired(record, now)) return undefined;
    record.lastUsedAt = now;
    return record;
  }

  clear(): void {
    this.#byId.clear();
    this.#bySecret.clear();
  }
}

export function isExpired(record: KeyRecord, now: number): boolean {
  return record.expiresAt !== undefined && record.expiresAt <= now;
}
