import { isSecret } from '../../secret/secret.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import { matchesGlob } from '../keys/model-access.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';
import { seededRandom } from '../random.ts';
import type { ActiveFault, ActiveRandomFaults, Fault, Faults, RandomFaults, RequestFilter } from './fault.ts';
import { checkFault, checkRandomFaults } from './fault-check.ts';
import { possibleOperations } from './fault-operations.ts';
import { FAULT_KINDS, randomFault } from './random-fault.ts';

/** What of a request decides which faults meet it. */
export interface FaultTarget {
  readonly plane: EmulatedPlane;
  readonly operation: EmulatedOperation | undefined;
  readonly method: string;
  readonly path: string;
  /** The keys that it is made with, or is about. */
  readonly keys: readonly KeyRecord[];
}

/** A fault that was set, and what has become of it. */
interface Entry {
  readonly kind: 'always' | 'random' | 'next';
  readonly filter: RequestFilter;
  readonly operations: readonly EmulatedOperation[] | undefined;
  readonly times: number;
  readonly random: () => number;
  readonly faultFor: (target: FaultTarget) => Fault | undefined;
  /** How many calls have fitted. */
  fitting: number;
  hits: number;
}

/** In the order in which they give way to each other. */
const PRECEDENCE: readonly Entry['kind'][] = ['always', 'random', 'next'];

const DEFAULT_RANDOM_PROBABILITY = 0.1;
const DEFAULT_MAX_DELAY_MS = 1000;

/** Which faults were set, and which of them meet a call. */
export class FaultPlan {
  readonly #random: () => number;
  readonly #entries = new Set<Entry>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What users set them with. */
  get controls(): Faults {
    return {
      next: (fault) => {
        checkFault(fault, 'next');
        return this.#add('next', fault, { times: fault.times ?? 1 });
      },
      always: (fault) => {
        checkFault(fault, 'always');
        return this.#add('always', fault, { times: Number.POSITIVE_INFINITY });
      },
      random: (faults = {}) => {
        checkRandomFaults(faults);
        return this.#addRandom(faults);
      },
      clear: () => this.clear(),
    };
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The faults that meet a call, those that give way first. They count it. */
  meet(target: FaultTarget): Fault[] {
    const met: { readonly kind: Entry['kind']; readonly fault: Fault }[] = [];
    for (const entry of this.#entries) {
      if (!fits(entry, target)) continue;
      entry.fitting++;
      if (entry.fitting < (entry.filter.nth ?? 1)) continue;
      // Of those that wait for the next call, each call takes one.
      if (entry.kind === 'next' && met.some(({ kind }) => kind === 'next')) continue;
      const { probability = 1 } = entry.filter;
      if (probability < 1 && entry.random() >= probability) continue;
      const fault = entry.faultFor(target);
      if (fault === undefined) continue;
      met.push({ kind: entry.kind, fault });
      entry.hits++;
      if (entry.hits >= entry.times) this.#entries.delete(entry);
    }
    return PRECEDENCE.flatMap((kind) => met.filter((each) => each.kind === kind)).map(({ fault }) => fault);
  }

  #add(kind: 'always' | 'next', fault: Fault, { times }: { readonly times: number }): ActiveFault {
    const copy = { ...fault };
    const random = copy.probability === undefined ? this.#random : seededRandom(this.#drawSeed());
    return this.#activate({
      kind,
      filter: copy,
      operations: possibleOperations(copy),
      times,
      random,
      faultFor: () => copy,
      fitting: 0,
      hits: 0,
    });
  }

  #addRandom(faults: RandomFaults): ActiveRandomFaults {
    const { seed = this.#drawSeed(), kinds = FAULT_KINDS, maxDelayMs = DEFAULT_MAX_DELAY_MS } = faults;
    const random = seededRandom(seed);
    const filter = { ...faults, probability: faults.probability ?? DEFAULT_RANDOM_PROBABILITY };
    const chosen = [...kinds];
    const active = this.#activate({
      kind: 'random',
      filter,
      operations: filter.operation === undefined ? undefined : [filter.operation],
      times: Number.POSITIVE_INFINITY,
      random,
      faultFor: ({ operation }) => randomFault(chosen, operation, { random, maxDelayMs }),
      fitting: 0,
      hits: 0,
    });
    return Object.defineProperty(active, 'seed', { value: seed, enumerable: true }) as ActiveRandomFaults;
  }

  #activate(entry: Entry): ActiveFault {
    this.#entries.add(entry);
    const remove = (): void => void this.#entries.delete(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }

  #drawSeed(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }
}

function fits({ filter, operations }: Entry, target: FaultTarget): boolean {
  const { plane, method, path, key } = filter;
  return (
    (plane === undefined || plane === target.plane) &&
    (operations === undefined || (target.operation !== undefined && operations.includes(target.operation))) &&
    (method === undefined || method.toUpperCase() === target.method) &&
    (path === undefined || isAt(target.path, path)) &&
    (key === undefined || target.keys.some((record) => isKey(record, key)))
  );
}

/** What comes before the paths of a plane. */
const BASE_PATHS = ['', '/apis/hydra.io/v1alpha1', '/v1'];

function isAt(actual: string, path: string | RegExp): boolean {
  if (path instanceof RegExp) return new RegExp(path.source, path.flags.replace(/[gy]/g, '')).test(actual);
  return BASE_PATHS.some((base) => actual.startsWith(base) && matchesGlob(path, actual.slice(base.length)));
}

function isKey(record: KeyRecord, key: NonNullable<RequestFilter['key']>): boolean {
  if (isSecret(key)) return record.secret.equals(key);
  return record.id === key || record.name === key || record.secret.equals(key);
}
