import type { KeyStore } from 'drun-sdk/rotation';
import { type PostgresStoreOptions, postgresStore } from 'drun-sdk/rotation/postgres';
import { type RedisStoreOptions, redisStore } from 'drun-sdk/rotation/redis';
import type { Cluster, Redis } from 'ioredis';
import type { Client, Pool, PoolClient } from 'pg';
import type { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { expectTypeOf, test } from 'vitest';

declare const pg: { readonly pool: Pool; readonly client: Client; readonly poolClient: PoolClient };
/** The part of postgres.js that is used. */
declare const sql: {
  unsafe<Row extends readonly unknown[]>(text: string, values?: (string | number | null)[]): Promise<Row>;
};

test('clients of pg are accepted', () => {
  expectTypeOf(
    postgresStore({ query: (text, values) => pg.pool.query(text, values) }),
  ).toEqualTypeOf<KeyStore>();
  postgresStore({ query: (text, values) => pg.client.query(text, values) });
  postgresStore({ query: (text, values) => pg.poolClient.query(text, values) });
});

test('postgres.js is accepted with a one-line adapter', () => {
  postgresStore({ query: async (text, values) => ({ rows: await sql.unsafe(text, values) }) });
  // @ts-expect-error: returns an array
  postgresStore({ query: (text, values) => sql.unsafe(text, values) });
});

test('`query` is required', () => {
  // @ts-expect-error: the query is missing
  postgresStore({});
  expectTypeOf<PostgresStoreOptions['table']>().toEqualTypeOf<string | undefined>();
});

test('clients of ioredis and node-redis are accepted', () => {
  expectTypeOf<Redis>().toExtend<RedisStoreOptions['client']>();
  expectTypeOf<Cluster>().toExtend<RedisStoreOptions['client']>();
  expectTypeOf<ReturnType<typeof createClient>>().toExtend<RedisStoreOptions['client']>();
  expectTypeOf<ReturnType<typeof createClientPool>>().toExtend<RedisStoreOptions['client']>();
  expectTypeOf<ReturnType<typeof createCluster>>().toExtend<RedisStoreOptions['client']>();
  expectTypeOf<ReturnType<typeof createSentinel>>().toExtend<RedisStoreOptions['client']>();
});

test('other objects are not accepted as Redis clients', () => {
  // @ts-expect-error: a URL
  redisStore({ client: 'redis://127.0.0.1' });
  // @ts-expect-error: has no eval
  redisStore({ client: new Map() });
});
