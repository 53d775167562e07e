/** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
export type Sleep = (
  ms: number,
  signal: AbortSignal,
  options?: { readonly background?: boolean },
) => Promise<void>;

/** Waits with a timer of the platform. With `background`, it does not keep the process alive. */
export const sleep: Sleep = (ms, signal, { background = false } = {}) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer as number);
      reject(signal.reason);
    };
    const timer: unknown = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
    if (background) unref(timer);
  });

/** Lets the process end before a timer does. Only the timers of Node and Bun keep a process alive. */
export function unref(timer: unknown): void {
  (timer as { readonly unref?: () => void }).unref?.();
}

/** Settles like the promise, or rejects with the signal's reason if that aborts first. */
export function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const stop = (): void => signal.removeEventListener('abort', onAbort);
    promise.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error) => {
        stop();
        reject(error);
      },
    );
  });
}

/**
 * Waits for a task for at most `timeoutMs`, then aborts its signal.
 *
 * @throws Error if the task did not end in time, even if it ignores its signal.
 */
export async function withTimeout<T>(
  clock: { readonly sleep: Sleep },
  timeoutMs: number,
  task: (signal: AbortSignal) => PromiseLike<T>,
): Promise<T> {
  const ended = new AbortController();
  const late = new AbortController();
  const expire = async (): Promise<never> => {
    await clock.sleep(timeoutMs, ended.signal, { background: true });
    const error = new Error(`no response within ${timeoutMs} ms`);
    late.abort(error);
    throw error;
  };
  try {
    return await Promise.race([(async () => task(late.signal))(), expire()]);
  } finally {
    ended.abort();
  }
}
