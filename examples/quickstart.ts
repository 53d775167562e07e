/**
 * From nothing to a key that works, and back: creates an API key, calls a model with it, lists it masked, goes
 * up to the limit, deletes the key again and sees the service refuse it.
 *
 *   npm start
 *
 * Runs against an emulator of d.run on a free port of this machine. With DRUN_ACCESS_TOKEN and DRUN_MODEL set it
 * does the same at d.run itself (DRUN_REGION names a dedicated deployment's region). Every key that it makes it
 * deletes again; until then the account may be at its limit.
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

/** d.run itself, or an emulator of it. */
interface Service extends AsyncDisposable {
  readonly description: string;
  readonly model: string;
  readonly keys: ApiKeys;
  readonly chatWith: (apiKey: Secret) => ChatClient;
}

/** Where the limit is nobody says: the way there ends at this many keys. */
const MOST_KEYS = 50;

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
  const emulator = createEmulator({ maxKeys: 3 });
  const server = await serve(emulator);
  const baseUrl = server.url;
  return {
    description: `the emulator at ${baseUrl}`,
    model: 'public/deepseek-r1',
    keys: new ApiKeys({ accessToken: emulator.accessToken, baseUrl }),
    chatWith: (apiKey) => new ChatClient({ apiKey, baseUrl }),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

function say(step: string, ...lines: string[]): void {
  const [first = '', ...rest] = lines;
  console.log(`${styleText(['bold', 'cyan'], step.padEnd(9))} ${first}`);
  for (const line of rest) console.log(`${' '.repeat(10)}${line}`);
}

/** Ctrl-C ends the call that is under way, and then still deletes the keys that were made. */
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
const { signal } = interrupt;

const dim = (text: string): string => styleText('dim', text);

async function run({ description, model, keys, chatWith }: Service): Promise<void> {
  const name = `quickstart-${Date.now().toString(36)}`;
  const made: CreatedApiKey[] = [];
  say('service', description);
  try {
    const created = await keys.create({ name }, { signal });
    made.push(created);
    say(
      'create',
      `${created.name}: ${created.secret.reveal()}`,
      dim('shown this once; from here on it is masked'),
    );

    const chat = chatWith(created.secret);
    const messages = [{ role: 'user', content: 'Hello, model!' }] as const;
    const answer = await chat.complete({ model, messages }, { signal });
    const { content } = answer.choices[0].message;
    if (!content) throw new Error('the model answered nothing');
    say(
      'chat',
      `${model}: ${content}`,
      dim(`${answer.usage?.total_tokens ?? 'an unknown number of'} tokens`),
    );

    const listed = await Array.fromAsync(keys.list({ search: name }));
    if (!listed.some((key) => key.id === created.id)) throw new Error('the new key is not on the list');
    const rows = listed.map((key) => `${key.name}  ${key.maskedKey}  ${key.createdAt.toISOString()}`);
    say('list', ...rows);

    const limit = await createUpToLimit(keys, name, made);
    say('limit', `${limit.name} ${dim(`(${limit.code})`)}`, limit.reason);

    const deleted = await keys.delete(created.id);
    made.shift();
    say('delete', `${created.name}  ${deleted.maskedKey ?? created.maskedKey}`);

    const refusal = await refusalOf(chat, model);
    say('refused', `${refusal.name} ${dim(`(${refusal.code}, ${refusal.status})`)}`, refusal.message);
  } finally {
    await Promise.all(made.map((key) => keys.delete(key.id)));
    if (made.length > 0) say('clean up', `${made.length} more keys deleted`);
  }
}

/** Creates keys until the service allows no further one. */
async function createUpToLimit(
  keys: ApiKeys,
  name: string,
  made: CreatedApiKey[],
): Promise<ApiKeyLimitError> {
  while (made.length < MOST_KEYS) {
    try {
      made.push(await keys.create({ name: `${name}-${made.length + 1}` }, { signal }));
    } catch (error) {
      if (error instanceof ApiKeyLimitError) return error;
      throw error;
    }
  }
  throw new Error(`no limit was reached with ${MOST_KEYS} keys`);
}

/** The refusal of a key that has been deleted. */
async function refusalOf(chat: ChatClient, model: string): Promise<AuthenticationError> {
  try {
    await chat.complete({ model, messages: [{ role: 'user', content: 'Still there?' }] });
  } catch (error) {
    if (error instanceof AuthenticationError) return error;
    throw error;
  }
  throw new Error('the service accepted a key that has been deleted');
}

try {
  await using service = await connect();
  await run(service);
  console.log(styleText('green', 'every step did what it should'));
} catch (error) {
  console.error(styleText('red', 'failed'), error);
  process.exitCode = 1;
}
