import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopbackAddress, type LocalAccess, refuseForeign, signIn } from './console/index.ts';
import type { Emulator } from './emulator.ts';
import { requestListener } from './node-listener.ts';

/** Where {@link serve} listens. */
export interface ServeOptions {
  /** 0 for one that is free. Default: 0. */
  readonly port?: number | undefined;
  /**
   * A name or address of this machine. Default: `127.0.0.1`, which only this machine reaches. Where others reach it, as
   * on `0.0.0.0`, the API Key Management page asks them for the access token.
   */
  readonly host?: string | undefined;
  /**
   * Names that clients use for this machine besides `localhost`, names under it and loopback addresses, such as
   * `host.docker.internal`. Requests to others are refused where only this machine can connect: they come from a page
   * whose name was made to lead here. Default: none.
   */
  readonly allowedHosts?: readonly string[] | undefined;
}

/** An emulator that listens. With `await using` it is closed at the end of the block. */
export interface EmulatorServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41373`, without a slash at the end: the base URL of both planes. */
  readonly url: string;
  readonly port: number;
  /** Frees the port and cuts off every connection at once, answers on their way included. May be called again. */
  readonly close: () => Promise<void>;
}

/**
 * Serves an emulator over HTTP, for clients in other processes and in other languages, and for a browser: the API Key
 * Management page is at `/`.
 *
 * A client that disconnects aborts its request; one that reads slowly slows the model down. Where a fault takes a
 * connection away, it is closed.
 *
 * @returns Once it listens.
 * @throws RangeError or TypeError that names the option that is wrong; Error, with the system's as its `cause`,
 * where it cannot listen, such as on a port that is in use.
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
  emulator: Pick<Emulator, 'fetch'> & Partial<Pick<Emulator, 'accessToken'>>,
  options: ServeOptions = {},
): Promise<EmulatorServer> {
  const { port = 0, host = '127.0.0.1', allowedHosts = [] } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError('serve: `port` must be a whole number from 0 to 65535');
  }
  if (typeof host !== 'string' || host === '') {
    throw new TypeError('serve: `host` must be a name or an address');
  }
  if (
    !Array.isArray(allowedHosts) ||
    !allowedHosts.every((name) => typeof name === 'string' && name !== '')
  ) {
    throw new TypeError('serve: `allowedHosts` must be an array of names');
  }

  const answer = async (request: Request, peerAddress: string | undefined): Promise<Response> => {
    const foreign = refuseForeign(request, access);
    if (foreign !== undefined) return foreign;
    const headers = signIn(request, peerAddress, access);
    return emulator.fetch(headers === request.headers ? request : new Request(request, { headers }));
  };
  const server = createServer(requestListener(answer));
  await listen(server, port, host);
  const address = server.address() as AddressInfo;
  const access: LocalAccess = {
    loopbackOnly: isLoopbackAddress(address.address),
    hosts: [host, ...allowedHosts].map((name) => name.toLowerCase()),
    accessToken: emulator.accessToken,
  };

  const close = (): Promise<void> =>
    new Promise((resolve) => {
      // Where it was closed before, it calls back with an error that says so: what is wanted is so already.
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: urlOf(host, address.port), port: address.port, close, [Symbol.asyncDispose]: close };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException): void => {
      const reason = cause.code === 'EADDRINUSE' ? 'the port is already in use' : cause.message;
      reject(new Error(`serve: cannot listen on port ${port} of ${host}: ${reason}`, { cause }));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/** The addresses that mean "every interface" cannot be connected to everywhere; this machine's own can. */
function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
