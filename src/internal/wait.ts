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

/** Settles like the promise, or rejects with the signal's reason. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
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
