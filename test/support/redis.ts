import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, startServer } from './programs.ts';
import { freePort } from './sockets.ts';

const program = findProgram('redis-server');

/** Suffix of a test title if Redis is missing, or an empty string. */
export const redisSkipNote = program === undefined ? ' (skipped: Redis is not installed)' : '';

/** A Redis server for a test. */
export interface RedisServer {
  readonly port: number;
  /** Kills the server and restarts it on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** @param settings - Command-line options. By default, the server syncs each write to disk before it responds. */
export async function startRedis(
  settings: readonly string[] = ['--appendonly', 'yes', '--appendfsync', 'always'],
): Promise<RedisServer> {
  if (program === undefined) throw new Error('Redis is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-redis-'));
  const port = await freePort();
  const start = () =>
    startServer(
      program,
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...settings],
      { ready: 'Ready to accept connections', folder },
    );
  let server = await start();
  return {
    port,
    async restart() {
      await server.stop('SIGKILL');
      server = await start();
    },
    async close() {
      await server.stop('SIGKILL');
      await rm(folder, { recursive: true });
    },
  };
}
