import { KeyRing, type KeyRingEvent, type KeyRingEvents, type KeyRingOptions } from 'drun-sdk/rotation';
import { onTestFinished } from 'vitest';
import { type RingClock, ringClock } from './ring-clock.ts';
import { RingService } from './ring-service.ts';
import { type StoredDocument, type TestStore, testStore } from './test-store.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Clock tolerance of the protocol. */
export const SLACK = 5 * SECOND;

export const ENCRYPTION_KEY = Uint8Array.from({ length: 32 }, (_, index) => index);

/** A service, a store and a clock, and rings that share them. */
export interface RingSetup {
  readonly service: RingService;
  readonly store: TestStore;
  readonly clock: RingClock;
  /** A replica. Its events are in `events`. */
  readonly newRing: (options?: Partial<KeyRingOptions>) => TestRing;
  /** A ring without `manager` and `verifier`. */
  readonly newReader: (options?: Partial<KeyRingOptions>) => TestRing;
  /** The stored record. */
  readonly record: () => StoredDocument;
}

export type RingEvent = {
  [Event in KeyRingEvent]: readonly [event: Event, details: KeyRingEvents[Event]];
}[KeyRingEvent];

/** A ring that collects its events. */
export type TestRing = KeyRing & { readonly events: RingEvent[] };

const EVENTS: readonly KeyRingEvent[] = [
  'created',
  'rotated',
  'revoked',
  'deleted',
  'orphan-deleted',
  'replaced',
  'name-conflict',
  'stale-read',
  'error',
];

export function ringSetup({
  clock = ringClock(),
  store = testStore(),
  service = new RingService(clock),
}: {
  readonly clock?: RingClock;
  readonly store?: TestStore;
  readonly service?: RingService;
} = {}): RingSetup {
  const newReader = (options: Partial<KeyRingOptions> = {}): TestRing => {
    const ring = new KeyRing({ name: 'checkout', store, encryptionKey: ENCRYPTION_KEY, clock, ...options });
    const events: RingEvent[] = [];
    for (const event of EVENTS) ring.on(event, (details) => events.push([event, details] as RingEvent));
    onTestFinished(() => ring.stop());
    return Object.assign(ring, { events });
  };
  return {
    service,
    store,
    clock,
    newReader,
    newRing: (options) => newReader({ manager: service.manager(), verifier: service.verifier, ...options }),
    record: () => JSON.parse(store.stored?.value ?? 'null') as StoredDocument,
  };
}

/** The names of events, without details. */
export function namesOf(events: readonly RingEvent[]): string[] {
  return events.map(([name]) => name);
}

/** The current key in plain text. */
export async function keyOf(ring: KeyRing): Promise<string> {
  return (await ring.getKey()).reveal();
}
