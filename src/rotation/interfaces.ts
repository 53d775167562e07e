import type { PlatformAbortSignal } from '../internal/platform.ts';
import { sleep } from '../internal/wait.ts';
import type { Secret } from '../secret/secret.ts';

/** Options for every {@link KeyManager} and {@link KeyVerifier} method. */
export interface RingRequestOptions {
  readonly signal: PlatformAbortSignal;
}

/** A key that has just been created. */
export interface CreatedRingKey {
  readonly id: string;
  readonly maskedKey: string;
  readonly secret: Secret;
}

/** A key, as returned by {@link KeyManager.list}. */
export interface ListedKey {
  readonly id: string;
  readonly name?: string | undefined;
  readonly maskedKey?: string | undefined;
  readonly expired?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  readonly expiresAt?: Date | undefined;
}

/** Result of {@link KeyManager.list}: all keys of the account or workspace. */
export interface KeyList {
  readonly items: readonly ListedKey[];
  /** The service's time: `Date` plus `Age`. If absent, the keys, grace periods and leases of the ring never expire. */
  readonly servedAt?: Date | undefined;
}

/** Token quota of a workspace key. */
export type KeyQuota = number | 'unlimited';

/** Creates, lists and deletes keys. `ApiKeys` and `WorkspaceApiKeys` implement this interface. */
export interface KeyManager {
  /**
   * Creates a key with one request. A `DrunError` with an HTTP status from 400 to 499 (except 408) means that no key
   * was created. After any other error, the ring looks for the key by name.
   */
  create(
    input: {
      readonly name: string;
      readonly expiresAt: Date;
      readonly quota?: KeyQuota | undefined;
    },
    options: RingRequestOptions & { readonly maxRetries?: number | undefined },
  ): PromiseLike<CreatedRingKey>;
  /** Lists all keys, including those that do not belong to the ring. */
  list(query: object, options: RingRequestOptions): PromiseLike<KeyList>;
  /** Deletes a key. If the key does not exist, rejects with an error whose `code` is `not_found`. */
  delete(id: string, options: RingRequestOptions): PromiseLike<unknown>;
  /** Returns the secret of an existing key, if the server supports this (version 0.17 or later). */
  getSecret?(id: string, options: RingRequestOptions): PromiseLike<Secret>;
}

/** Result of {@link KeyVerifier.verify}. */
export type KeyVerification =
  | { readonly accepted: true; readonly models: readonly string[] }
  | { readonly accepted: false; readonly code?: string | undefined };

/** Checks whether the service accepts a key, and which models it may use. See `keyVerifier()` in `drun-sdk/chat`. */
export interface KeyVerifier {
  /** Verifies a key. Rejects if it is unclear whether the service accepts the key. */
  verify(secret: Secret, options: RingRequestOptions): PromiseLike<KeyVerification>;
}

/** The clock and timers of a ring, which tests can replace. */
export interface Clock {
  /** Returns the milliseconds since 1970. Used only if the service sends no `Date` header. */
  now(): number;
  /** Returns the number of milliseconds since an arbitrary point in time. Never decreases. */
  monotonic(): number;
  /** Resolves after `ms` or rejects with the signal's reason. A `background` timer does not keep the process alive. */
  sleep(ms: number, signal: PlatformAbortSignal, options?: { readonly background?: boolean }): Promise<void>;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep };
