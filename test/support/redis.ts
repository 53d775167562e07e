import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, startServer } from './programs.ts';
import { freePort } from './sockets.ts';

const program = findProgram('redis-server');

/** What to add to the title of tests that are skipped, or nothing where they can run. */
export const redisIsMissing = program === undefined ? ': skipped, Redis is not installed here' : '';

/** Redis, started for a test. */
export interface RedisServer {
  readonly port: number;
  /** Kills it, and starts it again on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** @param settings - As on the command line; by default it writes to its disk before it answers. */
export async function startRedis(
  settings: readonly string[] = ['--appendonly', 'yes', '--appendfsync', 'always'],
): Promise<RedisServer> {
  if (program === undefined) throw new Error('Redis is not installed here');
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
      await server.end('SIGKILL');
      server = await start();
    },
    async close() {
      await server.end('SIGKILL');
      await rm(folder, { recursive: true });
    },
  };
}
