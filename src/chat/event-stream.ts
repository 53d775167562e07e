import type { HeadersOption } from '../http/call.ts';
import type { PlatformReadableStream } from '../internal/platform.ts';
import type { ChatCompletionChunk } from './completion.ts';

/** Options of {@link ChatStream.toReadableStream}. */
export interface EventStreamOptions {
  /**
   * Receives the error that ended the stream. The client receives the string that this function returns or resolves
   * with, or else a generic message, because errors can name keys, models and hosts. A client that disconnects is not an
   * error.
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

/**
 * Writes chunks as server-sent events in the format of the OpenAI API. Reads chunks on demand.
 *
 * @param isAbort - Whether an error is the reason of an abort, which cuts the stream off.
 */
export function toEventStream(
  chunks: AsyncIterator<ChatCompletionChunk, void, undefined>,
  heartbeatMs: number | undefined,
  onError: EventStreamOptions['onError'],
  isAbort: (error: unknown) => boolean,
): PlatformReadableStream {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  let isCanceled = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const write = (text: string): void => controller.enqueue(encoder.encode(`${text}\n\n`));
        const beat = (): void => {
          // Comments must not pile up while the reader is busy.
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
          if (isAbort(error)) throw error;
          event = JSON.stringify({ error: { message, type: 'stream_error', code: null, param: null } });
        } finally {
          clearInterval(timer);
        }
        if (isCanceled) return;
        write(`data: ${event}`);
        if (isLast) controller.close();
      },
      async cancel() {
        isCanceled = true;
        clearInterval(timer);
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function messageFor(error: unknown, onError: EventStreamOptions['onError']): Promise<string> {
  try {
    const message = await onError?.(error);
    return typeof message === 'string' ? message : GENERIC_MESSAGE;
  } catch {
    // The stream has to end even if `onError` fails.
    return GENERIC_MESSAGE;
  }
}
