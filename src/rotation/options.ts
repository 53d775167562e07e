import { ConfigurationError } from '../errors/index.ts';
import type { KeyStore } from './key-store.ts';
import type { Policy } from './policy.ts';
import { type Clock, type KeyManager, type KeyVerifier, systemClock } from './ports.ts';
import { type EncryptionKeyOption, type Seal, sealOf } from './seal.ts';
import { isRing, validMilliseconds } from './stores/arguments.ts';

/** How a {@link KeyRing} is set up. */
export interface KeyRingOptions {
  /** Names the ring in the store and its keys at the service: 1 to 10 of a to z, 0 to 9 and `-`. */
  readonly name: string;
  /** Makes and deletes keys: an `ApiKeys` or `WorkspaceApiKeys`. Not needed by who only reads. */
  readonly manager?: KeyManager | undefined;
  /** Tries keys, which costs no tokens: `keyVerifier()`. Not needed by who only reads. */
  readonly verifier?: KeyVerifier | undefined;
  /** Where the record of the ring is. Everybody who uses the ring has to use the same store. */
  readonly store: KeyStore;
  /**
   * Seals the secrets in the record: 32 bytes, or such in base64; a list of them, of which the first seals and all open;
   * or `{ encrypt, decrypt }`. Everybody who uses the ring needs it.
   */
  readonly encryptionKey: EncryptionKeyOption;
  /** How long a key is used before another one takes its place, in milliseconds. Default: 30 days. */
  readonly maxAgeMs?: number | undefined;
  /**
   * How long a key goes on working after it was replaced, in milliseconds. Longer than `refreshMs` and the clocks'
   * differences. Default: 10 minutes.
   */
  readonly gracePeriodMs?: number | undefined;
  /** Whether a further key is kept ready, so that a rotation, and a revocation, need no create. Default: true. */
  readonly standby?: boolean | undefined;
  /**
   * Whether the current key is deleted before the next one is made, for accounts with room for one key only: calls
   * wait in between. Goes without a standby. Default: false.
   */
  readonly deleteBeforeCreate?: boolean | undefined;
  /** How old what is known of the record may be before a reader looks again, in milliseconds. Default: 30 000. */
  readonly refreshMs?: number | undefined;
  /** How long a call waits for a key where the ring has none, in milliseconds. Default: 30 000. */
  readonly keyTimeoutMs?: number | undefined;
  /**
   * How long the store may take to answer, in milliseconds; after that it has failed, and a swap may or may not have been
   * carried out. Default: 15 000.
   */
  readonly storeTimeoutMs?: number | undefined;
  /** How long whoever makes a key may be silent before others take over, in milliseconds. Default: 120 000. */
  readonly leaseMs?: number | undefined;
  /** How long a create may take to show after its answer was lost, in milliseconds. Default: 30 000. */
  readonly createTimeoutMs?: number | undefined;
  /** How long the service may take to accept a new key, in milliseconds. Default: 5 minutes. */
  readonly activationTimeoutMs?: number | undefined;
  /** Time, and waiting. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Numbers from 0 to below 1, for names. Default: the platform's secure ones. */
  readonly random?: (() => number) | undefined;
}

/** The options, checked and complete. */
export interface KeyRingSettings {
  readonly name: string;
  readonly manager: KeyManager | undefined;
  readonly verifier: KeyVerifier | undefined;
  readonly store: KeyStore;
  readonly seal: Seal;
  readonly policy: Policy;
  readonly refreshMs: number;
  readonly keyTimeoutMs: number;
  readonly storeTimeoutMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Years are longer than timers, but nobody waits for them in one go. */
const LONGEST_AGE_MS = 100 * 365 * DAY_MS;

/** @throws ConfigurationError that names the option that is wrong. */
export function readOptions(options: KeyRingOptions): KeyRingSettings {
  const { name, manager, verifier, store, encryptionKey } = options ?? {};
  if (!isRing(name)) throw invalid('name', 'must be 1 to 10 of a to z, 0 to 9 and -');
  requireMethods('manager', manager, ['create', 'list', 'delete']);
  requireMethods('verifier', verifier, ['verify']);
  if (store === undefined) throw invalid('store', 'is missing: give one such as memoryStore()');
  requireMethods('store', store, ['get', 'compareAndSwap']);
  if (store.watch !== undefined && typeof store.watch !== 'function') {
    throw invalid('store', 'must have a method watch, or nothing by that name');
  }
  const { clock = systemClock, random = secureRandom } = options;
  requireMethods('clock', clock, ['now', 'monotonic', 'sleep']);
  if (typeof random !== 'function') throw invalid('random', 'must be a function');

  const { deleteBeforeCreate = false } = options;
  const { standby = !deleteBeforeCreate } = options;
  // A text such as 'false' from the environment would be taken for true.
  for (const [option, value] of Object.entries({ deleteBeforeCreate, standby })) {
    if (typeof value !== 'boolean') throw invalid(option, 'must be true or false');
  }
  if (deleteBeforeCreate && standby) throw invalid('deleteBeforeCreate', 'leaves no room for a standby');
  const leaseMs = validMilliseconds(options.leaseMs ?? 2 * MINUTE_MS, 'leaseMs');
  const createTimeoutMs = validMilliseconds(options.createTimeoutMs ?? 30 * SECOND_MS, 'createTimeoutMs');
  if (createTimeoutMs >= leaseMs) throw invalid('createTimeoutMs', 'must be less than leaseMs');
  const maxAgeMs = options.maxAgeMs ?? 30 * DAY_MS;
  if (typeof maxAgeMs !== 'number' || !(maxAgeMs > 0 && maxAgeMs <= LONGEST_AGE_MS)) {
    throw invalid('maxAgeMs', 'must be a number of milliseconds above 0, and up to 100 years');
  }
  return {
    name,
    manager,
    verifier,
    store,
    seal: sealOf(encryptionKey),
    policy: {
      maxAgeMs,
      gracePeriodMs: validMilliseconds(options.gracePeriodMs ?? 10 * MINUTE_MS, 'gracePeriodMs'),
      standby,
      deleteBeforeCreate,
      leaseMs,
      createTimeoutMs,
      activationTimeoutMs: validMilliseconds(
        options.activationTimeoutMs ?? 5 * MINUTE_MS,
        'activationTimeoutMs',
      ),
    },
    refreshMs: validMilliseconds(options.refreshMs ?? 30 * SECOND_MS, 'refreshMs'),
    keyTimeoutMs: validMilliseconds(options.keyTimeoutMs ?? 30 * SECOND_MS, 'keyTimeoutMs'),
    storeTimeoutMs: validMilliseconds(options.storeTimeoutMs ?? 15 * SECOND_MS, 'storeTimeoutMs'),
    clock,
    random,
  };
}

function requireMethods(option: string, value: object | undefined, methods: readonly string[]): void {
  if (value === undefined) return;
  const has = (method: string): boolean =>
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Record<string, unknown>)[method] === 'function';
  if (!methods.every(has)) throw invalid(option, `must have the methods ${methods.join(', ')}`);
}

function invalid(option: string, what: string): ConfigurationError {
  return new ConfigurationError(`${option} ${what}`, { option });
}

function secureRandom(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value / 2 ** 32;
}
