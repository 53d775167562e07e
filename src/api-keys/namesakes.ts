/*
 * Two creates of the same name that lose their answers at the same time cannot always tell which of them made what is
 * on the list afterwards: the service offers nothing that would. Within a process they know of each other.
 */

/** For how long after its end a create whose key was not seen may still be carried out, or its key be mistaken. */
const LINGERING_MS = 60_000;

/** What came of a create: the id of the key that it made, nothing, or nobody knows. */
type Outcome = { readonly id: string } | 'nothing' | 'unknown';

/** A create, as others of its name have to know it: plain data, for two copies of the package share it. */
interface Create {
  /** All that is asked for: the same for creates whose keys cannot be told apart. */
  readonly request: string;
  /** Undefined until its answer came, or was lost. */
  outcome: Outcome | undefined;
  readonly answered: PromiseWithResolvers<void>;
  /** Those that were under way together with it, and those of the same client shortly before. */
  readonly others: Set<Create>;
}

/** Where the creates are that are under way in this process, by the place and name of their keys. */
const registry: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.creates');

function createsUnderWay(): Map<string, Set<Create>> {
  const holder = globalThis as { [registry]?: Map<string, Set<Create>> };
  holder[registry] ??= new Map();
  return holder[registry];
}

/** The creates of one client, each of whose keys may be taken for another one's. */
export class Namesakes {
  #ended: { readonly create: Create; readonly name: string; readonly endedAt: number }[] = [];

  /**
   * Begins a create; {@link Claim.end} has to be called when it is over.
   *
   * @param name - The place and name of its key.
   * @param request - All that is asked for.
   */
  begin(name: string, request: string): Claim {
    const underWay = createsUnderWay();
    const peers = underWay.get(name) ?? new Set();
    underWay.set(name, peers);
    const now = performance.now();
    this.#ended = this.#ended.filter(({ endedAt }) => now - endedAt < LINGERING_MS);
    const earlier = this.#ended.filter((ended) => ended.name === name).map(({ create }) => create);
    const create: Create = {
      request,
      outcome: undefined,
      answered: Promise.withResolvers(),
      others: new Set([...earlier, ...peers]),
    };
    for (const peer of peers) peer.others.add(create);
    peers.add(create);
    return new Claim(create, () => {
      peers.delete(create);
      if (peers.size === 0) underWay.delete(name);
      this.#ended.push({ create, name, endedAt: performance.now() });
    });
  }
}

/** What a create knows of others of its name, and lets them know. */
export class Claim {
  readonly #create: Create;
  readonly #leave: () => void;

  constructor(create: Create, leave: () => void) {
    this.#create = create;
    this.#leave = leave;
  }

  /** Its answer came, or is lost. The key of one that is lost may still be found. */
  settle(outcome: Outcome): void {
    this.#create.outcome = outcome;
    this.#create.answered.resolve();
  }

  end(): void {
    this.#create.others.clear();
    this.#leave();
  }

  /** Waits until each of the others has its answer, or has lost it. */
  async othersAnswered(): Promise<void> {
    await Promise.all([...this.#create.others].map(({ answered }) => answered.promise));
  }

  /** Whether a key of just what was asked for, which none of the others has, can only be this one's. */
  get isOnlyOneLost(): boolean {
    const { request, others } = this.#create;
    return [...others].every(
      (other) => other.request !== request || (other.outcome !== undefined && other.outcome !== 'unknown'),
    );
  }

  /** Whether a key is known to be another one's. */
  isTaken(id: string): boolean {
    return [...this.#create.others].some(({ outcome }) => typeof outcome === 'object' && outcome.id === id);
  }
}
