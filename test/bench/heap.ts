import { setImmediate } from 'node:timers/promises';

/** Bytes in use after garbage collection. Some objects are released only in a later turn of the event loop. */
export async function heapUsed(): Promise<number> {
  for (let turn = 0; turn < 4; turn++) {
    globalThis.gc?.();
    await setImmediate();
  }
  return process.memoryUsage().heapUsed;
}
