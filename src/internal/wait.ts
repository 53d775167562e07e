import type { AbortSignalLike } from './platform.ts';

/** A monotonic clock and its timers. */
export interface Timers {
  monotonic(): number;
  sleep(ms: number, signal: AbortSignal, options?: { readonly background?: boolean }): Promise<void>;
}

/** Resolves after `ms` or rejects with the signal's reason. A `background` timer does not keep the process alive. */
export async function sleep(
  ms: number,
  signal: AbortSignal,
  { background = false }: { readonly background?: boolean } = {},
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer: unknown = setTimeout(resolve, ms);
  // In some runtimes, timers have no `unref` method.
  if (background) (timer as { readonly unref?: () => void }).unref?.();
  await abortable(promise, signal).finally(() => clearTimeout(timer as number));
}

/** Settles as the promise does, or rejects with the signal's reason if the signal aborts first. */
export function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const detach = (): void => signal.removeEventListener('abort', onAbort);
    Promise.resolve(promise).finally(detach).then(resolve, reject);
  });
}

/** Throws the signal's reason if it is aborted. Some polyfills and platforms lack `throwIfAborted`. */
export function throwIfAborted({ aborted, reason }: AbortSignalLike): void {
  if (aborted) throw reason;
}

/** Repeats a task with increasing delays until it returns a truthy value or `deadline` has passed. Can be aborted. */
export async function retryUntil<Result>(
  clock: Timers,
  signal: AbortSignal,
  deadline: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  task: () => Promise<Result | undefined>,
): Promise<Result | undefined> {
  for (let delayMs = minMs; ; delayMs = Math.min(delayMs * 2, maxMs)) {
    throwIfAborted(signal);
    const result = await abortable(task(), signal);
    const leftMs = deadline - clock.monotonic();
    if (result || leftMs <= 0) return result;
    await clock.sleep(Math.min(delayMs, leftMs), signal);
  }
}

/** Waits at most `timeoutMs` for a task, even if the task ignores its signal. @throws If the task takes longer. */
export async function withTimeout<Result>(
  clock: Timers,
  timeoutMs: number,
  task: (signal: AbortSignal) => PromiseLike<Result>,
): Promise<Result> {
  const late = new AbortController();
  const ended = new AbortController();
  const expire = (): void => late.abort(new Error(`no response within ${timeoutMs} ms`));
  clock.sleep(timeoutMs, ended.signal, { background: true }).then(expire, () => {});
  try {
    return await abortable(task(late.signal), late.signal);
  } finally {
    ended.abort();
  }
}
