import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { handlers } from 'drun-sdk/emulator/msw';
import { serve } from 'drun-sdk/emulator/node';
import { setupServer } from 'msw/node';
import { onTestFinished } from 'vitest';

/** An emulator and the client options for connecting to it. */
interface EmulatorConnection {
  readonly drun: Emulator;
  /** Undefined if the client's default is correct. */
  readonly consoleUrl: string | undefined;
  /** Undefined if the client's default is correct. */
  readonly chatUrl: string | undefined;
  /** Undefined for the global `fetch`. */
  readonly fetch: Emulator['fetch'] | undefined;
}

/** A way to connect to an emulator. */
export interface Transport {
  readonly name: string;
  /** Creates an emulator, which is closed after the test. */
  readonly open: (options?: EmulatorOptions) => Promise<EmulatorConnection>;
}

/** The emulator must behave the same way over all transports. */
export const TRANSPORTS: readonly Transport[] = [
  {
    name: 'in process',
    async open(options) {
      const drun = createEmulator(options);
      return { drun, consoleUrl: 'https://drun.test', chatUrl: 'https://drun.test', fetch: drun.fetch };
    },
  },
  {
    name: 'through msw',
    async open(options) {
      const drun = createEmulator(options);
      const server = setupServer(...handlers(drun));
      server.listen({ onUnhandledFrame: 'error' });
      onTestFinished(() => server.close());
      return { drun, consoleUrl: undefined, chatUrl: undefined, fetch: undefined };
    },
  },
  {
    name: 'over HTTP',
    async open(options) {
      const drun = createEmulator(options);
      const server = await serve(drun);
      onTestFinished(() => server.close());
      return { drun, consoleUrl: server.url, chatUrl: server.url, fetch: undefined };
    },
  },
];
