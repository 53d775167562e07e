import { setImmediate as turn } from 'node:timers/promises';
import type { ChatCompletionChunk, ChatStream } from 'drun-sdk/chat';
import { type LocalServer, serveHttp } from './sockets.ts';

export type Piece = string | Uint8Array<ArrayBuffer>;

/** An answer as its server holds it. */
export interface StreamedAnswer {
  /** Sends the head of an event stream and a piece of its body; resolves once the piece has left the process. */
  write(piece: Piece): Promise<void>;
  end(): void;
  /** Drops the connection. */
  destroy(): void;
  /** The connection is gone, or the answer is over. */
  readonly closed: Promise<void>;
  /** The key that the request came with. */
  readonly bearer: string | undefined;
}

/** A server that streams what a script writes, closed after the test. Attempts are counted from 1. */
export async function serveStream(
  script: (answer: StreamedAnswer, attempt: number) => void | Promise<void>,
): Promise<LocalServer> {
  let attempts = 0;
  return serveHttp((request, response) => {
    request.resume();
    response.socket?.setNoDelay(true);
    const closed = new Promise<void>((resolve) => response.once('close', () => resolve()));
    const answer: StreamedAnswer = {
      async write(piece) {
        if (!response.headersSent) {
          response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        }
        await new Promise<void>((resolve) => response.write(piece, () => resolve()));
        // A turn of the loop apart, so that the pieces are not joined on their way.
        await turn();
      },
      end: () => void response.end(),
      destroy: () => void response.destroy(),
      closed,
      bearer: request.headers.authorization?.replace('Bearer ', ''),
    };
    void script(answer, ++attempts);
  });
}

/** A server that sends the pieces one by one, and ends. */
export function servePieces(...pieces: Piece[]): Promise<LocalServer> {
  return serveStream(async (answer) => {
    for (const piece of pieces) await answer.write(piece);
    answer.end();
  });
}

/** A server whose only answer the test writes itself. */
export async function serveByHand(): Promise<LocalServer & { readonly answer: Promise<StreamedAnswer> }> {
  const { promise, resolve } = Promise.withResolvers<StreamedAnswer>();
  const server = await serveStream((answer) => resolve(answer));
  return {
    url: server.url,
    get count() {
      return server.count;
    },
    answer: promise,
  };
}

/** A fetch that gives exactly these pieces, each when it is asked for; an error breaks the body off. */
export function fetchOf(...pieces: (Piece | Error)[]): () => Promise<Response> {
  const encoder = new TextEncoder();
  return async () => {
    const left = [...pieces];
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull(controller) {
          const piece = left.shift();
          if (piece === undefined) controller.close();
          else if (piece instanceof Error) controller.error(piece);
          else controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
}

/** Events as the data plane writes them: texts as they are, anything else as JSON. */
export function events(...data: unknown[]): string {
  return data.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');
}

const HEAD = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_772_000_000,
  model: 'public/deepseek-r1',
};

/** A chunk with these choices. */
export function chunkOf(choices: unknown[], fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...HEAD, choices, ...fields };
}

/** A chunk that adds to the first answer. */
export function delta(
  added: Record<string, unknown>,
  choice: Record<string, unknown> = {},
): Record<string, unknown> {
  return chunkOf([{ index: 0, delta: added, finish_reason: null, ...choice }]);
}

/** A chunk that adds a text to the first answer. */
export const says = (content: string): Record<string, unknown> => delta({ content });

/** A chunk that finishes the first answer. */
export const finishes = (reason = 'stop'): Record<string, unknown> => delta({}, { finish_reason: reason });

/** "Hello, wörld! 🌍" in three pieces, whole. */
export const GREETING = 'Hello, wörld! 🌍';
export const greeting = (): string =>
  events(delta({ role: 'assistant', content: '' }), says('Hello, '), says('wörld! 🌍'), finishes(), '[DONE]');

/** A way to read a stream to its end. */
export interface Reader {
  readonly name: string;
  /** Reads to the end; gives the text of the first answer. */
  readonly read: (stream: ChatStream) => Promise<string>;
}

/** The text that a chunk adds to the first answer. */
export function textOf(chunk: ChatCompletionChunk): string {
  return chunk.choices.find(({ index }) => index === 0)?.delta.content ?? '';
}

export const READERS: readonly Reader[] = [
  {
    name: 'the iteration',
    async read(stream) {
      let text = '';
      for await (const chunk of stream) text += textOf(chunk);
      return text;
    },
  },
  {
    name: 'text()',
    async read(stream) {
      let text = '';
      for await (const piece of stream.textStream) text += piece;
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
