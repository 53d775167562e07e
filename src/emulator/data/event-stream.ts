/**
 * Server-sent events, produced as they are read: nothing is asked of the source before the reader wants it.
 *
 * A reader that leaves ends the source. A source that fails just ends the stream, as the gateway does: no error
 * event, no end mark.
 *
 * @param onEnd - Called once, however the stream ends.
 */
export function eventStream(
  source: AsyncGenerator<string, void, undefined>,
  onEnd: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let hasEnded = false;

  const end = (): void => {
    hasEnded = true;
    // Not waited for: a source that is stuck must not hold up a reader who leaves.
    source.return().catch(() => {});
    onEnd();
  };

  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const next = await source.next().catch(() => undefined);
        if (hasEnded) return;
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
