import { runDetached } from '../internal/detached.ts';
import type { Clock } from './interfaces.ts';

/** A task that comes slightly too early finds nothing to do. */
const MIN_WAIT_MS = 1_000;

/** Runs a task repeatedly until it is stopped, outside of its caller's async context. Does not keep the process alive. */
export class Schedule {
  readonly #clock: Clock;
  readonly #random: () => number;
  /** Stops the loop; undefined if none is running. */
  #controller: AbortController | undefined;
  /** The end of every loop that was started. */
  #ended: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * @param task - Returns the time until there is something to do, if it is known.
   * @param intervalMs - Longest interval, varied by a quarter so that processes do not run in step.
   */
  start(
    task: (signal: AbortSignal) => Promise<number | undefined>,
    intervalMs: number,
    onError: (error: unknown) => void,
  ): void {
    if (this.#controller !== undefined) return;
    const controller = new AbortController();
    const { signal } = controller;
    const loop = async (): Promise<void> => {
      while (!signal.aborted) {
        let nextInMs: number | undefined;
        try {
          nextInMs = await task(signal);
        } catch (error) {
          if (!signal.aborted) onError(error);
        }
        const waitMs = Math.min(intervalMs, Math.max(nextInMs ?? intervalMs, MIN_WAIT_MS));
        const variedMs = waitMs * (0.75 + this.#random() / 2);
        await this.#clock.sleep(variedMs, signal, { background: true }).catch(() => {});
      }
    };
    this.#controller = controller;
    this.#ended = Promise.all([this.#ended, runDetached(loop)]);
  }

  /** Resolves when nothing is running anymore. */
  async stop(): Promise<void> {
    this.#controller?.abort(new DOMException('The background work was stopped.', 'AbortError'));
    this.#controller = undefined;
    await this.#ended;
  }
}
