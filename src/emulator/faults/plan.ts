import type { KeyRecord } from '../account.ts';
import { check } from '../checks.ts';
import { concealed, isKey } from '../keys.ts';
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
import { FAULT_SCHEMAS, mergeFaults, possibleOperations, randomFault } from './table.ts';

/** The properties of a request that determine which faults apply to it. */
interface FaultTarget {
  readonly plane: EmulatedPlane;
  readonly operation: EmulatedOperation | undefined;
  /** The key that authenticates the request and the keys that it refers to. */
  readonly keys: readonly KeyRecord[];
}

interface Entry extends ActiveFault {
  readonly mode: 'always' | 'random' | 'next';
  readonly filter: RequestFilter;
  readonly operations: readonly EmulatedOperation[] | undefined;
  readonly times: number;
  readonly seed?: number;
  /** Returns the fault that applies to a matching request, if any. */
  readonly faultFor: (target: FaultTarget) => Fault | undefined;
  /** Number of requests that matched the filter. */
  matches: number;
  hits: number;
}

/** The fault modes, in ascending order of precedence. */
const MODES = ['always', 'random', 'next'] as const;

export class FaultPlan implements Faults {
  readonly #random: () => number;
  readonly #entries = new Set<Entry>();

  constructor(random: () => number) {
    this.#random = random;
  }

  readonly next: Faults['next'] = (fault) => this.schedule({ ...fault, mode: 'next' });

  readonly always: Faults['always'] = (fault) => this.schedule({ ...fault, mode: 'always' });

  readonly random: Faults['random'] = (faults) =>
    this.schedule({ ...faults, mode: 'random' }) as ActiveRandomFaults;

  /** @param isSelected - Selects the keys whose faults are removed. Default: all faults. */
  readonly clear = (isSelected: (key: RequestFilter['key']) => boolean = () => true): void => {
    for (const { filter, remove } of this.#entries) if (isSelected(filter.key)) remove();
  };

  /** Sets a fault. @throws {TypeError} If the fault is invalid. */
  schedule(given: ScheduledFault): ActiveFault {
    const scheduled = { ...given };
    const { mode = 'next' } = scheduled;
    check(`faults.${mode}`, FAULT_SCHEMAS[mode] ?? FAULT_SCHEMAS.next, scheduled);
    const remove = (): void => void this.#entries.delete(entry);
    const entry: Entry = {
      mode,
      // A printed fault must not contain a full key.
      filter: { ...scheduled, key: concealed(scheduled.key) },
      operations: possibleOperations({ ...scheduled, plane: undefined }),
      times: mode === 'next' ? ((scheduled as Fault).times ?? 1) : Number.POSITIVE_INFINITY,
      ...(scheduled.mode === 'random' ? this.#randomFaults(scheduled) : { faultFor: () => scheduled }),
      matches: 0,
      hits: 0,
      remove,
      [Symbol.dispose]: remove,
    };
    this.#entries.add(entry);
    return entry;
  }

  /** Returns the combined faults for a request and updates the counters. */
  match(target: FaultTarget): Fault {
    const matched: { readonly mode: Entry['mode']; readonly fault: Fault }[] = [];
    for (const entry of this.#entries) {
      if (!meets(entry, target)) continue;
      entry.matches++;
      if (entry.matches < (entry.filter.nth ?? 1)) continue;
      // At most one fault set by `next` applies to a request.
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

  #randomFaults(faults: RandomFaults): Pick<Entry, 'seed' | 'faultFor'> {
    const { maxDelayMs = 1000, probability = 0.1, seed = Math.floor(this.#random() * 2 ** 32) } = faults;
    const random = seededRandom(seed);
    return {
      seed,
      faultFor: ({ operation }) =>
        random() < probability ? randomFault(operation, { random, maxDelayMs }) : undefined,
    };
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
