/**
 * Resolves after `ms` milliseconds, or rejects with the signal's reason. With `background`, the timer does not keep the
 * process alive.
 */
export async function sleep(
  ms: number,
  signal: AbortSignal,
  { background = false }: { readonly background?: boolean } = {},
): Promise<void> {
  let timer: unknown;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
    if (background) unref(timer);
  });
  await abortable(elapsed, signal).finally(() => clearTimeout(timer as number));
}

/** Lets the process exit before the timer fires. Only timers of Node and Bun keep a process alive. */
function unref(timer: unknown): void {
  (timer as { readonly unref?: () => void }).unref?.();
}

/** Settles like the promise, or rejects with the signal's reason if the signal aborts first. */
export function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const stop = (): void => signal.removeEventListener('abort', onAbort);
    // `finally()` would create three more promises for every request.
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
