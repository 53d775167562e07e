import {
  ApiKeys,
  type ApiKeysOptions,
  type CallOptions,
  ChatClient,
  type ChatClientOptions,
  defineTool,
  WorkspaceApiKeys,
} from 'drun-sdk';
import * as z from 'zod';
import { KEY, TOKEN } from './credentials.ts';

export type Fetch = NonNullable<ChatClientOptions['fetch']>;

/** A public method that sends a request. */
export interface Method {
  readonly name: string;
  readonly plane: 'chat' | 'keys';
  /** Calls it on a new client. The credential of the other plane is ignored. */
  readonly call: (client: ChatClientOptions & ApiKeysOptions, options?: CallOptions) => Promise<unknown>;
}

const request = { model: 'public/deepseek-r1', messages: [{ role: 'user', content: 'Hi' }] } as const;
const schema = z.object({ city: z.string() });
const tool = defineTool({ name: 'weather', parameters: schema, run: () => 'sunny' });

type Options = ChatClientOptions & ApiKeysOptions;

const chat = ({ accessToken: _, ...options }: Options): ChatClient =>
  new ChatClient({ apiKey: KEY, ...options });
const keys = ({ apiKey: _, ...options }: Options): ApiKeys => new ApiKeys({ accessToken: TOKEN, ...options });
const workspace = ({ apiKey: _, ...options }: Options): WorkspaceApiKeys =>
  new WorkspaceApiKeys({ accessToken: TOKEN, workspace: 12, ...options });

const chatMethod = (
  name: string,
  call: (client: ChatClient, options: CallOptions) => PromiseLike<unknown>,
): Method => ({
  name: `ChatClient.${name}`,
  plane: 'chat',
  call: async (options, callOptions = {}) => call(chat(options), callOptions),
});
const keysMethod = (
  name: string,
  call: (client: ApiKeys, options: CallOptions) => PromiseLike<unknown>,
): Method => ({
  name: `ApiKeys.${name}`,
  plane: 'keys',
  call: async (options, callOptions = {}) => call(keys(options), callOptions),
});
const workspaceMethod = (
  name: string,
  call: (client: WorkspaceApiKeys, options: CallOptions) => PromiseLike<unknown>,
): Method => ({
  name: `WorkspaceApiKeys.${name}`,
  plane: 'keys',
  call: async (options, callOptions = {}) => call(workspace(options), callOptions),
});

export const CHAT_METHODS: readonly Method[] = [
  chatMethod('complete', (client, options) => client.complete(request, options)),
  chatMethod('stream', (client, options) => client.stream(request, options).completion()),
  chatMethod('stream, iterated', (client, options) => Array.fromAsync(client.stream(request, options))),
  chatMethod('parse', (client, options) => client.parse(request, { ...options, schema })),
  chatMethod('runTools', (client, options) => client.runTools(request, { ...options, tools: [tool] })),
  chatMethod('models', (client, options) => client.models(options)),
];

export const KEY_METHODS: readonly Method[] = [
  keysMethod('create', (client, options) => client.create({ name: 'checkout' }, options)),
  keysMethod('list', (client, options) => client.list({ page: 1, pageSize: 10 }, options)),
  keysMethod('list, iterated', (client, options) => Array.fromAsync(client.list({}, options))),
  keysMethod('delete', (client, options) => client.delete('key-1', options)),
  keysMethod('canCreate', (client, options) => client.canCreate(options)),
  keysMethod('getSecret', (client, options) => client.getSecret('key-1', options)),
  keysMethod('usage', (client, options) => client.usage({}, options)),
  keysMethod('replace', (client, options) => client.replace('key-1', {}, options)),
  keysMethod('prune', (client, options) => client.prune({ olderThanMs: 1 }, options)),
  workspaceMethod('create', (client, options) => client.create({ name: 'checkout' }, options)),
  workspaceMethod('listMine', (client, options) => client.listMine({ page: 1, pageSize: 10 }, options)),
  workspaceMethod('disable', (client, options) => client.disable('key-1', options)),
  workspaceMethod('enable', (client, options) => client.enable('key-1', options)),
  workspaceMethod('setQuota', (client, options) => client.setQuota('key-1', 5, options)),
];

export const METHODS: readonly Method[] = [...CHAT_METHODS, ...KEY_METHODS];

/** Pairs of every method and every row of a table. */
export function everyMethod<Row extends readonly unknown[]>(
  rows: readonly Row[],
  methods: readonly Method[] = METHODS,
): [method: string, ...Row, Method][] {
  return methods.flatMap((method) =>
    rows.map((row): [string, ...Row, Method] => [method.name, ...row, method]),
  );
}
