import { ConfigurationError } from '../errors/index.ts';

interface Source<Item> {
  /** Reads the next items. Resolves to `undefined` at the end of the stream. */
  readonly read: () => Promise<readonly Item[] | undefined>;
  /** Called when the reader stops before the end of the stream. Must call {@link OneReader.fail}. */
  readonly leave: () => void;
  /** Called at the end of the stream. @param error - The error, if the stream ended early. */
  readonly close: (error?: unknown) => void;
}

/**
 * A stream of items with one reader and an outcome that any number of callers can await.
 *
 * It is not a generator, because a generator's `next()` would report `done` during or after a failure, and its
 * `return()` would wait for a pending item.
 */
export class OneReader<Item> {
  readonly #source: Source<Item>;
  readonly #outcome = Promise.withResolvers<void>();
  /** Resolves when the stream is complete; rejects with the error if the stream ends early. */
  readonly outcome = this.#outcome.promise;
  #items: readonly Item[] = [];
  #position = 0;
  #reading: Promise<void> | undefined;
  #isTaken = false;
  isOver = false;

  constructor(source: Source<Item>) {
    this.#source = source;
    this.outcome.catch(() => {});
  }

  /**
   * Creates the iterator for the reader. Skips items for which `select` returns `undefined`.
   *
   * @param last - Returns a value to yield after the last item.
   * @throws {ConfigurationError} If there is already a reader.
   */
  iterate<T>(
    select: (item: Item) => T | undefined,
    last?: () => T | undefined,
  ): AsyncIterableIterator<T, void, undefined> {
    if (this.#isTaken) {
      const why =
        'The stream already has a reader. To get the result as well, call `completion()`. To read the stream twice, use `toReadableStream()` and `tee()`.';
      throw new ConfigurationError(why, { option: 'stream' });
    }
    this.#isTaken = true;
    const iterator: AsyncIterableIterator<T, void, undefined> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        while (!this.isOver) {
          while (this.#position < this.#items.length) {
            const value = select(this.#items[this.#position++] as Item);
            if (value !== undefined) return { done: false, value };
          }
          this.#reading ??= this.#read();
          await this.#reading;
        }
        const value = last?.();
        if (value !== undefined) return { done: false, value };
        await this.outcome;
        return { done: true, value: undefined };
      },
      return: async () => {
        this.leave();
        return { done: true, value: undefined };
      },
      throw: async (error) => {
        this.leave();
        throw error;
      },
    };
    return iterator;
  }

  /** Waits for the outcome of the stream. Reads the stream to its end unless it already has a reader. */
  async drain(): Promise<void> {
    if (!this.#isTaken && !this.isOver) await this.iterate(() => undefined).next();
    return this.outcome;
  }

  /** Ends the stream if it has not ended yet. The stream cannot be read afterwards. */
  leave(): void {
    this.#isTaken = true;
    if (!this.isOver) this.#source.leave();
  }

  fail(error: unknown): void {
    this.#end(() => this.#outcome.reject(error), error);
  }

  async #read(): Promise<void> {
    try {
      const items = await this.#source.read();
      if (items === undefined) this.#end(this.#outcome.resolve);
      this.#items = items ?? [];
      this.#position = 0;
    } catch (error) {
      this.fail(error);
    }
    this.#reading = undefined;
  }

  #end(notify: () => void, error?: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    notify();
    this.#source.close(error);
  }
}
