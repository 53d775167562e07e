/** Resolves after `ms` milliseconds, or rejects with the signal's reason. With `background`, keeps no process alive. */
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

/** Lets the process end before a timer does. Only the timers of Node and Bun keep a process alive. */
function unref(timer: unknown): void {
  (timer as { readonly unref?: () => void }).unref?.();
}

/** Settles like the promise, or rejects with the signal's reason if that aborts first. */
export function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const stop = (): void => signal.removeEventListener('abort', onAbort);
    // Every request waits here: `finally()` would take three more promises.
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
