import { setTimeout } from 'node:timers/promises';
import { keyVerifier } from 'drun-sdk';
import { Redis } from 'ioredis';
import pg from 'pg';
import { ApiKeys } from '../../src/api-keys/index.ts';
import { type Clock, KeyRing, type KeyStore } from '../../src/rotation/index.ts';
import { fileStore } from '../../src/rotation/stores/file.ts';
import { type PostgresStoreOptions, postgresStore } from '../../src/rotation/stores/postgres.ts';
import { redisStore } from '../../src/rotation/stores/redis.ts';

/** Location of the store that all processes share. */
export type StoreAddress =
  | { readonly kind: 'postgres'; readonly port: number }
  | { readonly kind: 'redis'; readonly port: number }
  | { readonly kind: 'file'; readonly path: string };

/** Configuration of a process. */
export interface RunConfig {
  /** URL of the service. */
  readonly url: string;
  readonly accessToken: string;
  readonly store: StoreAddress;
  /** Base64-encoded. */
  readonly encryptionKey: string;
}

/**
 * The timeouts are long enough for a busy machine. The service's clock is real: a rotation takes about 7 seconds, and
 * a takeover 30.
 */
const TIMES = {
  gracePeriodMs: 1_500,
  refreshMs: 100,
  leaseMs: 20_000,
  createTimeoutMs: 3_000,
  storeTimeoutMs: 100_000,
};

/** A clock whose waits are ten times as short. */
const fastClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  sleep: (ms, signal, { background = false } = {}) =>
    setTimeout(ms / 10, undefined, { signal, ref: !background }),
};

/** Creates the ring of a process that only reads. */
export function newReaderRing(encryptionKey: string, store: KeyStore): KeyRing {
  return new KeyRing({ name: 'checkout', store, encryptionKey, ...TIMES });
}

/** Creates the ring of a process that rotates. */
export function newRotatorRing(
  { url: baseUrl, accessToken, encryptionKey }: RunConfig,
  store: KeyStore,
): KeyRing {
  return new KeyRing({
    name: 'checkout',
    manager: new ApiKeys({ accessToken, baseUrl }),
    verifier: keyVerifier({ baseUrl }),
    store,
    encryptionKey,
    clock: fastClock,
    ...TIMES,
  });
}

/** A store with a function that closes its connections. */
export interface OpenStore {
  readonly store: KeyStore;
  readonly close: () => Promise<unknown>;
}

export function openStore(address: StoreAddress): OpenStore {
  switch (address.kind) {
    case 'postgres': {
      const pool = new pg.Pool({
        host: '127.0.0.1',
        port: address.port,
        user: 'drun',
        database: 'postgres',
        max: 2,
      });
      const query: PostgresStoreOptions['query'] = (text, values) => pool.query(text, values);
      return { store: postgresStore({ query, createTable: true }), close: () => pool.end() };
    }
    case 'redis': {
      const client = new Redis({ host: '127.0.0.1', port: address.port });
      return { store: redisStore({ client }), close: () => client.quit() };
    }
    case 'file':
      return { store: fileStore({ path: address.path }), close: async () => {} };
  }
}
