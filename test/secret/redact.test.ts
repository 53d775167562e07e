import { redact, Secret } from 'drun-sdk/secret';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KEY, MASKED_KEY, MASKED_OTHER_KEY, OTHER_KEY } from '../support/credentials.ts';

const hex = (text: string): string => Buffer.from(text).toString('hex');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const base64url = (text: string): string => Buffer.from(text).toString('base64url');
const each = (text: string, write: (code: number, index: number) => string): string =>
  Array.from(text, (character, index) => write(character.charCodeAt(0), index)).join('');
const hexOf = (code: number, width: number): string => code.toString(16).padStart(width, '0');

const percent = (text: string): string => each(text, (code) => `%${hexOf(code, 2)}`);

/** How a credential can stand in somebody else's text. */
const forms: [name: string, write: (key: string) => string][] = [
  ['as it stands', (key) => key],
  ['in lower case', (key) => key.toLowerCase()],
  ['in upper case', (key) => key.toUpperCase()],
  ['percent-encoded', percent],
  ['percent-encoded in capitals', (key) => percent(key).toUpperCase()],
  ['percent-encoded twice', (key) => percent(key).replaceAll('%', '%25')],
  ['percent-encoded three times', (key) => percent(key).replaceAll('%', '%2525')],
  [
    'percent-encoded here and there',
    (key) =>
      each(
        key,
        mixed((code) => `%${hexOf(code, 2)}`),
      ),
  ],
  ['as JSON escapes', (key) => each(key, (code) => `\\u${hexOf(code, 4)}`)],
  [
    'as JSON escapes here and there',
    (key) =>
      each(
        key,
        mixed((code) => `\\u${hexOf(code, 4)}`),
      ),
  ],
  ['as JSON escapes within JSON', (key) => each(key, (code) => `\\\\u${hexOf(code, 4)}`)],
  ['as braced JavaScript escapes', (key) => each(key, (code) => `\\u{${hexOf(code, 2)}}`)],
  ['as JavaScript escapes', (key) => each(key, (code) => `\\x${hexOf(code, 2)}`)],
  ['as hexadecimal HTML references', (key) => each(key, (code) => `&#x${hexOf(code, 2)};`)],
  ['as decimal HTML references', (key) => each(key, (code) => `&#${code};`)],
  ['as a JSON string', (key) => JSON.stringify(key).slice(1, -1)],
  ['as a JSON string with escaped slashes', (key) => JSON.stringify(key).slice(1, -1).replaceAll('/', '\\/')],
  ['as HTML text', (key) => key.replace(/[&<>"']/g, (character) => HTML_NAMES.get(character) ?? '')],
  ['as hexadecimal digits', hex],
  ['as hexadecimal digits in capitals', (key) => hex(key).toUpperCase()],
  ['in base64', base64],
  ['in base64 as a password', (key) => base64(`user:${key}`)],
  ['in base64 after one character', (key) => base64(`a${key}z`)],
  ['in base64 after two characters', (key) => base64(`ab${key}yz`)],
  ['in base64url', base64url],
  ['in base64url as a password', (key) => base64url(`user:${key}`)],
];

/** Escapes a third of the characters, and those that no escaping writer leaves as they are. */
function mixed(write: (code: number) => string) {
  return (code: number, index: number): string => {
    const character = String.fromCharCode(code);
    return index % 3 === 1 || '\\%&'.includes(character) ? write(code) : character;
  };
}

const HTML_NAMES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&apos;'],
]);

/** Every way to read a text back that a curious person has at hand. */
function decodings(text: string): string[] {
  const rounds = [text];
  for (let round = 0; round < 4; round++) rounds.push(decoded(rounds.at(-1) ?? ''));
  const binary = [...text.matchAll(/[\w+/=-]{8,}/g)].flatMap(([run]) =>
    [0, 1, 2, 3].flatMap((skip) => [
      Buffer.from(run.slice(skip), 'base64').toString('latin1'),
      Buffer.from(run.slice(skip), 'hex').toString('latin1'),
    ]),
  );
  return [...rounds, ...binary];
}

function decoded(text: string): string {
  return text
    .replace(/%25/g, '%')
    .replace(/%([\da-f]{2})/gi, (_, digits) => fromHex(digits))
    .replace(/\\+u\{([\da-f]+)\}/gi, (_, digits) => fromHex(digits))
    .replace(/\\+u([\da-f]{4})/gi, (_, digits) => fromHex(digits))
    .replace(/\\+x([\da-f]{2})/gi, (_, digits) => fromHex(digits))
    .replace(/\\(["\\/])/g, '$1')
    .replace(/&(?:amp|lt|gt|quot|apos);/g, (name) => HTML_CHARACTERS.get(name) ?? name)
    .replace(/&#x([\da-f]+);/gi, (_, digits) => fromHex(digits))
    .replace(/&#(\d+);/g, (_, digits) => String.fromCharCode(Number(digits)));
}

const HTML_CHARACTERS = new Map(Array.from(HTML_NAMES, ([character, name]) => [name, character]));

const fromHex = (digits: string): string => String.fromCharCode(Number.parseInt(digits, 16));

describe('redact', () => {
  test.each(forms)('leaves nothing of a key that stands in a text %s', (_, write) => {
    const text = redact(`Incorrect API key provided: '${write(KEY)}'. Try another.`, [KEY]);

    expect(text).toContain(MASKED_KEY);
    expect(text).toMatch(/^Incorrect API key provided: '/);
    expect(text).toMatch(/'\. Try another\.$/);
    expect(
      decodings(text).filter((reading) => reading.toLowerCase().includes(KEY.slice(3, 15).toLowerCase())),
    ).toEqual([]);
  });

  test.each([
    ['sk\\u002d0aF9kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN', 'sk-0aF9kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN'],
    ['sk-A\\u0062cdefab0123456789ghijklmnop', 'sk-Abcdefab0123456789ghijklmnop'],
  ])('reads a JSON escape to its fourth digit, although another digit follows: %s', (written, key) => {
    expect(redact(`key ${written}.`, [key])).toBe(`key ${new Secret(key).masked}.`);
  });

  test.each([
    ['an escaped slash', 'AbCd/EfGh/IjKlMnOpQrStUvWx', 'AbCd\\/EfGh\\/IjKlMnOpQrStUvWx'],
    ['an escaped quotation mark', 'AbCd"EfGh"IjKlMnOpQrStUvWx', 'AbCd\\"EfGh\\"IjKlMnOpQrStUvWx'],
    ['an escaped backslash', 'AbCd\\EfGh\\IjKlMnOpQrStUvWx', 'AbCd\\\\EfGh\\\\IjKlMnOpQrStUvWx'],
    ['a named HTML reference', 'AbCd&EfGh<IjKlMnOpQrStUvWx', 'AbCd&amp;EfGh&lt;IjKlMnOpQrStUvWx'],
  ])('finds a credential with %s in it', (_, credential, written) => {
    expect(redact(`token ${written}.`, [credential])).toBe('token ******UvWx.');
  });

  test('replaces the key alone, and all of it', () => {
    expect(redact(`a ${KEY} b`, [KEY])).toBe(`a ${MASKED_KEY} b`);
  });

  test('replaces a key as often as it occurs', () => {
    expect(redact(`${KEY}${KEY} and ${KEY}`, [KEY])).toBe(`${MASKED_KEY}${MASKED_KEY} and ${MASKED_KEY}`);
  });

  test('takes secrets and strings, from any iterable', () => {
    const secrets = new Set([new Secret(KEY), OTHER_KEY]);

    expect(redact(`${KEY} ${OTHER_KEY}`, secrets)).toBe(`${MASKED_KEY} ${MASKED_OTHER_KEY}`);
  });

  test.each([12, 20, 30, KEY.length - 1])('replaces a key that was cut off after %i characters', (length) => {
    expect(redact(`key ${KEY.slice(0, length)}`, [KEY])).not.toContain(KEY.slice(0, 12));
  });

  test.each([12, 20, 30, KEY.length - 1])(
    'replaces a key of which the last %i characters are left',
    (length) => {
      expect(redact(`bad key ...${KEY.slice(-length)}!`, [KEY])).toBe(`bad key ...${MASKED_KEY}!`);
    },
  );

  test('replaces both parts of a key that was broken in two, or whose middle was taken out', () => {
    expect(redact(`${KEY.slice(0, 24)}\n${KEY.slice(24)}`, [KEY])).toBe(`${MASKED_KEY}\n${MASKED_KEY}`);
    expect(redact(`${KEY.slice(0, 16)}...${KEY.slice(-16)}!`, [KEY])).toBe(`${MASKED_KEY}...${MASKED_KEY}!`);
  });

  test('leaves words alone in which a short credential ends', () => {
    expect(redact('send an access-token', ['my-access-token'])).toBe('send an access-token');
  });

  test('leaves the four characters that a masked key shows', () => {
    expect(redact(`ends with ${KEY.slice(-4)}`, [KEY])).toBe(`ends with ${KEY.slice(-4)}`);
  });

  test.each<[string, string | Secret]>([
    ['a text', KEY],
    ['a Secret', new Secret(KEY)],
  ])('takes %s alone for one credential', (_, secret) => {
    expect(redact(`bad key ${KEY}, sk`, secret)).toBe(`bad key ${MASKED_KEY}, sk`);
  });

  test.each([{}, 7, { secrets: [KEY] }])('throws for %j, rather than leave everything in', (secrets) => {
    expect(() => redact(KEY, secrets as never)).toThrow(TypeError);
  });

  test('leaves nothing of a key that contains another one', () => {
    const longer = `${KEY}-and-more-of-it`;

    for (const secrets of [
      [KEY, longer],
      [longer, KEY],
    ]) {
      expect(redact(`key ${longer}.`, secrets)).not.toContain('more');
    }
  });

  test('finds a key behind letters whose lower case has another length', () => {
    expect(redact(`İİİ ${KEY} İ`, [KEY])).toBe(`İİİ ${MASKED_KEY} İ`);
  });

  test('replaces a short credential where it stands', () => {
    expect(redact('the pin is a1b2c3', ['a1b2c3'])).not.toContain('a1b2c3');
  });

  test('takes characters with a meaning in patterns as they are', () => {
    const odd = 'sk-$&.*+?^{}()|[]\\/$1$$ABCDEFGHIJKLMNOP';

    expect(redact(`a ${odd} b`, [odd])).toBe('a sk-******MNOP b');
  });

  test.each([
    ['no secrets', [] as string[]],
    ['an empty secret', ['']],
    ['a secret that does not occur', [OTHER_KEY]],
  ])('leaves a text as it is for %s', (_, secrets) => {
    const text = 'Nothing 100% secret: caf\u00e9 &amp; %41 \\u0041 \u{1F600}';

    expect(redact(text, secrets)).toBe(text);
  });

  test('leaves an already masked key as it is', () => {
    expect(redact(`the key ${MASKED_KEY}`, [KEY])).toBe(`the key ${MASKED_KEY}`);
  });

  test('is quick with a long text', () => {
    const text = `${'lorem %69psum \\u0064olor &#115;it '.repeat(10_000)}${KEY}`;
    const begun = performance.now();
    const clean = redact(text, [KEY]);

    expect(clean.endsWith(MASKED_KEY)).toBe(true);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('leaves no form of any key in any text', () => {
    // Not the characters that begin an escape: of a text that holds them bare, nobody can say what it means.
    const printable = fc
      .array(
        fc.integer({ min: 0x21, max: 0x7e }).filter((code) => !'%&\\'.includes(String.fromCharCode(code))),
        { minLength: 24, maxLength: 64 },
      )
      .map((codes) => String.fromCharCode(...codes));
    const key = fc.oneof(fc.stringMatching(/^sk-[\w-]{40,48}$/), printable);
    const surrounding = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom('%', '%2', '\\u00', '&#', '"', 'Bearer', 'user', '=', '\\'),
    );
    const joint = fc.constantFrom(' ', '"', ':', ',', '=', '\n');
    fc.assert(
      fc.property(
        key,
        surrounding,
        joint,
        surrounding,
        fc.constantFrom(...forms),
        (value, before, mark, after, [, write]) => {
          const clean = redact(`${before}${mark}${write(value)}${mark}${after}`, [value]);
          // What is left of a key must not be enough to have it: no twelve characters in a row in any reading.
          const readings = decodings(clean).map((reading) => reading.toLowerCase());
          const harmless = `${new Secret(value).masked} ${before} ${after}`.toLowerCase();
          for (let start = 0; start + 12 <= value.length; start++) {
            const part = value.slice(start, start + 12).toLowerCase();
            if (!harmless.includes(part) && readings.some((reading) => reading.includes(part))) return false;
          }
          return true;
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
