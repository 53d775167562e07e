/** A request from when it comes until its answer is over, or nobody waits for it any more. */
export interface OpenCall {
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal;
  /** The caller leaves without a word: its signal is not aborted, but nobody reads the answer any more. */
  readonly leave: () => void;
  /** Its answer is over. May be called again. */
  readonly end: () => void;
}

/**
 * The requests that are under way.
 *
 * Each has a signal of its own, so that nothing stays on the caller's once it is over, and so that all of them can be
 * aborted together.
 */
export class OpenCalls {
  readonly #controllers = new Set<AbortController>();

  /** @param onEnd - Called once, when it is over or aborted. */
  open(caller: AbortSignal, onEnd: () => void): OpenCall {
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(caller.reason);
    const end = (): void => {
      if (!this.#controllers.delete(controller)) return;
      caller.removeEventListener('abort', onAbort);
      onEnd();
    };
    this.#controllers.add(controller);
    caller.addEventListener('abort', onAbort);
    controller.signal.addEventListener('abort', end);
    const leave = (): void => controller.abort(new Error('nobody reads the answer any more'));
    return { signal: controller.signal, leave, end };
  }

  abort(reason: unknown): void {
    for (const controller of [...this.#controllers]) controller.abort(reason);
  }
}
