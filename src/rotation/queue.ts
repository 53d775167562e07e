/** Carries out tasks one after the other. */
export class Queue {
  /** The end of the last task that was asked for. */
  #last: Promise<unknown> = Promise.resolve();

  /** Rejects with the signal's reason where the task's turn does not come before that is aborted. */
  run<Result>(task: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const before = this.#last;
    const result = turn(before, signal).then(task);
    // Who gives up lets nobody go before the one that is at it.
    this.#last = Promise.allSettled([before, result]);
    return result;
  }
}

async function turn(before: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
  });
  try {
    await Promise.race([before, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
