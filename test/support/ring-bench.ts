import { ApiKeys, ChatClient, type Credential, keyVerifier } from 'drun-sdk';
import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { KeyRing, type KeyRingEvent, type KeyRingEvents, type KeyRingOptions } from 'drun-sdk/rotation';
import { onTestFinished } from 'vitest';
import { type RingClock, ringClock } from './ring-clock.ts';
import { type TestStore, testStore } from './test-store.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const MODEL = 'public/deepseek-r1';

/** The emulated service, a store and a time, and the rings that work on them. */
export interface RingBench {
  readonly drun: Emulator;
  readonly store: TestStore;
  readonly clock: RingClock;
  readonly manager: ApiKeys;
  /** A ring that can do everything. */
  readonly newRing: (options?: Partial<KeyRingOptions>) => KeyRing;
  /** One that only reads. */
  readonly newReader: (options?: Partial<KeyRingOptions>) => KeyRing;
  readonly chat: (apiKey: Credential) => ChatClient;
  /** The ids of the keys that there are, oldest first. */
  readonly ids: () => string[];
  /** What the service was asked for since this was called last. */
  readonly asked: () => string[];
}

export interface RingBenchOptions extends EmulatorOptions {
  readonly store?: TestStore;
  readonly clock?: RingClock;
}

export function ringBench({
  store = testStore(),
  clock = ringClock(),
  ...options
}: RingBenchOptions = {}): RingBench {
  const drun = createEmulator({
    now: clock.now,
    sleep: (ms, signal) => clock.sleep(ms, signal),
    ...options,
  });
  const service = { baseUrl: 'https://drun.test', fetch: drun.fetch, maxRetries: 0 };
  const manager = new ApiKeys({ accessToken: drun.accessToken, ...service });
  const verifier = keyVerifier({ ...service });
  let seen = 0;

  const newReader = (ringOptions: Partial<KeyRingOptions> = {}): KeyRing => {
    const ring = new KeyRing({ name: 'checkout', store, encryptionKey: sealingKey, clock, ...ringOptions });
    onTestFinished(() => ring.stop());
    return ring;
  };
  return {
    drun,
    store,
    clock,
    manager,
    newReader,
    newRing: (ringOptions) => newReader({ manager, verifier, ...ringOptions }),
    chat: (apiKey) => new ChatClient({ apiKey, ...service }),
    ids: () => Array.from(drun.keys, ({ id }) => id),
    asked() {
      const operations = Array.from(drun.requests, ({ operation }) => String(operation)).slice(seen);
      seen += operations.length;
      return operations;
    },
  };
}

/** Makes up for nobody's secret: every ring of a test has the same. */
const sealingKey = Uint8Array.from({ length: 32 }, (_, index) => index);

/** What a ring tells of, in order; what is read was seen, and is not there the next time. */
export function eventsOf(ring: KeyRing, ...only: KeyRingEvent[]): () => RingEvent[] {
  let events: RingEvent[] = [];
  for (const event of only.length > 0 ? only : ALL_EVENTS) {
    ring.on(event, (details) => events.push([event, details]));
  }
  return () => {
    const seen = events;
    events = [];
    return seen;
  };
}

export type RingEvent = [KeyRingEvent, KeyRingEvents[KeyRingEvent]];

const ALL_EVENTS: readonly KeyRingEvent[] = [
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

/** The key that a source gives now, in clear. */
export async function keyOf(ring: KeyRing): Promise<string> {
  return (await ring.getKey()).reveal();
}

/** Whether the service takes a key. */
export async function isAccepted({ chat }: RingBench, secret: string): Promise<boolean> {
  return (await chat(secret).checkKey()).accepted;
}

export const question = { model: MODEL, messages: [{ role: 'user' as const, content: 'Hello, model!' }] };
