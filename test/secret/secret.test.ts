import assert from 'node:assert';
import { format, inspect, isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import { ApiKeys, ChatClient, WorkspaceApiKeys } from 'drun-sdk';
import { Secret } from 'drun-sdk/secret';
import { describe, expect, it, vi } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY } from '../support/credentials.ts';
import { thrownBy } from '../support/failures.ts';

/** Copies a value with its prototype and all own properties, as lodash, Vue and immer do. */
function deepClone<T extends object>(value: T): T {
  return Object.create(Object.getPrototypeOf(value), Object.getOwnPropertyDescriptors(value));
}

describe('Secret.masked', () => {
  it.each([
    ['prefix, six asterisks and the last four characters', KEY, MASKED_KEY],
    ['a prefix that ends at the first dash', 'sk-proj-AbCdEfGhIjKlMnOpQrStUvWx', 'sk-******UvWx'],
    ['no prefix if there is none', 'AbCdEfGhIjKlMnOpQrStUvWx', '******UvWx'],
    [
      'no prefix if the first dash is too far from the start',
      '0123456789abcdef-0123456789abcdef',
      '******cdef',
    ],
    ['the same form for a key that the server has masked', MASKED_KEY, MASKED_KEY],
    ['the same form for other numbers of asterisks', 'sk-****************7ucU', MASKED_KEY],
    ['asterisks alone if nothing follows them', 'sk-******', 'sk-******'],
    ['asterisks alone for an empty value', '', '******'],
  ])('has %s', (_, value, masked) => {
    expect(new Secret(value).masked).toBe(masked);
  });

  it.each(['sk-A1b2C3d4E5f6', 'sk-A1b2C3d4E', 'sk-A1b2C3', 'sk-A1b', 'sk-A', 'A1b2C3d4', 'A1b2', 'A'])(
    'shows at most a third of the short value %s',
    (value) => {
      const shown = new Secret(value).masked.replace(/^(?:sk-)?\*{6}/, '');

      expect(shown.length).toBeLessThanOrEqual(value.replace(/^sk-/, '').length / 3);
    },
  );
});

describe('Secret', () => {
  it('reveals the value', () => {
    expect(new Secret(KEY).reveal()).toBe(KEY);
  });

  it.each<[string, unknown]>([
    ['a number', 4711],
    ['undefined', undefined],
    ['an object', { key: KEY }],
    ['an array', [KEY]],
  ])('rejects %s without showing it', (_, value) => {
    const error = thrownBy(TypeError, () => new Secret(value as string));

    expect(error.message).not.toContain(KEY);
  });

  it('cannot be changed through its fields', () => {
    const secret = new Secret(KEY);

    expect(() => Object.assign(secret, { masked: 'nothing' })).toThrow(TypeError);
    expect(secret.masked).toBe(MASKED_KEY);
  });
});

type Show = (secret: Secret) => unknown;

const SHOWN_MASKED: [string, Show][] = [
  ['String()', (secret) => String(secret)],
  ['a template literal', (secret) => `${secret}`],
  ['concatenation', (secret) => `key: ${secret}`],
  ['the + operator', (secret) => ('key: ' as string) + (secret as unknown as string)],
  ['Array.prototype.join', (secret) => [secret].join()],
  ['JSON.stringify', (secret) => JSON.stringify({ nested: [secret] })],
  ['util.inspect', (secret) => inspect(secret)],
  ['util.inspect of everything', (secret) => inspect([secret], { showHidden: true, getters: true })],
  ['util.format, as console.log uses it', (secret) => format('%s %o %O %j', secret, secret, secret, secret)],
  ['an error message', (secret) => new Error(`bad ${secret}`).message],
];

const COPIES: [string, (secret: Secret) => unknown][] = [
  ['structuredClone', (secret) => structuredClone(secret)],
  ['a spread', (secret) => ({ ...secret })],
  ['Object.assign', (secret) => Object.assign({}, secret)],
  ['a deep clone', deepClone],
  ['a JSON round trip', (secret) => JSON.parse(JSON.stringify({ secret }))],
  ['a proxy', (secret) => new Proxy(secret, {})],
  ['a proxy of a proxy', (secret) => new Proxy(new Proxy(secret, {}), {})],
  ['an object that inherits from it', (secret) => Object.create(secret)],
  ['Object.entries', (secret) => Object.entries(secret)],
  ['Reflect.ownKeys', (secret) => Reflect.ownKeys(secret)],
];

describe('showing a Secret', () => {
  it.each(SHOWN_MASKED)('exposes only the masked form to %s', (_, show) => {
    const shown = String(show(new Secret(KEY)));

    expect(shown).toContain(MASKED_KEY);
    expect(shown).not.toContain(KEY.slice(3, 15));
  });

  it.each(COPIES)('exposes no part of the value to %s', (_, copy) => {
    const copied = copy(new Secret(KEY));
    const shown = [
      inspect(copied, { showHidden: true, showProxy: true }),
      JSON.stringify(copied),
      ...SHOWN_MASKED.map(([, show]) => {
        // Symbols cannot be concatenated with any value.
        return typeof copied === 'object' && !Array.isArray(copied) ? String(show(copied as Secret)) : '';
      }),
    ];

    expect(shown.join('\n')).not.toContain(KEY.slice(3, 15));
  });

  it.each(COPIES.filter(([name]) => /proxy|deep clone|inherits/.test(name)))(
    'explains why %s cannot reveal the value',
    (_, copy) => {
      expect(() => (copy(new Secret(KEY)) as Secret).reveal()).toThrow(/Use the original/);
    },
  );

  it('has no property other than reveal that holds the value', () => {
    const secret = new Secret(KEY);
    const names = [Secret.prototype, secret].flatMap((object) => Reflect.ownKeys(object));
    const values = names.filter((name) => name !== 'reveal').map((name) => Reflect.get(secret, name));

    expect(values.map(String)).not.toContain(KEY);
  });

  it.each<[string, () => object]>([
    ['ChatClient', () => new ChatClient({ apiKey: KEY })],
    ['ApiKeys', () => new ApiKeys({ accessToken: 'token-0123456789' })],
    ['WorkspaceApiKeys', () => new WorkspaceApiKeys({ accessToken: 'token-0123456789', workspace: 1 })],
  ])('never throws for a proxied or cloned %s, and shows no credential', (_, create) => {
    for (const copy of [new Proxy(create(), {}), deepClone(create())]) {
      const shown =
        inspect(copy, { showHidden: true, getters: true, depth: 9 }) + JSON.stringify(copy) + String(copy);

      expect(shown).not.toMatch(/UxO0kZv8mC1r|token-0123456789/);
    }
  });
});

describe('two Secrets', () => {
  const one = new Secret(KEY);
  // Same mask, different value.
  const other = new Secret(`${KEY.slice(0, -5)}X${KEY.slice(-4)}`);

  it.each<[string, () => boolean]>([
    ['util.isDeepStrictEqual', () => isDeepStrictEqual(one, other)],
    ['assert.deepStrictEqual', () => passes(() => assert.deepStrictEqual({ key: one }, { key: other }))],
    ['toEqual of Vitest and Jest', () => passes(() => expect({ key: one }).toEqual({ key: other }))],
    ['toStrictEqual of Vitest and Jest', () => passes(() => expect([one]).toStrictEqual([other]))],
    ['a comparison of valueOf(), as fast-deep-equal does', () => one.valueOf() === other.valueOf()],
  ])('with different values and one mask are not equal to %s', (_, areEqual) => {
    expect(one.masked).toBe(other.masked);
    expect(areEqual()).toBe(false);
  });

  it('are equal to equals() if their values are', () => {
    expect(one.equals(new Secret(KEY))).toBe(true);
    expect(one.equals(KEY)).toBe(true);
  });

  it.each([
    ['another value of the same length', OTHER_KEY.slice(0, KEY.length)],
    ['a value that differs in its last character', `${KEY.slice(0, -1)}X`],
    ['a value that differs in its first character', `X${KEY.slice(1)}`],
    ['the start of the value', KEY.slice(0, -1)],
    ['a longer value', `${KEY}X`],
    ['an empty value', ''],
    ['its own masked form', MASKED_KEY],
  ])('are not equal to equals() for %s', (_, value) => {
    expect(one.equals(value)).toBe(false);
    expect(one.equals(new Secret(value))).toBe(false);
  });

  it('are not equal if one is not a Secret', () => {
    expect(one.equals(undefined as unknown as string)).toBe(false);
  });
});

it('recognizes a Secret of another copy of the package', async () => {
  vi.resetModules();
  const copy = await import('drun-sdk/secret');
  const theirs = new copy.Secret(KEY);

  expect(theirs).not.toBeInstanceOf(Secret);
  expect(new Secret(KEY).equals(theirs as unknown as Secret)).toBe(true);
  await expect(
    new ChatClient({
      apiKey: theirs as unknown as Secret,
      fetch: async (_, init) =>
        Response.json({ data: [{ id: new Headers(init.headers).get('authorization') }] }),
    }).models(),
  ).resolves.toEqual([{ id: `Bearer ${KEY}` }]);
});

it('is compared across realms', () => {
  expect(runInNewContext('String(secret)', { secret: new Secret(KEY) })).toBe(MASKED_KEY);
});

function passes(assertion: () => void): boolean {
  try {
    assertion();
    return true;
  } catch {
    return false;
  }
}
