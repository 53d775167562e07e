export type Bytes = Uint8Array<ArrayBuffer>;
export type Body = ReadableStream<Bytes>;
export type Chunks = AsyncGenerator<string | Bytes, void, undefined>;

interface BodyOptions {
  /** Called when the reader cancels or the signal aborts. Must unblock a `source` that is waiting. */
  readonly onCancel?: ((reason: unknown) => void) | undefined;
  /** Called once when the body ends for any reason. */
  readonly onEnd?: (() => void) | undefined;
  /** If this signal is aborted, reading the body fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const encoder = new TextEncoder();

/** Creates a body from a generator. The body has no queue, so it reads from `source` only on demand. */
export function bodyOf(source: Chunks, { onCancel, onEnd, signal }: BodyOptions = {}): Body {
  let ended = false;
  let onAbort: (() => void) | undefined;
  const end = (): void => {
    if (ended) return;
    ended = true;
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    onEnd?.();
  };
  const cancel = (reason: unknown): void => {
    onCancel?.(reason);
    // Do not await `return()`, because a source that hangs would block the cancellation.
    source.return().catch(() => {});
    end();
  };
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        onAbort = () => {
          controller.error(signal?.reason);
          cancel(signal?.reason);
        };
        if (signal?.aborted) onAbort();
        else signal?.addEventListener('abort', onAbort);
      },
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
      cancel,
    },
    { highWaterMark: 0 },
  );
}

/** Passes a body through a generator. Canceling the resulting body also cancels the original body. */
export function mapBody(
  body: Body,
  map: (chunks: AsyncGenerator<Bytes, void, undefined>) => Chunks,
  options: BodyOptions = {},
): Body {
  const reader = body.getReader();
  return bodyOf(map(readAll(reader)), {
    ...options,
    onCancel: (reason) => {
      options.onCancel?.(reason);
      void reader.cancel(reason).catch(() => {});
    },
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
    // The consumer may stop before the body ends. Canceling a body that has ended has no effect.
    void reader.cancel().catch(() => {});
  }
}

/** Decodes chunks and splits the text after each match of `end`. The text after the last match is also yielded. */
export async function* splitAfter(
  chunks: AsyncIterable<Bytes>,
  end: RegExp,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  for await (const bytes of chunks) {
    rest += decoder.decode(bytes, { stream: true });
    for (let match = end.exec(rest); match !== null; match = end.exec(rest)) {
      const length = match.index + match[0].length;
      yield rest.slice(0, length);
      rest = rest.slice(length);
    }
  }
  if (rest !== '') yield rest;
}

/** Yields the server-sent events of a body, each with its trailing blank line. The last event may lack it. */
export function eventsOf(chunks: AsyncIterable<Bytes>): AsyncGenerator<string, void, undefined> {
  return splitAfter(chunks, /\r\n\r\n|\n\n|\r\r/);
}

/** Returns the data of an event, or `undefined` if the event has none, for example because it is a comment. */
export function dataOf(event: string): string | undefined {
  const lines = event.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}
