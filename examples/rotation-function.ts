/**
 * Rotates a key in serverless functions. `fetch` responds to requests with a model's reply; the platform's schedule
 * calls `scheduled`, which reconciles the ring. An instance keeps its ring between requests and reads the store at most
 * every 30 seconds.
 *
 * Schedule it every 5 to 60 minutes, and run it once after the first deployment. Until then, there is no key.
 *
 * Set the environment variables DATABASE_URL, DRUN_ACCESS_TOKEN and DRUN_ENCRYPTION_KEY (`openssl rand -base64 32`). On
 * AWS, use `dynamodbStore` instead of PostgreSQL.
 */
import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';
import { postgresStore } from 'drun-sdk/rotation/postgres';
import pg from 'pg';

interface Env {
  readonly DATABASE_URL: string;
  readonly DRUN_ACCESS_TOKEN: string;
  readonly DRUN_ENCRYPTION_KEY: string;
}

interface Instance {
  readonly ring: KeyRing;
  readonly chat: ChatClient;
}

let instance: Instance | undefined;

/** Creates the instance on the first request. A new ring for each request would read the store every time. */
function instanceOf({ DATABASE_URL, DRUN_ACCESS_TOKEN, DRUN_ENCRYPTION_KEY }: Env): Instance {
  if (instance) return instance;
  const pool = new pg.Pool({
    connectionString: DATABASE_URL,
    max: 2,
    connectionTimeoutMillis: 5_000,
    allowExitOnIdle: true,
  });
  pool.on('error', (error) => console.warn(error.message)); // an idle connection was lost
  const ring = new KeyRing({
    name: 'checkout',
    manager: new ApiKeys({ accessToken: DRUN_ACCESS_TOKEN }),
    verifier: keyVerifier(), // checks whether the service accepts a key; costs no tokens
    store: postgresStore({ query: (text, values) => pool.query(text, values), createTable: true }),
    encryptionKey: DRUN_ENCRYPTION_KEY,
  });
  ring.on('error', ({ error }) => console.warn(error));
  instance = { ring, chat: new ChatClient({ apiKey: ring }) };
  return instance;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { chat } = instanceOf(env);
    const { choices } = await chat.complete(
      { model: 'public/deepseek-r1', messages: [{ role: 'user', content: await request.text() }] },
      { signal: request.signal },
    );
    return new Response(choices[0].message.content);
  },

  async scheduled(_event: unknown, env: Env): Promise<void> {
    await instanceOf(env).ring.reconcile();
  },
};
