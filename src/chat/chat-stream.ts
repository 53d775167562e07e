import { StreamTruncatedError, TimeoutError } from '../errors/index.ts';
import { check, checkOptions } from '../errors/invalid.ts';
import type { CallResponse, HeadersOption, Result } from '../http/call.ts';
import type { Deadline } from '../http/deadline.ts';
import { checkFunction, checkHeaders, checkTimeout } from '../http/options.ts';
import type { PlatformReadableStream, PlatformResponse } from '../internal/platform.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChatCompletion, ChatCompletionChunk } from './completion.ts';
import { OneReader } from './one-reader.ts';

/** Functions that a stream uses to send its request and to create its result. */
export interface StreamRequest<Completion> {
  /** Creates the deadline for the call. */
  readonly deadline: () => Deadline;
  /** Sends the request. Resolves when the first chunk arrives. */
  readonly send: (deadline: Deadline) => Promise<Result<ChunkReader>>;
  /** Creates the result of {@link ChatStream.completion}. */
  readonly complete: (reader: ChunkReader) => Completion | Promise<Completion>;
}

/** Options for {@link ChatStream.toReadableStream}. */
export interface EventStreamOptions {
  /**
   * Called with the error that ended the stream, but not if the client disconnects. If the function returns a string or
   * a promise for one, that string is sent to the client as the error message. Otherwise, a generic message is sent,
   * because errors can name keys, models and hosts.
   */
  readonly onError?: ((error: unknown) => unknown) | undefined;
  /**
   * Interval in milliseconds between comments that keep the connection open while no chunks arrive.
   *
   * @defaultValue No comments are sent.
   */
  readonly heartbeatMs?: number | undefined;
}

/** Options for {@link ChatStream.toResponse}. */
export interface EventStreamResponseOptions extends EventStreamOptions {
  readonly headers?: HeadersOption | undefined;
  /** @defaultValue 200 */
  readonly status?: number | undefined;
}

const EVENT_STREAM_OPTIONS = ['onError', 'heartbeatMs'];

const GENERIC_MESSAGE = 'The response could not be completed.';

/**
 * A streamed completion. The request is sent when the first chunk is read, or when {@link ChatStream.opened} or
 * {@link ChatStream.completion} is first used.
 *
 * A stream can have only one reader: iteration, {@link ChatStream.textStream}, {@link ChatStream.toReadableStream} or
 * {@link ChatStream.toResponse}. If the stream ends early, the reader throws a {@link StreamTruncatedError} or the
 * error that ended the stream.
 *
 * @example
 * ```ts
 * import { ChatClient } from 'drun-sdk/chat';
 *
 * const chat = new ChatClient({ apiKey: process.env.DRUN_API_KEY });
 * const messages = [{ role: 'user' as const, content: 'Hello, model!' }];
 * const stream = chat.stream({ model: 'public/deepseek-r1', messages });
 * for await (const text of stream.textStream) process.stdout.write(text);
 * ```
 */
export class ChatStream<Completion = ChatCompletion>
  implements AsyncIterable<ChatCompletionChunk>, AsyncDisposable
{
  readonly #request: StreamRequest<Completion>;
  readonly #chunks: OneReader<ChatCompletionChunk>;
  #deadline: Deadline | undefined;
  #reader: ChunkReader | undefined;
  /** Returns the response. Called on demand, because redacting headers takes longer than reading a short stream. */
  #response: (() => CallResponse) | undefined;
  #isAborted = false;
  #opened: Promise<void> | undefined;
  #completion: Promise<Completion> | undefined;

  /**
   * Streams are created by {@link ChatClient.stream}.
   *
   * @internal
   */
  constructor(request: StreamRequest<Completion>) {
    this.#request = request;
    this.#chunks = new OneReader({
      read: async () => {
        await this.opened;
        return this.#reader?.read();
      },
      leave: () => this.#leave(),
      close: (error) => {
        this.#deadline?.[Symbol.dispose]();
        this.#reader?.close(error);
      },
    });
  }

  /**
   * Resolves when the first chunk arrives, and rejects if an error occurs first. Sends the request if it has not been
   * sent yet. The stream can still be read from its first chunk afterwards.
   */
  get opened(): Promise<void> {
    if (this.#opened === undefined) {
      this.#opened = this.#open();
      this.#opened.catch(() => {});
    }
    return this.#opened;
  }

  /** Status and headers of the response; `undefined` until the first chunk arrives. */
  get response(): CallResponse | undefined {
    return this.#response?.();
  }

  /** Iterates over the chunks. Leaving the loop closes the connection. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChatCompletionChunk, void, undefined> {
    return this.#chunks.iterate((chunk) => chunk);
  }

  /** The text deltas of the first choice. Chunks without text are skipped, and surrogate pairs are never split. */
  get textStream(): AsyncIterableIterator<string, void, undefined> {
    let held = '';
    const take = (text: string, length: number): string | undefined => {
      held = text.slice(length);
      return text.slice(0, length) || undefined;
    };
    return this.#chunks.iterate(
      ({ choices }) => {
        let text = held;
        for (const { index, delta } of choices) {
          if (index === this.#reader?.firstIndex) text += delta.content ?? '';
        }
        return take(text, /[\uD800-\uDBFF]$/.test(text) ? text.length - 1 : text.length);
      },
      () => take(held, held.length),
    );
  }

  /**
   * Returns the completion assembled from the chunks, with all fields that the server sent and, if there is a schema,
   * `parsed`. Reads the stream unless it already has a reader. Can be called at any time.
   *
   * @throws {DrunError} The error that ended the stream, or {@link StreamTruncatedError} if the reader stopped before
   * the end. With a schema, also the errors of {@link ChatClient.parse}.
   */
  async completion(): Promise<Completion> {
    // Until the first chunk arrives, a reader can still take over the stream.
    await this.opened.catch(() => {});
    await this.#chunks.drain();
    this.#completion ??= Promise.resolve(this.#request.complete(this.#reader as ChunkReader));
    return this.#completion;
  }

  /** Aborts the stream. The reader and {@link ChatStream.completion} reject with `reason`. */
  abort(reason: unknown = new DOMException('The stream was aborted.', 'AbortError')): void {
    this.#isAborted = true;
    this.#chunks.fail(reason);
    this.#deadline?.abort(reason);
  }

  /**
   * Returns the chunks as server-sent events, for a custom web handler. If the completion stream fails, the last event
   * has an `error` field and is not followed by `[DONE]`. If it is aborted, reading the returned stream fails.
   */
  toReadableStream(options: EventStreamOptions = {}): PlatformReadableStream {
    checkOptions(options, EVENT_STREAM_OPTIONS, 'toReadableStream()');
    const onError = checkFunction(options.onError, 'onError');
    const heartbeatMs = checkTimeout(options.heartbeatMs ?? Number.POSITIVE_INFINITY, 'heartbeatMs');
    const chunks = this[Symbol.asyncIterator]();
    const encoder = new TextEncoder();
    let timer: ReturnType<typeof setInterval> | undefined;
    let isCanceled = false;
    const source = {
      pull: async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
        const write = (text: string): void => controller.enqueue(encoder.encode(`${text}\n\n`));
        const beat = (): void => {
          // Comments must not accumulate while the client is not reading.
          if (controller.desiredSize === 0) write(': heartbeat');
        };
        if (heartbeatMs !== undefined) timer = setInterval(beat, heartbeatMs);
        let event: string;
        let isLast = true;
        try {
          const { done, value } = await chunks.next();
          isLast = done === true;
          event = done ? '[DONE]' : JSON.stringify(value);
        } catch (error) {
          if (isCanceled) return;
          const message = await messageFor(error, onError);
          const isAborted = this.#isAborted || this.#deadline?.signal.aborted;
          if (isAborted && !(error instanceof TimeoutError)) throw error;
          event = JSON.stringify({ error: { message, type: 'stream_error', code: null, param: null } });
        } finally {
          clearInterval(timer);
        }
        if (isCanceled) return;
        write(`data: ${event}`);
        if (isLast) controller.close();
      },
      cancel: async (): Promise<void> => {
        isCanceled = true;
        clearInterval(timer);
        await chunks.return?.();
      },
    };
    // Chunks are read only when the client reads.
    return new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
  }

  /** Returns a `Response` for a web handler, with {@link ChatStream.toReadableStream} as its body. */
  toResponse(options: EventStreamResponseOptions = {}): PlatformResponse {
    checkOptions(options, [...EVENT_STREAM_OPTIONS, 'headers', 'status'], 'toResponse()');
    const { headers = {}, status = 200, ...others } = options;
    const isInRange = Number.isInteger(status) && status >= 200 && status < 600;
    check(isInRange && ![204, 205, 304].includes(status), 'status', 'must be a status that allows a body');
    const all = new Headers(checkHeaders(headers));
    all.set('content-type', 'text/event-stream; charset=utf-8');
    if (!all.has('cache-control')) all.set('cache-control', 'no-cache');
    // Keeps proxies such as nginx from buffering the events.
    if (!all.has('x-accel-buffering')) all.set('x-accel-buffering', 'no');
    return new Response(this.toReadableStream(others), { status, headers: all });
  }

  /** Closes the connection if it is still open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#chunks.leave();
  }

  async #open(): Promise<void> {
    try {
      // Throws if the stream has already been aborted or its reader has stopped.
      if (this.#chunks.isOver) await this.#chunks.outcome;
      this.#deadline = this.#request.deadline();
      const { signal } = this.#deadline;
      // The `ChunkReader` reports timeouts, together with the completion received so far.
      const onAbort = (): void => {
        if (!(signal.reason instanceof TimeoutError)) this.#chunks.fail(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const { data, response } = await this.#request.send(this.#deadline);
      this.#reader = data;
      this.#response = response;
    } catch (error) {
      this.#chunks.fail(error);
      throw error;
    }
  }

  #leave(): void {
    const completion = this.#reader?.partialCompletion ?? { choices: [] };
    this.#chunks.fail(
      new StreamTruncatedError('The reader stopped before the end of the stream.', { completion }),
    );
    this.#deadline?.abort(new DOMException('The reader stopped before the end of the stream.', 'AbortError'));
    // A stream object that stays in memory must not retain its connection.
    const response = this.#response?.();
    this.#response = response && (() => response);
    this.#reader = undefined;
    this.#deadline = undefined;
  }
}

async function messageFor(error: unknown, onError: EventStreamOptions['onError']): Promise<string> {
  try {
    const message = await onError?.(error);
    return typeof message === 'string' ? message : GENERIC_MESSAGE;
  } catch {
    // The stream must end even if `onError` fails.
    return GENERIC_MESSAGE;
  }
}
