import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export const MIB: number = 1024 * 1024;

/** What is in use once all garbage is gone: some of it goes only after a turn of the loop in which its owner went. */
export async function heapUsed(): Promise<number> {
  for (let turns = 0; turns < 5; turns++) {
    collectGarbage();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}
