/** Resolves after a time in milliseconds; rejects with the signal's reason once that is aborted. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** What timers can hold; beyond it they fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Looked up at every call: tests put virtual timers in the place of the platform's. */
export const sleepByTimer: Sleep = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      },
      Math.min(milliseconds, LONGEST_TIMER_MS),
    );
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
