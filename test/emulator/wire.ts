import { createEmulator, type Emulator, type EmulatorOptions } from 'drun-sdk/emulator';

/* Requests in the format of the contract, sent without the SDK's clients. */

export const CONSOLE = 'https://console.d.run';
export const CHAT = 'https://chat.d.run';
export const CONTROL = '/apis/hydra.io/v1alpha1';

export interface WireKey {
  readonly id: string;
  readonly name: string;
  readonly key: string;
  readonly [field: string]: unknown;
}

export interface WireList {
  readonly items?: readonly WireKey[];
  readonly page: Readonly<Record<string, unknown>>;
}

export interface WireResponse<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** Sends a request to the control plane, by default with the emulator's access token. */
export async function control<Body = unknown>(
  drun: Emulator,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<WireResponse<Body>> {
  const response = await drun.fetch(`${CONSOLE}${CONTROL}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${drun.accessToken.reveal()}`,
      'content-type': 'application/json',
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  const parsed = isJson ? await response.json() : await response.text();
  return { status: response.status, headers: response.headers, body: parsed as Body };
}

/** @param scope - `/workspaces/12` for a key of that workspace. */
export async function createKey(drun: Emulator, fields: object = {}, scope = ''): Promise<WireKey> {
  const response = await control<WireKey>(drun, 'POST', `${scope}/apikeys`, { name: 'checkout', ...fields });
  if (response.status !== 200) throw new Error(`no key was created: ${response.status}`);
  return response.body;
}

export function chat(
  drun: Pick<Emulator, 'fetch'>,
  key: string,
  request: object = {},
  init: RequestInit = {},
): Promise<Response> {
  const messages = [{ role: 'user', content: 'Hello, model!' }];
  return drun.fetch(`${CHAT}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'public/deepseek-r1', messages, ...request }),
    ...init,
  });
}

export async function withKey(options?: EmulatorOptions): Promise<{ drun: Emulator; key: string }> {
  const drun = createEmulator(options);
  const { key } = await createKey(drun);
  return { drun, key };
}

/** Returns the data of all events of a stream. */
export async function events(response: Response): Promise<string[]> {
  const text = await response.text();
  return text.split('\n\n').flatMap((block) => (block === '' ? [] : [block.replace(/^data: /, '')]));
}

/** Creates a deterministic random number generator. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
