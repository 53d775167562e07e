import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './sockets.ts';

/** A TCP proxy in front of a local server, for simulating lost connections. */
export interface TcpProxy {
  /** Connect here instead of to the server. */
  readonly port: number;
  /** Drops all open connections. */
  dropConnections(): void;
  /** Drops all connections and refuses new ones. */
  goOffline(): Promise<void>;
  goOnline(): Promise<void>;
  /** Drops the next connection that sends a match of this pattern, without forwarding it. */
  dropRequest(pattern: RegExp): void;
  /** Forwards the next match of this pattern, and drops the connection when the server responds. */
  dropResponse(pattern: RegExp): void;
  close(): Promise<void>;
}

export async function startTcpProxy(serverPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let toDrop: { readonly pattern: RegExp; readonly isResponse: boolean } | undefined;

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    let dropsResponse = false;
    const drop = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', drop).on('close', () => {
        sockets.delete(socket);
        drop();
      });
    }
    client.on('data', (chunk) => {
      if (toDrop?.pattern.test(chunk.toString('latin1'))) {
        dropsResponse = toDrop.isResponse;
        toDrop = undefined;
        if (!dropsResponse) return drop();
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => (dropsResponse ? drop() : client.write(chunk)));
  });

  const dropConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const goOffline = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    dropConnections();
    await closed;
  };
  const port = await freePort();
  await listen(port);
  return {
    port,
    dropConnections,
    goOffline,
    goOnline: () => listen(port),
    dropRequest(pattern) {
      toDrop = { pattern, isResponse: false };
    },
    dropResponse(pattern) {
      toDrop = { pattern, isResponse: true };
    },
    close: goOffline,
  };
}
