import { ConfigurationError, TimeoutError } from '../errors/index.ts';
import type { AbortSignalLike } from '../internal/platform.ts';

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
  #endsAt = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: Promise<never> | undefined;

  /** @param timeoutMs - Starts the phase `response`; `undefined` sets no limit. */
  constructor(callerSignal?: AbortSignalLike | undefined, timeoutMs?: number | undefined) {
    this.#callerSignal = checkSignal(callerSignal);
    if (callerSignal?.aborted) this.#controller.abort(callerSignal.reason);
    else callerSignal?.addEventListener('abort', this.#onAbort);
    this.start('response', timeoutMs);
  }

  readonly #onAbort = (): void => this.#controller.abort(this.#callerSignal?.reason);

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
  }

  throwIfAborted(): void {
    this.signal.throwIfAborted();
  }

  /** Waits for a promise, or rejects with the signal's reason if that aborts first. */
  race<T>(promise: PromiseLike<T>): Promise<T> {
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
  [Symbol.dispose](): void {
    this.stop();
    this.#callerSignal?.removeEventListener('abort', this.#onAbort);
  }
}

function checkSignal(signal: AbortSignalLike | undefined | null): AbortSignalLike | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function') return signal;
  throw new ConfigurationError('`signal` must be an AbortSignal.', { option: 'signal' });
}
