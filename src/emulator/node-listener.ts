import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isEventStream } from './http.ts';
import { LostConnection } from './lost-connection.ts';

/** Answers a request as `fetch` does; it is told from which address it comes. */
export type Answerer = (request: Request, peerAddress: string | undefined) => Promise<Response>;

/**
 * Puts an answerer on Node's HTTP server: a client that reads slowly slows the answer down, one that leaves aborts the
 * request's signal and ends the answer, and an answer that loses its connection takes the client's.
 */
export function requestListener(answer: Answerer): RequestListener {
  return (incoming, outgoing) => {
    void respond(answer, incoming, outgoing);
  };
}

async function respond(answer: Answerer, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const client = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) client.abort(new Error('the client disconnected'));
  });
  const request = toRequest(incoming, client.signal);
  if (request === undefined) {
    outgoing.writeHead(400).end();
    return;
  }
  try {
    await send(await answer(request, incoming.socket.remoteAddress), outgoing);
  } catch (error) {
    if (error instanceof LostConnection || client.signal.aborted || outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
}

/** Undefined for what Node lets through but fetch does not, such as a CONNECT or a host that is none. */
function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = 'GET', url = '/', headers } = incoming;
  try {
    const init = { method, headers: toHeaders(incoming.rawHeaders), signal };
    const target = targetOf(url, headers.host ?? 'localhost');
    const body = { body: toBody(incoming), duplex: 'half' };
    return new Request(target, method === 'GET' || method === 'HEAD' ? init : { ...init, ...body });
  } catch {
    return undefined;
  }
}

/** @throws TypeError for what is no URL, and for a host that would bring a path along. */
function targetOf(url: string, host: string): URL {
  if (!url.startsWith('/')) return new URL(url);
  const { origin, href } = new URL(`http://${host}`);
  if (href !== `${origin}/`) throw new TypeError('not a host');
  return new URL(origin + url);
}

function toHeaders(rawHeaders: readonly string[]): Headers {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  return headers;
}

/** Read only when somebody asks for it: what nobody reads Node throws away, and the connection can be used again. */
function toBody(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  return new ReadableStream(
    {
      async pull(controller) {
        chunks ??= incoming[Symbol.asyncIterator]();
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel() {
        incoming.resume();
      },
    },
    { highWaterMark: 0 },
  );
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  const { status, headers, body } = response;
  const writeHead = (more: readonly string[] = []): void => {
    outgoing.writeHead(status, [...[...headers].flat(), ...more]);
  };
  if (body === null) {
    writeHead();
    outgoing.end();
    return;
  }
  const reader = body.getReader();
  const onClose = (): void => void reader.cancel().catch(() => {});
  outgoing.once('close', onClose);
  try {
    if (!isEventStream(response)) return await sendWhole(reader, outgoing, writeHead);
    writeHead();
    // The head of a stream is an answer too, also while there is nothing more to say.
    outgoing.flushHeaders();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await written(outgoing, value);
    }
    outgoing.end();
  } finally {
    outgoing.off('close', onClose);
    // Where the client left before anybody listened; after the end it does nothing.
    onClose();
  }
}

/** In one piece, with its length; as much as there is, where the rest of it is lost. */
async function sendWhole(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  outgoing: ServerResponse,
  writeHead: (more?: readonly string[]) => void,
): Promise<void> {
  const pieces: Uint8Array[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
    }
  } catch (error) {
    writeHead();
    outgoing.flushHeaders();
    await written(outgoing, Buffer.concat(pieces));
    throw error;
  }
  const whole = Buffer.concat(pieces);
  writeHead(['content-length', String(whole.length)]);
  outgoing.end(whole);
}

/** Resolves when the bytes have left the process, so that what comes after a connection's end came before it. */
function written(outgoing: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    outgoing.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
