import { statSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { readCauses } from '../../src/internal/cause.ts';
import { isByteArray, isDate, isLoopback, isPrintableAscii, isThenable } from '../../src/internal/checks.ts';
import { parseJson } from '../../src/internal/json.ts';
import { findUnknownOption } from '../../src/internal/options.ts';

const realm = createContext({});

describe('values of other realms', () => {
  it.each<[string, unknown]>([
    ['a date', new Date()],
    ['an invalid date', new Date('x')],
    ['a date of another realm', runInContext('new Date()', realm)],
    ['a cloned date', structuredClone(new Date())],
    ['the date of a file', statSync('.').mtime],
  ])('are recognized as a date: %s', (_, value) => {
    expect(isDate(value)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['a string', '2026-01-01'],
    ['a number', 0],
    ['null', null],
    ['an object with getTime', { getTime: () => 0 }],
  ])('are not recognized as a date: %s', (_, value) => {
    expect(isDate(value)).toBe(false);
  });

  it.each<[string, unknown]>([
    ['a Uint8Array', new Uint8Array(2)],
    ['a Buffer', Buffer.from('ab')],
    ['a Uint8Array of another realm', runInContext('new Uint8Array(2)', realm)],
  ])('are recognized as bytes: %s', (_, value) => {
    expect(isByteArray(value)).toBe(true);
  });

  it.each<[string, unknown, boolean]>([
    ['a promise', Promise.resolve(), true],
    ['a promise of another realm', runInContext('Promise.resolve()', realm), true],
    // biome-ignore lint/suspicious/noThenProperty: thenables are what is tested
    ['a thenable', { then: () => {} }, true],
    // biome-ignore lint/suspicious/noThenProperty: thenables are what is tested
    ['an object whose `then` is not a function', { then: 1 }, false],
    ['a string', 'then', false],
    ['null', null, false],
  ])('%s is thenable: %o, %s', (_, value, expected) => {
    expect(isThenable(value)).toBe(expected);
  });
});

describe('readCauses', () => {
  const circular = new Error('a');
  circular.cause = circular;

  it.each<[string, unknown, string[]]>([
    ['an error', new Error('a'), ['a']],
    ['a chain', new Error('a', { cause: new Error('b', { cause: 'c' }) }), ['a', 'b', 'c']],
    ['an aggregate', new AggregateError([new Error('a'), new Error('b')], 'all'), ['all', 'a', 'b']],
    ['a string', 'a', ['a']],
    ['undefined', undefined, ['']],
    ['an object', { message: 'a' }, ['a']],
    ['a cause without a message', new Error('a', { cause: {} }), ['a', 'a']],
    ['an error that causes itself', circular, Array(8).fill('a')],
    [
      'a getter that throws',
      Object.defineProperty({}, 'message', {
        get: () => {
          throw new Error('x');
        },
      }),
      [''],
    ],
  ])('reads %s, outermost first', (_, thrown, messages) => {
    expect(readCauses(thrown).map(({ message }) => message)).toEqual(messages);
  });

  it.each([
    ['its own', { status: 404, response: { statusCode: 404 } }],
    ['that of its response', { status: 'Failure', response: { status: 404 } }],
  ])('reads the status of an error: %s', (_, thrown) => {
    expect(readCauses(thrown)[0]?.status).toBe(404);
  });

  it('shortens messages', () => {
    expect(readCauses(new Error('x'.repeat(1_000_000)))[0]?.message).toHaveLength(2_000);
  });
});

describe('findUnknownOption', () => {
  const allowed = ['signal', 'timeoutMs', 'baseUrl', 'maxRetries', 'apiKey', 'expiresAt'];

  it.each([
    ['timeout', 'timeoutMs'],
    ['baseURL', 'baseUrl'],
    ['base-url', 'baseUrl'],
    ['abortSignal', 'signal'],
    ['expires', 'expiresAt'],
    ['ttl', 'expiresAt'],
    ['APIKEY', 'apiKey'],
    ['max_retry', 'maxRetries'],
    ['organization', undefined],
    ['x', undefined],
    ['x'.repeat(100_000), undefined],
  ])('suggests for %s: %s', (name, suggestion) => {
    expect(findUnknownOption({ signal: 1, [name]: 1 }, allowed)).toEqual({ name, suggestion });
  });

  it.each([[{}], [{ signal: 1 }], [{ other: undefined }], [Object.create({ other: 1 })]])(
    'accepts %o',
    (options) => {
      expect(findUnknownOption(options, allowed)).toBeUndefined();
    },
  );
});

it.each([
  ['localhost', true],
  ['api.localhost', true],
  ['127.1.2.3', true],
  ['[::1]', true],
  ['localhost.example', false],
  ['10.0.0.1', false],
])('isLoopback(%s) is %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

it.each([
  ['sk-a_B~!', true],
  ['', false],
  ['a b', false],
  ['a\n', false],
  ['é', false],
])('isPrintableAscii(%j) is %s', (text, expected) => {
  expect(isPrintableAscii(text)).toBe(expected);
});

it.each([
  [900, false],
  [5_000, true],
])('parseJson() of %i levels returns undefined: %s', (levels, expected) => {
  const text = '['.repeat(levels) + ']'.repeat(levels);

  expect(parseJson(text) === undefined).toBe(expected);
});
