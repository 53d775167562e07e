import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isEventStream } from './http.ts';
import { LostConnection } from './lost-connection.ts';

/**
 * Connects a `fetch`-like handler to Node's HTTP server. A client that reads slowly slows the response down, one that
 * disconnects aborts the request's signal, and a response that loses its connection closes the client's.
 */
export function requestListener(handle: (request: Request) => Promise<Response>): RequestListener {
  return (incoming, outgoing) => {
    void respond(handle, incoming, outgoing);
  };
}

async function respond(
  handle: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const client = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) client.abort(new Error('The client has disconnected.'));
  });
  // The gateway keeps connections alive without saying so.
  outgoing.removeHeader('connection');
  const request = toRequest(incoming, client.signal);
  if (request === undefined) {
    outgoing.writeHead(400).end();
    return;
  }
  try {
    await send(await handle(request), outgoing);
  } catch (error) {
    if (error instanceof LostConnection || client.signal.aborted || outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
}

/** Returns `undefined` for what Node accepts but `fetch` does not, such as CONNECT or an invalid host. */
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

/** @throws {TypeError} If the URL is invalid, or the host contains a path. */
function targetOf(url: string, host: string): URL {
  if (!url.startsWith('/')) return new URL(url);
  const { origin, href } = new URL(`http://${host}`);
  if (href !== `${origin}/`) throw new TypeError('The host is invalid.');
  return new URL(origin + url);
}

function toHeaders(rawHeaders: readonly string[]): Headers {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  return headers;
}

/** Read on demand. Node discards what is not read, and the connection can be reused. */
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
  if (body === null) {
    outgoing.writeHead(status, [...headers].flat());
    outgoing.end();
    return;
  }
  const reader = body.getReader();
  const onClose = (): void => void reader.cancel().catch(() => {});
  outgoing.once('close', onClose);
  try {
    const isChunked = isEventStream(response) || headers.has('transfer-encoding');
    // Responses of known length are sent in one piece, unless their connection is lost.
    const length = isChunked || headers.has('content-length') ? undefined : await readAll(reader);
    if (length?.isComplete) headers.set('content-length', String(length.bytes.length));
    outgoing.writeHead(status, [...headers].flat());
    if (length?.isComplete) {
      outgoing.end(length.bytes);
      return;
    }
    // The head of a stream is a response too, while there is no chunk yet.
    outgoing.flushHeaders();
    if (length !== undefined) {
      await written(outgoing, length.bytes);
      throw new LostConnection();
    }
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await written(outgoing, value);
    }
    outgoing.end();
  } finally {
    outgoing.off('close', onClose);
    // For a client that left before the listener was added; after the end it has no effect.
    onClose();
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<{ readonly bytes: Uint8Array; readonly isComplete: boolean }> {
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes: Buffer.concat(chunks), isComplete: true };
      chunks.push(value);
    }
  } catch {
    return { bytes: Buffer.concat(chunks), isComplete: false };
  }
}

/** Resolves when the bytes have left the process, so that they arrive before the end of the connection. */
function written(outgoing: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    outgoing.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
