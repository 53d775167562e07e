import type { KeyRecord, Scope } from './key-registry.ts';

/** Number of tokens that a request used. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Input tokens that were served from a cache. */
  readonly cached: number;
  readonly total: number;
}

/** Usage of one key and one model at one time. */
export interface UsageEntry {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly scope: Scope;
  readonly keyId: string;
  readonly model: string;
  readonly usage: TokenUsage;
}

const MAX_ENTRIES = 10_000;
const HOUR_MS = 3_600_000;

/**
 * Usage by time, key and model, also of deleted keys. Its size is bounded: recent requests are kept to the
 * millisecond, earlier ones to the hour, and the oldest hours are dropped.
 */
export class UsageLog {
  readonly #now: () => number;
  #entries = new Map<string, UsageEntry>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Records the usage of a request and takes it off the key's quota. */
  add(record: KeyRecord, model: string, usage: TokenUsage): void {
    const time = this.#now();
    record.usedTokens += BigInt(usage.total);
    record.quotaSyncedAt = time;
    this.#merge({ time, scope: record.scope, keyId: record.id, model, usage });
    if (this.#entries.size > MAX_ENTRIES) this.#condense();
  }

  entries(): UsageEntry[] {
    return [...this.#entries.values()];
  }

  clear(): void {
    this.#entries.clear();
  }

  #merge(entry: UsageEntry): void {
    const key = JSON.stringify([entry.time, entry.keyId, entry.model]);
    const same = this.#entries.get(key);
    const usage = same === undefined ? entry.usage : addUsage(same.usage, entry.usage);
    this.#entries.set(key, { ...entry, usage });
  }

  #condense(): void {
    const entries = this.entries();
    const recent = entries.splice(MAX_ENTRIES / 2);
    this.#entries = new Map();
    for (const entry of entries) this.#merge({ ...entry, time: Math.floor(entry.time / HOUR_MS) * HOUR_MS });
    this.#entries = new Map([...this.#entries].slice(-MAX_ENTRIES / 4));
    for (const entry of recent) this.#merge(entry);
  }
}

export function addUsage(a: TokenUsage, b: TokenUsage): TokenUsage {
  return {
    input: a.input + b.input,
    output: a.output + b.output,
    cached: a.cached + b.cached,
    total: a.total + b.total,
  };
}
