import { setTimeout } from 'node:timers/promises';
import { keyVerifier } from 'drun-sdk';
import { Redis } from 'ioredis';
import pg from 'pg';
import { ApiKeys } from '../../src/api-keys/index.ts';
import { type Clock, KeyRing, type KeyStore } from '../../src/rotation/index.ts';
import { fileStore } from '../../src/rotation/stores/file.ts';
import { type PostgresStoreOptions, postgresStore } from '../../src/rotation/stores/postgres.ts';
import { redisStore } from '../../src/rotation/stores/redis.ts';

/** Where the record of the ring is: what a process is told, to open the same store as the others. */
export type StoreAddress =
  | { readonly kind: 'postgres'; readonly port: number }
  | { readonly kind: 'redis'; readonly port: number }
  | { readonly kind: 'file'; readonly path: string };

/** What every process of a run is told. */
export interface Surroundings {
  /** Of the service. */
  readonly url: string;
  readonly accessToken: string;
  readonly store: StoreAddress;
  /** In base64. */
  readonly encryptionKey: string;
}

/**
 * Grace period and store timeout are long enough for a busy machine. Leases and grace periods are in the service's time, which is
 * real here: a rotation takes some seven seconds, and a takeover thirty.
 */
const TIMES = {
  gracePeriodMs: 1_500,
  refreshMs: 100,
  leaseMs: 20_000,
  createTimeoutMs: 3_000,
  storeTimeoutMs: 100_000,
};

/** Waits a tenth of the time. */
const hasty: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  sleep: (ms, signal, { background = false } = {}) =>
    setTimeout(ms / 10, undefined, { signal, ref: !background }),
};

/** The ring of a process that only reads. */
export function readingRing(encryptionKey: string, store: KeyStore): KeyRing {
  return new KeyRing({ name: 'checkout', store, encryptionKey, ...TIMES });
}

/** The ring of a process that rotates. */
export function rotatingRing(
  { url: baseUrl, accessToken, encryptionKey }: Surroundings,
  store: KeyStore,
): KeyRing {
  return new KeyRing({
    name: 'checkout',
    manager: new ApiKeys({ accessToken, baseUrl }),
    verifier: keyVerifier({ baseUrl }),
    store,
    encryptionKey,
    clock: hasty,
    ...TIMES,
  });
}

/** A store, and what closes its connections. */
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
