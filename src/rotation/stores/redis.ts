import { KeyStoreError } from '../../errors/index.ts';
import { check, checkOptions, invalid } from '../../errors/invalid.ts';
import { type KeyStore, storeFrom } from './store.ts';

/** The methods that the store calls on an `ioredis` client. Accepts `Redis` and `Cluster`, connected or not. */
export interface IoredisClient {
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
  disconnect?(reconnect?: boolean): void;
}

/** The methods that the store calls on a connected `redis` (node-redis) client, pool or cluster. */
export interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Distinguishes the client from an ioredis client. */
  evalSha: unknown;
}

/** Options for {@link redisStore}. */
export interface RedisStoreOptions {
  /** The Redis client. The caller configures, connects and closes it. */
  readonly client: IoredisClient | NodeRedisClient;
  /** Prefix of the keys in Redis. @defaultValue 'drun:key-ring:' */
  readonly keyPrefix?: string | undefined;
  /** Interval at which `watch` polls, in milliseconds. @defaultValue 5_000 */
  readonly pollMs?: number | undefined;
}

/** PERSIST, a write without effect, fails on a replica. A demoted primary would otherwise serve old records forever. */
const REFUSE_REPLICA = `
  local persisted = redis.pcall('PERSIST', KEYS[1])
  if type(persisted) == 'table' and persisted.err and string.find(persisted.err, 'READONLY') then return persisted end`;

/** Reads use a script too, because clients may send other reads to replicas, which can lag behind. */
const READ = `${REFUSE_REPLICA}
  return redis.call('HMGET', KEYS[1], 'version', 'value')`;

/** An update that the client retries finds its own version and succeeds. Redis returns false for a missing field. */
const SWAP = `
  local version = redis.call('HGET', KEYS[1], 'version') or ''
  if version == ARGV[2] then return {'ok'} end
  if version ~= ARGV[1] then return {'conflict'} end
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
  return {'ok'}`;

const READ_MEMORY_INFO = `return {redis.call('INFO', 'memory')}`;

/**
 * Creates a store that keeps its records in Redis and uses the caller's client.
 *
 * A restart or failover can lose the latest updates; the ring detects this and stops (`key_ring_rolled_back`). A record
 * is a hash without an expiry. If the server may evict such keys (`allkeys-…`), the ring emits an `error` event.
 *
 * If the server is demoted to a replica, the store makes an ioredis client reconnect. For node-redis, use a Sentinel or
 * cluster client, which finds the new primary.
 *
 * @throws {ConfigurationError} If an option is invalid. Methods reject with the client's errors.
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
  checkOptions(options, ['client', 'keyPrefix', 'pollMs'], 'redisStore()');
  const { client, keyPrefix = 'drun:key-ring:', pollMs = 5_000 } = options;
  check(typeof client?.eval === 'function', 'client', 'must be an ioredis or node-redis client');
  check(typeof keyPrefix === 'string', 'keyPrefix', 'must be a string');

  const run = async (script: string, ring: string, ...args: string[]): Promise<(string | null)[]> => {
    // A cluster keeps keys with the same hash tag (text in braces) on one server.
    const key = `${keyPrefix}{${ring}}`;
    const reply = await evaluate(client, script, key, args);
    if (Array.isArray(reply) && reply.every((item) => typeof item === 'string' || item === null))
      return reply;
    throw invalid('client', 'must return replies as strings');
  };

  return storeFrom(
    {
      async get(ring) {
        const [version, value] = await run(READ, ring);
        return typeof version === 'string' && typeof value === 'string' ? { value, version } : null;
      },
      swap: async (ring, expected, version, value) =>
        (await run(SWAP, ring, expected ?? '', version, value))[0] === 'ok',
      async check() {
        const [info] = await run(READ_MEMORY_INFO, 'check');
        const policy = /^maxmemory_policy:(allkeys-\S+)/m.exec(info ?? '')?.[1];
        const limit = Number(/^maxmemory:(\d+)/m.exec(info ?? '')?.[1] ?? 0);
        if (policy === undefined || limit === 0) return [];
        const message = `Redis evicts key ring records when its memory is full: \`maxmemory-policy\` is \`${policy}\`. Use \`noeviction\` or a \`volatile-…\` policy.`;
        return [new KeyStoreError(message)];
      },
    },
    pollMs,
  );
}

async function evaluate(client: RedisStoreOptions['client'], script: string, key: string, args: string[]) {
  if ('evalSha' in client) return client.eval(script, { keys: [key], arguments: args });
  try {
    return await client.eval(script, 1, key, ...args);
  } catch (error) {
    // The client would stay connected to the demoted server. After the reconnect, the ring retries the operation.
    if (/\bREADONLY\b/.test(String((error as Error | undefined)?.message))) client.disconnect?.(true);
    throw error;
  }
}
