import { TimeoutError } from '../errors/index.ts';
import type { AbortSignalLike } from '../internal/platform.ts';
import { invalid } from './options.ts';

/** What a deadline limits: the wait for the response, or the gap between two chunks of a stream. */
export type DeadlinePhase = 'response' | 'idle';

/**
 * Ends a call when the caller's signal aborts or its time is up, whichever comes first.
 *
 * Everything a call waits for is raced against its deadline, because a custom `fetch` may ignore its signal.
 * `AbortSignal.any` would keep its dependent signals alive as long as the caller's signal; this puts one listener on
 * that signal, and removes it when disposed.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignalLike | undefined;
  /** Rejects the races that are under way. `Promise.race` on one long-lived promise took a tenth of a call's time. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  #endsAt = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param timeoutMs - Starts the phase `response`; `undefined` sets no limit. */
  constructor(callerSignal?: AbortSignalLike | null | undefined, timeoutMs?: number | undefined) {
    const signal = callerSignal ?? undefined;
    if (signal && (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function')) {
      throw invalid('signal', 'must be an AbortSignal');
    }
    this.#callerSignal = signal;
    if (signal?.aborted) this.abort(signal.reason);
    else signal?.addEventListener('abort', this.#onAbort);
    this.start('response', timeoutMs);
  }

  readonly #onAbort = (): void => this.abort(this.#callerSignal?.reason);

  /** Aborts when the call ends early; its reason is what the call rejects with. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Time left in the current phase, in milliseconds. */
  get remainingMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Replaces the current limit by another one. `undefined` sets no limit. */
  start(phase: DeadlinePhase, timeoutMs: number | undefined): void {
    this.stop();
    if (timeoutMs === undefined) return;
    this.#endsAt = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      const missing = phase === 'idle' ? 'No further chunk' : 'No complete response';
      this.abort(new TimeoutError(`${missing} arrived within ${timeoutMs} ms.`, { phase, timeoutMs }));
    }, timeoutMs);
  }

  /** Removes the current limit. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#endsAt = Number.POSITIVE_INFINITY;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
    for (const reject of this.#waiting) reject(this.signal.reason);
  }

  throwIfAborted(): void {
    this.signal.throwIfAborted();
  }

  /** Waits for a promise, or rejects with the signal's reason if that aborts first. */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) reject(this.signal.reason);
      else this.#waiting.add(reject);
      promise.then(
        (value) => {
          this.#waiting.delete(reject);
          resolve(value);
        },
        (error) => {
          this.#waiting.delete(reject);
          reject(error);
        },
      );
    });
  }

  async sleep(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const waited = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await this.race(waited).finally(() => clearTimeout(timer));
  }

  /** Has to be called when the call is over, however it ended. */
  [Symbol.dispose](): void {
    this.stop();
    this.#callerSignal?.removeEventListener('abort', this.#onAbort);
  }
}
