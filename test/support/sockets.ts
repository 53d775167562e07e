import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface LocalServer {
  readonly url: string;
  /** Number of requests received. */
  readonly count: number;
}

/** Starts an HTTP server on a free local port. It is closed after the test. */
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

/** Starts a TCP server on a free local port. It passes each complete request to the listener, and is closed after the test. */
export async function serveSockets(onRequest: (socket: Socket, text: string) => void): Promise<LocalServer> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createSocketServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (!isComplete(text)) return;
      count++;
      const request = text;
      text = '';
      onRequest(socket, request);
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
 * Returns a free port for a server that is restarted on it. The port is outside the ephemeral range, so that no outgoing
 * connection takes it in the meantime.
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

/** Returns the URL of a local port on which no server listens. */
export async function closedPort(): Promise<string> {
  const server = createSocketServer();
  const url = await listen(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return url;
}

function isComplete(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = Number(/^content-length: (\d+)\r$/im.exec(text)?.[1] ?? 0);
  return text.length >= end + 4 + length;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
