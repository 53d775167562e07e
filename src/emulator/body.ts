export type Bytes = Uint8Array<ArrayBuffer>;
export type Body = ReadableStream<Bytes>;

interface BodyOptions {
  /** Called when the reader cancels; must release what `source` waits for. */
  readonly onCancel?: ((reason: unknown) => void) | undefined;
  /** Called once, however the body ends. */
  readonly onEnd?: (() => void) | undefined;
}

const encoder = new TextEncoder();

/**
 * Creates a body from an iterator. It has no queue of its own, so nothing is requested from `source` before the
 * reader asks for it.
 */
export function bodyOf(source: AsyncIterator<string | Bytes>, { onCancel, onEnd }: BodyOptions = {}): Body {
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    onEnd?.();
  };
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          const { done, value } = await source.next();
          if (ended) return;
          if (done !== true)
            return controller.enqueue(typeof value === 'string' ? encoder.encode(value) : value);
          controller.close();
        } catch (error) {
          if (ended) return;
          controller.error(error);
        }
        end();
      },
      cancel(reason) {
        onCancel?.(reason);
        // Not awaited: a source that hangs must not block a reader that leaves.
        source.return?.().catch(() => {});
        end();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Passes a body through a generator. A reader that leaves cancels the original body. */
export function mapBody(
  body: Body,
  map: (chunks: AsyncGenerator<Bytes, void, undefined>) => AsyncGenerator<string | Bytes, void, undefined>,
  onEnd?: () => void,
): Body {
  const reader = body.getReader();
  return bodyOf(map(readAll(reader)), {
    onEnd,
    onCancel: (reason) => void reader.cancel(reason).catch(() => {}),
  });
}

async function* readAll(reader: ReadableStreamDefaultReader<Bytes>): AsyncGenerator<Bytes, void, undefined> {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // For a generator that ends before the body does; after the end it has no effect.
    void reader.cancel().catch(() => {});
  }
}

/** Fails a body with the signal's reason as soon as the signal is aborted. */
export function abortableBody(body: Body, signal: AbortSignal, onEnd: () => void, onLeave: () => void): Body {
  const reader = body.getReader();
  let onAbort: (() => void) | undefined;
  const end = (): void => {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    onEnd();
  };
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        onAbort = () => {
          controller.error(signal.reason);
          void reader.cancel(signal.reason).catch(() => {});
          end();
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
        end();
      },
      cancel(reason) {
        if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
        onLeave();
        void reader.cancel(reason).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

/** Splits decoded chunks after each match of `end`; the last part may lack it. */
async function* splitAfter(
  chunks: AsyncIterable<Bytes>,
  end: RegExp,
  overlap: number,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const pattern = new RegExp(end, 'g');
  let rest = '';
  for await (const bytes of chunks) {
    // A separator may have been cut; anything further back was searched before.
    let from = Math.max(0, rest.length - overlap);
    rest += decoder.decode(bytes, { stream: true });
    let start = 0;
    for (;;) {
      pattern.lastIndex = from;
      const match = pattern.exec(rest);
      if (match === null) break;
      from = match.index + match[0].length;
      yield rest.slice(start, from);
      start = from;
    }
    rest = rest.slice(start);
  }
  if (rest !== '') yield rest;
}

/** The lines of a body, each with its line feed. */
export function linesOf(chunks: AsyncIterable<Bytes>): AsyncGenerator<string, void, undefined> {
  return splitAfter(chunks, /\n/, 0);
}

/** The server-sent events of a body, each with the blank line that ends it. */
export function eventsOf(chunks: AsyncIterable<Bytes>): AsyncGenerator<string, void, undefined> {
  return splitAfter(chunks, /\r\n\r\n|\n\n|\r\r/, 3);
}

/** The data of an event; `undefined` if it has none, such as a comment. */
export function dataOf(event: string): string | undefined {
  const lines = event.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}
