import { ConfigurationError } from '../errors/index.ts';
import { checkOptions, checkSignal } from '../errors/invalid.ts';
import { MAX_TIMER_MS } from '../internal/checks.ts';
import { runDetached } from '../internal/runtime.ts';
import { abortable, retryUntil, throwIfAborted, withTimeout } from '../internal/wait.ts';
import type { CredentialContext, Secret } from '../secret/secret.ts';
import { type KeyRingEvent, type KeyRingEvents, RingEvents } from './events.ts';
import { type KeyRingOptions, readOptions } from './options.ts';
import { RingMemory } from './plan.ts';
import { Reader } from './reader.ts';
import { type ReconcileResult, Reconciliation } from './reconcile.ts';
import {
  type KeyRingCallOptions,
  Revocation,
  type RevokeOptions,
  type RevokeTarget,
  recoverRing,
} from './revoke.ts';
import { type ManagedRing, type RingContext, RingState } from './ring-state.ts';
import { type KeyRingStatus, statusOf } from './status.ts';
import { checkMs } from './stores/store.ts';

/** The classes that implement the rotation protocol. Tests can replace them. @internal */
export interface Protocol {
  readonly Reconciliation: typeof Reconciliation;
  readonly Revocation: typeof Revocation;
}

/** Options for {@link KeyRing.start}. */
export interface StartOptions {
  /** Interval in milliseconds, varied by up to 25%, and shortened if work is due earlier. @defaultValue 60_000 */
  readonly intervalMs?: number | undefined;
}

const DEFAULT_INTERVAL_MS = 60_000;
/** Interval at which `rotate()` polls the record while another replica is working. */
const POLL = { minMs: 250, maxMs: 2_000 };
/** Minimum delay. A reconciliation that starts slightly too early would find nothing to do. */
const MIN_WAIT_MS = 1_000;

/**
 * Rotates an API key without downtime: creates the next key, verifies it, distributes it to all replicas, and deletes
 * the old key after a grace period.
 *
 * Any number of processes can share a ring through a store; no leader is needed. If a process crashes, another process
 * or the next reconciliation continues its work. A ring is a credential provider, so you can pass it to a `ChatClient`
 * as `apiKey`. Without `manager` and `verifier`, a ring is read-only.
 *
 * @example
 * ```ts
 * import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
 * import { KeyRing, memoryStore } from 'drun-sdk/rotation';
 *
 * const ring = new KeyRing({
 *   name: 'checkout',
 *   manager: new ApiKeys({ accessToken: process.env.DRUN_ACCESS_TOKEN }),
 *   verifier: keyVerifier(),
 *   store: memoryStore(), // in production: postgresStore, redisStore, fileStore, …
 *   encryptionKey: crypto.getRandomValues(new Uint8Array(32)), // in production: from a secret manager
 * });
 * await ring.reconcile(); // creates the first key and a standby
 *
 * const chat = new ChatClient({ apiKey: ring });
 * await chat.complete({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] });
 * await ring.rotate();
 * ```
 */
export class KeyRing implements AsyncDisposable {
  readonly #ring: RingContext;
  readonly #protocol: Protocol;
  readonly #reader: Reader;
  /** Created on first use, because Workers cannot generate random values outside a request. */
  #memory: RingMemory | undefined;
  /** Resolves when all reconciliations started so far have ended. They run one at a time. */
  #running: Promise<unknown> = Promise.resolve();
  /** Stops the background work. Undefined if no background work is running. */
  #background: AbortController | undefined;
  /** Settles when all background work has ended. */
  #ended: Promise<unknown> = Promise.resolve();

  /** @throws {ConfigurationError} If an option is invalid. The message names the option and contains no credentials. */
  constructor(options: KeyRingOptions);
  /** @internal */
  constructor(options: KeyRingOptions, protocol: Protocol);
  constructor(options: KeyRingOptions, protocol: Protocol = { Reconciliation, Revocation }) {
    const settings = readOptions(options);
    this.#protocol = protocol;
    this.#ring = { ...settings, state: new RingState(settings), events: new RingEvents(settings.name) };
    this.#reader = new Reader(this.#ring);
  }

  /**
   * Returns the current key, synchronously if it is known. If that key was rejected, reads the record first.
   * Rejects with a `KeyRingError` (`key_ring_no_active_key`) if the ring has no key after `keyTimeoutMs`.
   */
  getKey(context: CredentialContext = {}): Secret | Promise<Secret> {
    return this.#reader.get(context ?? {});
  }

  /**
   * Does all work that is due. Can be called at any time and in any number of processes, for example by a cron job or a
   * serverless function. In a service, use {@link KeyRing.start} instead.
   *
   * @throws {ApiKeyLimitError} If the account has reached its key limit. `ringKeyIds` lists the ring's own keys.
   */
  async reconcile(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const signal = signalOf(options, 'reconcile()');
    await abortable(this.#reconcile(signal), signal);
    return this.status();
  }

  /**
   * Requests a rotation and reconciles until the next key is current. If there is a standby, a single update is enough.
   * Soon after another rotation, this can take up to `gracePeriodMs`. If it fails, the next reconciliation resumes it.
   */
  async rotate(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const signal = signalOf(options, 'rotate()');
    const { state, clock } = this.#managed();
    const epoch = await this.#requestRotation(signal);
    for (;;) {
      const { version, nextInMs = DEFAULT_INTERVAL_MS } = await abortable(this.#reconcile(signal), signal);
      if (state.latest && state.latest.epoch > epoch) return this.status();
      // Waits until the record changes or work is due.
      const deadline = clock.monotonic() + Math.max(nextInMs, MIN_WAIT_MS);
      await retryUntil(clock, signal, deadline, POLL, async () => {
        const read = await state.read().catch(() => null);
        return read !== null && read.version !== version;
      });
    }
  }

  /**
   * Permanently retires the `current` key, the key with the given id, or `all` keys, and promotes the standby (without
   * a standby, calls wait for the next key). Resolves when the service neither lists nor accepts the retired keys.
   *
   * If the store is unreachable, the keys are deleted anyway, and the call rejects unless the record can be updated
   * within `timeoutMs`. If no successor can be created, an `error` event is emitted.
   */
  async revoke(target: RevokeTarget, options: RevokeOptions = {}): Promise<KeyRingStatus> {
    const ring = this.#managed();
    const signal = signalOf(options, 'revoke()', ['signal', 'reason', 'timeoutMs']);
    const revocation = new this.#protocol.Revocation(ring, target, options, signal);
    await revocation.run();
    // The wait for a successor is limited: the key is already revoked, and a running reconciliation may take minutes.
    const successor = abortable(this.#reconcile(signal), signal).catch((error: unknown) => {
      if (!signal.aborted) ring.events.emit('error', { error });
    });
    await withTimeout(this.#ring.clock, revocation.timeoutMs, () => successor).catch(() => {});
    return this.status();
  }

  /**
   * Resumes rotation after `key_ring_rolled_back`: accepts the stored record and reconciles. Keys that are missing from
   * the record are deleted. If the record was lost, creates a new ring with this name and keeps the old ring's keys.
   */
  async recover(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const signal = signalOf(options, 'recover()');
    const recovered = recoverRing(this.#managed(), signal).then(() => this.#reconcile(signal));
    await abortable(recovered, signal);
    return this.status();
  }

  /** Returns what this process knows about the ring. Sends no request. */
  status(): KeyRingStatus {
    const { name, state, events } = this.#ring;
    return statusOf(name, state.latest, events.lastError);
  }

  /**
   * Adds a listener. Errors thrown by listeners are ignored.
   *
   * @returns A function that removes the listener.
   * @throws {ConfigurationError} If the event does not exist or `listener` is not a function.
   */
  on<Event extends KeyRingEvent>(
    event: Event,
    listener: (details: KeyRingEvents[Event]) => void,
  ): () => void {
    return this.#ring.events.on(event, listener);
  }

  /**
   * Reconciles in the background until {@link KeyRing.stop} is called. Emits an `error` event after each failure and
   * tries again at the next interval. Does not keep the process alive. Has no effect if already started.
   */
  start(options: StartOptions = {}): void {
    checkOptions(options, ['intervalMs'], 'start()');
    const { intervalMs = DEFAULT_INTERVAL_MS } = options;
    checkMs(intervalMs, 'intervalMs');
    this.#managed();
    this.#reader.reopen();
    if (this.#background !== undefined) return;
    this.#background = new AbortController();
    const { signal } = this.#background;
    const { clock, random, events } = this.#ring;
    const loop = async (): Promise<void> => {
      while (!signal.aborted) {
        const result = await this.#reconcile(signal).catch((error: unknown) => {
          if (!signal.aborted) events.emit('error', { error });
        });
        const waitMs = Math.min(intervalMs, Math.max(result?.nextInMs ?? intervalMs, MIN_WAIT_MS));
        const variedMs = waitMs * (0.75 + random() / 2);
        await clock.sleep(Math.min(variedMs, MAX_TIMER_MS), signal, { background: true }).catch(() => {});
      }
    };
    const loopEnd = runDetached(loop);
    this.#ended = this.#ended.then(() => loopEnd);
  }

  /** Stops the background work and resolves when it has ended. If a key is being created, it is stored first. */
  async stop(): Promise<void> {
    this.#background?.abort(new DOMException('The background work was stopped.', 'AbortError'));
    this.#background = undefined;
    await Promise.all([this.#reader.close(), this.#ended]);
  }

  /** Calls {@link KeyRing.stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Reconciles after all earlier reconciliations have ended. */
  async #reconcile(signal: AbortSignal): Promise<ReconcileResult> {
    const ring = this.#managed();
    const before = this.#running;
    const { promise, resolve: end } = Promise.withResolvers<void>();
    // Even if this call is aborted, the next call waits for the running reconciliation.
    this.#running = before.then(() => promise);
    try {
      await abortable(before, signal);
      if (this.#memory === undefined) await this.#checkStore();
      this.#memory ??= new RingMemory();
      const { lastError } = ring.events;
      const result = await new this.#protocol.Reconciliation(ring, this.#memory, signal).run();
      ring.events.clearError(lastError);
      return result;
    } finally {
      end();
    }
  }

  /** Emits an `error` event for each server setting that can make the store lose records. */
  async #checkStore(): Promise<void> {
    const { store, storeTimeoutMs, events, clock } = this.#ring;
    // Failures are ignored, because many servers do not allow this check. Reads and updates report other failures.
    const errors = await withTimeout(clock, storeTimeoutMs, async () => store.check?.()).catch(() => []);
    if (Array.isArray(errors)) for (const error of errors) events.emit('error', { error });
  }

  /** Adds a rotation request to the record. @returns The epoch that the rotation will end. */
  async #requestRotation(signal: AbortSignal): Promise<number> {
    const { state, clock } = this.#ring;
    const found = await retryUntil(clock, signal, Number.POSITIVE_INFINITY, POLL, async () => {
      const read = await state.read({ retry: signal });
      const { epoch = 0, current, rotateEpoch } = read?.record ?? {};
      if (!read || !current || rotateEpoch !== undefined) return { epoch };
      const requested = { ...read.record, rotateEpoch: epoch };
      return (await state.update(read, requested, { retry: signal })) && { epoch };
    });
    return found?.epoch ?? 0;
  }

  /** Returns the ring with its key manager and verifier. @throws {ConfigurationError} If the ring is read-only. */
  #managed(): ManagedRing {
    const { manager, verifier } = this.#ring;
    if (manager !== undefined && verifier !== undefined) return { ...this.#ring, manager, verifier };
    const option = manager === undefined ? 'manager' : 'verifier';
    throw new ConfigurationError(`\`${option}\` is missing. Without it, the ring is read-only.`, { option });
  }
}

/** Checks the options for a call. @returns The signal that aborts the call. */
function signalOf(options: KeyRingCallOptions, method: string, names = ['signal']): AbortSignal {
  checkOptions(options, names, method);
  const { signal = new AbortController().signal } = options;
  checkSignal(signal);
  throwIfAborted(signal);
  return signal;
}
