import { ConfigurationError, isDrunError, StreamTruncatedError } from '../errors/index.ts';
import type { CallResponse, Result } from '../http/call.ts';
import type { ChatCompletionChunk } from './chunk.ts';
import type { ChunkSource } from './chunk-source.ts';
import type { ChatCompletion } from './completion.ts';

/** A stream's connection: opened when the first chunk is asked for, closed when nobody wants another. */
export interface StreamConnection<Completion> {
  /** Sends the request, and resolves once the first chunk is there. */
  readonly open: () => Promise<Result<ChunkSource>>;
  /** Lets the caller's signal end the stream also before it is opened. */
  readonly watch: () => void;
  /** Ends the call: what waits for it rejects with the reason. */
  readonly abort: (reason: unknown) => void;
  /** Leaves nothing of the call behind. */
  readonly close: () => void;
  /** Makes what {@link ChatStream.completion} gives of the chunks put together. */
  readonly complete: (completion: ChatCompletion) => Completion | Promise<Completion>;
}

/**
 * An answer that comes in pieces. The request is sent when the first piece is asked for.
 *
 * A stream has one reader: the iteration, {@link ChatStream.textStream}, {@link ChatStream.toReadableStream} or
 * {@link ChatStream.toResponse}. {@link ChatStream.completion} reads a stream that nobody else reads, and else
 * waits for its reader. A stream that is not whole never ends as if it were: every reader is thrown a
 * {@link StreamTruncatedError} or what else went wrong.
 *
 * @example
 * ```ts
 * for await (const text of chat.stream({ model: 'public/deepseek-r1', messages }).textStream) {
 *   process.stdout.write(text);
 * }
 * ```
 */
export class ChatStream<Completion extends ChatCompletion = ChatCompletion>
  implements AsyncIterable<ChatCompletionChunk>, AsyncDisposable
{
  readonly #connection: StreamConnection<Completion>;
  /** How the stream ended: whole, or with what its reader is thrown. */
  readonly #outcome = Promise.withResolvers<void>();
  #source: ChunkSource | undefined;
  #response: (() => CallResponse) | undefined;
  #completion: Promise<Completion> | undefined;
  #opened: Promise<void> | undefined;
  #isRead = false;
  #isOver = false;

  /**
   * Made by {@link ChatClient.stream}.
   *
   * @internal
   */
  constructor(connection: StreamConnection<Completion>) {
    this.#connection = connection;
    // Whoever asks for the completion is told; nobody has to ask.
    this.#outcome.promise.catch(() => {});
  }

  /**
   * Sends the request if it was not sent yet. Resolves when the first chunk arrives, and rejects with the error that
   * came instead. Reading the stream is still possible afterwards.
   */
  get opened(): Promise<void> {
    if (this.#opened === undefined) {
      this.#opened = this.#open();
      this.#opened.catch(() => {});
    }
    return this.#opened;
  }

  /** The chunks as they came. Leaving the loop frees the connection. */
  [Symbol.asyncIterator](): AsyncIterator<ChatCompletionChunk, void, undefined> {
    this.#claim();
    return this.#chunks();
  }

  /** Text deltas of the first choice. Chunks without text are skipped. */
  get textStream(): AsyncIterableIterator<string, void, undefined> {
    const chunks = this[Symbol.asyncIterator]();
    // By hand: a generator that was left before its first piece would not free the connection.
    const texts: AsyncIterableIterator<string, void, undefined> = {
      [Symbol.asyncIterator]: () => texts,
      next: async () => {
        for (;;) {
          const { done, value: chunk } = await chunks.next();
          if (done) return { done: true, value: undefined };
          const text = textOf(chunk);
          if (text !== '') return { done: false, value: text };
        }
      },
      return: async () => {
        await chunks.return?.();
        return { done: true, value: undefined };
      },
    };
    return texts;
  }

  /**
   * The chunks put together, once the stream is whole: texts, reasoning, tool calls with their arguments, usage; with
   * a schema also `parsed`.
   *
   * @throws what the stream ended with, and a {@link StreamTruncatedError} if its reader left before the end; with a
   * schema what {@link ChatClient.parse} throws.
   */
  async completion(): Promise<Completion> {
    if (!this.#isRead) {
      this.#claim();
      const chunks = this.#chunks();
      while (!(await chunks.next()).done);
    } else if (!this.#isOver) {
      // Its reader may never begin.
      this.#connection.watch();
    }
    this.#completion ??= this.#outcome.promise.then(() =>
      this.#connection.complete(this.#source?.completion as ChatCompletion),
    );
    return this.#completion;
  }

  /** The status and headers that the stream came with: there as soon as its first chunk is. */
  get response(): CallResponse | undefined {
    return this.#response?.();
  }

  /** Ends the stream: its reader, and who waits for its completion, are thrown the reason. */
  abort(reason: unknown = new DOMException('The stream was aborted', 'AbortError')): void {
    if (this.#isOver) return;
    this.#connection.abort(reason);
    this.#settle(() => this.#outcome.reject(reason));
  }

  /**
   * The chunks as server-sent events, for a web handler of your own. Asks for the next chunk when its reader wants
   * one. A failure becomes an event with an `error`, without `[DONE]`; an abort breaks the stream off.
   */
  toReadableStream(): ReadableStream<Uint8Array> {
    this.#claim();
    const chunks = this.#chunks();
    const encoder = new TextEncoder();
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const send = (data: string): void => controller.enqueue(encoder.encode(`data: ${data}\n\n`));
          try {
            const { done, value } = await chunks.next();
            send(done ? '[DONE]' : JSON.stringify(value));
            if (done) controller.close();
          } catch (error) {
            if (!isDrunError(error)) throw error;
            const { code, message } = error;
            send(JSON.stringify({ error: { code, message, param: null, type: 'stream_error' } }));
            controller.close();
          }
        },
        async cancel() {
          await chunks.return?.();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** {@link ChatStream.toReadableStream} as the answer of a web handler. */
  toResponse(init: ResponseInit = {}): Response {
    const headers = new Headers(init.headers);
    headers.set('content-type', 'text/event-stream; charset=utf-8');
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-cache');
    return new Response(this.toReadableStream(), { ...init, headers });
  }

  /** Frees the connection, if it is still open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
  }

  #claim(): void {
    if (this.#isRead) {
      throw new ConfigurationError(
        'this stream has a reader already: completion() waits for it, tee() of toReadableStream() makes two',
        { option: 'stream' },
      );
    }
    this.#isRead = true;
  }

  #chunks(): AsyncIterator<ChatCompletionChunk, void, undefined> {
    let asked: Promise<IteratorResult<ChatCompletionChunk, void>> | undefined;
    return {
      next: () => {
        // A chunk that is there goes out at once: there are thousands, and every promise between costs.
        const chunk = asked === undefined && !this.#isOver ? this.#source?.take() : undefined;
        if (chunk !== undefined) return Promise.resolve({ done: false, value: chunk });
        // One after the other, although several may be asked for at once.
        const step = (): Promise<IteratorResult<ChatCompletionChunk, void>> => this.#next();
        const result = asked === undefined ? step() : asked.then(step, step);
        const answered = (): void => {
          if (asked === result) asked = undefined;
        };
        asked = result;
        result.then(answered, answered);
        return result;
      },
      return: async () => {
        this.#leave();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<ChatCompletionChunk, void>> {
    if (this.#isOver) {
      // Aborted, failed or left: an end that is none is told to whoever asks on.
      await this.#outcome.promise;
      return { done: true, value: undefined };
    }
    try {
      if (this.#source === undefined) await this.opened;
      const value = await this.#source?.next();
      if (value !== undefined) return { done: false, value };
      this.#settle(() => this.#outcome.resolve());
      return { done: true, value: undefined };
    } catch (error) {
      this.#settle(() => this.#outcome.reject(error));
      throw error;
    }
  }

  async #open(): Promise<void> {
    // Aborted or left before it was opened.
    if (this.#isOver) return this.#outcome.promise;
    try {
      const { data, response } = await this.#connection.open();
      this.#source = data;
      this.#response = response;
    } catch (error) {
      this.#settle(() => this.#outcome.reject(error));
      throw error;
    }
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isRead = true;
    const completion = this.#source?.completion ?? { choices: [] };
    this.#settle(() =>
      this.#outcome.reject(new StreamTruncatedError('the stream was left before its end', { completion })),
    );
    this.#connection.abort(new DOMException('The stream was left', 'AbortError'));
  }

  #settle(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    settle();
    this.#connection.close();
  }
}

/** What a chunk adds to the text of the first answer. A server can put anything in the place of a choice. */
function textOf({ choices }: ChatCompletionChunk): string {
  const content = choices.find((choice) => (choice?.index ?? 0) === 0)?.delta?.content;
  return typeof content === 'string' ? content : '';
}
