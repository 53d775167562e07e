import { readFileSync } from 'node:fs';
import { ConfigurationError, KeyStoreError } from 'drun-sdk/errors';
import { type PostgresStoreOptions, postgresStore } from 'drun-sdk/rotation/postgres';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import { type PostgresServer, postgresSkipNote, startPostgres } from '../../support/postgres.ts';
import { serverSetup } from './server-setup.ts';
import { newRing, testServerFailures, testStoreContract, updated } from './store-contract.ts';

const timeout = 60_000;

function newPool(port: number, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port,
    user: 'drun',
    database: 'postgres',
    max: 3,
    ...options,
  });
  // Without a listener, an error of an idle connection ends the process.
  pool.on('error', () => {});
  return pool;
}

function newStore(pool: pg.Pool, options: Partial<PostgresStoreOptions> = {}) {
  const query: PostgresStoreOptions['query'] = (text, values) => pool.query(text, values);
  return postgresStore({ query, createTable: true, pollMs: 20, ...options });
}

describe.skipIf(postgresSkipNote)(`postgresStore${postgresSkipNote}`, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, timeout);
  afterAll(() => server?.close(), timeout);

  const setupOf = (isolation: string) => async () => {
    const pool = newPool(server.port, {
      max: 8,
      options: `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`,
    });
    return { open: () => newStore(pool), close: () => pool.end() };
  };

  describe.each(['read committed', 'repeatable read', 'serializable'])(
    'at the isolation level %s',
    (isolation) => {
      testStoreContract(setupOf(isolation), { runs: 60 });

      test('is set for its connections', { timeout }, async () => {
        const pool = newPool(server.port, {
          options: `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`,
        });
        onTestFinished(() => pool.end());

        const { rows } = await pool.query('SHOW transaction_isolation');

        expect(rows).toEqual([{ transaction_isolation: isolation }]);
      });
    },
  );

  describe('during server failures', { timeout }, () => {
    testServerFailures(async () =>
      serverSetup(
        await startPostgres(),
        async (port) => {
          const pool = newPool(port);
          return { store: newStore(pool), close: () => pool.end() };
        },
        /INSERT|UPDATE/,
      ),
    );
  });

  describe('the table', { timeout }, () => {
    test('is created once by concurrent clients', async () => {
      const pool = newPool(server.port, { max: 10 });
      onTestFinished(() => pool.end());
      const ring = newRing();

      for (const table of ['first_race', 'second_race', 'third_race']) {
        const stores = Array.from({ length: 10 }, () => newStore(pool, { table }));
        const updates = await Promise.all(
          stores.map((store) => store.compareAndSwap(ring, null, 'a record')),
        );
        expect(updates.filter(({ ok }) => ok)).toHaveLength(1);
      }
    });

    test('can be in a schema, and can have the name of a SQL keyword', async () => {
      const pool = newPool(server.port);
      onTestFinished(() => pool.end());
      await pool.query('CREATE SCHEMA "order"');
      const store = newStore(pool, { table: 'order.select' });
      const ring = newRing();

      await updated(store.compareAndSwap(ring, null, 'a record'));

      expect((await pool.query('SELECT ring FROM "order"."select"')).rows).toEqual([{ ring }]);
    });

    test.each([
      ['My-App.key-rings', '"My-App"."key-rings"'],
      ['"My App".KeyRings', '"My App"."KeyRings"'],
    ])('can have the name %s', async (table, name) => {
      const pool = newPool(server.port);
      onTestFinished(() => pool.end());
      await pool.query(`CREATE SCHEMA IF NOT EXISTS ${name.split('.')[0]}`);
      const store = newStore(pool, { table });
      const ring = newRing();

      await updated(store.compareAndSwap(ring, null, 'a record'));

      expect((await pool.query(`SELECT ring FROM ${name}`)).rows).toEqual([{ ring }]);
    });

    test('causes an error that mentions row-level security if it has no policy for UPDATE', async () => {
      const pool = newPool(server.port);
      onTestFinished(() => pool.end());
      const store = newStore(pool, { table: 'secured' });
      const ring = newRing();
      const version = await updated(store.compareAndSwap(ring, null, 'a record'));
      await pool.query(`CREATE ROLE reader LOGIN; GRANT SELECT, INSERT, UPDATE ON secured TO reader;
        ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
        CREATE POLICY readable ON secured FOR SELECT TO reader USING (true)`);
      const limited = newPool(server.port, { user: 'reader' });
      onTestFinished(() => limited.end());
      const query: PostgresStoreOptions['query'] = (text, values) => limited.query(text, values);

      const error = await rejectionOf(
        KeyStoreError,
        postgresStore({ query, table: 'secured' }).compareAndSwap(ring, version, 'another'),
      );

      expect(error.message).toContain('row-level security has a policy for UPDATE');
    });

    test('causes an error that mentions the column if its type is jsonb', async () => {
      const pool = newPool(server.port);
      onTestFinished(() => pool.end());
      await pool.query(
        'CREATE TABLE documents (ring text PRIMARY KEY, version text, value jsonb, updated_at timestamptz)',
      );
      const store = newStore(pool, { table: 'documents' });
      const ring = newRing();
      await updated(store.compareAndSwap(ring, null, '{"a": 1}'));

      const error = await rejectionOf(ConfigurationError, store.get(ring));

      expect(error.message).toContain('The column `value` must have the type `text`');
    });

    test('is not created without `createTable`', async () => {
      const pool = newPool(server.port);
      onTestFinished(() => pool.end());
      const store = newStore(pool, { table: 'not_asked_for', createTable: undefined });

      const errors = [
        await rejection(store.get(newRing())),
        await rejection(store.compareAndSwap(newRing(), null, 'a record')),
      ];

      expect(errors).toMatchObject([{ code: '42P01' }, { code: '42P01' }]);
    });

    test('can be created as documented, with the documented privileges', async () => {
      const owner = newPool(server.port);
      onTestFinished(() => owner.end());
      const docs = readFileSync(new URL('../../../docs/key-stores.md', import.meta.url), 'utf8');
      const [statements = ''] = /(?<=^```sql\n).*?(?=^```$)/ms.exec(docs) ?? [];
      await owner.query('CREATE ROLE checkout LOGIN');
      await owner.query('DROP TABLE IF EXISTS drun_key_rings');
      await owner.query(statements);
      const pool = newPool(server.port, { user: 'checkout' });
      onTestFinished(() => pool.end());
      const store = newStore(pool);
      const ring = newRing();

      const version = await updated(store.compareAndSwap(ring, null, 'a record'));
      await updated(store.compareAndSwap(ring, version, 'another'));

      expect((await store.get(ring))?.value).toBe('another');
    });

    test('causes the error of the client if it cannot be created', async () => {
      const pool = newPool(server.port);
      onTestFinished(() => pool.end());
      const store = newStore(pool, { table: 'nowhere.key_rings' });

      expect(await rejection(store.get(newRing()))).toMatchObject({ code: '3F000' });
    });
  });

  test('recognizes its own update if the client retries it', { timeout }, async () => {
    const pool = newPool(server.port);
    onTestFinished(() => pool.end());
    const store = newStore(pool, {
      async query(text, values) {
        await pool.query(text, values);
        return pool.query(text, values);
      },
    });
    const reader = newStore(pool);
    await reader.get(newRing());
    const ring = newRing();

    const first = await updated(store.compareAndSwap(ring, null, 'first'));
    expect(await reader.get(ring)).toEqual({ value: 'first', version: first });
    const second = await updated(store.compareAndSwap(ring, first, 'second'));
    expect(await reader.get(ring)).toEqual({ value: 'second', version: second });
    expect(await store.compareAndSwap(ring, first, 'third')).toEqual({ ok: false });
  });

  test('works with a single pg.Client', { timeout }, async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'drun',
      database: 'postgres',
    });
    await client.connect();
    onTestFinished(() => client.end());
    const store = postgresStore({ query: (text, values) => client.query(text, values), createTable: true });
    const ring = newRing();

    const updates = await Promise.all([
      store.compareAndSwap(ring, null, 'first'),
      store.compareAndSwap(ring, null, 'second'),
    ]);

    expect(updates.map(({ ok }) => ok)).toEqual([true, false]);
  });

  test('leaves a failed transaction to the caller that started it', {
    timeout,
  }, async () => {
    const pool = newPool(server.port);
    onTestFinished(() => pool.end());
    const ring = newRing();
    const version = await updated(newStore(pool).compareAndSwap(ring, null, 'before'));
    const client = await pool.connect();
    onTestFinished(() => client.release());
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('SELECT 1 FROM drun_key_rings');
    await updated(newStore(pool).compareAndSwap(ring, version, 'after'));

    const store = postgresStore({ query: (text, values) => client.query(text, values) });
    await rejection(store.compareAndSwap(ring, version, 'late'));

    await client.query('ROLLBACK');
    expect((await store.get(ring))?.value).toBe('after');
  });
});

describe('postgresStore, without a server', () => {
  const storeReturning = (result: unknown) =>
    postgresStore({ query: async () => result as { rows: unknown[] } });

  test('sends every value as a parameter', async () => {
    const sent: [string, string[]][] = [];
    const query = async (text: string, values: string[]) => {
      sent.push([text, values]);
      return { rows: [] };
    };
    const store = postgresStore({ query });
    const version = crypto.randomUUID();

    await store.get('checkout');
    await store.compareAndSwap('checkout', null, 'a secret');
    await store.compareAndSwap('checkout', version, 'a secret');

    expect(sent.map(([text]) => text).join()).not.toMatch(/checkout|a secret|[\da-f]{8}-/);
    expect(sent.map(([, values]) => values.length)).toEqual([1, 3, 4, 1]);
  });

  test('retries a statement after a serialization failure, up to a limit', async () => {
    const serializationFailure = Object.assign(new Error('could not serialize access'), { code: '40001' });
    const attempts: string[][] = [];
    const query = async (_: string, values: string[]): Promise<never> => {
      attempts.push(values);
      throw serializationFailure;
    };

    expect(await rejection(postgresStore({ query }).compareAndSwap('checkout', null, 'a'))).toBe(
      serializationFailure,
    );
    expect(attempts).toHaveLength(20);
    expect(new Set(attempts.map((values) => values.join())).size, 'distinct versions').toBe(1);
  });

  test.each([undefined, null, 'a text', new Error('an error without a code'), { code: 42 }])(
    'passes on %o, thrown by the client, unchanged',
    async (thrown) => {
      const store = postgresStore({
        query: async () => {
          throw thrown;
        },
      });

      expect(await rejection(store.get('checkout'))).toBe(thrown);
      expect(await rejection(store.compareAndSwap('checkout', null, 'a'))).toBe(thrown);
    },
  );

  test.each<[string, unknown]>([
    ['an array, as postgres.js does', [{ version: '1', value: 'a' }]],
    ['nothing', undefined],
    ['rows as arrays', { rows: [['1', 'a']] }],
    ['rows that are null', { rows: [null] }],
    ['columns with other names', { rows: [{ VERSION: '1', VALUE: 'a' }] }],
    ['columns that are not strings', { rows: [{ version: 1, value: 'a' }] }],
  ])('reports a wrong `query` function if it returns %s', async (_, result) => {
    const error = await rejectionOf(ConfigurationError, storeReturning(result).get('checkout'));

    expect(error.option).toBe('query');
  });

  test.each<[string, unknown]>([
    ['query', undefined],
    ['query', {}],
    ['table', ''],
    ['table', 'a.b.c'],
    ['table', 'a.'],
    ['table', 'rings"; DROP TABLE rings; --'],
    ['table', 'rings\n'],
    ['table', 'x'.repeat(64)],
    ['table', null],
    ['tableName', 'rings'],
    ['createTable', null],
    ['pollMs', 0],
  ])('rejects the %s %o', (option, value) => {
    const options = { query: async () => ({ rows: [] }), [option]: value } as PostgresStoreOptions;

    expect(thrownBy(ConfigurationError, () => postgresStore(options)).option).toBe(option);
  });
});
