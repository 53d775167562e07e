import { mask, prefixOf } from './mask.ts';
import { isSecret, type Secret } from './secret.ts';

/** Parts of a credential that are at least this long are redacted. Shorter parts may occur in ordinary text. */
const MIN_PART = 12;
/** Minimum length of a credential whose encodings are redacted. Shorter encodings may occur in ordinary text. */
const MIN_ENCODED = 8;

/**
 * Replaces every occurrence of the given credentials in a string with their masked form.
 *
 * Recognizes a credential, and any part of it with at least 12 characters, in these forms: plain (in any letter case),
 * percent-encoded, escaped in a JSON string or in HTML, as hexadecimal or decimal bytes, and in base64 or base64url,
 * alone or within a longer string such as `user:key`.
 *
 * @param text - Text such as an error message from a server or a library.
 * @param secrets - One or more credentials. Empty strings are ignored.
 *
 * @example
 * ```ts
 * import { redact, Secret } from 'drun-sdk/secret';
 *
 * const secret = new Secret('sk-UxO0kZv8mC1rT3qWn5bYd7fHj9LgPs2aE4iX6uN7ucU');
 * redact(`Incorrect API key provided: ${secret.reveal()}`, [secret]);
 * // 'Incorrect API key provided: sk-******7ucU'
 * ```
 */
export function redact(text: string, secrets: Iterable<Secret | string> | Secret): string {
  if (typeof text !== 'string') throw new TypeError(`\`text\` must be a string (received ${typeof text}).`);
  return redactor(credentialsOf(secrets))(text);
}

function credentialsOf(secrets: unknown): string[] {
  // A string is iterable too.
  if (typeof secrets === 'string') return [secrets];
  if (isSecret(secrets)) return [secrets.reveal()];
  const { [Symbol.iterator]: iterate } = Object(secrets) as Partial<Iterable<unknown>>;
  if (typeof iterate === 'function') return [...(secrets as Iterable<unknown>)].flatMap(credentialsOf);
  throw new TypeError(`\`secrets\` must be strings or Secrets (received ${typeof secrets}).`);
}

/** Returns a function that masks credentials. Faster than {@link redact} for several strings. */
export function redactor(credentials: readonly string[]): (text: string) => string {
  // Longest first: masking a credential within a longer one would leave parts of the longer one exposed.
  const sorted = credentials.filter((value) => value !== '').sort((a, b) => b.length - a.length);
  const redactors = sorted.map(redactorOfOne);
  return (text) => redactors.reduce((clean, redactOne) => redactOne(clean), text);
}

function redactorOfOne(value: string): (text: string) => string {
  const masked = mask(value);
  const forms = formsOf(value).map(lowerCase);
  const size = Math.min(MIN_PART, ...forms.map(({ length }) => length));
  /** All substrings of length `size` in all forms of the credential. */
  const parts = new Set<string>();
  for (const form of forms) {
    for (let end = size; end <= form.length; end++) parts.add(form.slice(end - size, end));
  }
  // One pattern at a time, because those for lists of bytes skip all other text.
  const patterns = value.length < MIN_ENCODED ? [CHARACTER] : [CHARACTER, DECIMAL, HEXADECIMAL];
  return (original) =>
    patterns.reduce((text, pattern) => {
      const { characters, starts, ends } = decode(text, pattern);
      const lower = lowerCase(characters);
      let clean = '';
      /** Offset up to which `text` has been copied or masked. */
      let done = 0;
      for (let start = 0; start < lower.length; start++) {
        let end = start;
        while (parts.has(lower.slice(end, end + size))) end++;
        if (end === start) continue;
        const last = end + size - 2;
        clean += text.slice(done, starts[start]) + masked;
        done = ends[last] as number;
        start = last;
      }
      return clean + text.slice(done);
    }, original);
}

/** Returns a credential and its encodings. Encodings of single characters are decoded in the text instead. */
function formsOf(value: string): string[] {
  if (value.length < MIN_ENCODED) return [value];
  // `sk-` may be encoded together with the preceding text.
  const body = value.slice(prefixOf(value).length);
  const bytes = new TextEncoder().encode(value);
  const query = new URLSearchParams([['', value]]).toString().slice(1);
  // A credential may contain control characters, non-ASCII characters, or what looks like an escaped character.
  const escaped = [value, JSON.stringify(value).slice(1, -1), query, query.replaceAll('+', '%20')];
  return [
    value,
    ...escaped.map((text) => decode(text, CHARACTER).characters),
    ...(body.length >= MIN_ENCODED ? [body] : []),
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    ...[0, 1, 2].flatMap((offset) => base64Forms(bytes, offset)),
  ];
}

/** Returns the base64 characters that do not depend on adjacent bytes, for one of the three possible alignments. */
function base64Forms(bytes: Uint8Array, offset: number): string[] {
  const shifted = new Uint8Array(offset + bytes.length);
  shifted.set(bytes, offset);
  const text = btoa(String.fromCharCode(...shifted));
  const own = text.slice(Math.ceil((offset * 8) / 6), Math.floor((shifted.length * 8) / 6));
  return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
}

/** Unlike `toLowerCase()`, never changes the length, so that offsets also apply to the original text. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Text, or a character that is escaped, possibly several times, for a URL, JSON, source code or HTML. */
const CHARACTER =
  /(?:%(?:25)*|(?<!\\)\\+(?:u\{?0*|x)|&(?:amp;)*#x0*)(?<hexadecimal>[\da-f]{2})[};]?|&(?:amp;)*#0*(?<decimal>\d{2,3});|(?<!\\)\\+(?<literal>["'\\/])|[^%\\&]+|[\s\S]/gi;
/** Bytes in lists: `[115, 107]`, `{"0":115,"1":107}`, `<Buffer 73 6b>`, `73:6b`, `0x73, 0x6b`. */
const DECIMAL = /(?<![\w."])(?<decimal>\d{2,3})(?!\.?[\w"])/g;
const HEXADECIMAL = /(?<![\w."])(?:0x)?(?<hexadecimal>[\da-f]{2})(?!\.?[\w"])/gi;

/** Decodes the matches of a pattern. Also returns where each character starts and ends in the text. */
function decode(text: string, pattern: RegExp) {
  let characters = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { 0: token, index, groups } of text.matchAll(pattern)) {
    const { hexadecimal, decimal, literal } = groups ?? {};
    const code = hexadecimal ? `0x${hexadecimal}` : decimal;
    const decoded = code ? String.fromCharCode(Number(code)) : literal;
    characters += decoded ?? token;
    for (let at = 0; at < (decoded ?? token).length; at++) {
      starts.push(index + at);
      ends.push(index + (decoded ? token.length : at + 1));
    }
  }
  return { characters, starts, ends };
}
