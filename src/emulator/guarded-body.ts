import type { OpenCall } from './open-calls.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The same body, which ends its call when it ends: read to the end, left by its reader, failed, or aborted, which also
 * fails it with the signal's reason.
 */
export function guardedBody(
  body: ReadableStream<Bytes>,
  { signal, leave, end }: OpenCall,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  let onAbort: (() => void) | undefined;
  const stopListening = (): void => {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  };
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        onAbort = () => {
          controller.error(signal.reason);
          // Not waited for: a source that is stuck must not hold up a reader who leaves.
          void reader.cancel(signal.reason).catch(() => {});
        };
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort);
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (signal.aborted) return;
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          if (signal.aborted) return;
          controller.error(error);
        }
        stopListening();
        end();
      },
      cancel(reason) {
        stopListening();
        leave();
        void reader.cancel(reason).catch(() => {});
      },
    },
    // Without a queue of its own, the stream asks for a piece only when its reader does.
    { highWaterMark: 0 },
  );
}
