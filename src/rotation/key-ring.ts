import { ConfigurationError } from '../errors/index.ts';
import type { CredentialContext } from '../secret/credential.ts';
import type { Secret } from '../secret/secret.ts';
import { EventListeners, type KeyRingEvent, type KeyRingEvents } from './events.ts';
import { KeyReader } from './key-reader.ts';
import { KeyTrial } from './key-trial.ts';
import { type PassResult, runPass } from './loop.ts';
import { type KeyRingOptions, type KeyRingSettings, readOptions } from './options.ts';
import { Queue } from './queue.ts';
import type { RingRecord } from './record.ts';
import { RecordCell } from './record-cell.ts';
import { recoverRing } from './recover.ts';
import { type RevokeTarget, readRevokeOptions, revokeKeys } from './revoke.ts';
import { RingSeal } from './ring-seal.ts';
import { Schedule, type StartOptions } from './schedule.ts';
import { type KeyRingStatus, statusOf } from './status.ts';
import { askForRotation } from './transitions.ts';

/** The argument of most calls of a ring. */
export interface KeyRingCallOptions {
  /** Ends the call, which rejects with the signal's reason. What was begun is gone on with by the next pass. */
  readonly signal?: AbortSignal | undefined;
}

/** The last argument of {@link KeyRing.revoke}. */
export interface RevokeOptions extends KeyRingCallOptions {
  /** Why, for the record and the events, in 1 to 1000 characters. Default: `revoked`. */
  readonly reason?: string | undefined;
  /** How long the service may take to confirm, in milliseconds. Default: 60 000. */
  readonly timeoutMs?: number | undefined;
}

/** How long a rotation waits where nobody can say when there is something to do. */
const LOOK_AGAIN_MS = 1_000;
/** Longer timers fire at once; nobody waits that long in one go. */
const LONGEST_WAIT_MS = 60_000;

/**
 * An API key that is replaced regularly, without a call that fails: made, tried, handed to all who use it, and deleted
 * once nobody does.
 *
 * Any number of processes work on one ring through a store, with no leader; each may stop at any time, and the others,
 * or the next pass, go on. A ring is a source of keys: give it to a `ChatClient` for its `apiKey`. Who only reads needs
 * neither `manager` nor `verifier`.
 *
 * Methods reject with a `KeyRingError`, with what the manager rejects with, or with the reason of their signal.
 *
 * @example
 * ```ts
 * import { ApiKeys, ChatClient } from 'drun-sdk';
 * import { KeyRing, memoryStore } from 'drun-sdk/rotation';
 *
 * const ring = new KeyRing({
 *   name: 'checkout',
 *   manager: new ApiKeys({ accessToken: process.env.DRUN_ACCESS_TOKEN }),
 *   verifier: new ChatClient({ apiKey: 'unused' }), // it tries the keys that it is given
 *   store: memoryStore(), // for production: postgresStore, redisStore, fileStore, kubernetesSecretStore
 *   seal: crypto.getRandomValues(new Uint8Array(32)), // for production: process.env.DRUN_ENCRYPTION_KEY
 * });
 * await ring.reconcile(); // makes the first key, and a standby
 *
 * const chat = new ChatClient({ apiKey: ring });
 * await chat.complete({ model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hello!' }] });
 * await ring.rotate();
 * ```
 */
export class KeyRing implements AsyncDisposable {
  readonly #settings: KeyRingSettings;
  readonly #cell: RecordCell;
  readonly #seal: RingSeal;
  readonly #reader: KeyReader;
  readonly #listeners = new EventListeners();
  readonly #schedule: Schedule;
  /** Made when it is needed: Cloudflare's Workers have no random numbers outside of requests. */
  #owner: string | undefined;
  readonly #passes = new Queue();

  /** @throws ConfigurationError if an option cannot be used; the message names it, and repeats no credential. */
  constructor(options: KeyRingOptions) {
    const settings = readOptions(options);
    const { name, store, seal, clock, random, refreshMs, keyTimeoutMs, storeTimeoutMs } = settings;
    this.#settings = settings;
    this.#cell = new RecordCell({ ring: name, store, clock, timeoutMs: storeTimeoutMs });
    this.#seal = new RingSeal(name, seal);
    this.#reader = new KeyReader({
      ring: name,
      cell: this.#cell,
      seal: this.#seal,
      clock,
      emit: this.#listeners.emit,
      watch: store.watch?.bind(store),
      refreshMs,
      keyTimeoutMs,
    });
    this.#schedule = new Schedule(clock, random);
  }

  /**
   * The current key, for a client: at once where it is known. A key that was refused is looked up again first.
   *
   * Rejects with a `KeyRingError` of code `key_ring_no_active_key` where the ring has no key and gets none within
   * `keyTimeoutMs`.
   */
  getKey(context: CredentialContext = {}): Secret | Promise<Secret> {
    return this.#reader.get(context);
  }

  /**
   * Carries out one pass: whatever is due now. Safe to run at any time, by anybody, as often as you like: in a cron job
   * or a serverless function, or by {@link KeyRing.start} in a service.
   *
   * @throws ApiKeyLimitError if the account has no room for another key; it lists the ring's own.
   */
  async reconcile(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const { record } = await this.#pass(options.signal);
    return statusOf(this.#settings.name, record);
  }

  /**
   * Asks for another key, and runs passes until it is the current one. With a standby that takes one swap; after a
   * rotation a moment ago, up to `gracePeriodMs`. Once the wish is in the record it stays there: where the rest fails or is
   * aborted, the next pass anywhere fulfils it.
   */
  async rotate(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const { clock, name } = this.#settings;
    const signal = options.signal ?? new AbortController().signal;
    const epoch = await this.#askForRotation(signal);
    for (;;) {
      const { record, nextAt } = await this.#pass(signal);
      if (record.epoch > epoch) return statusOf(name, record);
      const untilNext = nextAt === undefined ? LOOK_AGAIN_MS : nextAt - clock.now();
      await clock.sleep(Math.min(Math.max(untilNext, LOOK_AGAIN_MS), LONGEST_WAIT_MS), signal);
    }
  }

  /**
   * Takes keys out of use for good: the `current` one, the one with an id, or `all` of the ring. The standby takes the
   * place of the current one in the same swap; without a standby calls wait until there is another key. Resolves when
   * the service neither lists nor accepts them any more, and there is another key.
   *
   * Where the store fails, or has gone back to an older state, the keys are deleted all the same, and then that is
   * thrown.
   */
  async revoke(target: RevokeTarget, options: RevokeOptions = {}): Promise<KeyRingStatus> {
    const { manager, trial } = this.#access();
    const { reason, timeoutMs } = readRevokeOptions(options);
    const { signal = new AbortController().signal } = options;
    signal.throwIfAborted();
    await revokeKeys(
      {
        ring: this.#settings.name,
        manager,
        trial,
        cell: this.#cell,
        seal: this.#seal,
        clock: this.#settings.clock,
        emit: this.#listeners.emit,
        observe: this.#observe,
        known: this.#reader.record,
      },
      target,
      { reason, timeoutMs, signal },
    );
    return this.reconcile({ signal });
  }

  /**
   * Goes on after the store went back to an older state (`key_ring_rolled_back`): takes its record for the truth, and
   * runs a pass. Keys that it does not know are deleted then; readers of one of them take the record's key instead. Where
   * the record is lost altogether, another ring of this name begins, and the keys of the one before stay where they are,
   * as another ring's do.
   */
  async recover(options: KeyRingCallOptions = {}): Promise<KeyRingStatus> {
    const { manager } = this.#access();
    const signal = options.signal ?? new AbortController().signal;
    const { name, random } = this.#settings;
    await recoverRing(
      {
        ring: name,
        manager,
        cell: this.#cell,
        random,
        observe: this.#observe,
        known: this.#reader.record,
      },
      signal,
    );
    return this.reconcile({ signal });
  }

  /** What was seen of the ring last; nothing is asked for. */
  status(): KeyRingStatus {
    return statusOf(this.#settings.name, this.#reader.record);
  }

  /**
   * Calls a function at each event of a kind; what it throws, or rejects with, is dropped.
   *
   * @returns what ends that.
   */
  on<Event extends KeyRingEvent>(
    event: Event,
    listener: (details: KeyRingEvents[Event]) => void,
  ): () => void {
    return this.#listeners.add(event, listener);
  }

  /**
   * Runs passes in the background until {@link KeyRing.stop}, one at a time; a failure becomes an event, and the next
   * pass tries again. Keeps no process alive. Does nothing where it runs already.
   */
  start({ intervalMs = LONGEST_WAIT_MS }: StartOptions = {}): void {
    if (!(intervalMs > 0 && intervalMs <= 2_147_483_647)) {
      throw new ConfigurationError('intervalMs must be a number of milliseconds above 0', {
        option: 'intervalMs',
      });
    }
    this.#access();
    const pass = async (signal: AbortSignal): Promise<number | undefined> =>
      (await this.#pass(signal)).nextAt;
    this.#reader.reopen();
    this.#schedule.start(pass, intervalMs, (error) => this.#listeners.emit('error', { error }));
  }

  /** Ends what runs in the background; resolves once nothing is under way. A key in the making is stored before. */
  async stop(): Promise<void> {
    await Promise.all([this.#reader.close(), this.#schedule.stop()]);
  }

  /** {@link KeyRing.stop} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  readonly #observe = (record: RingRecord): void => this.#reader.observe(record);

  #pass(signal: AbortSignal = new AbortController().signal): Promise<PassResult> {
    const { name, policy, clock, random } = this.#settings;
    const { manager, trial } = this.#access();
    // Never the same, whatever `random` gives: two rings of one owner would take each other's claims for their own.
    this.#owner ??= crypto.randomUUID();
    const context = {
      ring: name,
      owner: this.#owner,
      manager,
      trial,
      cell: this.#cell,
      seal: this.#seal,
      policy,
      clock,
      random,
      emit: this.#listeners.emit,
      observe: this.#observe,
      known: () => this.#reader.record,
    };
    return this.#passes.run(() => runPass(context, signal), signal);
  }

  /** @returns the epoch that is to be left. */
  async #askForRotation(signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      const read = await this.#cell.read();
      if (read === null) return 0;
      const { record } = read;
      this.#observe(record);
      if (record.current === undefined) return record.epoch;
      if (record.rotateEpoch !== undefined) return record.rotateEpoch;
      const asked = await this.#cell.swap(read, askForRotation(record));
      if (asked !== undefined) return record.epoch;
    }
  }

  #access(): { manager: NonNullable<KeyRingSettings['manager']>; trial: KeyTrial } {
    const { manager, verifier } = this.#settings;
    if (manager !== undefined && verifier !== undefined) return { manager, trial: new KeyTrial(verifier) };
    const option = manager === undefined ? 'manager' : 'verifier';
    throw new ConfigurationError(`${option} is missing: without it, a ring only reads`, { option });
  }
}
