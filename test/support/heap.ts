import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export const MIB: number = 1024 * 1024;

/** Bytes in use after garbage collection. Some objects are released only in a later turn of the event loop. */
export async function heapUsed(): Promise<number> {
  for (let turns = 0; turns < 5; turns++) {
    collectGarbage();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}
