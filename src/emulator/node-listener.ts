import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { LostConnection } from './http.ts';

interface ListenerOptions {
  readonly handle: (request: Request) => Promise<Response>;
  /** Called for what Node accepts but `fetch` does not, such as CONNECT or an invalid host. */
  readonly onInvalid: (method: string, headers: Headers) => void;
}

/**
 * Connects a `fetch`-like handler to Node's HTTP server. A client that reads slowly slows the response down, one that
 * disconnects aborts the request's signal, and a response that loses its connection closes the client's.
 */
export function requestListener(options: ListenerOptions): RequestListener {
  return (incoming, outgoing) => {
    void respond(options, incoming, outgoing);
  };
}

async function respond(
  { handle, onInvalid }: ListenerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const client = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) client.abort(new Error('The client has disconnected.'));
  });
  // The gateway keeps connections alive without saying so.
  outgoing.removeHeader('connection');
  const headers = toHeaders(incoming.rawHeaders);
  const request = toRequest(incoming, headers, client.signal);
  if (request === undefined) {
    onInvalid(incoming.method ?? '', headers);
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

function toRequest(incoming: IncomingMessage, headers: Headers, signal: AbortSignal): Request | undefined {
  const { method = 'GET', url = '/' } = incoming;
  try {
    const init = { method, headers, signal };
    const target = targetOf(url, headers.get('host') ?? 'localhost');
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

async function send({ status, headers, body }: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(status, [...headers].flat());
  if (body !== null) {
    // The head of a stream is a response too, while there is no chunk yet.
    outgoing.flushHeaders();
    for await (const chunk of body) await written(outgoing, chunk);
  }
  outgoing.end();
}

/** Resolves when the bytes have left the process, so that they arrive before the end of the connection. */
function written(outgoing: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    outgoing.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
