/*
 * A program that uses the types of the entry points. It uses no platform-specific globals, because `types.ts` also
 * compiles it without the types of any platform.
 */
import {
  type ApiKey,
  ApiKeys,
  ChatClient,
  type ChatRequest,
  isDrunError,
  Secret,
  WorkspaceApiKeys,
} from 'drun-sdk';
import type { ApiKeysOptions } from 'drun-sdk/api-keys';
import { type ChatClientOptions, type ChatStream, keyVerifier } from 'drun-sdk/chat';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';
import { type DrunErrorCode, RateLimitError } from 'drun-sdk/errors';
import { KeyRing, type KeyStore, memoryStore } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';
import { kubernetesSecretStore } from 'drun-sdk/rotation/kubernetes';
import { postgresStore } from 'drun-sdk/rotation/postgres';
import { redisStore } from 'drun-sdk/rotation/redis';
import { redact } from 'drun-sdk/secret';

/** A type as users write it, without an index signature. */
interface OwnRequest {
  model: string;
  messages: { role: 'user'; content: string }[];
  temperature?: number;
}

export async function chat(request: OwnRequest, options: ChatClientOptions): Promise<string | null> {
  const secret = new Secret('sk-key');
  const client = new ChatClient({ ...options, apiKey: async () => secret });
  const stream: ChatStream = client.stream(request, { idleTimeoutMs: 1000 });
  for await (const text of stream.textStream) redact(text, [secret]);
  const { data, response } = await client.complete(request, { timeoutMs: 1000 }).withResponse();
  const status: number = response.status;
  const sent: ChatRequest = {
    model: 'm',
    messages: [...request.messages, data.choices[0].message],
    top_k: status,
  };
  // @ts-expect-error a misspelled field
  await client.complete({ model: 'm', messages: [], temprature: 1 });
  const completion = await client.complete(sent);
  return completion.choices[0].message.content;
}

export async function manageKeys(options: ApiKeysOptions): Promise<ApiKey | undefined> {
  const keys = new ApiKeys(options);
  const { secret } = await keys.create({ name: 'checkout', expiresAt: new Date() });
  for await (const key of keys.list({ search: secret.masked })) return key;
  return new WorkspaceApiKeys({ ...options, workspace: 12 }).disable('1');
}

export async function rotate(store: KeyStore): Promise<Secret> {
  const ring = new KeyRing({
    name: 'checkout',
    manager: new ApiKeys(),
    verifier: keyVerifier({ region: 'sh-02' }),
    store,
    encryptionKey: 'bm90IGEga2V5',
  });
  await ring.reconcile();
  return ring.getKey();
}

export const stores = { memoryStore, fileStore, kubernetesSecretStore, postgresStore, redisStore };

export async function emulate(): Promise<string> {
  const server = await serve(createEmulator({ maxKeys: 5 }), { port: 0 });
  return server.url;
}

export function codeOf(error: unknown): DrunErrorCode | number | undefined {
  if (error instanceof RateLimitError) return error.retryAfterMs;
  return isDrunError(error) ? error.code : undefined;
}
