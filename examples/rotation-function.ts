/**
 * Rotation in a function: the handler answers requests with a model's answer, and the platform's schedule looks after the
 * key. An instance keeps its ring from one request to the next, and asks the store again at most every 30 seconds, beside
 * a request; instances come and go as they like.
 *
 * Let the schedule run every few minutes to every hour, and once after the first deployment: until then there is no key,
 * and requests wait 30 seconds and fail. Where the platform schedules addresses, lead one to `scheduled`, behind a secret.
 *
 * Prints nothing; a POST is answered with the text of the answer. The environment has DATABASE_URL, DRUN_ACCESS_TOKEN and
 * DRUN_ENCRYPTION_KEY (`openssl rand -base64 32`).
 */
import { ApiKeys, ChatClient } from 'drun-sdk';
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

/** Made with the first request: a ring that is made for each one asks the store for each one. */
function instanceOf({ DATABASE_URL, DRUN_ACCESS_TOKEN, DRUN_ENCRYPTION_KEY }: Env): Instance {
  if (instance) return instance;
  const pool = new pg.Pool({
    connectionString: DATABASE_URL,
    max: 2,
    connectionTimeoutMillis: 5_000,
    allowExitOnIdle: true,
  });
  pool.on('error', (error) => console.warn(error.message)); // a connection that broke while nobody used it
  const ring = new KeyRing({
    name: 'checkout',
    manager: new ApiKeys({ accessToken: DRUN_ACCESS_TOKEN }),
    verifier: {
      async verify(apiKey, { signal }) {
        const check = await new ChatClient({ apiKey }).checkKey({ signal, maxRetries: 0 });
        return check.accepted ? { accepted: true, models: [] } : check;
      },
    },
    store: postgresStore({ query: (text, values) => pool.query(text, values), createTable: true }),
    encryptionKey: DRUN_ENCRYPTION_KEY,
  });
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
