import { AsyncLocalStorage } from 'node:async_hooks';
import { AuthenticationError, ConfigurationError, type CredentialContext, Secret } from 'drun-sdk';
import { describe, expect, test, vi } from 'vitest';
import { KEY, OTHER_KEY } from '../support/credentials.ts';
import { everythingShownOf, rejection, rejectionOf } from '../support/failures.ts';
import { json, mockNetwork, type RecordedRequest } from '../support/network.ts';
import { retryAtOnce } from '../support/timing.ts';
import { chatClient, failure, MODELS } from './requests.ts';

const network = mockNetwork();

const accepted = json({ data: [] });
const rejected = json(failure('invalid_api_key', 'invalid_request_error'), 401);
const bearers = (requests: readonly RecordedRequest[]): (string | undefined)[] =>
  requests.map(({ headers }) => headers.get('authorization')?.replace('Bearer ', ''));

describe('a credential provider', () => {
  test.each([
    ['a string', KEY],
    ['a Secret', new Secret(KEY)],
    ['a function', () => KEY],
    ['a function that returns a Secret', () => new Secret(KEY)],
    ['an asynchronous function', async () => KEY],
    ['an object with getKey', { getKey: async () => new Secret(KEY) }],
  ])('can be %s', async (_, apiKey) => {
    const requests = network.respond('get', MODELS, accepted);

    await chatClient({ apiKey }).models();

    expect(bearers(requests)).toEqual([KEY]);
  });

  test('is called as a method of its object', async () => {
    const requests = network.respond('get', MODELS, accepted);
    const ring = {
      key: KEY,
      getKey() {
        return this.key;
      },
    };

    await chatClient({ apiKey: ring }).models();

    expect(bearers(requests)).toEqual([KEY]);
  });

  test('is not called before a call', () => {
    const apiKey = vi.fn(() => KEY);

    chatClient({ apiKey });

    expect(apiKey).not.toHaveBeenCalled();
  });

  test('is called before every attempt of every call', async () => {
    retryAtOnce();
    const keys = [`${KEY}1`, `${KEY}2`, `${KEY}3`];
    const left = [...keys];
    const requests = network.respond('get', MODELS, json({}, 503), accepted);
    const chat = chatClient({ apiKey: () => left.shift() ?? '' });

    await chat.models();
    await chat.models();

    expect(bearers(requests)).toEqual(keys);
  });

  test('is called again for an attempt that follows the replacement of a rejected key', async () => {
    retryAtOnce();
    const left = [`${KEY}1`, `${KEY}2`, `${KEY}3`];
    const requests = network.respond('get', MODELS, rejected, json({}, 503), accepted);

    await chatClient({ apiKey: () => left.shift() ?? '' }).models();

    expect(bearers(requests)).toEqual([`${KEY}1`, `${KEY}2`, `${KEY}3`]);
  });

  test('that returns a rejected key again later is ignored', async () => {
    retryAtOnce();
    const requests = network.respond('get', MODELS, rejected, json({}, 503), accepted);
    const apiKey = ({ rejected }: CredentialContext): string => (rejected ? OTHER_KEY : KEY);

    await chatClient({ apiKey }).models();

    expect(bearers(requests)).toEqual([KEY, OTHER_KEY, OTHER_KEY]);
  });

  test('receives a signal, and initially no rejected key', async () => {
    network.respond('get', MODELS, accepted);
    const contexts: CredentialContext[] = [];

    await chatClient({
      apiKey: (context) => {
        contexts.push(context);
        return KEY;
      },
    }).models();

    expect(contexts).toHaveLength(1);
    expect(contexts[0]?.rejected).toBeUndefined();
    expect(contexts[0]?.signal).toBeInstanceOf(AbortSignal);
  });

  test('receives the rejected key, and its next key is tried at once', async () => {
    const contexts: CredentialContext[] = [];
    const requests = network.respond('get', MODELS, rejected, accepted);

    await chatClient({
      maxRetries: 0,
      apiKey: (context) => {
        contexts.push(context);
        return context.rejected ? OTHER_KEY : KEY;
      },
    }).models();

    expect(bearers(requests)).toEqual([KEY, OTHER_KEY]);
    expect(contexts).toHaveLength(2);
    expect(contexts[1]?.rejected?.reveal()).toBe(KEY);
  });

  test('is called for at most three further keys in one call', async () => {
    let count = 0;
    const apiKey = vi.fn(() => `sk-rotated-key-number-${count++}`);
    const requests = network.respond('get', MODELS, rejected);

    await rejectionOf(AuthenticationError, chatClient({ apiKey }).models());

    expect(bearers(requests)).toEqual([0, 1, 2, 3].map((number) => `sk-rotated-key-number-${number}`));
  });

  test('ends the call if it returns the rejected key again', async () => {
    const apiKey = vi.fn(() => KEY);
    const requests = network.respond('get', MODELS, rejected);

    const error = await rejectionOf(AuthenticationError, chatClient({ apiKey }).models());

    expect(requests).toHaveLength(1);
    expect(apiKey).toHaveBeenCalledTimes(2);
    expect(error.maskedKey).toBe('sk-******7ucU');
  });

  test('is not used for a string key, which is tried once', async () => {
    const requests = network.respond('get', MODELS, rejected);

    await rejectionOf(AuthenticationError, chatClient().models());

    expect(requests).toHaveLength(1);
  });

  test('is not called again after a 403', async () => {
    const apiKey = vi.fn(() => KEY);
    network.respond('get', MODELS, json(failure('model_access_denied', 'x'), 403));

    await rejection(chatClient({ apiKey }).models());

    expect(apiKey).toHaveBeenCalledOnce();
  });

  test('is called separately by concurrent calls', async () => {
    const requests = network.respond('get', MODELS, accepted);
    const tenant = new AsyncLocalStorage<string>();
    const chat = chatClient({ apiKey: async () => `sk-key-of-tenant-${tenant.getStore()}` });

    await Promise.all(['a', 'b', 'c'].map((name) => tenant.run(name, () => chat.models())));

    expect(bearers(requests).toSorted()).toEqual(['a', 'b', 'c'].map((name) => `sk-key-of-tenant-${name}`));
  });

  test('is called again after it failed', async () => {
    network.respond('get', MODELS, accepted);
    const apiKey = vi
      .fn(() => KEY)
      .mockImplementationOnce(() => {
        throw new Error('the vault is closed');
      });
    const chat = chatClient({ apiKey });

    await expect(chat.models()).rejects.toThrow('the vault is closed');
    await expect(chat.models()).resolves.toEqual([]);
  });

  test('lets waiting calls be aborted separately', async () => {
    network.respond('get', MODELS, accepted);
    const key = Promise.withResolvers<string>();
    let calls: AbortSignal | undefined;
    const chat = chatClient({
      apiKey: ({ signal }) => {
        calls = signal;
        return key.promise;
      },
    });
    const controller = new AbortController();
    const aborted = chat.models({ signal: controller.signal });
    const other = chat.models();
    await vi.waitFor(() => expect(calls).toBeDefined());

    controller.abort(new Error('enough'));

    await expect(aborted).rejects.toThrow('enough');
    expect(calls?.aborted).toBe(false);
    key.resolve(KEY);
    await expect(other).resolves.toEqual([]);
  });

  test('receives a signal that aborts with the call', async () => {
    let calls: AbortSignal | undefined;
    const controller = new AbortController();
    const call = chatClient({
      apiKey: ({ signal }) => {
        calls = signal;
        return new Promise<string>(() => {});
      },
    }).models({ signal: controller.signal });
    await vi.waitFor(() => expect(calls).toBeDefined());

    controller.abort(new Error('enough'));

    await expect(call).rejects.toThrow('enough');
    expect(calls?.aborted).toBe(true);
  });

  test.each([
    ['nothing', undefined],
    ['an empty string', ''],
    ['a key with a line break', `${KEY}\n${KEY}`],
  ])('that returns %s throws ConfigurationError, and nothing is sent', async (_, value) => {
    const error = await rejectionOf(
      ConfigurationError,
      chatClient({ apiKey: () => value as string }).models(),
    );

    expect(error.option).toBe('apiKey');
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});

describe('the option apiKey of a call', () => {
  test("replaces the client's own key for that call only", async () => {
    const requests = network.respond('get', MODELS, accepted);
    const chat = chatClient();

    await chat.models({ apiKey: OTHER_KEY });
    await chat.models();

    expect(bearers(requests)).toEqual([OTHER_KEY, KEY]);
  });

  test("does not call the client's provider", async () => {
    network.respond('get', MODELS, accepted);
    const apiKey = vi.fn(() => KEY);

    await chatClient({ apiKey }).models({ apiKey: OTHER_KEY });

    expect(apiKey).not.toHaveBeenCalled();
  });

  test('can be a provider, which receives a rejected key', async () => {
    const requests = network.respond('get', MODELS, rejected, accepted);

    await chatClient().models({ apiKey: ({ rejected }) => (rejected ? OTHER_KEY : `${KEY}x`) });

    expect(bearers(requests)).toEqual([`${KEY}x`, OTHER_KEY]);
  });

  test('is redacted in errors, unlike other text', async () => {
    network.respond('get', MODELS, json(failure('invalid_api_key', 'x', `Incorrect: ${OTHER_KEY}.`), 401));

    const error = await rejectionOf(AuthenticationError, chatClient().models({ apiKey: OTHER_KEY }));

    expect(error.message).toContain('Incorrect: sk-******1qZw.');
    expect(error.maskedKey).toBe('sk-******1qZw');
  });

  test('throws before anything is sent if it is malformed', async () => {
    const error = await rejectionOf(ConfigurationError, chatClient().models({ apiKey: `${KEY} ` }));

    expect(error.option).toBe('apiKey');
    expect(everythingShownOf(error)).not.toContain(KEY);
  });
});
