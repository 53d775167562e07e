/**
 * Server-sent events, produced as they are read: nothing is asked of the source before the reader wants it.
 *
 * A reader that leaves ends the source, an aborted signal also fails the stream with its reason. A source that
 * fails just ends the stream, as the gateway does: no error event, no end mark.
 */
export function eventStream(
  source: AsyncGenerator<string, void, undefined>,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let ended = false;
  let onAbort: (() => void) | undefined;

  const end = (): void => {
    ended = true;
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    // Not waited for: a source that is stuck must not hold up a reader who leaves.
    source.return().catch(() => {});
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onAbort = () => {
          end();
          controller.error(signal.reason);
        };
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort);
      },
      async pull(controller) {
        const next = await source.next().catch(() => undefined);
        if (ended) return;
        if (next === undefined || next.done === true) {
          end();
          controller.close();
        } else {
          controller.enqueue(encoder.encode(`data: ${next.value}\n\n`));
        }
      },
      cancel: end,
    },
    // Without a queue of its own, the stream asks for an event only when its reader does.
    { highWaterMark: 0 },
  );
}
