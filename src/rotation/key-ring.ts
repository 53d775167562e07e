import { ConfigurationError } from '../errors/index.ts';
import { isTimerMs } from '../internal/checks.ts';
import type { PlatformAbortSignal } from '../internal/platform.ts';
import { Schedule } from '../internal/schedule.ts';
import { abortable, type Sleep, withTimeout } from '../internal/wait.ts';
import type { CredentialContext } from '../secret/credential.ts';
import type { Secret } from '../secret/secret.ts';
import { type KeyRingEvent, type KeyRingEvents, RingEvents } from './events.ts';
import type { KeyManager, KeyVerifier } from './interfaces.ts';
import { checkOptionNames, type KeyRingOptions, type KeyRingSettings, readOptions } from './options.ts';
import { Reader } from './reader.ts';
import { type ReconcileResult, Reconciliation, RingMemory } from './reconcile.ts';
import type { RingRecord } from './record.ts';
import {
  Revocation,
  type RevokeContext,
  type RevokeTarget,
  readRevokeOptions,
  recoverRing,
} from './revoke.ts';
import { isTransientStoreFailure, RingState } from './ring-state.ts';
import { type KeyRingStatus, statusOf } from './status.ts';

/** Options of most methods of a {@link KeyRing}. */
export interface KeyRingCallOptions {
  /** Aborts the call, which rejects with the signal's reason. The next reconciliation continues what it began. */
  readonly signal?: PlatformAbortSignal | undefined;
}

/** Options of {@link KeyRing.revoke}. */
export interface RevokeOptions extends KeyRingCallOptions {
  /** The reason, for the record and the events: 1 to 1,000 characters. @defaultValue 'revoked' */
  readonly reason?: string | undefined;
  /** Time for the store and for the confirmation by the service, in milliseconds. @defaultValue 60_000 */
  readonly timeoutMs?: number | undefined;
}

/** The implementation of the protocol. Tests replace parts of it. @internal */
export interface Protocol {
  readonly Reconciliation: typeof Reconciliation;
  readonly Revocation: typeof Revocation;
}

/** Options of {@link KeyRing.start}. */
export interface StartOptions {
  /**
   * Interval between two reconciliations in milliseconds, varied by a quarter so that replicas do not run in step.
   * Shorter if something is due earlier. @defaultValue 60_000
   */
  readonly intervalMs?: number | undefined;
}

const DEFAULT_INTERVAL_MS = 60_000;
/** How often `rotate()` looks at the record while another replica works on it. */
const MIN_POLL_MS = 250;
const MAX_POLL_MS = 2_000;
const MAX_STORE_FAILURES = 4;

/**
 * An API key that is rotated without downtime: created, verified, handed to all replicas, and deleted when it is no
 * longer in use.
 *
 * Any number of processes share a ring through a store, without a leader. Each may crash at any time; the others, or the
 * next reconciliation, continue. A ring is a credential: pass it to a `ChatClient` as its `apiKey`. Without `manager` and
 * `verifier` a ring only reads.
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
 * await ring.reconcile(); // creates the first key, and a standby
 *
 * const chat = new ChatClient({ apiKey: ring });
 * await chat.complete({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] });
 * await ring.rotate();
 * ```
 */
export class KeyRing implements AsyncDisposable {
  readonly #settings: KeyRingSettings;
  readonly #protocol: Protocol;
  readonly #state: RingState;
  readonly #reader: Reader;
  readonly #events: RingEvents;
  readonly #schedule: Schedule;
  /** Created when it is needed: Workers have no random numbers outside of requests. */
  #memory: RingMemory | undefined;
  /** The last reconciliation; there is one at a time. */
  #running: Promise<unknown> = Promise.resolve();
  #isStoreChecked = false;

  /** @throws ConfigurationError if an option is invalid. The message names it and shows no credential. */
  constructor(options: KeyRingOptions);
  /** @internal */
  constructor(options: KeyRingOptions, protocol: Protocol);
  constructor(options: KeyRingOptions, protocol: Protocol = { Reconciliation, Revocation }) {
    const settings = readOptions(options);
    const { name, store, encryption, clock, random, refreshMs, keyTimeoutMs, storeTimeoutMs } = settings;
    this.#settings = settings;
    this.#protocol = protocol;
    this.#events = new RingEvents(name);
    this.#state = new RingState({
      ring: name,
      store,
      clock,
      timeoutMs: storeTimeoutMs,
      onChange: (record, before) => this.#reader.observe(record, before),
    });
    this.#reader = new Reader({
      ring: name,
      state: this.#state,
      encryption,
      clock,
      emit: this.#events.emit,
      watch: store.watch?.bind(store),
      refreshMs,
      keyTimeoutMs,
    });
    this.#schedule = new Schedule(this.#sleep, random);
  }

  /**
   * Returns the current key, at once if it is known. A rejected key is looked up again first.
   *
   * Rejects with a `KeyRingError` of code `key_ring_no_active_key` if the ring gets no key within `keyTimeoutMs`.
   */
  getKey(context: CredentialContext = {}): Secret | Promise<Secret> {
    return this.#reader.get(context);
  }

  /**
   * Does everything that is due now. Safe at any time and in any number of processes: call it from a cron job or a
   * function, or let {@link KeyRing.start} call it in a service.
   *
   * @throws ApiKeyLimitError if the account has no room for another key; `ringKeyIds` lists the ring's own.
   */
  async reconcile(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    await this.#reconcile(signalOf(options));
    return this.status();
  }

  /**
   * Requests another key and reconciles until it is current. With a standby that takes one update; after a recent
   * rotation it takes up to `gracePeriodMs`. If the call fails or is aborted, any later reconciliation fulfills the
   * request.
   */
  async rotate(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const signal = signalOf(options);
    this.#access();
    const epoch = await this.#requestRotation(signal);
    const isDone = (record: RingRecord | undefined): boolean => (record?.epoch ?? 0) > epoch;
    for (;;) {
      const { record, nextInMs } = await this.#reconcile(signal);
      if (isDone(record) || isDone(this.#state.latest)) return this.status();
      await this.#waitForChange(record, nextInMs ?? DEFAULT_INTERVAL_MS, signal);
    }
  }

  /**
   * Takes keys out of use for good: the `current` one, one by its id, or `all`. The standby is promoted in the same update;
   * without a standby, calls wait for the next key. Resolves when the service neither lists nor accepts the keys.
   *
   * If the store is unreachable, the keys are deleted anyway, and the call rejects unless the record could be updated
   * within `timeoutMs`. If no successor can be created, an `error` event is emitted.
   */
  async revoke(target: RevokeTarget, options: RevokeOptions = {}): Promise<KeyRingStatus> {
    const context = this.#revokeContext();
    const signal = signalOf(options, 'signal reason timeoutMs');
    const init = readRevokeOptions(target, options.reason, options.timeoutMs);
    await new this.#protocol.Revocation(context, target, { ...init, signal }).run();
    // A reconciliation that is running may take minutes. The key is revoked already, so its successor may come later.
    const successor = this.#reconcile(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#events.emit('error', { error });
    });
    await withTimeout(this.#sleep, init.timeoutMs, () => successor).catch(() => {});
    return this.status();
  }

  /**
   * Continues after the store returned to an older state (`key_ring_rolled_back`): accepts its record and reconciles.
   * Keys that the record does not know are deleted. If the record is lost altogether, a new ring of this name begins,
   * and the keys of the old one are left alone.
   */
  async recover(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const signal = signalOf(options);
    await recoverRing(this.#revokeContext(), signal);
    await this.#reconcile(signal);
    return this.status();
  }

  /** What this process knows about the ring. Sends no request. */
  status(): KeyRingStatus {
    return statusOf(this.#settings.name, this.#state.latest, this.#events.lastError);
  }

  /** Adds a listener. Errors of a listener are ignored. @returns a function that removes it. */
  on<Event extends KeyRingEvent>(
    event: Event,
    listener: (details: KeyRingEvents[Event]) => void,
  ): () => void {
    return this.#events.emitter.add(event, listener);
  }

  /**
   * Reconciles in the background until {@link KeyRing.stop}. Failures are `error` events, and the next reconciliation
   * tries again. Does not keep the process alive. Has no effect if it is running already.
   */
  start(options: StartOptions = {}): void {
    checkOptionNames(options, 'intervalMs');
    const { intervalMs = DEFAULT_INTERVAL_MS } = options;
    if (!isTimerMs(intervalMs)) {
      throw new ConfigurationError('`intervalMs` must be a positive number of milliseconds.', {
        option: 'intervalMs',
      });
    }
    this.#access();
    this.#reader.reopen();
    this.#schedule.start(
      async (signal) => (await this.#reconcile(signal)).nextInMs,
      intervalMs,
      (error) => this.#events.emit('error', { error }),
    );
  }

  /** Stops the background work and resolves when it has ended. A key that is being created is stored before. */
  async stop(): Promise<void> {
    await Promise.all([this.#reader.close(), this.#schedule.stop()]);
  }

  /** Calls {@link KeyRing.stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  readonly #sleep: Sleep = (...wait) => this.#settings.clock.sleep(...wait);

  /** Reconciles after the reconciliations that were started before. */
  async #reconcile(signal: AbortSignal): Promise<ReconcileResult> {
    const { name: ring, encryption, policy, clock, random } = this.#settings;
    const access = this.#access();
    const before = this.#running;
    let end = (): void => {};
    // An aborted call does not let the next one overtake the one that is running.
    this.#running = Promise.all([before, new Promise<void>((resolve) => (end = resolve))]);
    try {
      await abortable(before, signal);
      await this.#checkStore();
      this.#memory ??= new RingMemory();
      const { emit } = this.#events;
      const context = { ...access, ring, encryption, policy, clock, random, emit };
      const result = await new this.#protocol.Reconciliation(
        { ...context, state: this.#state, memory: this.#memory },
        signal,
      ).run();
      this.#events.lastError = undefined;
      return result;
    } finally {
      end();
    }
  }

  /** Reports once what would make the store lose records. */
  async #checkStore(): Promise<void> {
    const { store, storeTimeoutMs } = this.#settings;
    if (this.#isStoreChecked || store.check === undefined) return;
    this.#isStoreChecked = true;
    // Many servers do not allow this check; the store's own operations report failures.
    const check = async (): Promise<readonly Error[]> => store.check?.() ?? [];
    const errors = await withTimeout(this.#sleep, storeTimeoutMs, check).catch(() => []);
    for (const error of errors) this.#events.emit('error', { error });
  }

  /** @returns the epoch that the rotation leaves. */
  async #requestRotation(signal: AbortSignal): Promise<number> {
    const { clock } = this.#settings;
    for (let failures = 0; ; ) {
      signal.throwIfAborted();
      try {
        const read = await this.#state.read();
        if (read === null) return 0;
        const { record } = read;
        if (record.current === undefined) return record.epoch;
        if (record.rotateEpoch !== undefined) return record.rotateEpoch;
        if (await this.#state.update(read, { ...record, rotateEpoch: record.epoch })) return record.epoch;
      } catch (error) {
        if (!isTransientStoreFailure(error) || ++failures >= MAX_STORE_FAILURES) throw error;
        await clock.sleep(MIN_POLL_MS * 2 ** failures, signal);
      }
    }
  }

  /** Waits until the record changes, or until there is something to do. */
  async #waitForChange(record: RingRecord, maxMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#settings;
    const { pending, epoch, seq } = record;
    const deadline = clock.monotonic() + Math.max(maxMs, MAX_POLL_MS / 2);
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      const leftMs = deadline - clock.monotonic();
      if (leftMs <= 0) return;
      await clock.sleep(Math.min(delayMs, leftMs), signal);
      const read = await this.#state.read().catch(() => undefined);
      const now = read?.record;
      const isSame = now?.epoch === epoch && now.seq === seq && now.pending?.phase === pending?.phase;
      if (now !== undefined && !isSame) return;
    }
  }

  #revokeContext(): RevokeContext {
    const { name: ring, encryption, clock, random, policy } = this.#settings;
    const { gracePeriodMs } = policy;
    const { emit } = this.#events;
    return { ...this.#access(), ring, state: this.#state, encryption, clock, random, gracePeriodMs, emit };
  }

  /** @throws ConfigurationError if the ring can only read. */
  #access(): { manager: KeyManager; verifier: KeyVerifier } {
    const { manager, verifier } = this.#settings;
    if (manager !== undefined && verifier !== undefined) return { manager, verifier };
    const option = manager === undefined ? 'manager' : 'verifier';
    throw new ConfigurationError(`\`${option}\` is missing: without it, the ring can only read.`, { option });
  }
}

/** Checks the options of a call. @returns its signal. */
function signalOf(options: KeyRingCallOptions, names = 'signal'): AbortSignal {
  checkOptionNames(options, names);
  options.signal?.throwIfAborted();
  return options.signal ?? new AbortController().signal;
}
