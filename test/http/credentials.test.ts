import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type AuthenticationError,
  ChatClient,
  ConfigurationError,
  type Credential,
  type CredentialContext,
  Secret,
} from 'drun-sdk';
import { describe, expect, it, vi } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { type Fetch, METHODS } from '../support/every-method.ts';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';

const keyOf = (tenant: number | string): string => `sk-${`tenant${tenant}`.padEnd(40, 'x')}`;

/** A service that records the credentials of its requests, and rejects some of them. */
function service(
  accepts: (credential: string) => boolean = () => true,
  code: string | null = 'invalid_api_key',
) {
  const credentials: string[] = [];
  const fetch: Fetch = async (_, init) => {
    const credential = new Headers(init.headers).get('authorization')?.replace('Bearer ', '') ?? '';
    credentials.push(credential);
    return accepts(credential)
      ? json({
          data: [],
          id: '1',
          key: keyOf('new'),
          choices: [{ message: { content: '{"city":"a"}' }, finish_reason: 'stop' }],
        })
      : json({ error: { message: `no ${credential}`, code, type: 'x', param: null } }, 401);
  };
  return { credentials, fetch };
}

const sources: [string, (read: (context: CredentialContext) => string | Promise<string>) => Credential][] = [
  ['a function', (read) => (context) => read(context)],
  ['an async function', (read) => async (context) => read(context)],
  [
    'a function that waits',
    (read) => async (context) => {
      const value = read(context);
      await new Promise((resolve) => setImmediate(resolve));
      return value;
    },
  ],
  ['a function that returns a Secret', (read) => async (context) => new Secret(await read(context))],
  ['an object with getKey', (read) => ({ getKey: (context: CredentialContext) => read(context) })],
];

describe('a credential provider', () => {
  it.each(
    METHODS.flatMap((method) =>
      sources.map(([name, source]) => [method.name, name, method, source] as const),
    ),
  )('of %s is called in the context of each call: %s', async (_, __, { call }, source) => {
    const tenants = new AsyncLocalStorage<number>();
    const { credentials, fetch } = service();
    const credential = source(() => keyOf(tenants.getStore() ?? 'none').replace('sk-', 'at-'));

    await Promise.allSettled(
      [1, 2, 3].map((tenant) =>
        tenants.run(tenant, () =>
          call({ apiKey: credential, accessToken: credential, fetch }, { maxRetries: 0 }),
        ),
      ),
    );

    const expected = [1, 2, 3].map((tenant) => keyOf(tenant).replace('sk-', 'at-'));
    expect([...new Set(credentials)].sort()).toEqual(expected);
  });

  it.each(sources)('is called in the context of each request of chat.fetch: %s', async (_, source) => {
    const tenants = new AsyncLocalStorage<number>();
    const { credentials, fetch } = service();
    const chat = new ChatClient({ apiKey: source(() => keyOf(tenants.getStore() ?? 'none')), fetch });

    await Promise.all(
      [1, 2, 3].map((tenant) =>
        tenants.run(tenant, () => chat.fetch('https://chat.d.run/v1/embeddings', { method: 'POST' })),
      ),
    );

    expect(credentials.sort()).toEqual([1, 2, 3].map(keyOf));
  });

  it('is called before every attempt', async () => {
    let number = 0;
    const sent: string[] = [];
    const fetch: Fetch = async (_, init) => {
      sent.push(new Headers(init.headers).get('authorization') ?? '');
      return json({}, 503, { 'retry-after-ms': '1' });
    };

    await new ChatClient({ apiKey: () => keyOf(++number), fetch }).models().catch(() => {});

    expect(sent).toEqual([1, 2, 3].map((attempt) => `Bearer ${keyOf(attempt)}`));
  });

  it('receives the signal of its call', async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const controller = new AbortController();
    const chat = new ChatClient({
      apiKey: ({ signal }) => {
        signals.push(signal);
        return new Promise<string>(() => {});
      },
    });
    const aborted = chat.models({ signal: controller.signal });
    chat.models().catch(() => {});
    await vi.waitFor(() => expect(signals).toHaveLength(2));
    controller.abort(new Error('enough'));

    await expect(aborted).rejects.toThrow('enough');
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, false]);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty string', ''],
    ['a number', 4711],
    ['a key with a space', `${KEY.slice(0, 20)} ${KEY.slice(20)}`],
    ['a key with a non-ASCII character', `${KEY}密`],
    ['a key with its scheme', `Bearer ${KEY}`],
    ['a proxy of a Secret', new Proxy(new Secret(KEY), {})],
  ])('that returns %s fails the call before anything is sent', async (_, value) => {
    const { credentials, fetch } = service();

    for (const apiKey of [() => value as string, async () => value as string]) {
      const error = await rejectionOf(ConfigurationError, new ChatClient({ apiKey, fetch }).models());

      expect(error.option).toBe('apiKey');
      expect(everythingShownOf(error)).not.toContain(KEY.slice(3, 15));
    }
    expect(credentials).toEqual([]);
  });

  it.each(['\n', '\r\n', '\n\n'])(
    'may return a key with a trailing newline, as in a file: %j',
    async (newline) => {
      const { credentials, fetch } = service();

      await new ChatClient({ apiKey: () => KEY + newline, fetch }).models();
      await new ChatClient({ apiKey: new Secret(KEY + newline), fetch }).models();

      expect(credentials).toEqual([KEY, KEY]);
    },
  );

  it('rejects the call with the error that it throws', async () => {
    const error = new Error('the vault is closed');
    const chat = new ChatClient({
      apiKey: () => {
        throw error;
      },
    });

    await expect(chat.models()).rejects.toBe(error);
  });
});

describe('a 401', () => {
  const rotating = (keys: readonly string[]) => {
    let index = 0;
    return vi.fn(({ rejected }: CredentialContext) => keys[rejected ? ++index : index] ?? '');
  };
  const keys = [1, 2, 3, 4, 5, 6].map(keyOf);
  const at = (index: number): string => keys[index] ?? '';

  it.each(
    METHODS.filter(({ name }) => !/create|replace|prune|list,/.test(name)).map(
      (method) => [method.name, method] as const,
    ),
  )('lets %s try up to three further keys', async (_, { call, plane }) => {
    const credential = rotating(keys.map((key) => (plane === 'chat' ? key : key.replace('sk-', 'at-'))));
    const { credentials, fetch } = service(() => false);

    await expect(call({ apiKey: credential, accessToken: credential, fetch })).rejects.toMatchObject({
      name: 'AuthenticationError',
    });

    expect(credentials).toHaveLength(4);
    expect(new Set(credentials).size).toBe(4);
  });

  it.each([1, 2, 3])('is recovered from with the next key after %i rotations', async (rotations) => {
    const { credentials, fetch } = service((key) => key === at(rotations));

    await new ChatClient({ apiKey: rotating(keys), fetch }).models();

    expect(credentials).toEqual(keys.slice(0, rotations + 1));
  });

  it.each([1, 2, 3])(
    'is recovered from by chat.fetch with the next key after %i rotations',
    async (rotations) => {
      const { credentials, fetch } = service((key) => key === at(rotations));
      const chat = new ChatClient({ apiKey: rotating(keys), fetch });

      const response = await chat.fetch('https://chat.d.run/v1/chat/completions', {
        method: 'POST',
        body: '{}',
      });

      expect(response.status).toBe(200);
      expect(credentials).toEqual(keys.slice(0, rotations + 1));
    },
  );

  it('ends the call if the provider returns a key that the call has tried', async () => {
    const returned = [at(0), at(1), at(0)];
    const apiKey = vi.fn(() => returned.shift() ?? '');
    const { credentials, fetch } = service(() => false);

    await expect(new ChatClient({ apiKey, fetch }).models()).rejects.toMatchObject({
      maskedKey: new Secret(at(1)).masked,
    });

    expect(credentials).toEqual([at(0), at(1)]);
  });

  it('does not count as a retry, and is reported without a delay', async () => {
    const onRetry = vi.fn();
    const { fetch } = service((key) => key === at(2));

    await new ChatClient({ apiKey: rotating(keys), fetch, maxRetries: 0, onRetry }).models();

    expect(onRetry.mock.calls.map(([{ attempt, delayMs, error }]) => [attempt, delayMs, error.code])).toEqual(
      [
        [1, 0, 'authentication_failed'],
        [2, 0, 'authentication_failed'],
      ],
    );
  });

  it('prevents later attempts from using a rejected key that the provider still returns', async () => {
    const statuses = [401, 503, 200];
    const sent: string[] = [];
    const fetch: Fetch = async (_, init) => {
      sent.push(new Headers(init.headers).get('authorization') ?? '');
      return json({ data: [] }, statuses.shift(), { 'retry-after-ms': '1' });
    };

    await new ChatClient({ apiKey: ({ rejected }) => (rejected ? at(1) : at(0)), fetch }).models();

    expect(sent).toEqual([at(0), at(1), at(1)].map((key) => `Bearer ${key}`));
  });

  it.each<[string | null, boolean]>([
    [null, true],
    ['invalid_api_key', true],
    ['401', false],
    ['invalid_token', false],
    ['unauthorized', false],
  ])('with the code %j mentions the key: %s', async (code, isOwn) => {
    const { fetch } = service(() => false, code);

    const error = await new ChatClient({ apiKey: KEY, fetch }).models().catch((thrown: unknown) => thrown);

    expect((error as AuthenticationError).maskedKey).toBe(isOwn ? 'sk-******7ucU' : undefined);
    expect((error as AuthenticationError).message.includes('a model server may have rejected its own')).toBe(
      !isOwn,
    );
  });

  it('of the control plane always mentions the token, regardless of the error id', async () => {
    const [call] = METHODS.filter(({ name }) => name === 'ApiKeys.canCreate');
    const fetch = async (): Promise<Response> => json({ id: 'TokenExpired', message: 'expired' }, 401);

    await expect(call?.call({ fetch })).rejects.toMatchObject({ maskedKey: new Secret(TOKEN).masked });
  });
});
