import { setImmediate as settled } from 'node:timers/promises';
import { ApiKeyLimitError, isDrunError, NotFoundError } from 'drun-sdk/errors';
import {
  type Clock,
  type KeyManager,
  KeyRing,
  type KeyRingOptions,
  type KeyStore,
  type KeyVerifier,
  type StoredRecord,
} from 'drun-sdk/rotation';
import { Secret } from 'drun-sdk/secret';
import type { Protocol } from '../../src/rotation/key-ring.ts';
import { Invariants } from './invariants.ts';
import type { Random } from './random.ts';

/*
 * A simulation of the service, the store and the clock. A scheduler decides when each request takes effect, when its
 * response arrives, and when each wait ends. The rings under test are real.
 */

export const SECOND = 1_000;
export const GRACE_MS = 60 * SECOND;
export const LEASE_MS = 60 * SECOND;
const CREATE_TIMEOUT_MS = 20 * SECOND;
const START = 1_772_000_000_000;

/** A key at the service. */
export interface ServiceKey {
  readonly id: string;
  readonly name: string;
  readonly seq: number;
  readonly secret: Secret;
  /** Time from which the service accepts the key. */
  readonly activeAt: number;
}

/** The events that can occur. Probabilities are per step or per request. */
export interface Circumstances {
  readonly replicas: number;
  readonly standby: boolean;
  readonly supportsGetSecret: boolean;
  /** Probability that an idle process reconciles. */
  readonly reconciliations: number;
  /** Probability that a request fails, before or after it is applied. */
  readonly faults: number;
  readonly crashes: number;
  readonly aborts: number;
  readonly revocations: number;
  readonly rotations: number;
  readonly externalDeletions: number;
  /** Probability that the service's clock jumps back. */
  readonly backwardJumps: number;
  /** Probability that the service's clock jumps forward, which can shorten a grace period. */
  readonly forwardJumps: number;
  /** Maximum jump of the service's clock. */
  readonly maxJumpMs: number;
  /** Probability that a process is suspended and its monotonic clock stops. */
  readonly suspensions: number;
  /** Probability that a process stalls while its monotonic clock keeps running. */
  readonly stalls: number;
  /** Probability that a list takes longer than a lease. */
  readonly slowLists: number;
  /** Probability that the store becomes unreachable. */
  readonly outages: number;
  /** Probability of an update that changes only the version of the record. */
  readonly touches: number;
  /** Whether each process exits after one call. */
  readonly shortLived: boolean;
  readonly activationMs: number;
  /** Offsets of the processes' wall clocks. */
  readonly clockOffsetsMs: readonly number[];
}

/** A process with a ring. */
export interface Actor {
  readonly name: string;
  readonly ring: KeyRing;
  isAlive: boolean;
  /** The running call. */
  call: { readonly abort: AbortController; readonly isRevocation: boolean } | undefined;
  /** Total time for which its monotonic clock has stopped. */
  suspendedMs: number;
  /** Time until which the process does not run. */
  frozenUntil: number;
  /** `suspendedMs` at its last list. */
  suspendedBeforeListMs: number;
  /** Number of forward jumps of the service's clock before its last list. */
  jumpsBeforeList: number;
  /** The keys in its last list. */
  listed: readonly ServiceKey[];
  /** Listed keys that a later read of the record did not refer to. */
  readonly orphans: Set<string>;
  /** Number of steps until the process crashes. */
  stepsLeft: number;
}

interface Task {
  readonly actor: Actor | undefined;
  readonly label: string;
  /** Earliest time at which the task can run. */
  readonly at: number;
  /** Time at which the task runs at the latest. */
  readonly deadline: number;
  readonly run: () => void;
}

export class World {
  now = START;
  steps = 0;
  readonly trace: string[] = [];
  readonly keys = new Map<string, ServiceKey>();
  stored: StoredRecord | null = null;
  readonly invariants: Invariants;
  readonly actors: Actor[] = [];
  readonly random: Random;
  circumstances: Circumstances;
  readonly #protocol: Protocol | undefined;
  #tasks: Task[] = [];
  #serviceOffsetMs = 0;
  #forwardJumps = 0;
  #outageUntil = 0;
  #numbers = 0;
  /** Whether a call has started since the last step. */
  #isStarting = false;

  constructor(circumstances: Circumstances, random: Random, protocol?: Protocol) {
    this.circumstances = circumstances;
    this.random = random;
    this.#protocol = protocol;
    this.invariants = new Invariants(this);
    for (let replica = 0; replica < circumstances.replicas; replica++) this.spawn();
  }

  spawn(): Actor {
    const number = ++this.#numbers;
    const actor: { -readonly [Field in keyof Actor]: Actor[Field] } = {
      name: `p${number}`,
      ring: undefined as unknown as KeyRing,
      isAlive: true,
      call: undefined,
      suspendedMs: 0,
      frozenUntil: 0,
      suspendedBeforeListMs: 0,
      jumpsBeforeList: 0,
      listed: [],
      orphans: new Set(),
      stepsLeft: Number.POSITIVE_INFINITY,
    };
    const { clockOffsetsMs, standby } = this.circumstances;
    const skewMs = clockOffsetsMs[number % clockOffsetsMs.length] ?? 0;
    const options: KeyRingOptions = {
      name: 'checkout',
      manager: this.#manager(actor),
      verifier: this.#verifier(actor),
      store: this.#store(actor),
      // Real encryption is asynchronous, which the scheduler cannot control.
      encryptionKey: {
        encrypt: (secret, context) => JSON.stringify([secret, context]),
        decrypt: (ciphertext) => (JSON.parse(ciphertext) as [string])[0],
      },
      standby,
      gracePeriodMs: GRACE_MS,
      leaseMs: LEASE_MS,
      createTimeoutMs: CREATE_TIMEOUT_MS,
      activationTimeoutMs: 60 * SECOND,
      clock: this.#clock(actor, skewMs),
      random: () => this.random.next(),
    };
    actor.ring = this.#protocol ? new KeyRing(options, this.#protocol) : new KeyRing(options);
    actor.ring.on('error', () => {});
    this.actors.push(actor);
    return actor;
  }

  /** Starts a call of a process, unless one is running. */
  start(actor: Actor, label: string, call: (ring: KeyRing, signal: AbortSignal) => Promise<unknown>): void {
    if (!actor.isAlive || actor.call !== undefined) return;
    const abort = new AbortController();
    this.log(`${actor.name}: ${label} starts`);
    this.#isStarting = true;
    actor.call = { abort, isRevocation: label.startsWith('revoke') };
    const end = (outcome: string): void => {
      if (!actor.isAlive) return;
      this.log(`${actor.name}: ${label} ${outcome}`);
      actor.call = undefined;
      if (this.circumstances.shortLived) this.kill(actor);
    };
    call(actor.ring, abort.signal).then(
      () => end('resolves'),
      (error: unknown) => {
        if (!isExpected(error, abort.signal)) this.invariants.report(`an unexpected error: ${error}`);
        end(`rejects: ${(error as Error | undefined)?.message}`);
      },
    );
  }

  kill(actor: Actor): void {
    actor.isAlive = false;
    this.#tasks = this.#tasks.filter((task) => task.actor !== actor);
    this.actors.splice(this.actors.indexOf(actor), 1, ...[]);
    this.spawn();
  }

  /** Runs one random task, or advances the time to the next one. @returns False if there are no tasks. */
  async step(): Promise<boolean> {
    this.steps++;
    // A new call sends its first request asynchronously.
    if (this.#isStarting) await settled();
    this.#isStarting = false;
    const readyAt = ({ at, actor }: Task): number => Math.max(at, actor?.frozenUntil ?? 0);
    const ready = this.#tasks.filter((task) => readyAt(task) <= this.now);
    if (ready.length === 0) {
      const next = Math.min(...this.#tasks.map(readyAt));
      if (!Number.isFinite(next)) return false;
      await this.advance(Math.max(1, next - this.now));
      return true;
    }
    await this.#execute(this.random.pick(ready));
    return true;
  }

  /** Advances the time. Runs tasks that reach their deadline. */
  async advance(ms: number): Promise<void> {
    if (this.#isStarting) await settled();
    this.#isStarting = false;
    const end = this.now + ms;
    for (;;) {
      const due = this.#tasks
        .filter(({ deadline }) => deadline <= end)
        .sort((a, b) => a.deadline - b.deadline);
      const [first] = due;
      if (first === undefined) break;
      this.now = Math.max(this.now, Math.min(first.deadline, end));
      await this.#execute(first);
    }
    this.now = end;
    this.invariants.check();
  }

  async #execute(task: Task): Promise<void> {
    this.#tasks = this.#tasks.filter((other) => other !== task);
    this.log(task.label);
    const { actor } = task;
    if (actor !== undefined && actor.stepsLeft-- <= 0) {
      this.log(`${actor.name} CRASHES`);
      this.kill(actor);
    } else {
      task.run();
      await settled();
    }
    this.invariants.check();
  }

  log(line: string): void {
    this.trace.push(`${((this.now - START) / 1_000).toFixed(1).padStart(7)} ${line}`);
    if (this.trace.length > 400) this.trace.splice(0, 100);
  }

  jumpServiceClock(ms: number): void {
    this.#serviceOffsetMs += ms;
    if (ms > 0) this.#forwardJumps++;
    this.log(`the service's clock jumps by ${ms}`);
  }

  breakStore(ms: number): void {
    this.#outageUntil = this.now + ms;
    this.log(`the store is unreachable for ${ms}`);
  }

  /** Stops a process temporarily, with or without its monotonic clock. */
  freeze(actor: Actor, ms: number, isSuspended: boolean): void {
    this.log(`${actor.name} is ${isSuspended ? 'suspended' : 'stalled'} for ${ms}`);
    actor.frozenUntil = this.now + ms;
    if (isSuspended) actor.suspendedMs += ms;
  }

  /** Changes only the version of the record, as an unrelated update does. */
  touch(): void {
    if (this.stored) this.stored = { value: this.stored.value, version: `v${++this.#numbers}` };
    this.log('the version of the record changes');
  }

  deleteExternally(key: ServiceKey): void {
    this.keys.delete(key.id);
    this.invariants.onExternalDelete(key.id);
    this.log(`another client deletes ${key.id}`);
  }

  accepts(key: ServiceKey | undefined): boolean {
    return key !== undefined && this.keys.has(key.id) && key.activeAt <= this.now;
  }

  keyOf(secret: Secret): ServiceKey | undefined {
    return [...this.keys.values()].find((key) => key.secret.equals(secret));
  }

  /** Resolves when the scheduler selects the task. Never resolves for a process that has crashed. */
  #turn(actor: Actor | undefined, label: string, at = 0, deadline = Number.POSITIVE_INFINITY): Promise<void> {
    if (actor?.isAlive === false) return new Promise(() => {});
    return new Promise((run) => {
      this.#tasks.push({ actor, label: actor ? `${actor.name}: ${label}` : label, at, deadline, run });
    });
  }

  /** Simulates a request. The scheduler decides when it is applied and when its response arrives. */
  async #request<Result>(
    actor: Actor,
    label: string,
    effect: () => Result,
    { faults = this.circumstances.faults, isDown = false } = {},
  ): Promise<Result> {
    await this.#turn(actor, label);
    const isFaulty = isDown || this.random.chance(faults);
    const isApplied = !isDown && (!isFaulty || this.random.chance(0.5));
    let outcome: { readonly result: Result } | { readonly error: unknown } | undefined;
    if (isApplied) {
      try {
        outcome = { result: effect() };
      } catch (error) {
        outcome = { error };
      }
    }
    await this.#turn(actor, `response to ${label}${isFaulty ? (isApplied ? ' LOST' : ' FAILED') : ''}`);
    if (isFaulty || outcome === undefined) throw new Error('socket hang up');
    if ('error' in outcome) throw outcome.error;
    return outcome.result;
  }

  #store(actor: Actor): KeyStore {
    const isDown = (): boolean => this.now < this.#outageUntil;
    return {
      get: () =>
        this.#request(
          actor,
          'read',
          () => {
            this.invariants.onRead(actor);
            return this.stored;
          },
          { isDown: isDown() },
        ),
      compareAndSwap: (_, expected, value) =>
        this.#request(
          actor,
          'update',
          () => {
            if ((this.stored?.version ?? null) !== expected) return { ok: false };
            const version = `v${++this.#numbers}`;
            this.stored = { value, version };
            this.invariants.onWrite(value, actor);
            return { ok: true, version };
          },
          { isDown: isDown() },
        ),
    };
  }

  #manager(actor: Actor): KeyManager {
    return {
      create: ({ name }) => this.#create(actor, name),
      list: async () => {
        const { slowLists } = this.circumstances;
        const listed = await this.#request(actor, 'list', () => {
          actor.listed = [...this.keys.values()];
          actor.suspendedBeforeListMs = actor.suspendedMs;
          actor.jumpsBeforeList = this.#forwardJumps;
          // The server's clock has a resolution of one second, and differs between its nodes.
          const time = this.now + this.#serviceOffsetMs - this.random.below(2 * SECOND);
          const servedAt = new Date(Math.floor(time / SECOND) * SECOND);
          return { items: actor.listed.map((key) => ({ ...key, maskedKey: key.secret.masked })), servedAt };
        });
        if (this.random.chance(slowLists)) {
          await this.#turn(actor, 'a slow list ends', this.now + LEASE_MS * (0.2 + this.random.next()));
        }
        return listed;
      },
      delete: (id) =>
        this.#request(actor, `delete ${id}`, () => {
          if (!this.keys.has(id)) throw new NotFoundError('No such key.', { status: 404 });
          this.invariants.onDelete(actor, id);
          this.keys.delete(id);
        }),
      ...(this.circumstances.supportsGetSecret && {
        getSecret: (id: string) =>
          this.#request(actor, `show ${id}`, () => {
            const key = this.keys.get(id);
            if (key === undefined) throw new NotFoundError('No such key.', { status: 404 });
            return key.secret;
          }),
      }),
    };
  }

  async #create(actor: Actor, name: string) {
    const deadline = this.now + CREATE_TIMEOUT_MS;
    const at = this.random.chance(0.5) ? this.now + this.random.below(CREATE_TIMEOUT_MS) : 0;
    const { jumpsBeforeList } = actor;
    // A process cannot know that its lease has expired if it was suspended, or if the service's clock jumped forward,
    // after its last list.
    const isSuspended = actor.suspendedMs > actor.suspendedBeforeListMs;
    const isLate = (): boolean => isSuspended || this.#forwardJumps > jumpsBeforeList;
    const isFaulty = this.random.chance(this.circumstances.faults * 2);
    const isLost = isFaulty && this.random.chance(0.3);
    const outcome = Promise.withResolvers<ServiceKey>();
    outcome.promise.catch(() => {});
    if (!isLost) {
      // The request has been sent, and is applied even if the process crashes.
      void this.#turn(undefined, `the create of ${name} takes effect`, at, deadline).then(() => {
        if (this.keys.size >= 4)
          outcome.reject(new ApiKeyLimitError('Full.', { status: 400, reason: 'full', unusedKeys: [] }));
        else outcome.resolve(this.#add(name, isLate()));
      });
    }
    if (isFaulty) {
      await this.#turn(actor, `response to create ${name} LOST`);
      throw new Error('socket hang up');
    }
    const { id, secret } = await outcome.promise;
    await this.#turn(actor, `response to create ${name}`);
    return { id, maskedKey: secret.masked, secret };
  }

  #add(name: string, isLate: boolean): ServiceKey {
    const number = ++this.#numbers;
    const secret = new Secret(`sk-${String(number).padStart(45, 'x')}`);
    const seq = Number.parseInt(name.split('-').at(-2) ?? '', 36);
    const key = { id: `k${number}`, name, seq, secret, activeAt: this.now + this.circumstances.activationMs };
    this.keys.set(key.id, key);
    this.log(`${key.id} is ${name}`);
    this.invariants.onCreate(key, isLate);
    return key;
  }

  #verifier(actor: Actor): KeyVerifier {
    return {
      verify: (secret) =>
        this.#request(actor, `verify ${secret.masked}`, () => {
          const key = this.keyOf(secret);
          if (!this.accepts(key)) return { accepted: false, code: 'authentication_failed' };
          this.invariants.onAccepted(key?.id ?? '');
          return { accepted: true, models: ['model'] };
        }),
    };
  }

  #clock(actor: Actor, skewMs: number): Clock {
    return {
      now: () => this.now + skewMs,
      monotonic: () => this.now - START - actor.suspendedMs,
      sleep: async (ms, signal, { background = false } = {}) => {
        signal.throwIfAborted();
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
        aborted.catch(() => {});
        // Background waits are request timeouts, which do not occur here: requests fail instead.
        if (background) return aborted;
        await Promise.race([this.#turn(actor, `waited ${ms} ms`, this.now + ms), aborted]);
        signal.throwIfAborted();
      },
    };
  }
}

function isExpected(error: unknown, signal: AbortSignal): boolean {
  if (signal.aborted && error === signal.reason) return true;
  // The store never loses an update.
  if (isDrunError(error) && error.code === 'key_ring_rolled_back') return false;
  return isDrunError(error) || (error as Error | undefined)?.message === 'socket hang up';
}
