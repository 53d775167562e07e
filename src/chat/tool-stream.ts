import { Deadline } from '../http/deadline.ts';
import type { AnySchemaOptions } from './json-schema.ts';
import { OneReader } from './one-reader.ts';
import type { RunToolsOptions } from './options.ts';
import type { ChatCompletionRequest, ChatMessage } from './request.ts';
import type { Ask, ToolEvent, ToolRunCompletion } from './tool-run.ts';

/**
 * The events emitted by a run of {@link ChatClient.streamTools}. Only one reader can iterate over them. The run starts
 * when the first event is read, or when {@link ToolStream.completion} is called.
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
export class ToolStream<Completion = ToolRunCompletion> implements AsyncIterable<ToolEvent>, AsyncDisposable {
  readonly #events: OneReader<ToolEvent>;
  #deadline: Deadline | undefined;
  #completion: ToolRunCompletion | undefined;

  /**
   * Streams are created by {@link ChatClient.streamTools}.
   *
   * @internal
   */
  constructor(request: ChatCompletionRequest, options: RunToolsOptions & AnySchemaOptions, ask: Ask) {
    const messages: ChatMessage[] = [];
    let run: AsyncGenerator<ToolEvent, ToolRunCompletion, undefined> | undefined;
    this.#events = new OneReader({
      read: async () => {
        this.#deadline ??= new Deadline(options.signal);
        this.#deadline.signal.throwIfAborted();
        run ??= (await import('./tool-run.ts')).runTools(request, options, messages, this.#deadline, ask);
        const { done, value } = await run.next();
        if (!done) return [value];
        this.#completion = value;
        return undefined;
      },
      leave: () => this.abort(),
      close: (error) => {
        this.#deadline?.[Symbol.dispose]();
        // If the run has not started, there is no conversation yet.
        if (messages.length > 0) addMessages(error, messages);
      },
    });
  }

  /** Iterates over the events. Leaving the loop aborts the run. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ToolEvent, void, undefined> {
    return this.#events.iterate((event) => event);
  }

  /** Returns the last completion with the whole conversation. Consumes the events if there is no other reader. */
  async completion(): Promise<Completion> {
    await this.#events.drain();
    return this.#completion as Completion;
  }

  /** Aborts the run, including its pending request and running tools. */
  abort(reason: unknown = new DOMException('The run was aborted.', 'AbortError')): void {
    this.#events.fail(reason);
    this.#deadline?.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events.leave();
  }
}

/** Adds the conversation to an error. The field is not enumerable, to keep it out of logs. */
function addMessages(error: unknown, value: readonly ChatMessage[]): void {
  if (typeof error !== 'object' || error === null || !Object.isExtensible(error) || 'messages' in error)
    return;
  Object.defineProperty(error, 'messages', { value, configurable: true, writable: true });
}
