/** Rejects with the signal's reason if it aborts. With `background`, the timer does not keep the process alive. */
export async function sleep(
  ms: number,
  signal: AbortSignal,
  { background = false }: { readonly background?: boolean } = {},
): Promise<void> {
  let timer: unknown;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
    // Only timers of Node and Bun keep a process alive.
    if (background) (timer as { readonly unref?: () => void }).unref?.();
  });
  await abortable(elapsed, signal).finally(() => clearTimeout(timer as number));
}

/** Settles like the promise, or rejects with the signal's reason if the signal aborts first. */
export async function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
