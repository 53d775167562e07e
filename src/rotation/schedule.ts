import type { Clock } from './ports.ts';

/** How passes follow each other in the background. */
export interface StartOptions {
  /**
   * From one pass to the next, in milliseconds, give or take a quarter so that replicas do not run in step; sooner where
   * there is something to do sooner. Default: 60 000.
   */
  readonly intervalMs?: number | undefined;
}

/** Something is always to do a little later than said: a replica that comes too early finds nothing. */
const SHORTEST_WAIT_MS = 1_000;

/** Runs passes one after the other until it is stopped. Keeps no process alive. */
export class Schedule {
  readonly #clock: Clock;
  readonly #random: () => number;
  /** Ends what runs; undefined where nothing does. */
  #controller: AbortController | undefined;
  /** The end of all that was ever started. */
  #ended: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** @param pass - Answers when there is something to do again. */
  start(
    pass: (signal: AbortSignal) => Promise<number | undefined>,
    intervalMs: number,
    onFailure: (error: unknown) => void,
  ): void {
    if (this.#controller !== undefined) return;
    const controller = new AbortController();
    const { signal } = controller;
    const ended = (async () => {
      while (!signal.aborted) {
        let nextAt: number | undefined;
        try {
          nextAt = await pass(signal);
        } catch (error) {
          if (!signal.aborted) onFailure(error);
        }
        const untilNext = nextAt === undefined ? intervalMs : nextAt - this.#clock.now();
        const keyTimeoutMs =
          Math.min(intervalMs, Math.max(untilNext, SHORTEST_WAIT_MS)) * (0.75 + this.#random() / 2);
        await this.#clock.sleep(keyTimeoutMs, signal, { background: true }).catch(() => {});
      }
    })();
    this.#controller = controller;
    this.#ended = Promise.all([this.#ended, ended]);
  }

  /** Resolves once nothing is under way any more. */
  async stop(): Promise<void> {
    this.#controller?.abort(new DOMException('The ring was stopped', 'AbortError'));
    this.#controller = undefined;
    await this.#ended;
  }
}
