import type { KeyStore } from 'drun-sdk/rotation';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import type { Bench, Server } from './contract.ts';

/** A server that a test has started itself. */
interface StartedServer {
  readonly port: number;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A client of a store, and what closes its connections. */
interface Client {
  readonly store: KeyStore;
  close(): Promise<unknown>;
}

/**
 * A test bench for stores with a server.
 *
 * @param connect - Makes a client that is connected to this port.
 * @param swap - What a swap, and nothing else, has in it on its way to the server.
 */
export async function serverBench(
  server: StartedServer,
  connect: (port: number) => Promise<Client>,
  swap: RegExp,
): Promise<Bench & { readonly server: Server }> {
  const line = await startTcpProxy(server.port);
  const clients: Client[] = [];
  return {
    async open() {
      const client = await connect(line.port);
      clients.push(client);
      return client.store;
    },
    server: serverOn(line, swap, () => server.restart()),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await line.close();
      await server.close();
    },
  };
}

function serverOn(line: TcpProxy, swap: RegExp, restart: () => Promise<void>): Server {
  return {
    restart,
    cut: line.dropConnections,
    goAway: line.goOffline,
    comeBack: line.goOnline,
    loseNextSwap: () => line.dropRequest(swap),
    loseNextAnswer: () => line.dropResponse(swap),
  };
}
