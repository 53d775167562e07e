import type { AbortSignalLike } from '../internal/platform.ts';
import type { Clock } from './interfaces.ts';

/** Throws the reason of an aborted signal. Signals of some platforms and polyfills lack this method. */
export function throwIfAborted({ aborted, reason }: AbortSignalLike): void {
  if (aborted) throw reason;
}

/** Repeats a task, with growing pauses, until it returns a truthy value. The last attempt starts at `deadline` (monotonic). */
export async function retryUntil<Result>(
  clock: Clock,
  signal: AbortSignal,
  deadline: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  task: () => Promise<Result | undefined>,
): Promise<Result | undefined> {
  for (let delayMs = minMs; ; delayMs = Math.min(delayMs * 2, maxMs)) {
    throwIfAborted(signal);
    const result = await task();
    const leftMs = deadline - clock.monotonic();
    if (result || leftMs <= 0) return result;
    await clock.sleep(Math.min(delayMs, leftMs), signal);
  }
}

/** Waits for a task for at most `timeoutMs`, even if it ignores its signal. @throws If it does not end in time. */
export async function withTimeout<Result>(
  clock: Clock,
  timeoutMs: number,
  task: (signal: AbortSignal) => PromiseLike<Result>,
): Promise<Result> {
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
