import { execFile, execFileSync } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, startServer } from './programs.ts';
import { freePort } from './sockets.ts';

/** Debian keeps the server's programs beside the path. */
const initdb = findProgram('initdb', '/usr/lib/postgresql/*/bin');

/** What to add to the title of tests that are skipped, or nothing where they can run. */
export const postgresIsMissing = initdb === undefined ? ': skipped, PostgreSQL is not installed here' : '';

/** PostgreSQL, started for a test. Its user is `drun`, who needs no password; its database is `postgres`. */
export interface PostgresServer {
  readonly port: number;
  /** Ends it as a crash would, and starts it again on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  if (initdb === undefined) throw new Error('PostgreSQL is not installed here');
  const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-postgres-'));
  // The server refuses to be root.
  const user = process.getuid?.() === 0 ? nobody() : undefined;
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const setUp = ['--auth=trust', '--username=drun', '--encoding=UTF8', '--no-locale', '--no-sync'];
  await promisify(execFile)(initdb, ['-D', data, ...setUp], { cwd: folder, ...user });

  const port = await freePort();
  const start = () =>
    startServer(
      join(dirname(initdb), 'postgres'),
      // No socket in a folder that other servers use, and no waiting for the disk: nobody cuts the power.
      ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', '', '-F', '-c', 'max_connections=200'],
      { ready: 'database system is ready to accept connections', user, folder },
    );
  let server = await start();
  return {
    port,
    async restart() {
      await server.end('SIGQUIT');
      server = await start();
    },
    async close() {
      await server.end('SIGQUIT');
      await rm(folder, { recursive: true });
    },
  };
}

function nobody(): { readonly uid: number; readonly gid: number } {
  const idOf = (option: string): number =>
    Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}
