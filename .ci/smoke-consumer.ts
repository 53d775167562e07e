import { ApiKeys as ApiKeysOfRoot, AuthenticationError, DrunError, isDrunError, Secret } from 'drun-sdk';
import { ApiKeys } from 'drun-sdk/api-keys';
import { ChatClient, keyVerifier } from 'drun-sdk/chat';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import * as errors from 'drun-sdk/errors';
import { KeyRing, memoryStore, openCurrentKey } from 'drun-sdk/rotation';
import * as secret from 'drun-sdk/secret';

/** What `drun-sdk/emulator/node` exports. Handed in, for it needs Node and this must run without. */
export type Serve = (emulator: Emulator) => Promise<AsyncDisposable & { readonly url: string }>;

/**
 * A program that uses the package, run by smoke.ts on every runtime: issues a key, chats with it, deletes it and
 * sees it refused; then lets a ring issue keys, chats with them, rotates and revokes.
 *
 * @throws Error that says what is wrong.
 */
export async function consume(serve?: Serve): Promise<void> {
  expect('one ApiKeys for all subpaths', ApiKeys === ApiKeysOfRoot);
  expect('one Secret for all subpaths', Secret === secret.Secret);
  expect('one isDrunError for all subpaths', isDrunError === errors.isDrunError);

  const emulator = createEmulator({ maxKeys: 2 });
  const inProcess = { baseUrl: 'http://127.0.0.1', fetch: emulator.fetch };
  await roundTrip(emulator, inProcess);
  await rotation(emulator, inProcess);
  const page = await emulator.fetch('http://127.0.0.1/_emulator/');
  expect("the emulator's page is there", (await page.text()).includes('API Key Management'));

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

const question = {
  model: 'public/deepseek-r1',
  messages: [{ role: 'user', content: 'Hello!' }],
} as const;

async function roundTrip({ accessToken }: Emulator, service: Service): Promise<void> {
  const keys = new ApiKeys({ accessToken, ...service });
  const created = await keys.create({ name: 'smoke' });
  expect('the key is a Secret of either subpath', created.secret instanceof secret.Secret);
  expect('the key does not show itself', !JSON.stringify(created).includes(created.secret.reveal()));

  const chat = new ChatClient({ apiKey: created.secret, ...service });
  const answer = await chat.complete(question);
  expect('the model answers', answer.choices[0]?.message.content === 'Hello!');

  await keys.delete(created.id);
  const refusal = await chat.complete(question).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect('a deleted key is refused', refusal instanceof AuthenticationError);
  expect('the refusal is of the other subpath too', refusal instanceof errors.AuthenticationError);
  expect('the refusal is a DrunError', refusal instanceof DrunError && errors.isDrunError(refusal));
  expect('the refusal repeats no key', !String(refusal).includes(created.secret.reveal()));
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
  expect('a ring makes its key and a standby', first !== undefined && standby !== undefined);
  await chat.complete(question);
  const { current: second } = await ring.rotate();
  expect('the standby takes the place of the key', second?.id === standby?.id);
  const answer = await chat.complete(question);
  expect('the model answers a key of a ring', answer.choices[0]?.message.content === 'Hello!');

  const record = await store.get('smoke');
  const opened = await openCurrentKey('smoke', record?.value ?? '', { encryptionKey });
  expect('the record has the key, sealed', opened?.equals(await ring.getKey()) === true);
  expect('the record has it nowhere else', !record?.value.includes(opened?.reveal() ?? ''));

  const { ready } = await ring.revoke('all');
  expect('a ring whose keys are revoked makes others', ready);
  await chat.complete(question);
  for (const { id } of [...keys]) keys.delete(id);
}

function expect(what: string, holds: boolean): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
}
