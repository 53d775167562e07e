import { ConfigurationError } from '../../errors/index.ts';
import type { KeyStore } from '../key-store.ts';
import { checkFunction, checkRing, checkSwap, validMilliseconds } from './arguments.ts';
import { pollVersion } from './polling.ts';
import { isVersion, newVersion } from './version.ts';

/** What {@link postgresStore} is told. */
export interface PostgresStoreOptions {
  /**
   * Runs one statement on the primary server, outside of any transaction: `(text, values) => pool.query(text, values)` of
   * `pg`, or `async (text, values) => ({ rows: await sql.unsafe(text, values) })` of postgres.js.
   */
  readonly query: (text: string, values: string[]) => Promise<{ readonly rows: readonly unknown[] }>;
  /** The table, after its schema where it needs one: `key_rings`, `app.key_rings`. Default: `drun_key_rings`. */
  readonly table?: string | undefined;
  /**
   * Makes the table when a statement finds that there is none. Needs the right to make tables; with a role that has no
   * such right, make it beforehand. Default: false.
   */
  readonly createTable?: boolean | undefined;
  /** How often `watch` looks for a change, in milliseconds. Default: 5,000. */
  readonly pollMs?: number | undefined;
}

/** Lower case only: quoted or not, such a name is the same one. */
const TABLE = /^(?:[a-z_][a-z\d_]{0,62}\.)?[a-z_][a-z\d_]{0,62}$/;

/** PostgreSQL's codes for what went wrong: SQLSTATE, which the clients put on their errors. */
const SERIALIZATION_FAILURE = '40001';
const UNDEFINED_TABLE = '42P01';
/** What `CREATE TABLE IF NOT EXISTS` fails with where somebody else makes the table at the same moment. */
const ALREADY_CREATED = ['23505', '42P07', '42710'];

/** Every failure of this kind is another client's success, so even the unluckiest one comes through. */
const MOST_ATTEMPTS = 20;

/**
 * Makes a store in a table of PostgreSQL, over a client of yours: for services that have a database already.
 *
 * Every call is one statement, safe at every isolation level; values travel as parameters. Strong as long as the
 * server commits to its disk before it answers (`synchronous_commit`, on by default).
 *
 * @throws ConfigurationError that names the option that is wrong. Later, a method rejects with what the client throws.
 *
 * @example
 * ```ts
 * import { postgresStore } from 'drun-sdk/rotation/postgres';
 * import pg from 'pg';
 *
 * const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
 * const store = postgresStore({ query: (text, values) => pool.query(text, values), createTable: true });
 * ```
 */
export function postgresStore(options: PostgresStoreOptions): KeyStore {
  const { query, table = 'drun_key_rings', createTable = false } = options;
  checkFunction(query, 'query');
  if (typeof table !== 'string' || !TABLE.test(table)) {
    throw new ConfigurationError(
      'table must be a name of a to z, 0 to 9 and _ with at most 63 characters, after its schema and a dot or without',
      { option: 'table' },
    );
  }
  const pollMs = validMilliseconds(options.pollMs ?? 5_000, 'pollMs');
  const sql = statements(table);

  const run = async (text: string, values: string[]): Promise<readonly unknown[]> => {
    let mayCreate = createTable;
    for (let attempt = 1; ; attempt++) {
      try {
        return rowsOf(await query(text, values));
      } catch (error) {
        const code = codeOf(error);
        if (code === UNDEFINED_TABLE && mayCreate) {
          mayCreate = false;
          await create();
        } else if (code !== SERIALIZATION_FAILURE || attempt === MOST_ATTEMPTS) {
          throw error;
        }
      }
    }
  };

  const create = async (): Promise<void> => {
    try {
      await query(sql.createTable, []);
    } catch (error) {
      if (!ALREADY_CREATED.includes(codeOf(error))) throw error;
    }
  };

  return {
    durability: 'strong',
    async get(ring) {
      checkRing(ring);
      const [row] = await run(sql.read, [ring]);
      return row === undefined ? null : { value: textOf(row, 'value'), version: textOf(row, 'version') };
    },
    async compareAndSwap(ring, expected, value) {
      checkSwap(ring, expected, value);
      if (expected !== null && !isVersion(expected)) return { ok: false };
      const version = newVersion();
      const rows =
        expected === null
          ? await run(sql.create, [ring, version, value])
          : await run(sql.replace, [ring, version, value, expected]);
      return rows.length > 0 ? { ok: true, version } : { ok: false };
    },
    watch(ring, changed) {
      checkRing(ring);
      checkFunction(changed, 'changed');
      const readVersion = async (): Promise<string | null> => {
        const [row] = await run(sql.readVersion, [ring]);
        return row === undefined ? null : textOf(row, 'version');
      };
      return pollVersion(readVersion, pollMs, changed);
    },
  };
}

/**
 * The comparison and the swap are one statement each. A statement that is repeated, by a client that lost its connection,
 * finds its own version and has succeeded, instead of being refused by itself.
 */
function statements(table: string) {
  const name = table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
  return {
    createTable: `CREATE TABLE IF NOT EXISTS ${name} (
      ring text PRIMARY KEY,
      version text NOT NULL,
      value text NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now()
    )`,
    read: `SELECT version, value FROM ${name} WHERE ring = $1`,
    readVersion: `SELECT version FROM ${name} WHERE ring = $1`,
    create: `INSERT INTO ${name} AS record (ring, version, value) VALUES ($1, $2, $3)
      ON CONFLICT (ring) DO UPDATE SET value = excluded.value WHERE record.version = excluded.version
      RETURNING version`,
    replace: `UPDATE ${name} SET version = $2, value = $3, updated_at = now()
      WHERE ring = $1 AND version IN ($4, $2)
      RETURNING version`,
  };
}

function rowsOf(result: { readonly rows: readonly unknown[] } | undefined): readonly unknown[] {
  if (!Array.isArray(result?.rows)) {
    throw new ConfigurationError(
      'query must give an object with rows, as pg does; of postgres.js: async (text, values) => ({ rows: await sql.unsafe(text, values) })',
      { option: 'query' },
    );
  }
  return result.rows;
}

function textOf(row: unknown, column: 'value' | 'version'): string {
  const text = (row as Readonly<Record<string, unknown>> | null)?.[column];
  if (typeof text !== 'string') {
    throw new ConfigurationError('query must give rows that are objects, with texts by their columns', {
      option: 'query',
    });
  }
  return text;
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | null | undefined)?.code);
}
