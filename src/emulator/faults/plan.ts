import type { KeyRecord } from '../account/key-registry.ts';
import { isKey } from '../account/keys.ts';
import { matchesGlob } from '../account/model-access.ts';
import type { EmulatedOperation, EmulatedPlane } from '../context.ts';
import { seededRandom } from '../random.ts';
import type {
  ActiveFault,
  ActiveRandomFaults,
  Fault,
  Faults,
  RandomFaults,
  RequestFilter,
  ScheduledFault,
} from './fault.ts';
import {
  checkFault,
  checkRandomFaults,
  FAULT_KINDS,
  mergeFaults,
  possibleOperations,
  randomFault,
} from './table.ts';

/** The properties of a request that decide which faults apply to it. */
interface FaultTarget {
  readonly plane: EmulatedPlane;
  readonly operation: EmulatedOperation | undefined;
  readonly method: string;
  readonly path: string;
  /** The keys that authenticate it or that it is about. */
  readonly keys: readonly KeyRecord[];
}

interface Entry {
  readonly mode: 'next' | 'always' | 'random';
  readonly filter: RequestFilter;
  readonly operations: readonly EmulatedOperation[] | undefined;
  readonly times: number;
  readonly random: () => number;
  readonly faultFor: (target: FaultTarget) => Fault | undefined;
  /** Number of requests that met the filter. */
  matches: number;
  hits: number;
}

/** In ascending precedence. */
const MODES: readonly Entry['mode'][] = ['always', 'random', 'next'];

const DEFAULT_RANDOM_PROBABILITY = 0.1;
const DEFAULT_MAX_DELAY_MS = 1000;

/** The faults in effect. */
export class FaultPlan implements Faults {
  readonly #random: () => number;
  readonly #entries = new Set<Entry>();

  constructor(random: () => number) {
    this.#random = random;
  }

  readonly next = (fault: Fault): ActiveFault => {
    checkFault(fault, 'next');
    return this.#add('next', fault, fault.times ?? 1);
  };

  readonly always = (fault: Omit<Fault, 'times'>): ActiveFault => {
    checkFault(fault, 'always');
    return this.#add('always', fault, Number.POSITIVE_INFINITY);
  };

  readonly random = (faults: RandomFaults = {}): ActiveRandomFaults => {
    checkRandomFaults(faults);
    const { seed = this.#newSeed(), kinds = FAULT_KINDS, maxDelayMs = DEFAULT_MAX_DELAY_MS } = faults;
    const random = seededRandom(seed);
    const chosen = [...kinds];
    const active = this.#activate({
      mode: 'random',
      filter: { ...faults, probability: faults.probability ?? DEFAULT_RANDOM_PROBABILITY },
      operations: faults.operation === undefined ? undefined : [faults.operation],
      times: Number.POSITIVE_INFINITY,
      random,
      faultFor: ({ operation }) => randomFault(chosen, operation, { random, maxDelayMs }),
      matches: 0,
      hits: 0,
    });
    return Object.defineProperty(active, 'seed', { value: seed, enumerable: true }) as ActiveRandomFaults;
  };

  /** @param isSelected - Limits the removal to the faults of certain keys. */
  readonly clear = (isSelected: (key: RequestFilter['key']) => boolean = () => true): void => {
    for (const entry of this.#entries) if (isSelected(entry.filter.key)) this.#entries.delete(entry);
  };

  /** Sets a fault from JSON. @throws {TypeError} If it is invalid. */
  schedule(fault: ScheduledFault): ActiveFault {
    if (fault?.mode === undefined || fault.mode === 'next') {
      const { mode: _, ...rest } = fault ?? {};
      return this.next(rest);
    }
    const { mode, ...rest } = fault;
    if (mode === 'always') return this.always(rest);
    if (mode === 'random') return this.random(rest as RandomFaults);
    throw new TypeError("faults: `mode` must be 'next', 'always' or 'random'.");
  }

  /** The combined faults of a request, and which fields apply. Counts the request. */
  match(target: FaultTarget): Fault {
    const matched: { readonly mode: Entry['mode']; readonly fault: Fault }[] = [];
    for (const entry of this.#entries) {
      if (!meets(entry, target)) continue;
      entry.matches++;
      if (entry.matches < (entry.filter.nth ?? 1)) continue;
      // Of the faults for the next request, each request takes one.
      if (entry.mode === 'next' && matched.some(({ mode }) => mode === 'next')) continue;
      const { probability = 1 } = entry.filter;
      if (probability < 1 && entry.random() >= probability) continue;
      const fault = entry.faultFor(target);
      if (fault === undefined) continue;
      matched.push({ mode: entry.mode, fault });
      entry.hits++;
      if (entry.hits >= entry.times) this.#entries.delete(entry);
    }
    return mergeFaults(
      MODES.flatMap((mode) => matched.filter((each) => each.mode === mode).map(({ fault }) => fault)),
    );
  }

  #add(mode: 'always' | 'next', fault: Fault, times: number): ActiveFault {
    const copy = { ...fault };
    return this.#activate({
      mode,
      filter: copy,
      operations: possibleOperations(copy),
      times,
      random: copy.probability === undefined ? this.#random : seededRandom(this.#newSeed()),
      faultFor: () => copy,
      matches: 0,
      hits: 0,
    });
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

  #newSeed(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }
}

function meets({ filter, operations }: Entry, target: FaultTarget): boolean {
  const { plane, method, path, key } = filter;
  return (
    (plane === undefined || plane === target.plane) &&
    (operations === undefined || (target.operation !== undefined && operations.includes(target.operation))) &&
    (method === undefined || method.toUpperCase() === target.method) &&
    (path === undefined || matchesPath(target.path, path)) &&
    (key === undefined || target.keys.some((record) => isKey(record, key)))
  );
}

const BASE_PATHS = ['', '/apis/hydra.io/v1alpha1', '/v1'];

function matchesPath(actual: string, path: string | RegExp): boolean {
  // Without the flags that make `test` depend on earlier calls.
  if (path instanceof RegExp) return new RegExp(path.source, path.flags.replace(/[gy]/g, '')).test(actual);
  return BASE_PATHS.some((base) => actual.startsWith(base) && matchesGlob(path, actual.slice(base.length)));
}
