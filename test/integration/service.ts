/*
 * A process that emulates d.run with a limit of two keys: `service.ts`. It sends its address, and responds to each message
 * with its statistics.
 */

import { createEmulator } from '../../src/emulator/emulator.ts';
import { serve } from '../../src/emulator/node.ts';

export interface ServiceAddress {
  readonly url: string;
  readonly accessToken: string;
}

export interface ServiceStatistics {
  /** Maximum number of keys that existed at the same time. */
  readonly peakKeys: number;
  /** Number of creates rejected because of the limit. */
  readonly rejectedCreates: number;
  /** Names of the existing keys. */
  readonly names: readonly string[];
}

let peakKeys = 0;
let rejectedCreates = 0;
const drun = createEmulator({
  maxKeys: 2,
  onRequest({ operation, status }) {
    if (operation !== 'create') return;
    peakKeys = Math.max(peakKeys, [...drun.keys].length);
    if (status !== 200) rejectedCreates++;
  },
});
const { url } = await serve(drun, { port: 0 });
process.on('message', () => {
  const names = Array.from(drun.keys, ({ name }) => name);
  process.send?.({ peakKeys, rejectedCreates, names } satisfies ServiceStatistics);
});
process.send?.({ url, accessToken: drun.accessToken.reveal() } satisfies ServiceAddress);
