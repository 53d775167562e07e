import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from 'drun-sdk/rotation';

/** A clock that a test controls. */
export interface RingClock extends Clock {
  /**
   * Whether foreground waits last until the test advances the clock. By default, they advance it themselves.
   * Background waits always last until the test advances it.
   */
  isManual: boolean;
  /** Durations of the pending waits in milliseconds. */
  readonly waits: readonly number[];
  /** Advances the clock and ends the waits that are due. */
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
    isManual: false,
    now: () => now,
    monotonic: () => now,
    async sleep(ms, signal, { background = false } = {}) {
      signal.throwIfAborted();
      if (!this.isManual && !background) {
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

/** A clock that is ahead or behind by a constant offset. */
export function skewed(clock: RingClock, byMs: number): Clock {
  return {
    now: () => clock.now() + byMs,
    monotonic: () => clock.monotonic(),
    sleep: (...wait) => clock.sleep(...wait),
  };
}

/** Time limit of {@link waitUntil} in real milliseconds: encryption, for example, takes no time on the test's clock. */
const MAX_WAIT_MS = 4_000;

/** Resolves once a condition holds. Yields to the event loop without advancing the test's clock. */
export async function waitUntil(condition: () => boolean): Promise<void> {
  const end = performance.now() + MAX_WAIT_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`condition not met within ${MAX_WAIT_MS} ms: ${condition}`);
    await turn();
  }
}
