import { ApiKeyLimitError, AuthenticationError, ConnectionError, NotFoundError } from 'drun-sdk/errors';
import type {
  Clock,
  IssuedKey,
  KeyChecker,
  KeyIssuer,
  KeyRing,
  KeyRingOptions,
  KeyStore,
  ListedKey,
  StoredRecord,
  SwapResult,
} from 'drun-sdk/rotation';
import { Secret } from 'drun-sdk/secret';
import type fc from 'fast-check';
import { Invariants } from './invariants.ts';

/*
 * A service, a store and a time of which every step is taken when a scheduler says so: a request that is under way, an
 * answer that is, and every wait are tasks of their own. The code under test is the real one.
 */

/** A key as the service holds it. */
export interface ServiceKey {
  readonly id: string;
  readonly name: string;
  readonly secret: Secret;
  readonly expiresAt: number;
  /** From when on the service accepts it. */
  readonly activeAt: number;
  disabled: boolean;
}

/** What can go wrong with the next call of a kind. */
export type Fault =
  /** A create that never arrives, is carried out without an answer, or is carried out after it was given up. */
  | 'create lost'
  | 'create unanswered'
  | 'create late'
  /** A swap that is carried out without an answer, and one that never arrives. */
  | 'swap unanswered'
  | 'swap lost'
  | 'read lost'
  | 'list lost'
  | 'delete unanswered';

export interface WorldOptions {
  /** How many keys the account may have. */
  readonly maxKeys?: number;
  /** Whether a key can be shown again, as from 0.17. */
  readonly canReveal?: boolean;
  /** How long the service takes to accept a new key, in milliseconds. */
  readonly activationLagMs?: number;
  /** At which turns somebody stands still, and for how many turns of the others. */
  readonly pauses?: ReadonlyMap<number, number>;
}

/** Milliseconds since 1970 at which every world begins. */
const START = 1_772_000_000_000;

const lost = (): ConnectionError => new ConnectionError('the connection was lost');

export class World {
  now: number = START;
  /** How many tasks the scheduler has carried out. */
  steps = 0;
  readonly keys: Map<string, ServiceKey> = new Map();
  stored: StoredRecord | null = null;
  readonly invariants: Invariants;
  readonly options: Required<WorldOptions>;
  /** What happens to the next calls, by their kind. */
  readonly faults: Fault[] = [];
  readonly #scheduler: fc.Scheduler;
  #turns = 0;
  #ids = 0;
  #versions = 0;
  /** Creates that are carried out after they were given up. */
  readonly #late: Promise<unknown>[] = [];

  constructor(scheduler: fc.Scheduler, options: WorldOptions = {}) {
    this.#scheduler = scheduler;
    this.options = { maxKeys: 4, canReveal: true, activationLagMs: 0, pauses: new Map(), ...options };
    this.invariants = new Invariants(this);
  }

  /** Resolves when the scheduler has come to it; never, for who is dead by then. */
  async turn(label: string, actor?: Actor): Promise<void> {
    const pause = this.options.pauses.get(this.#turns++) ?? 0;
    for (let turn = 0; turn <= pause; turn++) await this.#scheduler.schedule(Promise.resolve(), label);
    this.steps++;
    if (actor === undefined) return;
    if (actor.turnsToLive !== undefined && actor.turnsToLive-- === 0) actor.isAlive = false;
    if (!actor.isAlive) await new Promise(() => {});
  }

  /** Everything that was begun and given up is carried out. */
  async settle(): Promise<void> {
    await Promise.all(this.#late);
  }

  accepts(key: ServiceKey): boolean {
    return this.keys.has(key.id) && !key.disabled && key.activeAt <= this.now && key.expiresAt > this.now;
  }

  keyOf(secret: Secret): ServiceKey | undefined {
    return [...this.keys.values()].find((key) => key.secret.equals(secret));
  }

  /** What somebody does at the console. */
  createForeign(name: string): void {
    if (this.keys.size < this.options.maxKeys) this.#mint(name, START + 1e12);
  }

  /** Somebody makes room again. */
  deleteForeign(): void {
    for (const { id, name } of this.keys.values()) if (!name.startsWith('kr1-')) this.keys.delete(id);
  }

  deleteByHand(id: string): void {
    this.keys.delete(id);
    this.invariants.onHandDelete(id);
  }

  #mint(name: string, expiresAt: number): ServiceKey {
    const number = ++this.#ids;
    const key: ServiceKey = {
      id: `key-${number}`,
      name,
      secret: new Secret(`sk-${String(number).padStart(45, 'x')}`),
      expiresAt,
      activeAt: this.now + this.options.activationLagMs,
      disabled: false,
    };
    this.keys.set(key.id, key);
    return key;
  }

  /** Takes the fault that is meant for a call of this kind, if there is one. */
  #fault(...kinds: Fault[]): Fault | undefined {
    const index = this.faults.findIndex((fault) => kinds.includes(fault));
    return index === -1 ? undefined : this.faults.splice(index, 1)[0];
  }

  /** A request, its effect and its answer, each at a time of the scheduler's choice. */
  async #call<Answer>(
    actor: Actor,
    label: string,
    effect: () => Answer,
    fault?: 'before' | 'after',
  ): Promise<Answer> {
    await this.turn(`${actor.name}: ${label}`, actor);
    if (fault !== undefined && (label === 'read' || label === 'swap')) actor.storeFailed = true;
    if (fault === 'before') throw lost();
    let outcome: { readonly answer: Answer } | { readonly error: unknown };
    try {
      outcome = { answer: effect() };
    } catch (error) {
      outcome = { error };
    }
    await this.turn(`${actor.name}: answer to ${label}`, actor);
    if (fault === 'after') throw lost();
    if ('error' in outcome) throw outcome.error;
    return outcome.answer;
  }

  storeFor(actor: Actor): KeyStore {
    return {
      durability: 'strong',
      get: () =>
        this.#call(
          actor,
          'read',
          () => {
            this.invariants.onRead(actor, this.stored);
            return this.stored;
          },
          this.#fault('read lost') && 'before',
        ),
      compareAndSwap: (_, expected, value) => {
        const fault = this.#fault('swap lost', 'swap unanswered');
        const swap = (): SwapResult => {
          if ((this.stored?.version ?? null) !== expected) return { ok: false };
          const version = String(++this.#versions);
          this.stored = { value, version };
          this.invariants.onWrite(value);
          return { ok: true, version };
        };
        return this.#call(actor, 'swap', swap, fault && (fault === 'swap lost' ? 'before' : 'after'));
      },
    };
  }

  issuerFor(actor: Actor): KeyIssuer {
    const world = this;
    return {
      async create({ name, expiresAt }): Promise<IssuedKey> {
        const fault = world.#fault('create lost', 'create unanswered', 'create late');
        const effect = (): IssuedKey => {
          if (world.keys.size >= world.options.maxKeys) {
            throw new ApiKeyLimitError('no room', { status: 400, reason: 'no room' });
          }
          const key = world.#mint(name, expiresAt.getTime());
          world.invariants.onCreate(key);
          return { id: key.id, maskedKey: key.secret.masked, secret: key.secret };
        };
        if (fault === 'create late') {
          await world.turn(`${actor.name}: create`, actor);
          world.#late.push(
            world
              .turn('a late create')
              .then(effect)
              .catch(() => {}),
          );
          throw lost();
        }
        const when = fault && (fault === 'create lost' ? 'before' : 'after');
        return world.#call(actor, 'create', effect, when);
      },
      async *list(): AsyncGenerator<ListedKey> {
        const listed = await world.#call(
          actor,
          'list',
          () => {
            world.invariants.onList(actor);
            return [...world.keys.values()].map(({ id, name, secret, disabled, expiresAt }) => ({
              id,
              name,
              maskedKey: secret.masked,
              disabled,
              expired: expiresAt <= world.now,
              expiresAt: new Date(expiresAt),
            }));
          },
          world.#fault('list lost') && 'before',
        );
        yield* listed;
      },
      delete: (id) =>
        world.#call(
          actor,
          `delete ${id}`,
          () => {
            if (!world.keys.has(id)) throw new NotFoundError('no such key', { status: 404 });
            world.invariants.onDelete(actor, id);
            world.keys.delete(id);
          },
          world.#fault('delete unanswered') && 'after',
        ),
      ...(this.options.canReveal && {
        getSecret: (id: string) =>
          world.#call(actor, `reveal ${id}`, () => {
            const key = world.keys.get(id);
            if (key === undefined) throw new NotFoundError('no such key', { status: 404 });
            return key.secret;
          }),
      }),
    };
  }

  checkerFor(actor: Actor): KeyChecker {
    return {
      models: ({ apiKey }) =>
        this.#call(actor, `try ${apiKey.masked}`, () => {
          const key = this.keyOf(apiKey);
          if (key === undefined || !this.accepts(key)) {
            throw new AuthenticationError('refused', { status: 401, maskedKey: apiKey.masked });
          }
          this.invariants.onAccepted(key);
          return [{ id: 'model' }];
        }),
    };
  }

  /** A wait is over when the scheduler says so, and then that much time has passed. */
  clockFor(actor: Actor): Clock {
    return {
      now: () => this.now,
      sleep: async (ms, signal, { background = false } = {}) => {
        // How long a store may be silent: here, one that does not answer fails at once.
        if (background) return untilAborted(signal);
        const until = this.now + ms;
        await this.turn(`${actor.name}: wait ${ms} ms`, actor);
        this.now = Math.max(this.now, until);
        signal.throwIfAborted();
      },
    };
  }

  /** The secrets as they are: real sealing takes time that no scheduler knows of. */
  static readonly seal: KeyRingOptions['seal'] = {
    seal: (secret, context) => JSON.stringify([secret, context]),
    open: (sealed) => (JSON.parse(sealed) as [string])[0],
  };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** One process. */
export interface Actor {
  readonly name: string;
  /** Whether it has met a store that failed, in which case a revocation deletes all the same. */
  storeFailed?: boolean;
  isRevoking?: boolean;
  /** A process that was killed never hears of anything again. */
  isAlive: boolean;
  /** After how many of its turns it is killed; undefined for never. */
  turnsToLive?: number;
  readonly ring: KeyRing;
}
