/**
 * A Cloudflare Worker that streams a model's reply and rotates its API key every 30 days. A Durable Object stores the
 * ring's record, because Workers KV does not support conditional updates.
 *
 *   # wrangler.toml
 *   main = "cloudflare-worker.js"
 *   compatibility_date = "2026-07-01"
 *   triggers = { crons = ["0,15,30,45 * * * *"] }
 *   durable_objects = { bindings = [{ name = "RECORDS", class_name = "RecordObject" }] }
 *   migrations = [{ tag = "v1", new_sqlite_classes = ["RecordObject"] }]
 *
 *   npx wrangler secret put DRUN_ACCESS_TOKEN
 *   npx wrangler secret put DRUN_ENCRYPTION_KEY   # openssl rand -base64 32
 */
import { DurableObject } from 'cloudflare:workers';
import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';

/** Stores the record of one ring. `compareAndSwap` runs in a transaction, so concurrent updates cannot interleave. */
export class RecordObject extends DurableObject {
  async get() {
    return (await this.ctx.storage.get('record')) ?? null;
  }

  async compareAndSwap(expected, value) {
    const version = crypto.randomUUID();
    return this.ctx.storage.transaction(async (storage) => {
      const record = await storage.get('record');
      if ((record?.version ?? null) !== expected) return { ok: false };
      await storage.put('record', { value, version });
      return { ok: true, version };
    });
  }
}

/** Returns a `KeyStore` that keeps each ring's record in a separate Durable Object. */
function durableObjectStore(namespace) {
  const objectOf = (ring) => namespace.get(namespace.idFromName(ring));
  return {
    get: (ring) => objectOf(ring).get(),
    compareAndSwap: (ring, expected, value) => objectOf(ring).compareAndSwap(expected, value),
  };
}

let instance;

/** Creates the instance on the first request and keeps it for the lifetime of the isolate. */
function getInstance(env) {
  if (instance) return instance;
  const ring = new KeyRing({
    name: 'checkout',
    manager: new ApiKeys({ accessToken: env.DRUN_ACCESS_TOKEN }),
    verifier: keyVerifier(),
    store: durableObjectStore(env.RECORDS),
    encryptionKey: env.DRUN_ENCRYPTION_KEY,
  });
  ring.on('error', ({ error }) => console.error(error));
  instance = { ring, chat: new ChatClient({ apiKey: ring }) };
  return instance;
}

export default {
  async fetch(request, env) {
    const { chat } = getInstance(env);
    const { messages } = await request.json();
    const stream = chat.stream({ model: 'public/deepseek-r1', messages }, { signal: request.signal });
    try {
      await stream.opened;
    } catch (error) {
      console.error(error);
      return new Response('The model is not available.', { status: 502 });
    }
    return stream.toResponse({ onError: (error) => console.error(error) });
  },

  async scheduled(_event, env) {
    await getInstance(env).ring.reconcile();
  },
};
