import { isDrunError, KeyRingError } from '../errors/index.ts';
import type { CredentialContext } from '../secret/credential.ts';
import type { Secret } from '../secret/secret.ts';
import { runDetached } from './background.ts';
import type { RingEncryption } from './encryption.ts';
import type { Emit } from './events.ts';
import type { Clock } from './interfaces.ts';
import { isOlder, type RingKey, type RingRecord } from './record.ts';
import { isTransientStoreFailure, type RingState } from './ring-state.ts';
import type { KeyStore } from './stores/store.ts';

/** What a {@link Reader} works with. */
export interface ReaderContext {
  readonly ring: string;
  readonly state: RingState;
  readonly encryption: RingEncryption;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly watch: KeyStore['watch'];
  /** Age at which a record is read again in the background. */
  readonly refreshMs: number;
  /** How long a call waits for a key. */
  readonly keyTimeoutMs: number;
}

const MIN_POLL_MS = 100;
const MAX_POLL_MS = 2_000;
/** A reader retries this soon if the store failed or returned an older record. */
const RETRY_MS = 1_000;

interface Reading {
  /** The key that had been rejected when the read began. */
  readonly rejected: Secret | undefined;
  readonly startedAt: number;
  readonly done: Promise<void>;
}

/**
 * Returns the current key; never writes.
 *
 * A known secret is returned at once and refreshed in the background, so that a slow or unavailable store delays nobody.
 * An older record than one that was seen is ignored. A rejected key is looked up again before it is returned once more.
 */
export class Reader {
  readonly #context: ReaderContext;
  /** The last key that was decrypted. */
  #decrypted: { readonly id: string; readonly secret: Secret } | undefined;
  /** A ciphertext that cannot be decrypted: not tried again at every call. */
  #undecryptable: string | undefined;
  #refreshAt = 0;
  #reading: Reading | undefined;
  #background: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;
  #isClosed = false;

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  /** The current key, without a promise if it is known. */
  get({ rejected, signal }: CredentialContext): Secret | Promise<Secret> {
    const current = this.#context.state.latest?.current;
    const decrypted = this.#decrypted;
    const isKnown = decrypted?.id === current?.id || current?.ciphertext === this.#undecryptable;
    if (rejected !== undefined || decrypted === undefined || current === undefined || !isKnown) {
      return this.#find(rejected, signal);
    }
    if (this.#context.clock.monotonic() >= this.#refreshAt) this.#refresh();
    return decrypted.secret;
  }

  /** Notes that the record was read or written. */
  observe(record: RingRecord, before: RingRecord | undefined): void {
    const { clock, emit, refreshMs } = this.#context;
    this.#refreshAt = clock.monotonic() + refreshMs;
    const { current, epoch } = record;
    // The numbers of a ring that starts again are lower, and `recover()` raises them without a new key.
    const isLater = before?.ringId !== record.ringId || epoch > before.epoch;
    if (current && isLater && current.id !== before?.current?.id) {
      emit('rotated', { id: current.id, maskedKey: current.maskedKey, epoch });
    }
  }

  /** Stops watching. Resolves when no background work is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch?.();
    this.#unwatch = undefined;
    await this.#background;
  }

  /** Continues after {@link Reader.close}. */
  reopen(): void {
    if (!this.#isClosed) return;
    this.#isClosed = false;
    if (this.#decrypted !== undefined) this.#watch();
  }

  async #find(rejected: Secret | undefined, signal: AbortSignal | undefined): Promise<Secret> {
    this.#watch();
    const { clock, keyTimeoutMs, state } = this.#context;
    const deadline = clock.monotonic() + keyTimeoutMs;
    let failure: unknown;
    let isFirst = true;
    for (let delayMs = MIN_POLL_MS; ; delayMs = Math.min(delayMs * 2, MAX_POLL_MS)) {
      try {
        if (!isFirst || !this.#knowsAnother(rejected)) await this.#read(isFirst ? rejected : undefined);
        failure = undefined;
      } catch (error) {
        if (!isTransientStoreFailure(error)) throw error;
        failure = error;
      }
      isFirst = false;
      const { latest } = state;
      if (latest?.current !== undefined) return this.#decrypt(latest.current, latest.ringId);
      if (clock.monotonic() + delayMs > deadline) throw failure ?? this.#noKey(latest);
      await clock.sleep(delayMs, signal ?? new AbortController().signal);
    }
  }

  /** Whether the known key is another one than the rejected one. */
  #knowsAnother(rejected: Secret | undefined): boolean {
    if (this.#context.state.latest?.current === undefined) return false;
    return rejected === undefined || this.#decrypted?.secret.equals(rejected) === false;
  }

  /** A reader keeps its key if it cannot decrypt the next one. */
  async #decrypt(key: RingKey, ringId: string): Promise<Secret> {
    const known = this.#decrypted;
    if (known?.id === key.id) return known.secret;
    try {
      const { secret } = await this.#context.encryption.decrypt(key, ringId);
      this.#decrypted = { id: key.id, secret };
      return secret;
    } catch (error) {
      if (this.#decrypted === undefined) throw error;
      this.#undecryptable = key.ciphertext;
      this.#context.emit('error', { error });
      return this.#decrypted.secret;
    }
  }

  /** Reads the record; concurrent callers share a read, unless it began before their key was rejected. */
  #read(rejected?: Secret): Promise<void> {
    const now = this.#context.clock.monotonic();
    const reading = this.#reading;
    const isShared =
      reading !== undefined &&
      now < reading.startedAt + MAX_POLL_MS &&
      (rejected === undefined || reading.rejected?.equals(rejected));
    if (isShared) return this.#join(reading, rejected);
    const started: Reading = {
      rejected,
      startedAt: now,
      done: runDetached(() => this.#readRecord()).finally(() => this.#forget(started)),
    };
    this.#reading = started;
    return started.done;
  }

  /** Joins the read of another call for a limited time: in a Worker it stops when that call's request ends. */
  async #join(reading: Reading, rejected: Secret | undefined): Promise<void> {
    const { clock } = this.#context;
    const ended = new AbortController();
    const expired = clock.sleep(MAX_POLL_MS, ended.signal, { background: true }).then(
      () => false,
      () => true,
    );
    try {
      if (await Promise.race([reading.done.then(() => true), expired])) return;
    } finally {
      ended.abort();
    }
    this.#forget(reading);
    await this.#read(rejected);
  }

  #forget(reading: Reading): void {
    if (this.#reading === reading) this.#reading = undefined;
  }

  async #readRecord(): Promise<void> {
    const { state, emit } = this.#context;
    const before = state.latest;
    try {
      const read = await state.read();
      if (read === null || before === undefined || !isOlder(read.record, before)) return;
      this.#retrySoon();
      emit('stale-read', { epoch: read.record.epoch });
    } catch (error) {
      if (state.latest === undefined || !isDrunError(error)) throw error;
      this.#retrySoon();
      emit('error', { error });
    }
  }

  #refresh(): void {
    const { clock, emit, refreshMs, state } = this.#context;
    // Not at every call, and due again even if this read never ends, as in a Worker whose request is over.
    this.#refreshAt = clock.monotonic() + refreshMs;
    this.#background = runDetached(async () => {
      try {
        await this.#read();
        const { latest } = state;
        if (latest?.current) await this.#decrypt(latest.current, latest.ringId);
      } catch (error) {
        emit('error', { error });
      }
    });
  }

  #retrySoon(): void {
    const { clock, refreshMs } = this.#context;
    this.#refreshAt = clock.monotonic() + Math.min(refreshMs, RETRY_MS);
  }

  #watch(): void {
    if (this.#isClosed || this.#unwatch !== undefined) return;
    const { ring, watch } = this.#context;
    const onChange = (): void => {
      // The read in progress may have missed the change.
      this.#reading = undefined;
      this.#refresh();
    };
    this.#unwatch = runDetached(() => watch?.(ring, onChange));
  }

  #noKey(latest: RingRecord | undefined): KeyRingError {
    const { ring, keyTimeoutMs } = this.#context;
    const why =
      latest === undefined || latest.epoch === 0
        ? 'none was created yet. Run `reconcile()` or `start()` with a key manager'
        : 'it was revoked, and the next one is not created yet';
    return new KeyRingError(`Ring \`${ring}\`: no key within ${keyTimeoutMs} ms: ${why}.`, {
      code: 'key_ring_no_active_key',
      ring,
    });
  }
}
