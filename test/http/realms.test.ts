import { createContext, runInContext } from 'node:vm';
import { ChatClient } from 'drun-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { METHODS } from '../support/every-method.ts';
import { json } from '../support/network.ts';

/* In Jest, zone.js and vm contexts, promises, dates and errors are not instances of the global classes. */

const realm = createContext({ setImmediate });

/** An object with only a `then` method. */
const thenable = (
  settle: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void,
) => ({
  // biome-ignore lint/suspicious/noThenProperty: thenables are what is tested
  then: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) =>
    setImmediate(settle, resolve, reject),
});

const unhandled = vi.fn();
process.on('unhandledRejection', unhandled);
afterEach(() => unhandled.mockClear());

const REJECTING: [string, () => unknown][] = [
  ['a promise', async () => Promise.reject(new Error('no disk'))],
  ['a promise of another realm', runInContext("async () => { throw new Error('no disk') }", realm)],
  ['a thenable', () => thenable((_, reject) => reject(new Error('no disk')))],
];

describe('a logger', () => {
  it.each(
    METHODS.flatMap((method) =>
      REJECTING.map(([name, logger]) => [method.name, name, method, logger] as const),
    ),
  )('of %s may reject with %s', async (_, __, { call }, logger) => {
    await call({ fetch: async () => json({ error: 'x' }, 400), logger }, { maxRetries: 0 }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));

    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('onRetry', () => {
  const order: string[] = [];
  const WAITING: [string, () => unknown][] = [
    [
      'a promise',
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        order.push('reported');
      },
    ],
    [
      'a promise of another realm',
      runInContext(
        "(push) => async () => { await new Promise((r) => setImmediate(r)); push('reported'); }",
        realm,
      )((entry: string) => order.push(entry)),
    ],
    ['a thenable', () => thenable((resolve) => resolve(order.push('reported')))],
  ];

  it.each(WAITING)('is awaited before the retry: %s', async (_, onRetry) => {
    order.length = 0;
    const fetch = async (): Promise<Response> => {
      order.push('sent');
      return json({}, 503, { 'retry-after-ms': '1' });
    };

    await new ChatClient({ apiKey: KEY, fetch, onRetry, maxRetries: 1 }).models().catch(() => {});

    expect(order).toEqual(['sent', 'reported', 'sent']);
  });

  it.each(REJECTING)('ends the call with its error: %s', async (_, onRetry) => {
    const fetch = vi.fn(async () => json({}, 503));

    await expect(new ChatClient({ apiKey: KEY, fetch, onRetry }).models()).rejects.toThrow('no disk');
    expect(fetch).toHaveBeenCalledOnce();
  });
});

describe('values of another realm', () => {
  it.each<[string, () => unknown]>([
    ['a promise', runInContext(`async () => '${KEY}'`, realm)],
    ['a thenable', () => thenable((resolve) => resolve(KEY))],
  ])('are accepted from a credential provider: %s', async (_, apiKey) => {
    const fetch = async (_url: string, init: RequestInit): Promise<Response> =>
      json({ data: [{ id: new Headers(init.headers).get('authorization') }] });

    const [model] = await new ChatClient({ apiKey: apiKey as () => string, fetch }).models();

    expect(model?.id).toBe(`Bearer ${KEY}`);
  });

  it.each([
    ["new ReferenceError('x is not defined')", 'ConfigurationError'],
    [
      "new TypeError('fetch failed', { cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' }) })",
      'ConnectionError',
    ],
  ])('are classified when `fetch` throws them: %s', async (expression, name) => {
    const fetch = async (): Promise<Response> => {
      throw runInContext(expression, realm);
    };

    await expect(new ChatClient({ apiKey: KEY, fetch, maxRetries: 0 }).models()).rejects.toMatchObject({
      name,
    });
  });

  it.each(METHODS.map((method) => [method.name, method] as const))(
    'are accepted as the signal of %s',
    async (_, { call }) => {
      const listeners = new Set<unknown>();
      const reason = new Error('enough');
      const signal = {
        aborted: true,
        reason,
        throwIfAborted: () => {
          throw reason;
        },
        addEventListener: (_type: string, listener: unknown) => listeners.add(listener),
        removeEventListener: (_type: string, listener: unknown) => listeners.delete(listener),
      };

      const rejected = call({ apiKey: KEY, accessToken: TOKEN }, { signal: signal as never });

      await expect(rejected).rejects.toBe(reason);
      expect(listeners.size).toBe(0);
    },
  );
});
