import { ConfigurationError } from '../../errors/index.ts';
import type { KeyStore } from '../key-store.ts';
import { checkFunction, checkRing, checkSwap, validMilliseconds } from './arguments.ts';
import { pollVersion } from './polling.ts';
import { isVersion, newVersion } from './version.ts';

/** As much of a client of `ioredis` as is needed: `Redis` and `Cluster` fit, connected or not. */
export interface IoredisClient {
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** As much of a client of `redis` (node-redis) as is needed: single ones, pools and clusters fit, once connected. */
export interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Tells this library from the other one. */
  evalSha: unknown;
}

/** What {@link redisStore} is told. */
export interface RedisStoreOptions {
  /** A client of yours, which you connect, configure and close. */
  readonly client: IoredisClient | NodeRedisClient;
  /** What the names of the keys begin with. Default: `drun:key-ring:`. */
  readonly keyPrefix?: string | undefined;
  /** How often `watch` looks for a change, in milliseconds. Default: 5,000. */
  readonly pollMs?: number | undefined;
}

/** A script even for reading: no client sends one to a replica, which may lag behind. */
const READ = `return redis.call('HMGET', KEYS[1], 'version', 'value')`;
const READ_VERSION = `return {redis.call('HGET', KEYS[1], 'version')}`;

/**
 * A swap that is repeated, by a client that lost its connection, finds its own version and has succeeded, instead of
 * being refused by itself. Redis gives false for a field that is not there; no version is empty.
 */
const SWAP = `
  local version = redis.call('HGET', KEYS[1], 'version') or ''
  if version == ARGV[2] then return {'ok'} end
  if version ~= ARGV[1] then return {'refused'} end
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
  return {'ok'}`;

/**
 * Makes a store in Redis, over a client of yours: for services that have a Redis already.
 *
 * Weak: a restart or a failover can take back a swap that was answered, so that a ring has to be on its guard. A record is
 * a hash that never expires; a server that drops such keys when its memory is full (`allkeys-…`) loses it.
 *
 * @throws ConfigurationError that names the option that is wrong. Later, a method rejects with what the client throws.
 *
 * @example
 * ```ts
 * import { redisStore } from 'drun-sdk/rotation/redis';
 * import { Redis } from 'ioredis';
 *
 * const client = new Redis('redis://127.0.0.1:6379', { lazyConnect: true });
 * const store = redisStore({ client });
 * ```
 */
export function redisStore(options: RedisStoreOptions): KeyStore {
  const { client, keyPrefix = 'drun:key-ring:' } = options;
  if (typeof client?.eval !== 'function') {
    throw new ConfigurationError('client must be a client of ioredis or of redis (node-redis)', {
      option: 'client',
    });
  }
  if (typeof keyPrefix !== 'string') {
    throw new ConfigurationError('keyPrefix must be a text', { option: 'keyPrefix' });
  }
  const pollMs = validMilliseconds(options.pollMs ?? 5_000, 'pollMs');

  const run = async (script: string, ring: string, ...args: string[]): Promise<(string | null)[]> => {
    // A cluster keeps what has the same text in braces on one server.
    const key = `${keyPrefix}{${ring}}`;
    const reply = isNodeRedis(client)
      ? await client.eval(script, { keys: [key], arguments: args })
      : await client.eval(script, 1, key, ...args);
    if (!Array.isArray(reply) || !reply.every((item) => typeof item === 'string' || item === null)) {
      throw new ConfigurationError('client must give replies as texts', { option: 'client' });
    }
    return reply;
  };

  return {
    durability: 'weak',
    async get(ring) {
      checkRing(ring);
      const [version, value] = await run(READ, ring);
      return typeof version === 'string' && typeof value === 'string' ? { value, version } : null;
    },
    async compareAndSwap(ring, expected, value) {
      checkSwap(ring, expected, value);
      if (expected !== null && !isVersion(expected)) return { ok: false };
      const version = newVersion();
      const [outcome] = await run(SWAP, ring, expected ?? '', version, value);
      return outcome === 'ok' ? { ok: true, version } : { ok: false };
    },
    watch(ring, changed) {
      checkRing(ring);
      checkFunction(changed, 'changed');
      return pollVersion(async () => (await run(READ_VERSION, ring))[0] ?? null, pollMs, changed);
    },
  };
}

function isNodeRedis(client: IoredisClient | NodeRedisClient): client is NodeRedisClient {
  return 'evalSha' in client;
}
