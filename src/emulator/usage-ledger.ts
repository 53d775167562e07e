import { type KeyRecord, type Scope, spendTokens } from './keys/key-record.ts';

/** How many tokens a call used. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Those of the input that the model had seen before. */
  readonly cached: number;
  readonly total: number;
}

/** What was used with one key and one model at one time. */
export interface UsageEntry {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly scope: Scope;
  readonly keyId: string;
  readonly model: string;
  readonly usage: TokenUsage;
}

const MOST_ENTRIES = 10_000;
const HOUR_MS = 3_600_000;

/**
 * What was used, by time, key and model; also by keys that are gone.
 *
 * The last calls are held to the millisecond, earlier ones to the hour, and the oldest hours are dropped: its size
 * has a bound.
 */
export class UsageLedger {
  readonly #now: () => number;
  #entries = new Map<string, UsageEntry>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes what a call used, and takes it off the key's quota. */
  add(record: KeyRecord, model: string, usage: TokenUsage): void {
    const time = this.#now();
    spendTokens(record, usage.total, time);
    this.#note({ time, scope: record.scope, keyId: record.id, model, usage });
    if (this.#entries.size > MOST_ENTRIES) this.#condense();
  }

  entries(): UsageEntry[] {
    return [...this.#entries.values()];
  }

  clear(): void {
    this.#entries.clear();
  }

  #note(entry: UsageEntry): void {
    const key = JSON.stringify([entry.time, entry.keyId, entry.model]);
    const same = this.#entries.get(key);
    const usage = same === undefined ? entry.usage : addUsage(same.usage, entry.usage);
    this.#entries.set(key, { ...entry, usage });
  }

  #condense(): void {
    const entries = this.entries();
    const recent = entries.splice(MOST_ENTRIES / 2);
    this.#entries = new Map();
    for (const entry of entries) this.#note({ ...entry, time: startOfHour(entry.time) });
    const hours = [...this.#entries].slice(-MOST_ENTRIES / 4);
    this.#entries = new Map(hours);
    for (const entry of recent) this.#note(entry);
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

function startOfHour(time: number): number {
  return Math.floor(time / HOUR_MS) * HOUR_MS;
}
