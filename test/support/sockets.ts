import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface LocalServer {
  readonly url: string;
  /** The requests or, for bare sockets, the connections that came. */
  readonly count: number;
}

/** An HTTP server on a free port of this machine, closed after the test. */
export async function serveHttp(listener: RequestListener): Promise<LocalServer> {
  let count = 0;
  const server = createServer((request, response) => {
    count++;
    listener(request, response);
  });
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const url = await listen(server);
  return {
    url,
    get count() {
      return count;
    },
  };
}

/**
 * A server of bare sockets on a free port of this machine, closed after the test. The listener is called once a
 * whole request came in, with its text.
 */
export async function serveSockets(onRequest: (socket: Socket, text: string) => void): Promise<LocalServer> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createSocketServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (!isWhole(text)) return;
      count++;
      const whole = text;
      text = '';
      onRequest(socket, whole);
    });
  });
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  const url = await listen(server);
  return {
    url,
    get count() {
      return count;
    },
  };
}

/**
 * A port of this machine at which nobody listens, for a server that comes back to it: not one of those that the system
 * gives to the other ends of connections.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createSocketServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise<void>((resolve) => server.close(() => resolve()));
    if (isFree) return port;
  }
}

/** The address of a port of this machine at which nobody listens. */
export async function closedPort(): Promise<string> {
  const server = createSocketServer();
  const url = await listen(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return url;
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = Number(/^content-length: (\d+)\r$/im.exec(text)?.[1] ?? 0);
  return text.length >= end + 4 + length;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
