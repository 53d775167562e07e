import { ConfigurationError } from '../errors/index.ts';
import type { Deadline } from '../http/deadline.ts';
import type { ToolEvent, ToolRunCompletion } from './tool-run.ts';

/**
 * A run of {@link ChatClient.streamTools}: an iterable of events. It begins when the first event is read, or when
 * {@link ToolStream.completion} is called. A run has one reader.
 *
 * @example
 * ```ts
 * import { ChatClient, defineTool } from 'drun-sdk/chat';
 * import * as z from 'zod';
 *
 * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY });
 * const now = defineTool({ name: 'now', parameters: z.object({}), run: () => new Date().toISOString() });
 * const messages = [{ role: 'user' as const, content: 'What time is it?' }];
 * for await (const event of chat.streamTools({ model: 'public/deepseek-r1', messages }, { tools: [now] })) {
 *   if (event.type === 'text') process.stdout.write(event.text);
 * }
 * ```
 */
export class ToolStream<Completion extends ToolRunCompletion = ToolRunCompletion>
  implements AsyncIterable<ToolEvent>, AsyncDisposable
{
  readonly #deadline: Deadline;
  readonly #events: AsyncGenerator<ToolEvent, Completion, undefined>;
  readonly #outcome = Promise.withResolvers<ToolRunCompletion>();
  #hasReader = false;

  /**
   * Created by {@link ChatClient.streamTools}.
   *
   * @internal
   */
  constructor(events: AsyncGenerator<ToolEvent, Completion, undefined>, deadline: Deadline) {
    this.#events = events;
    this.#deadline = deadline;
    // Reported to the reader and by `completion()`.
    this.#outcome.promise.catch(() => {});
  }

  /** Iterates over the events. Leaving the loop aborts the run. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ToolEvent, void, undefined> {
    if (this.#hasReader) {
      throw new ConfigurationError('The run already has a reader. Use `completion()` beside it.', {
        option: 'stream',
      });
    }
    this.#hasReader = true;
    return this.#read();
  }

  /** Returns the last completion, with the whole conversation. Reads the events if nothing else does. */
  async completion(): Promise<Completion> {
    if (!this.#hasReader) for await (const _ of this);
    return this.#outcome.promise as Promise<Completion>;
  }

  /** Ends the run: the request and the tools that are running. */
  abort(reason: unknown = new DOMException('The run was aborted.', 'AbortError')): void {
    this.#deadline.abort(reason);
    this.#outcome.reject(reason);
    this.#deadline[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasReader = true;
    this.abort();
  }

  async *#read(): AsyncGenerator<ToolEvent, void, undefined> {
    try {
      this.#deadline.throwIfAborted();
      this.#outcome.resolve(yield* this.#events);
    } catch (error) {
      this.#outcome.reject(error);
      throw error;
    } finally {
      this.abort();
    }
  }
}
