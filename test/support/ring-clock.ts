import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from 'drun-sdk/rotation';

/** A time of which a test disposes. */
export interface RingClock extends Clock {
  /**
   * What becomes of who waits in the foreground: time passes at once, or only when the test says so. What waits in the
   * background always waits for the test.
   */
  isByHand: boolean;
  /** How long each wait is that goes on now, in milliseconds. */
  readonly waits: readonly number[];
  /** Lets time pass, and whatever waited for it go on. */
  readonly advance: (ms: number) => Promise<void>;
}

interface Sleeper {
  readonly ms: number;
  readonly until: number;
  readonly wake: () => void;
}

export function ringClock(start = Date.UTC(2026, 10, 1)): RingClock {
  let now = start;
  const sleepers = new Set<Sleeper>();

  const wakeUntil = async (end: number): Promise<void> => {
    for (;;) {
      const [next] = [...sleepers].sort((a, b) => a.until - b.until);
      if (next === undefined || next.until > end) break;
      sleepers.delete(next);
      now = Math.max(now, next.until);
      next.wake();
      await turn();
    }
    now = Math.max(now, end);
  };

  return {
    isByHand: false,
    now: () => now,
    monotonic: () => now,
    async sleep(ms, signal, { background = false } = {}) {
      signal.throwIfAborted();
      if (!this.isByHand && !background) {
        await turn();
        signal.throwIfAborted();
        await wakeUntil(now + ms);
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        };
        const wake = (): void => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        const sleeper = { ms, until: now + ms, wake };
        sleepers.add(sleeper);
        signal.addEventListener('abort', onAbort);
      });
    },
    get waits() {
      return Array.from(sleepers, ({ ms }) => ms);
    },
    async advance(ms) {
      await turn();
      await wakeUntil(now + ms);
      await turn();
    },
  };
}

/** The same time, read from a clock that is wrong. */
export function skewed(clock: RingClock, byMs: number): Clock {
  return {
    now: () => clock.now() + byMs,
    monotonic: () => clock.monotonic(),
    sleep: (...wait) => clock.sleep(...wait),
  };
}

/** How long something may take of the machine's own time, which needs none of the test's: sealing is not done by turns. */
const LONGEST_MS = 4_000;

/** Resolves once something holds that needs turns of the event loop, and no time of the test's. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`this never came to hold: ${holds}`);
    await turn();
  }
}
