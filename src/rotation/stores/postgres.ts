import { ConfigurationError, KeyStoreError } from '../../errors/index.ts';
import { checkOptions, invalid } from '../../errors/invalid.ts';
import { codeOf } from '../safe-cause.ts';
import { checkFunction, type KeyStore, type StoredRecord, storeFrom } from './store.ts';

/** Options for {@link postgresStore}. */
export interface PostgresStoreOptions {
  /**
   * Runs one statement on the primary server, outside of a transaction: `(text, values) => pool.query(text, values)`
   * for `pg`, or `async (text, values) => ({ rows: await sql.unsafe(text, values) })` for postgres.js.
   */
  readonly query: (text: string, values: string[]) => Promise<{ readonly rows: readonly unknown[] }>;
  /** Case-sensitive name of the table, with or without a schema: `My-App.key_rings`. @defaultValue 'drun_key_rings' */
  readonly table?: string | undefined;
  /** Creates the table if it is missing. Requires permission to create tables. @defaultValue false */
  readonly createTable?: boolean | undefined;
  /** Interval at which `watch` polls, in milliseconds. @defaultValue 5_000 */
  readonly pollMs?: number | undefined;
}

/** One or two identifiers, which may be quoted. Statements always quote them. */
const TABLE = /^(?:("?)([^."\p{Cc}]{1,63})\1\.)?("?)([^."\p{Cc}]{1,63})\3$/u;

/** SQLSTATE codes. Clients set them as the `code` of their errors. */
const SERIALIZATION_FAILURE = '40001';
const UNDEFINED_TABLE = '42P01';
/** Error codes of `CREATE TABLE IF NOT EXISTS` if another session creates the table at the same time. */
const ALREADY_CREATED: readonly unknown[] = ['23505', '42P07', '42710'];

/** Maximum number of attempts per statement. A serialization failure means that another client's update succeeded. */
const MAX_ATTEMPTS = 20;

/**
 * Creates a store that keeps its records in a PostgreSQL table and uses the caller's client.
 *
 * Every operation is a single statement, safe at every isolation level and behind PgBouncer. Values are passed as
 * parameters. Updates are durable if the server commits to disk before it responds (`synchronous_commit`, the default).
 *
 * @throws {ConfigurationError} If an option is invalid. Methods reject with the client's errors.
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
  checkOptions(options, ['query', 'table', 'createTable', 'pollMs'], 'postgresStore()');
  const { query, table = 'drun_key_rings', createTable = false, pollMs = 5_000 } = options;
  checkFunction(query, 'query');
  const [, , schema, , name] = (typeof table === 'string' && TABLE.exec(table)) || [];
  if (name === undefined) {
    throw invalid('table', 'must be an identifier of 1 to 63 characters, optionally with a schema and a dot');
  }
  const sql = statements(schema === undefined ? `"${name}"` : `"${schema}"."${name}"`);

  const run = async (text: string, values: string[]): Promise<readonly unknown[]> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return rowsOf(await query(text, values));
      } catch (error) {
        const isMissing = createTable && codeOf(error) === UNDEFINED_TABLE && attempt === 1;
        const isRetryable = isMissing || codeOf(error) === SERIALIZATION_FAILURE;
        if (!isRetryable || attempt === MAX_ATTEMPTS) throw error;
        if (isMissing) await query(sql.createTable, []).catch(unlessCreated);
      }
    }
  };
  const get = async (ring: string): Promise<StoredRecord | null> => {
    const [row] = await run(sql.read, [ring]);
    return row === undefined ? null : { value: textOf(row, 'value'), version: textOf(row, 'version') };
  };

  return storeFrom(
    {
      get,
      async swap(ring, expected, version, value) {
        if (expected === null) return (await run(sql.create, [ring, version, value])).length > 0;
        if ((await run(sql.replace, [ring, version, value, expected])).length > 0) return true;
        // If row-level security has no policy for UPDATE, reads find the row, but updates do not.
        if ((await get(ring))?.version !== expected) return false;
        throw new KeyStoreError(
          `PostgreSQL did not update the row of ring \`${ring}\`, although its version matches. Check that row-level security has a policy for UPDATE and that no trigger or rule suppresses the update.`,
        );
      },
    },
    pollMs,
  );
}

/** Returns the statements. If a client loses the connection and retries an update, the retry finds its own version. */
function statements(name: string) {
  return {
    createTable: `CREATE TABLE IF NOT EXISTS ${name} (
      ring text PRIMARY KEY,
      version text NOT NULL,
      value text NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now()
    )`,
    read: `SELECT version, value FROM ${name} WHERE ring = $1`,
    create: `INSERT INTO ${name} AS record (ring, version, value) VALUES ($1, $2, $3)
      ON CONFLICT (ring) DO UPDATE SET value = excluded.value WHERE record.version = excluded.version
      RETURNING version`,
    replace: `UPDATE ${name} SET version = $2, value = $3, updated_at = now()
      WHERE ring = $1 AND version IN ($4, $2)
      RETURNING version`,
  };
}

function rowsOf(result: { readonly rows: readonly unknown[] } | undefined): readonly unknown[] {
  if (Array.isArray(result?.rows)) return result.rows;
  throw invalid(
    'query',
    'must return an object with `rows`, as pg does; for postgres.js: `async (text, values) => ({ rows: await sql.unsafe(text, values) })`',
  );
}

function textOf(row: unknown, column: 'value' | 'version'): string {
  const text = (row as Readonly<Record<string, unknown>> | null)?.[column];
  if (typeof text === 'string') return text;
  if (typeof text === 'object' && text !== null) {
    const message = `The column \`${column}\` must have the type \`text\`. \`json\` and \`jsonb\` columns do not preserve a record exactly.`;
    throw new ConfigurationError(message, { option: 'table' });
  }
  throw invalid('query', 'must return rows as objects that map column names to strings');
}

function unlessCreated(error: unknown): void {
  if (!ALREADY_CREATED.includes(codeOf(error))) throw error;
}
