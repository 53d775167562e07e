import { setImmediate as turn } from 'node:timers/promises';
import type { ChatCompletionChunk, ChatStream } from 'drun-sdk/chat';
import { type LocalServer, serveHttp } from './sockets.ts';

export type BodyChunk = string | Uint8Array<ArrayBuffer>;

/** A streamed response, written by a test. */
export interface StreamedResponse {
  /** Sends the headers if necessary, and a chunk of the body. Resolves when the chunk is flushed. */
  write(chunk: BodyChunk): Promise<void>;
  end(): void;
  /** Drops the connection. */
  destroy(): void;
  /** Resolves when the response has ended or the connection is closed. */
  readonly closed: Promise<void>;
  /** The key of the request. */
  readonly bearer: string | undefined;
}

/** Starts a server whose responses a script writes. It is closed after the test. The first attempt is number 1. */
export async function serveStream(
  script: (response: StreamedResponse, attempt: number) => void | Promise<void>,
): Promise<LocalServer> {
  let attempts = 0;
  return serveHttp((request, response) => {
    request.resume();
    response.socket?.setNoDelay(true);
    const closed = new Promise<void>((resolve) => response.once('close', () => resolve()));
    const streamed: StreamedResponse = {
      async write(chunk) {
        if (!response.headersSent) {
          response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        }
        await new Promise<void>((resolve) => response.write(chunk, () => resolve()));
        // Keeps consecutive chunks from being joined.
        await turn();
      },
      end: () => void response.end(),
      destroy: () => void response.destroy(),
      closed,
      bearer: request.headers.authorization?.replace('Bearer ', ''),
    };
    void script(streamed, ++attempts);
  });
}

/** Starts a server whose response consists of these chunks. */
export function serveChunks(...chunks: BodyChunk[]): Promise<LocalServer> {
  return serveStream(async (response) => {
    for (const chunk of chunks) await response.write(chunk);
    response.end();
  });
}

/** Starts a server whose only response the test writes. */
export async function serveManually(): Promise<
  LocalServer & { readonly response: Promise<StreamedResponse> }
> {
  const { promise, resolve } = Promise.withResolvers<StreamedResponse>();
  const server = await serveStream((response) => resolve(response));
  return {
    url: server.url,
    get count() {
      return server.count;
    },
    response: promise,
  };
}

/** A `fetch` whose body yields these chunks on demand. An error ends the body. */
export function streamingFetch(...chunks: (BodyChunk | Error)[]): () => Promise<Response> {
  const encoder = new TextEncoder();
  return async () => {
    const remaining = [...chunks];
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull(controller) {
          const chunk = remaining.shift();
          if (chunk === undefined) controller.close();
          else if (chunk instanceof Error) controller.error(chunk);
          else controller.enqueue(typeof chunk === 'string' ? encoder.encode(chunk) : chunk);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
}

/** Formats events as the data plane does: strings verbatim, other values as JSON. */
export function events(...data: unknown[]): string {
  return data.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');
}

const CHUNK_FIELDS = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_772_000_000,
  model: 'public/deepseek-r1',
};

/** A chunk with these choices. */
export function chunkOf(choices: unknown[], fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...CHUNK_FIELDS, choices, ...fields };
}

/** A chunk with a delta of the first choice. */
export function delta(
  added: Record<string, unknown>,
  choice: Record<string, unknown> = {},
): Record<string, unknown> {
  return chunkOf([{ index: 0, delta: added, finish_reason: null, ...choice }]);
}

/** A chunk with text for the first choice. */
export const textChunk = (content: string): Record<string, unknown> => delta({ content });

/** A chunk that finishes the first choice. */
export const finishChunk = (reason = 'stop'): Record<string, unknown> => delta({}, { finish_reason: reason });

export const GREETING = 'Hello, wörld! 🌍';
/** A complete stream with this text. */
export const greeting = (): string =>
  events(
    delta({ role: 'assistant', content: '' }),
    textChunk('Hello, '),
    textChunk('wörld! 🌍'),
    finishChunk(),
    '[DONE]',
  );

/** A way to read a stream to its end. */
export interface Reader {
  readonly name: string;
  /** Reads to the end, and returns the text of the first choice. */
  readonly read: (stream: ChatStream) => Promise<string>;
}

/** The text in a chunk for the first choice. */
export function textOf(chunk: ChatCompletionChunk): string {
  return chunk.choices.find(({ index }) => index === 0)?.delta.content ?? '';
}

export const READERS: readonly Reader[] = [
  {
    name: 'iteration',
    async read(stream) {
      let text = '';
      for await (const chunk of stream) text += textOf(chunk);
      return text;
    },
  },
  {
    name: 'textStream',
    async read(stream) {
      let text = '';
      for await (const chunk of stream.textStream) text += chunk;
      return text;
    },
  },
  {
    name: 'completion()',
    async read(stream) {
      const completion = await stream.completion();
      return completion.choices[0].message.content ?? '';
    },
  },
];
