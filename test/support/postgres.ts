import { execFile, execFileSync } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, startServer } from './programs.ts';
import { freePort } from './sockets.ts';

/** Debian installs the server's programs in a folder that is not on `PATH`. */
const initdb = findProgram('initdb', '/usr/lib/postgresql/*/bin');

/** Suffix of a test title if PostgreSQL is missing, or an empty string. */
export const postgresSkipNote = initdb === undefined ? ' (skipped: PostgreSQL is not installed)' : '';

/** A PostgreSQL server for a test. The user `drun` connects without a password to the database `postgres`. */
export interface PostgresServer {
  readonly port: number;
  /** Stops the server without a clean shutdown and restarts it on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  if (initdb === undefined) throw new Error('PostgreSQL is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-postgres-'));
  // The server refuses to run as root.
  const user = process.getuid?.() === 0 ? nobody() : undefined;
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const setUp = ['--auth=trust', '--username=drun', '--encoding=UTF8', '--no-locale', '--no-sync'];
  await promisify(execFile)(initdb, ['-D', data, ...setUp], { cwd: folder, ...user });

  const port = await freePort();
  const start = () =>
    startServer(
      join(dirname(initdb), 'postgres'),
      // Without a Unix socket, which could collide with another server, and without fsync: the machine does not crash.
      ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', '', '-F', '-c', 'max_connections=200'],
      { ready: 'database system is ready to accept connections', user, folder },
    );
  let server = await start();
  return {
    port,
    async restart() {
      await server.stop('SIGQUIT');
      server = await start();
    },
    async close() {
      await server.stop('SIGQUIT');
      await rm(folder, { recursive: true });
    },
  };
}

function nobody(): { readonly uid: number; readonly gid: number } {
  const idOf = (option: string): number =>
    Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}
