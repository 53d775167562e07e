import { isDrunError, KeyRingError } from '../errors/index.ts';
import type { CredentialContext } from '../secret/credential.ts';
import type { Secret } from '../secret/secret.ts';
import type { Emit } from './events.ts';
import type { KeyStore } from './key-store.ts';
import type { Clock } from './ports.ts';
import { isOlder, type RingKey, type RingRecord } from './record.ts';
import type { RecordCell } from './record-cell.ts';
import type { RingSeal } from './ring-seal.ts';

/** What a reader works with. */
export interface ReaderContext {
  readonly ring: string;
  readonly cell: RecordCell;
  readonly seal: RingSeal;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Tells of changes, where the store can. */
  readonly watch: KeyStore['watch'];
  /** How old what is known may be before it is read again, beside the calls. */
  readonly refreshMs: number;
  /** How long a call waits for a ring that has no key. */
  readonly keyTimeoutMs: number;
}

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 2_000;
/** How soon a reader looks again where the store failed, or answered with less than it has before. */
const LOOK_AGAIN_MS = 1_000;

interface Reading {
  readonly rejected: Secret | undefined;
  readonly since: number;
  readonly done: Promise<void>;
}

/**
 * Gives out the current key, and never makes, changes or deletes one.
 *
 * What is known is used at once and read again beside the calls, so that a slow store, or none, slows nobody down; a
 * record that is older than one that was seen is not believed. A key that was refused is looked up again before it is
 * given out once more.
 */
export class KeyReader {
  readonly #context: ReaderContext;
  #record: RingRecord | undefined;
  /** The last key whose secret was opened. */
  #opened: { readonly id: string; readonly secret: Secret } | undefined;
  /** What could not be opened: not tried at every call, but at every look. */
  #unopened: string | undefined;
  #refreshAt = 0;
  /** The last read, when it began, and the key that had been refused by then. */
  #reading: Reading | undefined;
  /** The last look beside the calls. */
  #beside: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;
  #isClosed = false;

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  /** What was seen last. */
  get record(): RingRecord | undefined {
    return this.#record;
  }

  /** The current key; at once where it is known. */
  get({ rejected, signal }: CredentialContext): Secret | Promise<Secret> {
    const opened = this.#opened;
    const current = this.#record?.current;
    const isKnown = opened?.id === current?.id || current?.ciphertext === this.#unopened;
    if (rejected !== undefined || opened === undefined || current === undefined || !isKnown) {
      return this.#find(rejected, signal);
    }
    if (this.#context.clock.now() >= this.#refreshAt) this.#refreshBeside();
    return opened.secret;
  }

  /** Takes note of a record that was read or written, unless it is older than what is known. */
  observe(record: RingRecord): void {
    const known = this.#record;
    const { clock, emit, refreshMs } = this.#context;
    // Answers may overtake each other.
    if (known !== undefined && isOlder(record, known)) return;
    this.#record = record;
    this.#refreshAt = clock.now() + refreshMs;
    const { current, epoch } = record;
    // The numbers of a ring that begins again are no higher, and recovering counts on without another key.
    const isLater = known?.ringId !== record.ringId || epoch > known.epoch;
    if (current && isLater && current.id !== known?.current?.id) {
      emit('rotated', { id: current.id, maskedKey: current.maskedKey, epoch });
    }
  }

  /** Listens to the store no longer; resolves once nothing goes on beside the calls. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch?.();
    this.#unwatch = undefined;
    await this.#beside;
  }

  /** Listens again, after it was closed. */
  reopen(): void {
    if (!this.#isClosed) return;
    this.#isClosed = false;
    if (this.#opened !== undefined) this.#listen();
  }

  async #find(rejected: Secret | undefined, signal: AbortSignal | undefined): Promise<Secret> {
    this.#listen();
    const { clock, keyTimeoutMs } = this.#context;
    const deadline = clock.now() + keyTimeoutMs;
    if (!this.#knowsAnother(rejected)) await this.#read(rejected);
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 2, LONGEST_LOOK_MS)) {
      const current = this.#record?.current;
      if (current !== undefined) return this.#open(current, (this.#record as RingRecord).ringId);
      if (clock.now() + lookMs > deadline) throw this.#locked();
      await clock.sleep(lookMs, signal ?? new AbortController().signal);
      await this.#read();
    }
  }

  /**
   * Whether another key has come since the refused one was given out: lately, for a process that was held up for longer
   * than keys live gets no third try.
   */
  #knowsAnother(rejected: Secret | undefined): boolean {
    if (this.#record?.current === undefined) return false;
    if (rejected === undefined) return true;
    return !this.#opened?.secret.equals(rejected) && this.#context.clock.now() < this.#refreshAt;
  }

  /** A reader that knows a key keeps it where it can read no other. */
  async #open(key: RingKey, ringId: string): Promise<Secret> {
    if (this.#opened?.id === key.id) return this.#opened.secret;
    try {
      const { secret } = await this.#context.seal.open(key, ringId);
      this.#opened = { id: key.id, secret };
      return secret;
    } catch (error) {
      if (this.#opened === undefined) throw error;
      this.#unopened = key.ciphertext;
      this.#context.emit('error', { error });
      return this.#opened.secret;
    }
  }

  /**
   * Reads the record; askings at the same time are one. A read that began before a key was refused may know of no other.
   */
  #read(rejected?: Secret): Promise<void> {
    const { clock } = this.#context;
    const now = clock.now();
    const going = this.#reading;
    if (
      going &&
      now < going.since + LONGEST_LOOK_MS &&
      (rejected === undefined || going.rejected?.equals(rejected))
    ) {
      return this.#share(going, rejected);
    }
    const done = this.#readNow().finally(() => this.#forget(reading));
    const reading = { rejected, since: now, done };
    this.#reading = reading;
    return done;
  }

  /** Waits for the read of another call, and not for ever: in a Worker that stops where its call is over. */
  async #share(going: Reading, rejected: Secret | undefined): Promise<void> {
    const ended = new AbortController();
    const late = this.#context.clock.sleep(LONGEST_LOOK_MS, ended.signal, { background: true });
    try {
      const isOver = await Promise.race([
        going.done.then(() => true),
        late.then(
          () => false,
          () => true,
        ),
      ]);
      if (isOver) return;
    } finally {
      ended.abort();
    }
    this.#forget(going);
    await this.#read(rejected);
  }

  #forget(reading: Reading): void {
    if (this.#reading === reading) this.#reading = undefined;
  }

  /** A store that fails is no reason to lose what is known. */
  async #readNow(): Promise<void> {
    const { cell, emit } = this.#context;
    const before = this.#record;
    try {
      const read = await cell.read();
      if (read === null) return;
      this.observe(read.record);
      if (before === undefined || !isOlder(read.record, before)) return;
      this.#lookAgainSoon();
      emit('stale-read', { epoch: read.record.epoch });
    } catch (error) {
      if (this.#record === undefined || !isDrunError(error)) throw error;
      this.#lookAgainSoon();
      emit('error', { error });
    }
  }

  #refreshBeside(): void {
    const { clock, emit, refreshMs } = this.#context;
    // Not at every call, and in time again even if this one never ends: in Cloudflare's Workers, what is under way when
    // its request is over just stops.
    this.#refreshAt = clock.now() + refreshMs;
    this.#beside = this.#read()
      .then(async () => {
        const record = this.#record;
        if (record?.current) await this.#open(record.current, record.ringId);
      })
      .catch((error: unknown) => emit('error', { error }));
  }

  #lookAgainSoon(): void {
    const { clock, refreshMs } = this.#context;
    this.#refreshAt = clock.now() + Math.min(refreshMs, LOOK_AGAIN_MS);
  }

  #listen(): void {
    if (this.#isClosed) return;
    const { ring, watch } = this.#context;
    this.#unwatch ??= watch?.(ring, () => {
      // What is being read may be from before the change.
      this.#reading = undefined;
      this.#refreshBeside();
    });
  }

  #locked(): KeyRingError {
    const { ring, keyTimeoutMs } = this.#context;
    const why =
      this.#record === undefined
        ? 'nobody has made one yet'
        : 'it was revoked, and the next one is not made yet';
    return new KeyRingError(
      `the ring ${ring} has no key to give out, and got none within ${keyTimeoutMs} ms: ${why}`,
      {
        code: 'key_ring_no_active_key',
        ring,
      },
    );
  }
}
