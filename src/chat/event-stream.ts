import { isDrunError } from '../errors/index.ts';
import type { HeadersOption } from '../http/call.ts';
import type { PlatformReadableStream } from '../internal/platform.ts';
import type { ChatCompletionChunk } from './completion.ts';

/** Options of {@link ChatStream.toReadableStream}. */
export interface EventStreamOptions {
  /**
   * Receives the error that ended the stream. The client receives the string that this function returns or resolves
   * with, or else a generic message, because errors can name keys, models and hosts.
   */
  readonly onError?: ((error: unknown) => unknown) | undefined;
  /**
   * Sends a comment whenever no chunk has arrived for this many milliseconds, so that proxies keep the connection open.
   *
   * @defaultValue No comments.
   */
  readonly heartbeatMs?: number | undefined;
}

/** Options of {@link ChatStream.toResponse}. */
export interface EventStreamResponseOptions extends EventStreamOptions {
  readonly headers?: HeadersOption | undefined;
  /** @defaultValue 200 */
  readonly status?: number | undefined;
}

/** Names of {@link EventStreamOptions}. */
export const EVENT_STREAM_OPTIONS = ['onError', 'heartbeatMs'];

const GENERIC_MESSAGE = 'The response could not be completed.';

/** Writes chunks as server-sent events in the format of the OpenAI API. Reads chunks on demand. */
export function toEventStream(
  chunks: AsyncIterator<ChatCompletionChunk, void, undefined>,
  heartbeatMs: number | undefined,
  onError: EventStreamOptions['onError'],
): PlatformReadableStream {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const write = (text: string): void => controller.enqueue(encoder.encode(`${text}\n\n`));
        if (heartbeatMs !== undefined) timer = setInterval(() => write(': heartbeat'), heartbeatMs);
        let next: IteratorResult<ChatCompletionChunk, void>;
        try {
          next = await chunks.next();
        } catch (error) {
          const custom = await onError?.(error);
          const message = typeof custom === 'string' ? custom : GENERIC_MESSAGE;
          if (!isDrunError(error)) throw error;
          const event = { error: { message, type: 'stream_error', code: null, param: null } };
          write(`data: ${JSON.stringify(event)}`);
          controller.close();
          return;
        } finally {
          clearInterval(timer);
        }
        // Outside `try`, since it throws if the reader has left.
        write(`data: ${next.done ? '[DONE]' : JSON.stringify(next.value)}`);
        if (next.done) controller.close();
      },
      async cancel() {
        clearInterval(timer);
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
