import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Redactor } from '../../src/secret/redactor.ts';
import { forms } from '../leaks/forms.ts';

/** Credentials of any kind, with signs that mean something in patterns, and in base64. */
const credentials = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.+/=$^*()[]{}|?\\'), minLength: 1, maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(...'aZ09-_'), minLength: 30, maxLength: 60 }).map((body) => `sk-${body}`),
);

/** What a server may say: words, forms of a credential, and pieces of both. */
const texts = (credential: string): fc.Arbitrary<string> => {
  const form = fc.constantFrom(...Object.values(forms)).map((encode) => encode(credential));
  const piece = fc
    .tuple(form, fc.nat(40), fc.nat(80))
    .map(([text, from, length]) => text.slice(from, from + length));
  return fc
    .array(fc.oneof(form, piece, piece, fc.string(), fc.constantFrom(' ', '"', '\\"', '&amp;', '%20')), {
      maxLength: 5,
    })
    .map((parts) => parts.join(''));
};

test('a text is clean if and only if nothing in it is masked, however many credentials are looked for', () => {
  let dirty = 0;
  fc.assert(
    fc.property(
      fc
        .array(credentials, { minLength: 1, maxLength: 12 })
        .chain((list) => fc.tuple(fc.constant(list), texts(list[0] ?? ''))),
      ([list, text]) => {
        const redactor = new Redactor(list);
        const isClean = redactor.redact(text) === text;
        if (!isClean) dirty++;
        // What is masked as itself, such as asterisks, is as good as clean.
        if (!isClean) expect(redactor.isClean(text)).toBe(false);
        else if (redactor.isClean(text) === false) expect(text).toMatch(/\*/);
      },
    ),
    { numRuns: 3_000 },
  );
  expect(dirty, 'texts with something in them are tried').toBeGreaterThan(300);
});

test('a text is clean where there is nothing to look for', () => {
  expect(new Redactor([]).isClean('anything')).toBe(true);
});
