import type { Clock } from './interfaces.ts';

/**
 * Repeats a task until it returns something, with pauses that double.
 *
 * @param deadline - When the last attempt begins, by the monotonic clock.
 * @returns undefined if no attempt returned anything.
 */
export async function retryUntil<Result>(
  clock: Clock,
  signal: AbortSignal,
  deadline: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  task: () => Promise<Result | undefined>,
): Promise<Result | undefined> {
  for (let delayMs = minMs; ; delayMs = Math.min(delayMs * 2, maxMs)) {
    signal.throwIfAborted();
    const result = await task();
    const leftMs = deadline - clock.monotonic();
    if (result !== undefined || leftMs <= 0) return result;
    await clock.sleep(Math.min(delayMs, leftMs), signal);
  }
}
