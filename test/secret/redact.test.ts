import { redact, Secret } from 'drun-sdk/secret';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodings, forms } from '../leaks/forms.ts';
import { KEY, MASKED_KEY, MASKED_OTHER_KEY, OTHER_KEY } from '../support/credentials.ts';
import { everythingShownOf, thrownBy } from '../support/failures.ts';

describe('redact', () => {
  it.each(Object.entries(forms))('masks a credential: %s', (_, form) => {
    const text = redact(`Incorrect API key provided: '${form(KEY)}'. Try another.`, [KEY]);

    expect(text).toContain(MASKED_KEY);
    expect(text).toMatch(/^Incorrect API key provided: '/);
    expect(text).toMatch(/'\. Try another\.$/);
    expect(decodings(text).filter((reading) => reading.includes(KEY.slice(3, 15).toLowerCase()))).toEqual([]);
  });

  it.each([
    ['an escaped quotation mark', 'AbCd"EfGh"IjKlMnOpQrStUvWx', JSON.stringify],
    ['an escaped backslash', 'AbCd\\EfGh\\IjKlMnOpQrStUvWx', JSON.stringify],
    [
      'an escaped slash, as PHP writes it',
      'AbCd/EfGh/IjKlMnOpQrStUvWx',
      (text: string) => text.replaceAll('/', '\\/'),
    ],
    ['a percent-encoded plus sign and slash', 'AbCd+EfGh/IjKlMnOpQrStUvWx', encodeURIComponent],
    [
      'characters that forms encode',
      'AbCd~EfGh!IjKl~MnOp!QrSt~UvWx',
      (text: string) => `${new URLSearchParams({ text })}`.slice(5),
    ],
    ['spaces in a query', 'AbCd EfGh UvWx', (text: string) => `${new URLSearchParams({ text })}`.slice(5)],
    ['control characters in JSON', 'AbCd\nEfGh\tUvWx', JSON.stringify],
    ['non-ASCII characters in a URL', 'ÄbCdÉfGh密UvWx', encodeURIComponent],
    ['bytes of non-ASCII characters', 'ÄbCdÉfGh密UvWx', (text: string) => Buffer.from(text).join(', ')],
    ['what looks like escaped characters, in a URL', 'A"%41&#65;\\x41"b"UvWx', encodeURIComponent],
    ['characters with a meaning in patterns', 'sk-$&.*+?^{}()|[]\\/$1$$ABCDEFGHUvWx', String],
  ])('masks a credential with %s', (_, credential, write) => {
    expect(redact(`token ${write(credential)}.`, [credential])).toMatch(/^token "?(?:sk-)?\*{6}UvWx"?\.$/);
  });

  it.each(
    [12, 13, 20, 30, KEY.length - 1].flatMap((length) =>
      [0, 3, 7, KEY.length - length].map((start) => [length, start] as const),
    ),
  )('masks a part of %i characters from position %i', (length, start) => {
    const part = KEY.slice(start, start + length);

    expect(redact(`the key ...${part}... is wrong`, [KEY])).not.toContain(part.slice(-11));
  });

  it('does not mask shorter parts, such as the characters that the mask shows', () => {
    const text = `starts with ${KEY.slice(0, 11)}, ends with ${KEY.slice(-4)}`;

    expect(redact(text, [KEY])).toBe(text);
  });

  it.each([
    ['the credential alone', `a ${KEY} b`, `a ${MASKED_KEY} b`],
    ['every occurrence', `${KEY}${KEY} ${KEY}`, `${MASKED_KEY}${MASKED_KEY} ${MASKED_KEY}`],
    ['both halves of a broken one', `${KEY.slice(0, 24)}\n${KEY.slice(24)}`, `${MASKED_KEY}\n${MASKED_KEY}`],
    ['one without its prefix', KEY.slice(3), MASKED_KEY],
    ['one directly after its own start', KEY.slice(0, 13) + KEY, `${MASKED_KEY}${MASKED_KEY}`],
    ['one after letters whose lower case is longer', `İİİ ${KEY} İ`, `İİİ ${MASKED_KEY} İ`],
    ['nothing in a text that has been masked', `the key ${MASKED_KEY}`, `the key ${MASKED_KEY}`],
  ])('masks %s', (_, text, expected) => {
    expect(redact(text, [KEY])).toBe(expected);
  });

  it('accepts secrets and strings from any iterable', () => {
    const secrets = new Set([new Secret(KEY), OTHER_KEY]);

    expect(redact(`${KEY} ${OTHER_KEY}`, secrets)).toBe(`${MASKED_KEY} ${MASKED_OTHER_KEY}`);
  });

  it.each<[string, string | Secret]>([
    ['a string', KEY],
    ['a Secret', new Secret(KEY)],
  ])('treats %s as one credential', (_, secret) => {
    expect(redact(`bad key ${KEY}, sk`, secret)).toBe(`bad key ${MASKED_KEY}, sk`);
  });

  it.each<[string, unknown, unknown, RegExp]>([
    ['secrets that are an object', KEY, {}, /^`secrets` must be .*received object/],
    ['secrets that are a number', KEY, 7, /^`secrets` must be .*received number/],
    ['secrets that are a record', KEY, { secrets: [KEY] }, /^`secrets` must be .*received object/],
    ['no secrets', KEY, undefined, /^`secrets` must be .*received undefined/],
    ['an array with a number', KEY, [KEY, 7], /^`secrets` must be .*received number/],
    ['a text that is a number', 7, [KEY], /^`text` must be a string \(received number/],
    ['a text that is an error', new Error(KEY), [KEY], /^`text` must be a string \(received object/],
    ['no arguments', undefined, undefined, /^`text` must be a string/],
  ])('throws instead of masking nothing for %s', (_, text, secrets, message) => {
    const error = thrownBy(TypeError, () => redact(text as never, secrets as never));

    expect(error.message).toMatch(message);
    expect(everythingShownOf(error.message)).not.toContain(KEY);
  });

  it.each([[[KEY, `${KEY}-and-more-of-it`]], [[`${KEY}-and-more-of-it`, KEY]]])(
    'masks a credential that contains another one completely',
    (secrets) => {
      expect(redact(`key ${KEY}-and-more-of-it.`, secrets)).not.toContain('more');
    },
  );

  it.each(['a1b2c3', 'EMPTY', 'abcdefgh', 'eleven-char'])(
    'masks the short credential %s as a whole',
    (value) => {
      expect(redact(`the pin is ${value}!`, [value])).toMatch(/^the pin is \S*\*{6}\S*!$/);
    },
  );

  it('does not look for encodings of credentials below 8 characters', () => {
    const text = `${btoa('EMPTY')}, lines 69, 77, 80, 84 and 89`;

    expect(redact(text, ['EMPTY'])).toBe(text);
  });

  it.each([
    ['no secrets', [] as string[]],
    ['an empty secret', ['']],
    ['a secret that does not occur', [OTHER_KEY]],
  ])('leaves a text unchanged for %s', (_, secrets) => {
    const text = 'Nothing 100% secret: caf\u00e9 &amp; %41 \\u0041 \u{1F600}';

    expect(redact(text, secrets)).toBe(text);
  });

  /* Servers control the texts. Redaction must take linear time: quadratic time would be minutes to hours here. */
  it.each<[string, string]>([
    ['backslashes', '\\'],
    ['percent signs', '%25'],
    ['starts of the key', `${KEY.slice(0, 12)} `],
    ['ends of the key', `${KEY.slice(-12)} `],
    ['encoded starts of the key', `${btoa(KEY).slice(0, 12)} `],
    ['ordinary words', 'lorem ipsum dolor sit '],
  ])('takes linear time for %s', { timeout: 20_000 }, (_, unit) => {
    expect(redact(unit.repeat(500_000 / unit.length), [KEY])).not.toContain(KEY.slice(0, 12));
  });

  it('does not leave 12 consecutive characters of any credential, in any form, in any text', () => {
    const printable = fc
      .array(
        fc.integer({ min: 0x21, max: 0x7e }).filter((code) => !'%\\'.includes(String.fromCharCode(code))),
        {
          minLength: 24,
          maxLength: 64,
        },
      )
      .map((codes) => String.fromCharCode(...codes));
    const credential = fc.oneof(fc.stringMatching(/^sk-[\w-]{40,48}$/), printable);
    const surrounding = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom('%', '%2', '"', 'Bearer', 'user', '=', '\\'),
    );
    const joint = fc.constantFrom(' ', '"', ':', ',', '=', '\n');
    fc.assert(
      fc.property(
        credential,
        surrounding,
        joint,
        surrounding,
        fc.constantFrom(...Object.values(forms)),
        (value, before, mark, after, form) => {
          const clean = redact(`${before}${mark}${form(value)}${mark}${after}`, [value]);
          const readings = decodings(clean);
          const harmless = `${new Secret(value).masked} ${before} ${after}`.toLowerCase();
          for (let start = 0; start + 12 <= value.length; start++) {
            const part = value.slice(start, start + 12).toLowerCase();
            if (!harmless.includes(part) && readings.some((reading) => reading.includes(part))) return false;
          }
          return true;
        },
      ),
      { numRuns: 300 },
    );
  });
});
