import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import { isLoopback } from '../internal/checks.ts';
import { bodyOf, type Chunks } from './body.ts';
import { check, fields, nonEmpty, servable } from './checks.ts';
import { type Emulator, logs } from './emulator.ts';
import { LostConnection, notFound } from './http.ts';

/** Options for {@link serve}. */
export interface ServeOptions {
  /** The port to listen on; 0 selects a free port. Default: 0. */
  readonly port?: number | undefined;
  /** The host name or address to listen on. Default: `127.0.0.1`, which is reachable only from this machine. */
  readonly host?: string | undefined;
  /**
   * Additional host names that clients use, such as `host.docker.internal`. `localhost` and its subdomains, loopback
   * addresses and `host` are always allowed. While the server listens on loopback, requests for any other host are
   * rejected with 403, because web pages can make their own host names resolve to 127.0.0.1 (DNS rebinding).
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Whether to serve `/_emulator/`: the dashboard and the endpoints for other processes. Default: false. */
  readonly admin?: boolean | undefined;
}

/** An HTTP server for an emulator. If declared with `await using`, the server is closed at the end of the block. */
export interface EmulatorServer extends AsyncDisposable {
  /** The base URL of both planes, without a trailing slash, such as `http://127.0.0.1:41373`. */
  readonly url: string;
  readonly port: number;
  /** Stops the server immediately and closes all connections, even during a response. Can be called repeatedly. */
  readonly close: () => Promise<void>;
}

/**
 * Serves an emulator over HTTP, for other processes and languages. Streams are sent chunk by chunk and respect
 * backpressure. A request is aborted when its client disconnects. A fault that drops a connection closes the socket.
 *
 * @returns The server, once it is listening.
 * @throws {TypeError} If an argument is invalid.
 * @throws {Error} If the server cannot listen, with the system's error as the `cause`.
 *
 * @example
 * ```ts
 * import { createEmulator } from 'drun-sdk/emulator';
 * import { serve } from 'drun-sdk/emulator/node';
 *
 * const drun = createEmulator();
 * await using server = await serve(drun, { port: 0 });
 * await fetch(`${server.url}/apis/hydra.io/v1alpha1/apikeys`, {
 *   headers: { authorization: `Bearer ${drun.accessToken.reveal()}` },
 * });
 * ```
 */
export async function serve(
  emulator: Pick<Emulator, 'fetch'>,
  options: ServeOptions = {},
): Promise<EmulatorServer> {
  check('serve', servable, emulator);
  check('serve', serveOptions, options);
  const { port = 0, host = '127.0.0.1', allowedHosts = [], admin = false } = options;
  const log = logs.get(emulator);
  const knownHosts = [host, ...allowedHosts].map((name) => name.toLowerCase());
  let isOnLoopback = false;
  const handle = async (request: Request): Promise<Response> => {
    const { hostname, pathname } = new URL(request.url);
    if (isOnLoopback && !isLoopback(hostname) && !knownHosts.includes(hostname)) {
      const reason = `The host \`${hostname}\` is not allowed. Add it with \`allowedHosts\` or --allowed-host.`;
      log?.reject(request, 403, reason);
      return new Response(`${reason}\n`, { status: 403, headers: TEXT });
    }
    if (!admin && pathname.startsWith('/_emulator')) {
      log?.reject(request, 404, '`/_emulator/` is disabled. Enable it with the `admin` option of `serve`.');
      return notFound();
    }
    return emulator.fetch(request);
  };
  const respond = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const client = new AbortController();
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) client.abort(new Error('The client has disconnected.'));
    });
    // Like the gateway, keep connections alive without sending a `Connection` header.
    outgoing.removeHeader('connection');
    const { method = 'GET' } = incoming;
    const headers = headersOf(incoming);
    let request: Request;
    try {
      request = toRequest(incoming, { method, headers, signal: client.signal });
    } catch {
      const reason = 'The method, the host or the URL is invalid.';
      log?.reject({ method, headers, url: 'http://localhost/' }, 400, reason);
      outgoing.writeHead(400).end();
      return;
    }
    try {
      await send(await handle(request), outgoing);
    } catch (error) {
      if (error instanceof LostConnection || client.signal.aborted || outgoing.headersSent)
        outgoing.destroy();
      else outgoing.writeHead(500).end();
    }
  };
  const server = createServer(GATEWAY_LIMITS, respond);
  await listen(server, port, host);
  const address = server.address() as AddressInfo;
  isOnLoopback = /^(?:::ffff:)?127\.|^::1$/.test(address.address);

  const close = (): Promise<void> =>
    new Promise((resolve) => {
      // Ignores the error that occurs if the server is already closed.
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: urlOf(host, address.port), port: address.port, close, [Symbol.asyncDispose]: close };
}

const serveOptions = fields({
  port: z.int().min(0).max(65_535).optional(),
  host: nonEmpty.optional(),
  allowedHosts: z.array(nonEmpty).optional(),
  admin: z.boolean().optional(),
});

const GATEWAY_LIMITS = { maxHeaderSize: 1024 * 1024, keepAliveTimeout: 60_000 };

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'EADDRINUSE' ? 'the port is in use' : cause.message;
    throw new Error(`serve: cannot listen on port ${port} of ${host}: ${reason}.`, { cause });
  });
}

/** Returns the server's URL. Some platforms cannot connect to a wildcard address, so it is replaced with loopback. */
function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** @throws {TypeError} If `Request` rejects a method, URL or host that Node accepts, such as the method TRACE. */
function toRequest(incoming: IncomingMessage, init: RequestInit & { readonly headers: Headers }): Request {
  const target = targetOf(incoming.url ?? '/', init.headers.get('host') ?? 'localhost');
  if (init.method === 'GET' || init.method === 'HEAD') return new Request(target, init);
  // Read the body on demand. Node discards any unread part of the body, so that the connection can be reused.
  const chunks = incoming.iterator({ destroyOnReturn: false }) as Chunks;
  const body = bodyOf(chunks, { onCancel: () => void incoming.resume() });
  return new Request(target, { ...init, body, duplex: 'half' } as RequestInit);
}

/** @throws {TypeError} If the URL is invalid, or the host contains a path. */
function targetOf(url: string, host: string): URL {
  if (!url.startsWith('/')) return new URL(url);
  const { origin, href } = new URL(`http://${host}`);
  if (href !== `${origin}/`) throw new TypeError('The host is invalid.');
  return new URL(origin + url);
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return headers;
}

async function send({ status, headers, body }: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(status, [...headers].flat());
  if (body !== null) {
    // Sends the headers of a stream before its first chunk.
    outgoing.flushHeaders();
    for await (const chunk of body) await written(outgoing, chunk);
  }
  outgoing.end();
}

/** Resolves once the operating system has received the bytes, because they must arrive before the connection closes. */
function written(outgoing: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    outgoing.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
