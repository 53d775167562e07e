import { redact } from 'drun-sdk/secret';
import { expect, it } from 'vitest';

const KEY = 'sk-UxO0kZv8mC1rT3qWn5bYd7fHj9_LgPs2aE4iX6-uN7ucU';
const LONG = 1_000_000;

/*
 * Servers choose the texts, so none may take long: what is not linear in the length takes minutes to hours here,
 * what is linear far less than the bound.
 */
it.each<[string, string]>([
  ['backslashes', '\\'.repeat(LONG)],
  ['percent signs', '%'.repeat(LONG)],
  ['percent signs of percent signs', '%25'.repeat(LONG / 3)],
  ['zeros after an ampersand', `&#${'0'.repeat(LONG)}`],
  ['escapes in braces without an end', '\\u{'.repeat(LONG / 3)],
  ['the beginning of the key', `${KEY.slice(0, 12)} `.repeat(LONG / 13)],
  ['the end of the key', `${KEY.slice(-12)} `.repeat(LONG / 13)],
  ['the beginning of the key in base64', `${btoa(KEY).slice(0, 12)} `.repeat(LONG / 13)],
  ['escaped beginnings of the key', `%73${KEY.slice(1, 12)}%20`.repeat(LONG / 17)],
])('redacts a megabyte of %s in seconds', { timeout: 10_000 }, (_, text) => {
  const started = performance.now();

  redact(text, [KEY]);

  expect(performance.now() - started).toBeLessThan(8_000);
});

it('finds a whole key right behind the beginning of one, in base64 too', () => {
  const encoded = btoa(KEY);

  expect(redact(encoded.slice(0, 12) + encoded, [KEY])).not.toContain(encoded.slice(16, 40));
  expect(redact(KEY.slice(0, 13) + KEY, [KEY])).not.toContain(KEY.slice(20));
});

it('finds a key without its prefix, whose names of signs are spelt out', () => {
  expect(redact(KEY.slice(3), [KEY])).toBe('sk-******7ucU');
  expect(redact(KEY.replaceAll('-', '&hyphen;').replaceAll('_', '&lowbar;'), [KEY])).toBe('sk-******7ucU');
});
