import type { KeyRecord } from '../account.ts';
import { check } from '../checks.ts';
import { isKey } from '../keys.ts';
import type { EmulatedOperation, EmulatedPlane } from '../operation.ts';
import { seededRandom } from '../random.ts';
import type {
  ActiveFault,
  ActiveRandomFaults,
  Fault,
  Faults,
  RequestFilter,
  ScheduledFault,
} from './fault.ts';
import { FAULT_KINDS, FAULT_SCHEMAS, mergeFaults, possibleOperations, randomFault } from './table.ts';

/** The properties of a request that decide which faults apply to it. */
interface FaultTarget {
  readonly plane: EmulatedPlane;
  readonly operation: EmulatedOperation | undefined;
  /** The keys that authenticate it or that it is about. */
  readonly keys: readonly KeyRecord[];
}

interface Entry {
  readonly mode: 'always' | 'random' | 'next';
  readonly filter: RequestFilter;
  readonly operations: readonly EmulatedOperation[] | undefined;
  readonly times: number;
  /** Returns the fault of a matching request, if it gets one. */
  readonly faultFor: (target: FaultTarget) => Fault | undefined;
  /** Number of requests that met the filter. */
  matches: number;
  /** Number of requests that the fault was applied to. */
  hits: number;
}

/** In ascending precedence. */
const MODES = ['always', 'random', 'next'] as const;

/** The faults in effect. */
export class FaultPlan implements Faults {
  readonly #random: () => number;
  readonly #entries = new Set<Entry>();

  constructor(random: () => number) {
    this.#random = random;
  }

  readonly next: Faults['next'] = (fault) => this.schedule({ ...fault, mode: 'next' });

  readonly always: Faults['always'] = (fault) => this.schedule({ ...fault, mode: 'always' });

  readonly random: Faults['random'] = (faults) => {
    const seed = faults?.seed ?? this.#newSeed();
    const active = this.schedule({ ...faults, seed, mode: 'random' });
    return Object.defineProperty(active, 'seed', { value: seed, enumerable: true }) as ActiveRandomFaults;
  };

  /** @param isSelected - Limits the removal to the faults of certain keys. */
  readonly clear = (isSelected: (key: RequestFilter['key']) => boolean = () => true): void => {
    for (const entry of this.#entries) if (isSelected(entry.filter.key)) this.#entries.delete(entry);
  };

  /** Sets a fault. @throws {TypeError} If it is invalid. */
  schedule(given: ScheduledFault): ActiveFault {
    const scheduled = { ...given };
    const { mode = 'next' } = scheduled;
    check(`faults.${mode}`, FAULT_SCHEMAS[mode] ?? FAULT_SCHEMAS.next, scheduled);
    const entry = { ...this.#entryOf(scheduled), mode, matches: 0, hits: 0 };
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

  /** Counts a request and returns its combined faults. */
  match(target: FaultTarget): Fault {
    const matched: { readonly mode: Entry['mode']; readonly fault: Fault }[] = [];
    for (const entry of this.#entries) {
      if (!meets(entry, target)) continue;
      entry.matches++;
      if (entry.matches < (entry.filter.nth ?? 1)) continue;
      // Each request gets only one fault set by `next`.
      if (entry.mode === 'next' && matched.some(({ mode }) => mode === 'next')) continue;
      const fault = entry.faultFor(target);
      if (fault === undefined) continue;
      matched.push({ mode: entry.mode, fault });
      entry.hits++;
      if (entry.hits >= entry.times) this.#entries.delete(entry);
    }
    matched.sort((a, b) => MODES.indexOf(a.mode) - MODES.indexOf(b.mode));
    return mergeFaults(matched.map(({ fault }) => fault));
  }

  #entryOf(fault: ScheduledFault): Omit<Entry, 'mode' | 'matches' | 'hits'> {
    if (fault.mode !== 'random') {
      const times = fault.mode === 'always' ? Number.POSITIVE_INFINITY : (fault.times ?? 1);
      const operations = possibleOperations({ ...fault, plane: undefined });
      return { filter: fault, operations, times, faultFor: () => fault };
    }
    const { seed = this.#newSeed(), kinds = FAULT_KINDS, maxDelayMs = 1000, probability = 0.1 } = fault;
    const random = seededRandom(seed);
    return {
      filter: fault,
      operations: possibleOperations({ operation: fault.operation }),
      times: Number.POSITIVE_INFINITY,
      faultFor: ({ operation }) =>
        random() < probability ? randomFault(kinds, operation, { random, maxDelayMs }) : undefined,
    };
  }

  #newSeed(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }
}

function meets({ filter: { plane, key }, operations }: Entry, target: FaultTarget): boolean {
  const { operation, keys } = target;
  return (
    (plane === undefined || plane === target.plane) &&
    (operations === undefined || (operation !== undefined && operations.includes(operation))) &&
    (key === undefined || keys.some((record) => isKey(record, key)))
  );
}
