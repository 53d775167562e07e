import type { KeyRecord } from '../account/key-registry.ts';
import { isKey } from '../account/keys.ts';
import { matchesGlob } from '../account/model-access.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';
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

interface NewEntry {
  readonly mode: 'next' | 'always' | 'random';
  readonly filter: RequestFilter;
  readonly operations: readonly EmulatedOperation[] | undefined;
  readonly times: number;
  readonly random: () => number;
  readonly faultFor: (target: FaultTarget) => Fault | undefined;
}

/** `matches` is the number of requests that met the filter, `hits` of those that the fault was applied to. */
type Entry = NewEntry & { matches: number; hits: number };

/** In ascending precedence. */
const MODES: readonly Entry['mode'][] = ['always', 'random', 'next'];

const BASE_PATHS = ['', '/apis/hydra.io/v1alpha1', '/v1'];

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
    const { seed = this.#newSeed(), kinds = [...FAULT_KINDS], maxDelayMs = 1000, probability = 0.1 } = faults;
    const random = seededRandom(seed);
    const active = this.#activate({
      mode: 'random',
      filter: { ...faults, probability },
      operations: faults.operation && [faults.operation],
      times: Number.POSITIVE_INFINITY,
      random,
      faultFor: ({ operation }) => randomFault(kinds, operation, { random, maxDelayMs }),
    });
    return Object.defineProperty(active, 'seed', { value: seed, enumerable: true }) as ActiveRandomFaults;
  };

  /** @param isSelected - Limits the removal to the faults of certain keys. */
  readonly clear = (isSelected: (key: RequestFilter['key']) => boolean = () => true): void => {
    for (const entry of this.#entries) if (isSelected(entry.filter.key)) this.#entries.delete(entry);
  };

  /** Sets a fault from JSON. @throws {TypeError} If it is invalid. */
  schedule({ mode = 'next', ...fault }: ScheduledFault): ActiveFault {
    if (!MODES.includes(mode)) throw new TypeError(`faults: \`mode\` must be one of ${MODES.join(', ')}.`);
    return this[mode](fault as object);
  }

  /** The combined faults of a request, which is counted. */
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
    const ordered = matched.toSorted((a, b) => MODES.indexOf(a.mode) - MODES.indexOf(b.mode));
    return mergeFaults(ordered.map(({ fault }) => fault));
  }

  #add(mode: 'always' | 'next', fault: Fault, times: number): ActiveFault {
    const copy = { ...fault };
    const random = copy.probability === undefined ? this.#random : seededRandom(this.#newSeed());
    return this.#activate({
      mode,
      filter: copy,
      operations: possibleOperations(copy),
      times,
      random,
      faultFor: () => copy,
    });
  }

  #activate(newEntry: NewEntry): ActiveFault {
    const entry = { ...newEntry, matches: 0, hits: 0 };
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

function matchesPath(actual: string, path: string | RegExp): boolean {
  // Without the flags that make `test` depend on earlier calls.
  if (path instanceof RegExp) return new RegExp(path.source, path.flags.replace(/[gy]/g, '')).test(actual);
  return BASE_PATHS.some((base) => actual.startsWith(base) && matchesGlob(path, actual.slice(base.length)));
}
