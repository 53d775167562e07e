import { ApiKeys as ApiKeysOfRoot, AuthenticationError, DrunError, isDrunError, Secret } from 'drun-sdk';
import { ApiKeys } from 'drun-sdk/api-keys';
import { ChatClient, keyVerifier } from 'drun-sdk/chat';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import * as errors from 'drun-sdk/errors';
import { KeyRing, memoryStore, openCurrentKey } from 'drun-sdk/rotation';
import * as secret from 'drun-sdk/secret';

/** `serve` from `drun-sdk/emulator/node`. A parameter, because this module also runs without Node. */
export type Serve = (emulator: Emulator) => Promise<AsyncDisposable & { readonly url: string }>;

/**
 * Uses the package on any platform: creates a key, chats with it, deletes it, and checks that the service rejects it.
 * Then lets a ring create keys, chats with them, and rotates and revokes them.
 *
 * @throws {Error} If an expectation is not met. The message names the expectation.
 */
export async function consume(serve?: Serve): Promise<void> {
  expect('all entry points export the same ApiKeys', ApiKeys === ApiKeysOfRoot);
  expect('all entry points export the same Secret', Secret === secret.Secret);
  expect('all entry points export the same isDrunError', isDrunError === errors.isDrunError);

  const emulator = createEmulator({ maxKeys: 2 });
  const inProcess = { baseUrl: 'http://127.0.0.1', fetch: emulator.fetch };
  await roundTrip(emulator, inProcess);
  await rotation(emulator, inProcess);
  const page = await emulator.fetch('http://127.0.0.1/_emulator/');
  expect('the emulator serves its dashboard', (await page.text()).includes('API Key Management'));

  if (!serve) return;
  const server = await serve(emulator);
  try {
    await roundTrip(emulator, { baseUrl: server.url });
    await rotation(emulator, { baseUrl: server.url });
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

interface Service {
  readonly baseUrl: string;
  readonly fetch?: Emulator['fetch'];
}

const request = {
  model: 'public/deepseek-r1',
  messages: [{ role: 'user', content: 'Hello!' }],
} as const;

async function roundTrip({ accessToken }: Emulator, service: Service): Promise<void> {
  const keys = new ApiKeys({ accessToken, ...service });
  const created = await keys.create({ name: 'smoke' });
  expect('the key is a Secret', created.secret instanceof secret.Secret);
  expect('JSON does not contain the key', !JSON.stringify(created).includes(created.secret.reveal()));

  const chat = new ChatClient({ apiKey: created.secret, ...service });
  const completion = await chat.complete(request);
  expect('the model replies', completion.choices[0]?.message.content === 'Hello!');

  await keys.delete(created.id);
  const rejection = await chat.complete(request).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect('a deleted key is rejected', rejection instanceof AuthenticationError);
  expect(
    'the rejection is an AuthenticationError from drun-sdk/errors',
    rejection instanceof errors.AuthenticationError,
  );
  expect('the rejection is a DrunError', rejection instanceof DrunError && errors.isDrunError(rejection));
  expect('the rejection does not contain the key', !String(rejection).includes(created.secret.reveal()));
}

async function rotation({ accessToken, keys }: Emulator, service: Service): Promise<void> {
  const store = memoryStore();
  const encryptionKey = crypto.getRandomValues(new Uint8Array(32));
  await using ring = new KeyRing({
    name: 'smoke',
    manager: new ApiKeys({ accessToken, ...service }),
    verifier: keyVerifier(service),
    store,
    encryptionKey,
    gracePeriodMs: 1,
  });
  const chat = new ChatClient({ apiKey: ring, ...service });

  const { current: first, standby } = await ring.reconcile();
  expect('a ring creates a key and a standby', first !== undefined && standby !== undefined);
  await chat.complete(request);
  const { current: second } = await ring.rotate();
  expect('the standby becomes the current key', second?.id === standby?.id);
  const completion = await chat.complete(request);
  expect(
    'the model replies to a request with a ring key',
    completion.choices[0]?.message.content === 'Hello!',
  );

  const record = await store.get('smoke');
  const current = await openCurrentKey('smoke', record?.value ?? '', { encryptionKey });
  expect('the record contains the encrypted key', current?.equals(await ring.getKey()) === true);
  expect(
    'the record does not contain the key in plain text',
    !record?.value.includes(current?.reveal() ?? ''),
  );

  const { ready } = await ring.revoke('all');
  expect('a ring creates new keys after all keys were revoked', ready);
  await chat.complete(request);
  for (const { id } of [...keys]) keys.delete(id);
}

function expect(expectation: string, isMet: boolean): void {
  if (!isMet) throw new Error(`Expectation not met: ${expectation}.`);
}
