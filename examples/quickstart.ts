/**
 * Demonstrates the life cycle of an API key: creates a key, calls a model with it, lists its masked form, reaches the
 * key limit, deletes the key, and shows that the service rejects it.
 *
 *   npm start
 *
 * Runs against an emulator on a free port, or against d.run if DRUN_ACCESS_TOKEN and DRUN_MODEL are set (DRUN_REGION is
 * the region of a dedicated deployment). It deletes every key that it creates; until then, the account may be at its
 * limit.
 */
import { styleText } from 'node:util';
import {
  ApiKeyLimitError,
  ApiKeys,
  AuthenticationError,
  ChatClient,
  type CreatedApiKey,
  type Secret,
} from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { serve } from 'drun-sdk/emulator/node';

interface Service extends AsyncDisposable {
  readonly description: string;
  readonly model: string;
  readonly keys: ApiKeys;
  readonly chatWith: (apiKey: Secret) => ChatClient;
}

/** The key limit is not documented, so the example gives up after creating this many keys. */
const MAX_KEYS = 50;

const { DRUN_ACCESS_TOKEN, DRUN_MODEL, DRUN_REGION } = process.env;

async function connect(): Promise<Service> {
  if (DRUN_ACCESS_TOKEN && DRUN_MODEL) {
    return {
      description: `d.run${DRUN_REGION ? `, region ${DRUN_REGION}` : ''}`,
      model: DRUN_MODEL,
      keys: new ApiKeys(),
      chatWith: (apiKey) => new ChatClient({ apiKey, region: DRUN_REGION || undefined }),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const drun = createEmulator({ maxKeys: 3 });
  const server = await serve(drun);
  const baseUrl = server.url;
  return {
    description: `emulator at ${baseUrl}`,
    model: 'public/deepseek-r1',
    keys: new ApiKeys({ accessToken: drun.accessToken, baseUrl }),
    chatWith: (apiKey) => new ChatClient({ apiKey, baseUrl }),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Ctrl-C aborts the call in progress. The keys are still deleted. */
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
const { signal } = interrupt;

async function run({ description, model, keys, chatWith }: Service): Promise<void> {
  const name = `quickstart-${Date.now().toString(36)}`;
  const created: CreatedApiKey[] = [];
  print('service', description);
  try {
    const key = await keys.create({ name }, { signal });
    created.push(key);
    print('create', `${key.name}: ${key.secret.reveal()}`, dim('shown only once; masked from now on'));

    const chat = chatWith(key.secret);
    const messages = [{ role: 'user', content: 'Hello, model!' }] as const;
    const completion = await chat.complete({ model, messages }, { signal });
    const { content } = completion.choices[0].message;
    if (!content) throw new Error('The model returned no text.');
    print('chat', `${model}: ${content}`, dim(`${completion.usage?.total_tokens ?? 'unknown'} tokens`));

    const listed = await Array.fromAsync(keys.list({ search: name }));
    if (!listed.some(({ id }) => id === key.id)) throw new Error('The new key is not in the list.');
    print('list', ...listed.map((one) => `${one.name}  ${one.maskedKey}  ${one.createdAt.toISOString()}`));

    const limit = await createUpToLimit(keys, name, created);
    print('limit', `${limit.name} ${dim(`(${limit.code})`)}`, limit.reason);

    await keys.delete(key.id);
    created.shift();
    print('delete', `${key.name}  ${key.maskedKey}`);

    const rejection = await rejectionOf(chat, model);
    print(
      'rejected',
      `${rejection.name} ${dim(`(${rejection.code}, ${rejection.status})`)}`,
      rejection.message,
    );
  } finally {
    await Promise.all(created.map(({ id }) => keys.delete(id)));
    if (created.length > 0) print('clean up', `deleted ${created.length} more keys`);
  }
}

/** Creates keys until the key limit is reached. */
async function createUpToLimit(
  keys: ApiKeys,
  name: string,
  created: CreatedApiKey[],
): Promise<ApiKeyLimitError> {
  while (created.length < MAX_KEYS) {
    try {
      created.push(await keys.create({ name: `${name}-${created.length + 1}` }, { signal }));
    } catch (error) {
      if (error instanceof ApiKeyLimitError) return error;
      throw error;
    }
  }
  throw new Error(`The key limit was not reached with ${MAX_KEYS} keys.`);
}

/** Calls a model with a deleted key. Returns the error. */
async function rejectionOf(chat: ChatClient, model: string): Promise<AuthenticationError> {
  try {
    await chat.complete({ model, messages: [{ role: 'user', content: 'Still there?' }] });
  } catch (error) {
    if (error instanceof AuthenticationError) return error;
    throw error;
  }
  throw new Error('The service accepted a deleted key.');
}

function print(step: string, ...lines: string[]): void {
  const [first = '', ...rest] = lines;
  console.log(`${styleText(['bold', 'cyan'], step.padEnd(9))} ${first}`);
  for (const line of rest) console.log(`${' '.repeat(10)}${line}`);
}

function dim(text: string): string {
  return styleText('dim', text);
}

try {
  await using service = await connect();
  await run(service);
  console.log(styleText('green', 'All steps succeeded.'));
} catch (error) {
  console.error(styleText('red', 'failed'), error);
  process.exitCode = 1;
}
