import { TimeoutError } from '../errors/index.ts';
import { validSignal } from './validate.ts';

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
  #endsAt = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: Promise<never> | undefined;

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#caller = validSignal(caller);
    if (caller?.aborted) this.#controller.abort(caller.reason);
    else caller?.addEventListener('abort', this.#onAbort);
    this.startTimer('response', timeoutMs);
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

  /** Ends the call when this much time has passed, in place of whatever limit there was. */
  startTimer(phase: 'response' | 'idle', timeoutMs: number | undefined): void {
    this.stopTimer();
    if (timeoutMs === undefined) return;
    this.#endsAt = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      const awaited = phase === 'idle' ? 'no further chunk' : 'no answer';
      this.abort(
        new TimeoutError(`${awaited} within ${timeoutMs} ms: the call was given up`, { phase, timeoutMs }),
      );
    }, timeoutMs);
  }

  stopTimer(): void {
    clearTimeout(this.#timer);
    this.#endsAt = Number.POSITIVE_INFINITY;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
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
    this.stopTimer();
    this.#caller?.removeEventListener('abort', this.#onAbort);
  }
}
