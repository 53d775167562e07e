import type { KeyStore } from 'drun-sdk/rotation';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import type { StoreServer, StoreSetup } from './store-contract.ts';

/** A server that a test has started. */
interface StartedServer {
  readonly port: number;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A client of a store, with a function that closes its connections. */
interface Client {
  readonly store: KeyStore;
  close(): Promise<unknown>;
}

/**
 * Creates the setup of a store with a server, which its clients reach through a proxy.
 *
 * @param connect - Connects a client to a port.
 * @param updatePattern - Matches the requests that update a record, and no others.
 */
export async function serverSetup(
  server: StartedServer,
  connect: (port: number) => Promise<Client>,
  updatePattern: RegExp,
): Promise<StoreSetup & { readonly server: StoreServer }> {
  const proxy = await startTcpProxy(server.port);
  const clients: Client[] = [];
  return {
    async open() {
      const client = await connect(proxy.port);
      clients.push(client);
      return client.store;
    },
    server: serverBehind(proxy, updatePattern, () => server.restart()),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await proxy.close();
      await server.close();
    },
  };
}

function serverBehind(proxy: TcpProxy, updatePattern: RegExp, restart: () => Promise<void>): StoreServer {
  return {
    restart,
    dropConnections: proxy.dropConnections,
    goOffline: proxy.goOffline,
    goOnline: proxy.goOnline,
    dropNextUpdate: () => proxy.dropRequest(updatePattern),
    dropNextResponse: () => proxy.dropResponse(updatePattern),
  };
}
