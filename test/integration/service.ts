/*
 * A process that is d.run, with room for two keys: `service.ts`. Says where it listens, and when asked for anything, what
 * it has seen.
 */

import { createEmulator } from '../../src/emulator/emulator.ts';
import { serve } from '../../src/emulator/node.ts';

/** The first message. */
export interface Opening {
  readonly url: string;
  readonly accessToken: string;
}

/** The answer to every message. */
export interface Seen {
  /** The most keys that there were at the same time. */
  readonly mostKeys: number;
  /** How often somebody wanted a key for which there was no room. */
  readonly refusedCreates: number;
  /** The names of the keys that there are. */
  readonly names: readonly string[];
}

let mostKeys = 0;
let refusedCreates = 0;
const drun = createEmulator({
  maxKeys: 2,
  onRequest({ operation, status }) {
    if (operation !== 'create') return;
    mostKeys = Math.max(mostKeys, [...drun.keys].length);
    if (status !== 200) refusedCreates++;
  },
});
const { url } = await serve(drun, { port: 0 });
process.on('message', () => {
  const names = Array.from(drun.keys, ({ name }) => name);
  process.send?.({ mostKeys, refusedCreates, names } satisfies Seen);
});
process.send?.({ url, accessToken: drun.accessToken.reveal() } satisfies Opening);
