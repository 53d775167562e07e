import { ApiKeys, ChatClient, type Credential, keyVerifier } from 'drun-sdk';
import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { type RingClock, ringClock } from './ring-clock.ts';
import { type RingSetup, ringSetup } from './ring-setup.ts';
import { type TestStore, testStore } from './test-store.ts';

/** Rings that use the real clients with an emulated service, a store and a clock. */
export interface EmulatedRingSetup extends Pick<RingSetup, 'newRing' | 'newReader'> {
  readonly drun: Emulator;
  readonly store: TestStore;
  readonly clock: RingClock;
  readonly manager: ApiKeys;
  readonly chat: (apiKey: Credential) => ChatClient;
  /** The ids of all keys, oldest first. */
  readonly ids: () => string[];
  /** Returns the operations requested since the last call. */
  readonly newOperations: () => string[];
}

export function emulatedRingSetup(options: EmulatorOptions = {}): EmulatedRingSetup {
  const store = testStore();
  const clock = ringClock();
  const drun = createEmulator({
    now: clock.now,
    sleep: (ms, signal) => clock.sleep(ms, signal),
    ...options,
  });
  const service = { baseUrl: 'https://drun.test', fetch: drun.fetch, maxRetries: 0 };
  const manager = new ApiKeys({ accessToken: drun.accessToken, ...service });
  const verifier = keyVerifier(service);
  const { newReader } = ringSetup({ store, clock });
  let reported = 0;
  return {
    drun,
    store,
    clock,
    manager,
    newReader,
    newRing: (ringOptions) => newReader({ manager, verifier, ...ringOptions }),
    chat: (apiKey) => new ChatClient({ apiKey, ...service }),
    ids: () => Array.from(drun.keys, ({ id }) => id),
    newOperations() {
      const operations = Array.from(drun.requests, ({ operation }) => String(operation)).slice(reported);
      reported += operations.length;
      return operations;
    },
  };
}

/** Whether the service accepts a key. */
export async function isAccepted({ chat }: EmulatedRingSetup, secret: string): Promise<boolean> {
  return (await chat(secret).checkKey()).accepted;
}

export const chatRequest = {
  model: 'public/deepseek-r1',
  messages: [{ role: 'user' as const, content: 'Hello, model!' }],
};
