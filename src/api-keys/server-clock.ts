import type { ListedPage } from './list-page.ts';

/**
 * What the service's clock showed at a moment of the past, from the dates of its answers and the time that passed here
 * since. The caller's own clock may be hours off, and is never asked.
 */
export class ServerClock {
  /** How far it is ahead of `performance.now()`, at least. */
  #ahead = Number.NEGATIVE_INFINITY;

  /** An answer is from a moment before it was received, and its date is rounded down: the highest estimate is the best. */
  observe({ servedAt, receivedAt }: ListedPage): void {
    if (servedAt !== undefined) this.#ahead = Math.max(this.#ahead, servedAt - receivedAt);
  }

  /**
   * The earliest that it can have shown, in milliseconds since 1970; minus infinity where no answer had a date.
   *
   * @param moment - By `performance.now()`.
   */
  earliestAt(moment: number): number {
    return this.#ahead + moment;
  }
}
