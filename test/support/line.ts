import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './sockets.ts';

/** The way to a server of this machine, on which things get lost. */
export interface Line {
  /** Connect here instead of to the server. */
  readonly port: number;
  /** Drops every connection there is. */
  cut(): void;
  /** Drops every connection, and refuses new ones until {@link Line.comeBack}. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  /** Drops the next connection on which something of this pattern is sent, before it arrives. */
  loseNext(request: RegExp): void;
  /** Drops the next connection on which something of this pattern is sent, once the server has answered it. */
  loseAnswerTo(request: RegExp): void;
  close(): Promise<void>;
}

export async function lineTo(serverPort: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let lost: { readonly request: RegExp; readonly isAnswer: boolean } | undefined;

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    let isAnswerLost = false;
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
      if (lost?.request.test(chunk.toString('latin1'))) {
        isAnswerLost = lost.isAnswer;
        lost = undefined;
        if (!isAnswerLost) return drop();
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => (isAnswerLost ? drop() : client.write(chunk)));
  });

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const goAway = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  };
  const port = await freePort();
  await listen(port);
  return {
    port,
    cut,
    goAway,
    comeBack: () => listen(port),
    loseNext(request) {
      lost = { request, isAnswer: false };
    },
    loseAnswerTo(request) {
      lost = { request, isAnswer: true };
    },
    close: goAway,
  };
}
