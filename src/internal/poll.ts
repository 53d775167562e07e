import { unref } from './wait.ts';

/**
 * Polls a value and reports when it has changed. The first poll comes after one interval and always reports a change,
 * because the value may have changed since the caller read it. Failed polls report nothing. Does not keep the process alive.
 *
 * @returns a function that stops it.
 */
export function pollForChange(
  read: () => Promise<unknown>,
  intervalMs: number,
  changed: () => void,
): () => void {
  let known: unknown;
  let isStopped = false;
  let timer: unknown;
  const schedule = (): void => {
    timer = setTimeout(check, intervalMs);
    unref(timer);
  };
  const check = async (): Promise<void> => {
    const value = await read().catch(() => known);
    if (isStopped) return;
    schedule();
    if (value === known) return;
    known = value;
    changed();
  };
  schedule();
  return () => {
    isStopped = true;
    clearTimeout(timer as number);
  };
}
