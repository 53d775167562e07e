import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';
import { handlers } from 'drun-sdk/emulator/msw';
import { serve } from 'drun-sdk/emulator/node';
import { setupServer } from 'msw/node';
import { onTestFinished } from 'vitest';

/** An emulator, and how a client gets at it. */
interface Entrance {
  readonly drun: Emulator;
  /** Undefined where the client's default leads there. */
  readonly consoleUrl: string | undefined;
  /** Undefined where the client's default leads there. */
  readonly chatUrl: string | undefined;
  /** Undefined for the platform's own. */
  readonly fetch: Emulator['fetch'] | undefined;
}

/** One of the ways to reach an emulator. */
export interface WayIn {
  readonly name: string;
  /** Opens it for the length of a test. */
  readonly open: (options?: EmulatorOptions) => Promise<Entrance>;
}

/** Whatever goes through all of them has to behave alike. */
export const WAYS_IN: readonly WayIn[] = [
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
