import { format, inspect } from 'node:util';
import { Secret } from 'drun-sdk/secret';
import { describe, expect, test, vi } from 'vitest';
import { KEY, MASKED_KEY, OTHER_KEY } from '../support/credentials.ts';
import { thrownBy } from '../support/failures.ts';

describe('Secret', () => {
  test('gives the whole value by reveal()', () => {
    expect(new Secret(KEY).reveal()).toBe(KEY);
  });

  test.each([
    ['a key of the usual length: prefix, six asterisks, last four', KEY, MASKED_KEY],
    ['a prefix only up to the first dash', 'sk-proj-AbCdEfGhIjKlMnOpQrStUvWx', 'sk-******UvWx'],
    ['a credential without a prefix', 'AbCdEfGhIjKlMnOpQrStUvWx', '******UvWx'],
    [
      'a credential with a long part before its first dash',
      '0123456789abcdef-0123456789abcdef',
      '******cdef',
    ],
    ['a key that the server has masked', MASKED_KEY, MASKED_KEY],
    ['a key that the server has masked with more asterisks', 'sk-****************7ucU', MASKED_KEY],
    ['a key that the server has masked to its end', 'sk-******', 'sk-******'],
  ])('masks %s', (_, value, masked) => {
    expect(new Secret(value).masked).toBe(masked);
  });

  test.each(['sk-A1b2C3d4E5f6', 'sk-A1b2C3d4E', 'sk-A1b2C3', 'sk-A1b', 'sk-A', 'A1b2C3d4', 'A1b2', 'A'])(
    'hides at least two thirds of the short credential %s',
    (value) => {
      const body = value.replace(/^sk-/, '');
      const shownBody = new Secret(value).masked.replace(/^(?:sk-)?\*{6}/, '');

      expect(shownBody).not.toContain('*');
      expect(shownBody.length).toBeLessThanOrEqual(body.length / 3);
    },
  );

  test('shows nothing of an empty value', () => {
    expect(new Secret('').masked).toBe('******');
  });

  test.each<[string, (secret: Secret) => string]>([
    ['String()', (secret) => String(secret)],
    ['a template literal', (secret) => `${secret}`],
    ['concatenation', (secret) => `key: ${secret}`],
    ['JSON.stringify', (secret) => JSON.stringify({ nested: [secret] })],
    ['util.inspect', (secret) => inspect(secret)],
    [
      'util.inspect with everything switched on',
      (secret) =>
        inspect({ nested: [secret] }, { showHidden: true, getters: true, depth: Number.POSITIVE_INFINITY }),
    ],
    ['util.inspect of a Map', (secret) => inspect(new Map([['secret', secret]]), { showHidden: true })],
    [
      'util.format, as console.log uses it',
      (secret) => format('%s %o %O %j', secret, secret, secret, secret),
    ],
  ])('shows the masked form only to %s', (_, show) => {
    const shown = show(new Secret(KEY));

    expect(shown).toContain(MASKED_KEY);
    expect(shown).not.toContain(KEY);
  });

  test.each<[string, (secret: Secret) => unknown]>([
    ['structuredClone', (secret) => structuredClone(secret)],
    ['a spread', (secret) => ({ ...secret })],
    ['Object.assign', (secret) => Object.assign({}, secret)],
    ['Object.entries', (secret) => Object.entries(secret)],
    ['Reflect.ownKeys', (secret) => Reflect.ownKeys(secret)],
  ])('gives %s nothing of the value', (_, copy) => {
    expect(inspect(copy(new Secret(KEY)), { showHidden: true })).not.toContain(KEY.slice(3, 15));
  });

  test('has no getter that gives the value', () => {
    const secret = new Secret(KEY);
    const names = [Secret.prototype, secret].flatMap((object) => Reflect.ownKeys(object));
    const values = names.filter((name) => name !== 'reveal').map((name) => Reflect.get(secret, name));

    expect(values.map(String)).not.toContain(KEY);
  });

  test('cannot be changed through its fields', () => {
    const secret = new Secret(KEY);

    expect(() => Object.assign(secret, { masked: 'nothing' })).toThrow(TypeError);
    expect(secret.masked).toBe(MASKED_KEY);
  });

  test.each<[string, unknown]>([
    ['a number', 4711],
    ['undefined', undefined],
    ['an object', { key: KEY }],
    ['an array', [KEY]],
  ])('cannot be made of %s, and does not repeat it', (_, value) => {
    const error = thrownBy(TypeError, () => new Secret(value as string));

    expect(error.message).not.toContain(KEY);
  });

  test('equals the same value in a secret or a string', () => {
    const secret = new Secret(KEY);

    expect(secret.equals(new Secret(KEY))).toBe(true);
    expect(secret.equals(KEY)).toBe(true);
  });

  test.each([
    ['another value of the same length', OTHER_KEY.slice(0, KEY.length)],
    ['a value that differs in its last character', `${KEY.slice(0, -1)}X`],
    ['a value that differs in its first character', `X${KEY.slice(1)}`],
    ['the beginning of the value', KEY.slice(0, -1)],
    ['a longer value', `${KEY}X`],
    ['an empty value', ''],
    ['its own masked form', MASKED_KEY],
  ])('does not equal %s', (_, other) => {
    const secret = new Secret(KEY);

    expect(secret.equals(other)).toBe(false);
    expect(secret.equals(new Secret(other))).toBe(false);
  });

  test('does not equal a value that is neither string nor secret', () => {
    expect(new Secret(KEY).equals(undefined as unknown as string)).toBe(false);
  });

  test('equals, and is recognised by, the secret of another copy of the package', async () => {
    vi.resetModules();
    const other = await import('drun-sdk/secret');

    expect(other.Secret).not.toBe(Secret);
    expect(new Secret(KEY).equals(new other.Secret(KEY) as unknown as Secret)).toBe(true);
    expect(other.redact(KEY, [new Secret(KEY) as never])).toBe(MASKED_KEY);
  });
});
