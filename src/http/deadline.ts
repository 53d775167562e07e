import { TimeoutError } from '../errors/index.ts';
import { checkSignal } from '../errors/invalid.ts';
import type { AbortSignalLike } from '../internal/platform.ts';

/**
 * Ends a call when the caller's signal aborts or the time limit is reached. Every wait is raced against the deadline,
 * because a custom `fetch` may ignore its signal. `AbortSignal.any` is not used, because its result would stay in
 * memory as long as the caller's signal.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #detach: () => void;
  /** Ends the current wait. A listener on the signal would increase the CPU time of a request by 3%. */
  #reject: (reason: unknown) => void = () => {};
  #endsAt = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param timeoutMs - Time limit for the `response` phase; `undefined` for no limit. */
  constructor(signal?: AbortSignalLike | null | undefined, timeoutMs?: number | undefined) {
    if (signal) checkSignal(signal);
    const onAbort = (): void => this.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
    this.#detach = () => signal?.removeEventListener('abort', onAbort);
    this.start('response', timeoutMs);
  }

  /** Aborts if the call must end early. The call then rejects with this signal's reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Replaces the current limit with a limit for the response or the next chunk of a stream. */
  start(phase: 'response' | 'idle', timeoutMs: number | undefined): void {
    this.stop();
    if (timeoutMs === undefined) return;
    this.#endsAt = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      const missing = phase === 'idle' ? 'No further chunk' : 'No complete response';
      this.abort(new TimeoutError(`${missing} arrived within ${timeoutMs} ms.`, { phase, timeoutMs }));
    }, timeoutMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#endsAt = Number.POSITIVE_INFINITY;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
    this.#reject(this.signal.reason);
  }

  /** Settles as the promise does, or rejects if the call ends early. A call waits for only one promise at a time. */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) reject(this.signal.reason);
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }

  /** Must be called when the call has ended, whether it succeeded or failed. */
  [Symbol.dispose](): void {
    this.stop();
    this.#detach();
  }
}
