import { TimeoutError } from '../errors/index.ts';

/**
 * The lifetime of one call: ends with the caller's signal or when its time is over, whichever comes first.
 *
 * Everything that is waited for in a call is raced against it, so that a `fetch` that ignores its signal cannot
 * hold the caller. `AbortSignal.any` would do for the signal, but keeps its followers alive for as long as the
 * caller's signal lives; here one listener is put on it, and taken off by {@link CallScope.dispose}.
 */
export class CallScope {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #endsAt: number;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: Promise<never> | undefined;

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#caller = caller;
    if (caller?.aborted) this.#controller.abort(caller.reason);
    else caller?.addEventListener('abort', this.#onAbort);
    this.#endsAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        const message = `no whole answer within ${timeoutMs} ms: the call was given up`;
        this.#controller.abort(new TimeoutError(message, { phase: 'response', timeoutMs }));
      }, timeoutMs);
    }
  }

  readonly #onAbort = (): void => this.#controller.abort(this.#caller?.reason);

  /** For `fetch` and for sources of credentials. Its reason is what the call rejects with. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How much of the call's time is left, in milliseconds. */
  get remainingMs(): number {
    return this.#endsAt - performance.now();
  }

  throwIfEnded(): void {
    this.signal.throwIfAborted();
  }

  /** Waits for a promise, or rejects with the reason for which the call ended before. */
  race<T>(promise: Promise<T>): Promise<T> {
    this.#ended ??= new Promise<never>((_, reject) => {
      if (this.signal.aborted) reject(this.signal.reason);
      else this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
    });
    return Promise.race([promise, this.#ended]);
  }

  async sleep(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await this.race(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, ms);
        }),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Has to be called when the call is over, however it ended. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#onAbort);
  }
}
