import { check, checkBoolean, checkOptions } from '../errors/invalid.ts';
import { MAX_TIMER_MS } from '../internal/checks.ts';
import { type EncryptionKeyOption, RingEncryption } from './encryption.ts';
import { type Clock, type KeyManager, type KeyQuota, type KeyVerifier, systemClock } from './interfaces.ts';
import { checkFunction, checkRing, type KeyStore } from './stores/store.ts';

/** Options for a {@link KeyRing}. */
export interface KeyRingOptions {
  /** Name of the ring: 1 to 32 characters (`a` to `z`, `0` to `9`, `-`). Key names contain it, possibly shortened. */
  readonly name: string;
  /** Creates, lists and deletes keys: an `ApiKeys` or `WorkspaceApiKeys` client. Not needed for a read-only ring. */
  readonly manager?: KeyManager | undefined;
  /** Checks whether the service accepts a key. Created by `keyVerifier()`. Not needed for a read-only ring. */
  readonly verifier?: KeyVerifier | undefined;
  /** Stores the record that all replicas share. */
  readonly store: KeyStore;
  /** Encrypts the secrets: 32 bytes (raw or base64), an array of keys (the first encrypts), or custom encryption. */
  readonly encryptionKey: EncryptionKeyOption;
  /** Age at which the current key is replaced, in milliseconds. @defaultValue 30 days */
  readonly maxAgeMs?: number | undefined;
  /** How long a replaced key works, in ms. Must exceed `refreshMs` and the longest call. @defaultValue 10 minutes */
  readonly gracePeriodMs?: number | undefined;
  /** Keeps a second key ready, so that rotations and revocations need not create one. @defaultValue true */
  readonly standby?: boolean | undefined;
  /** Deletes the current key before creating the next, for accounts limited to one key. @defaultValue false */
  readonly deleteBeforeCreate?: boolean | undefined;
  /** Token quota of each workspace key. */
  readonly quota?: KeyQuota | undefined;
  /** Age of the record, in milliseconds, at which `getKey` rereads it in the background. @defaultValue 30_000 */
  readonly refreshMs?: number | undefined;
  /** How long `getKey` waits for a key if the ring has none, in milliseconds. @defaultValue 30_000 */
  readonly keyTimeoutMs?: number | undefined;
  /** Timeout for a single store operation in milliseconds. @defaultValue 15_000 */
  readonly storeTimeoutMs?: number | undefined;
  /**
   * Time in milliseconds after which another replica takes over if a replica crashes while creating a key. Must be at
   * least `createTimeoutMs` + 10 seconds + twice the duration of a list request. @defaultValue 120_000
   */
  readonly leaseMs?: number | undefined;
  /** Time limit in milliseconds for a create request to take effect, even without a response. @defaultValue 30_000 */
  readonly createTimeoutMs?: number | undefined;
  /** How long the service may take to accept a new key, in milliseconds. @defaultValue 5 minutes */
  readonly activationTimeoutMs?: number | undefined;
  /** Replaces the clock and timers in tests. */
  readonly clock?: Clock | undefined;
  /** Replaces the random number generator in tests. Returns numbers from 0 (inclusive) to 1 (exclusive). */
  readonly random?: (() => number) | undefined;
}

/** Tolerance for the service's time: `Date` is rounded to seconds, server clocks differ, and responses take time. */
export const SLACK_MS = 5_000;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
export const DAY_MS = 24 * 60 * MINUTE_MS;

/** The options that are durations, with their defaults. */
const DURATIONS = {
  maxAgeMs: 30 * DAY_MS,
  gracePeriodMs: 10 * MINUTE_MS,
  refreshMs: 30 * SECOND_MS,
  keyTimeoutMs: 30 * SECOND_MS,
  storeTimeoutMs: 15 * SECOND_MS,
  leaseMs: 2 * MINUTE_MS,
  createTimeoutMs: 30 * SECOND_MS,
  activationTimeoutMs: 5 * MINUTE_MS,
};

const OTHERS = 'name manager verifier store encryptionKey standby deleteBeforeCreate quota clock random';
const MAX_AGE_MS = 100 * 365 * DAY_MS;

type Complete<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> };
type OptionalSettings = Pick<KeyRingOptions, 'manager' | 'verifier' | 'quota'>;

/** The validated options, with defaults applied. */
export type KeyRingSettings = Complete<Omit<KeyRingOptions, keyof OptionalSettings | 'encryptionKey'>> &
  OptionalSettings & { readonly encryption: RingEncryption };

/** Validates the options and applies defaults. @throws {ConfigurationError} If an option is invalid. */
export function readOptions(options: KeyRingOptions): KeyRingSettings {
  checkOptions(options, [...OTHERS.split(' '), ...Object.keys(DURATIONS)], 'KeyRing');
  const { name, manager, verifier, store, encryptionKey, quota } = options;
  checkRing(name, 'name');
  checkMethods('manager', manager, ['create', 'list', 'delete']);
  checkMethods('verifier', verifier, ['verify']);
  check(store !== undefined, 'store', 'is required. Pass a store such as `memoryStore()`');
  checkMethods('store', store, ['get', 'compareAndSwap']);
  const canWatch = store.watch === undefined || typeof store.watch === 'function';
  check(canWatch, 'store', 'has a `watch` member that is not a function');
  const { clock = systemClock, random = secureRandom, deleteBeforeCreate = false } = options;
  checkMethods('clock', clock, ['now', 'monotonic', 'sleep']);
  checkFunction(random, 'random');
  const { standby = !deleteBeforeCreate } = options;
  // A string from an environment variable, such as 'false', would be truthy.
  checkBoolean(deleteBeforeCreate, 'deleteBeforeCreate');
  checkBoolean(standby, 'standby');
  check(!deleteBeforeCreate || !standby, 'deleteBeforeCreate', 'cannot be combined with `standby`');
  const isQuota = quota === undefined || quota === 'unlimited' || (Number.isSafeInteger(quota) && quota >= 0);
  check(isQuota, 'quota', "must be a non-negative integer or 'unlimited'");
  const durations = readDurations(options);
  const minimumMs = durations.createTimeoutMs + 2 * SLACK_MS;
  const isLongEnough = durations.leaseMs >= minimumMs;
  check(isLongEnough, 'leaseMs', `must be at least \`createTimeoutMs\` + 10 seconds (${minimumMs})`);
  const encryption = new RingEncryption(name, encryptionKey);
  const others = { manager, verifier, store, encryption, standby, deleteBeforeCreate, quota, clock, random };
  return { name, ...durations, ...others };
}

function readDurations(options: KeyRingOptions): typeof DURATIONS {
  const durations = { ...DURATIONS };
  for (const option of Object.keys(DURATIONS) as (keyof typeof DURATIONS)[]) {
    const { [option]: value = DURATIONS[option] } = options;
    // The maximum delay of a timer does not limit the age of a key.
    const maxMs = option === 'maxAgeMs' ? MAX_AGE_MS : MAX_TIMER_MS;
    const isValid = typeof value === 'number' && value > 0 && value <= maxMs;
    check(isValid, option, `must be a positive number of milliseconds, at most ${maxMs}`);
    durations[option] = value;
  }
  return durations;
}

function checkMethods(option: string, value: object | undefined, methods: readonly string[]): void {
  if (value === undefined) return;
  const members = Object(value) as Record<string, unknown>;
  const hasAll = methods.every((method) => typeof members[method] === 'function');
  check(hasAll, option, `must have the methods ${methods.join(', ')}`);
}

function secureRandom(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value / 2 ** 32;
}
