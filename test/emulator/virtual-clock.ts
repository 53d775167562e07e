import { setImmediate as turn } from 'node:timers/promises';
import type { Sleep } from 'drun-sdk/emulator';

/** A clock that a test controls. */
export interface VirtualClock {
  readonly now: () => number;
  readonly sleep: Sleep;
  /** Number of pending sleeps. */
  readonly sleeping: number;
  /** Advances the clock and ends the sleeps that are due. */
  readonly advance: (milliseconds: number) => Promise<void>;
}

export function virtualClock(start = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = start;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  return {
    now: () => now,
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { until: now + milliseconds, wake: resolve };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
    get sleeping() {
      return sleepers.size;
    },
    async advance(milliseconds) {
      await turn();
      const end = now + milliseconds;
      for (;;) {
        const [next] = [...sleepers].sort((a, b) => a.until - b.until);
        if (next === undefined || next.until > end) break;
        sleepers.delete(next);
        now = next.until;
        next.wake();
        await turn();
      }
      now = end;
      await turn();
    },
  };
}
