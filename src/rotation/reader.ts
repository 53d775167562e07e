import { isDrunError, type KeyRingError } from '../errors/index.ts';
import { checkSignal } from '../errors/invalid.ts';
import { runDetached } from '../internal/runtime.ts';
import { retryUntil, withTimeout } from '../internal/wait.ts';
import type { CredentialContext, Secret } from '../secret/secret.ts';
import { isOlder, type RingKey, type RingRecord } from './record.ts';
import { isTransientStoreFailure, type RingContext, storeFailed } from './ring-state.ts';
import { ringError } from './safe-cause.ts';

const POLL = { minMs: 100, maxMs: 2_000 };
/** Maximum age of a shared read. In a Worker, a read never ends if the request that started it ends first. */
const MAX_SHARED_MS = 2_000;
/** Delay before the next read after the store failed or returned an older record. */
const RETRY_MS = 1_000;

interface Reading {
  /** The key whose rejection led to this read, if any. */
  readonly rejected: Secret | undefined;
  readonly startedAt: number;
  readonly done: Promise<void>;
}

/**
 * Provides the current key without writing to the store. Returns a known secret immediately and refreshes it in the
 * background, so that a slow store does not delay callers. After a rejection, reads the record before it returns a key.
 */
export class Reader {
  readonly #ring: RingContext;
  /** The last key that was decrypted. */
  #decrypted: { readonly id: string; readonly secret: Secret } | undefined;
  /** The last ciphertext that could not be decrypted, so that later calls do not try again. */
  #undecryptable: string | undefined;
  #refreshAt = 0;
  #reading: Reading | undefined;
  #background: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;
  #isClosed = false;
  /** The last error that this reader reported. */
  #failure: unknown;

  constructor(ring: RingContext) {
    this.#ring = ring;
    ring.state.onChange = (record, before) => this.#observe(record, before);
  }

  /** Returns the current key, synchronously if it is known. */
  get({ rejected, signal }: CredentialContext): Secret | Promise<Secret> {
    const current = this.#ring.state.latest?.current;
    const decrypted = this.#decrypted;
    const isKnown = decrypted?.id === current?.id || current?.ciphertext === this.#undecryptable;
    if (!rejected && current && this.#ring.clock.monotonic() >= this.#refreshAt) this.#refresh();
    if (rejected || !decrypted || !current || !isKnown) return this.#find(rejected, signal);
    return decrypted.secret;
  }

  #observe(record: RingRecord, before: RingRecord | undefined): void {
    this.#refreshIn();
    const { current, epoch } = record;
    // A new ring starts with a lower epoch. `recover()` raises the epoch without promoting a key.
    const isLater = before?.ringId !== record.ringId || epoch > before.epoch;
    if (!current || !isLater || current.id === before?.current?.id) return;
    this.#ring.events.emit('rotated', { id: current.id, maskedKey: current.maskedKey, epoch });
  }

  /** Stops watching. Resolves when the background work has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch?.();
    this.#unwatch = undefined;
    await this.#background;
  }

  /** Resumes watching after {@link Reader.close}. */
  reopen(): void {
    this.#isClosed = false;
    if (this.#decrypted !== undefined) this.#watch();
  }

  async #find(rejected: Secret | undefined, signal = new AbortController().signal): Promise<Secret> {
    checkSignal(signal);
    this.#watch();
    const { name, clock, keyTimeoutMs, state } = this.#ring;
    const deadline = clock.monotonic() + keyTimeoutMs;
    // No read is needed if the key that this process knows is not the rejected key.
    let mustRead = !state.latest?.current || (rejected && this.#decrypted?.secret.equals(rejected) !== false);
    let failure: unknown;
    const secret = await retryUntil(clock, signal, deadline, POLL, async () => {
      failure = undefined;
      try {
        // A slower read keeps running, so that the next call can share it.
        if (mustRead) await withTimeout(clock, keyTimeoutMs, () => this.#read(rejected));
      } catch (thrown) {
        failure = isDrunError(thrown) ? thrown : storeFailed(name, thrown);
        if (!isTransientStoreFailure(failure)) throw failure;
      }
      mustRead = true;
      const { latest } = state;
      return latest?.current && this.#decrypt(latest.current, latest.ringId);
    });
    if (secret === undefined) throw failure ?? this.#noKey(state.latest);
    return secret;
  }

  /** Decrypts a key. On failure, returns the key that was decrypted before, if any. */
  async #decrypt(key: RingKey, ringId: string): Promise<Secret> {
    const known = this.#decrypted;
    if (known?.id === key.id) return known.secret;
    try {
      const { secret } = await this.#ring.encryption.decrypt(key, ringId);
      this.#decrypted = { id: key.id, secret };
      return secret;
    } catch (error) {
      if (known === undefined) throw error;
      this.#undecryptable = key.ciphertext;
      this.#report(error);
      return known.secret;
    }
  }

  /** Reads the record. Concurrent callers share a read unless it started before their key was rejected. */
  async #read(rejected?: Secret, joinMs = MAX_SHARED_MS): Promise<void> {
    const { clock, storeTimeoutMs } = this.#ring;
    const startedAt = clock.monotonic();
    const shared = this.#reading;
    const isShared = shared && (rejected === undefined || shared.rejected?.equals(rejected));
    if (isShared && startedAt < shared.startedAt + joinMs) {
      const done = withTimeout(clock, joinMs, () => shared.done.then(() => true));
      const isOver = await done.catch((error: unknown) => isDrunError(error) && Promise.reject(error));
      if (isOver) return;
      // If many calls waited, the first starts a read, and the others join it.
      if (this.#reading !== shared) return this.#read(rejected, storeTimeoutMs);
    }
    const started: Reading = { rejected, startedAt, done: runDetached(() => this.#readRecord()) };
    this.#reading = started;
    try {
      await started.done;
    } finally {
      if (this.#reading === started) this.#reading = undefined;
    }
  }

  async #readRecord(): Promise<void> {
    const { state, events } = this.#ring;
    const before = state.latest;
    try {
      const read = await state.read();
      if (isOlder(read?.record, before)) {
        this.#refreshIn(RETRY_MS);
        events.emit('stale-read', { epoch: read?.record.epoch ?? 0 });
      } else if (!this.#undecryptable || state.latest?.current?.ciphertext !== this.#undecryptable) {
        events.clearError(this.#failure);
      }
    } catch (error) {
      if (state.latest === undefined || !isDrunError(error)) throw error;
      this.#refreshIn(RETRY_MS);
      this.#report(error);
    }
  }

  /** Reads the record and decrypts the key in the background. @returns The read. */
  #refresh(): Promise<void> | undefined {
    // Scheduled before the read, because the read never ends if the Worker request that started it ends first.
    this.#refreshIn();
    this.#background = runDetached(async () => {
      try {
        await this.#read();
        const { latest } = this.#ring.state;
        if (latest?.current) await this.#decrypt(latest.current, latest.ringId);
      } catch (error) {
        this.#report(error);
      }
    });
    return this.#reading?.done;
  }

  #report(error: unknown): void {
    this.#failure = error;
    this.#ring.events.emit('error', { error });
  }

  #refreshIn(ms = Number.POSITIVE_INFINITY): void {
    const { clock, refreshMs } = this.#ring;
    this.#refreshAt = clock.monotonic() + Math.min(ms, refreshMs);
  }

  #watch(): void {
    const { name, store } = this.#ring;
    if (this.#isClosed || this.#unwatch !== undefined || store.watch === undefined) return;
    let changes = 0;
    const onChange = async (): Promise<void> => {
      // All changes reported during a read trigger only one more read.
      if (++changes > 1) return;
      for (let seen = 0; seen < changes && !this.#isClosed; ) {
        seen = changes;
        // A read in progress may have missed the change.
        this.#reading = undefined;
        await this.#refresh()?.catch(() => {});
      }
      changes = 0;
    };
    const watching = runDetached(async () => store.watch?.(name, onChange));
    this.#unwatch = () => void watching.then((unwatch) => unwatch?.()).catch(() => {});
    // Without `watch`, the record is still read every `refreshMs`.
    watching.catch((error: unknown) => this.#report(storeFailed(name, error, 'the store cannot be watched')));
  }

  #noKey(latest: RingRecord | undefined): KeyRingError {
    const { name, keyTimeoutMs } = this.#ring;
    const why = latest?.epoch
      ? 'the last one was revoked, and the next one has not been created yet.'
      : 'none has been created yet. Call `reconcile()` or `start()` on a ring with a key manager.';
    const message = `there was no key for ${keyTimeoutMs} ms, because ${why}`;
    return ringError(name, 'key_ring_no_active_key', message);
  }
}
