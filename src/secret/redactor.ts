import { mask, prefixOf } from './mask.ts';

/** Shorter credentials are looked for as they stand only: their encodings would match ordinary text. */
const SHORTEST_ENCODED = 8;

/** What follows a prefix (`sk-`) is looked for without it, if it is not so short that it may be a word. */
const SHORTEST_BODY = 16;

/** How many characters at either end of a credential give it away although somebody cut off the rest. */
const SHORTEST_CUT = 12;

/**
 * One ASCII character as URLs, JSON, JavaScript and HTML escape it: by its code, or by a sign or name.
 *
 * A run of backslashes is tried from its start only: tried from each of them, a long one takes hours.
 */
const ESCAPE =
  /%(?:25)*([0-7][\da-f])|(?<!\\)\\+u00([0-7][\da-f])|(?<!\\)\\+u\{0*([0-7]?[\da-f])\}|(?<!\\)\\+x([0-7][\da-f])|&#x0*([0-7][\da-f]);?|&#0*(\d{2,3});?|\\(["'\\/])|&(amp|lt|gt|quot|apos|hyphen|dash|lowbar|UnderBar);/gi;

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  hyphen: '-',
  dash: '-',
  lowbar: '_',
  underbar: '_',
};

/** What one credential looks like in somebody else's text. */
interface Forms {
  readonly masked: string;
  /** As it stands, with and without its prefix, in lower case. */
  readonly plain: readonly string[];
  /** Its encodings, in lower case; those of a credential without its prefix are in those of the whole one too. */
  readonly encoded: readonly string[];
}

/** From which place to which, the end not included. */
type Range = readonly [start: number, end: number];

/**
 * Takes a set of credentials out of any text. Made once for them, used for many texts.
 *
 * Texts are decoded and compared instead of being matched by a pattern of all forms: such a pattern takes
 * milliseconds to compile for one key, and a call has only microseconds to spare.
 */
export class Redactor {
  readonly #credentials: readonly Forms[];
  /** Finds whatever may be an occurrence, at a glance; undefined where there are too many to look for at once. */
  readonly #trace: RegExp | undefined;

  constructor(credentials: readonly string[]) {
    this.#credentials = credentials
      .filter((value) => value !== '')
      // A credential that contains another one goes first; the other way round its rest would stay.
      .sort((a, b) => b.length - a.length)
      .map(formsOf);
    if (this.#credentials.length <= MOST_TRACED) {
      this.#trace = new RegExp(this.#credentials.flatMap(tracesOf).join('|'), 'i');
    }
  }

  /** The text with every occurrence masked. */
  redact(text: string): string {
    let clean = text;
    for (const forms of this.#credentials) clean = replaceRanges(clean, find(clean, forms), forms.masked);
    return clean;
  }

  /** Whether the text holds no occurrence. */
  isClean(text: string): boolean {
    if (this.#trace && !this.#trace.test(text) && text.search(ESCAPE) === -1) return true;
    return this.#credentials.every((forms) => find(text, forms).length === 0);
  }
}

/**
 * Patterns of which a text has to fit one, in upper or lower case, if one of the forms stands in it or is cut off in it. Any
 * sign does in the place of a sign: base64 has two alphabets, and patterns have a meaning for most.
 */
function tracesOf({ plain, encoded }: Forms): string[] {
  return [...plain, ...encoded].flatMap(cutsOf).map((cut) => cut.replace(/\W/g, '.'));
}

/** The parts that give a form away. What a short one ends in may be a word. */
function cutsOf(form: string): string[] {
  const start = form.slice(0, SHORTEST_CUT);
  return form.length < 2 * SHORTEST_CUT ? [start] : [start, form.slice(-SHORTEST_CUT)];
}

function formsOf(value: string): Forms {
  const rest = value.slice(prefixOf(value).length);
  const body = rest.length >= SHORTEST_BODY ? rest : value;
  const encoded = value.length < SHORTEST_ENCODED ? [] : [hexadecimal(body), ...base64Forms(body)];
  const plain = body === value ? [value] : [value, body];
  return { masked: mask(value), plain: plain.map(lowerCase), encoded };
}

/** Lower case of ASCII only: the length stays, so that a place in the copy is the place in the original. */
function lowerCase(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function hexadecimal(value: string): string {
  return Array.from(new TextEncoder().encode(value), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The part of base64 that is the credential's own, at each of the three places where it can begin in a group of
 * three bytes; the characters at the rims depend on the neighbours too.
 */
function base64Forms(value: string): string[] {
  const bytes = new TextEncoder().encode(value);
  return [0, 1, 2].map((offset) => {
    const shifted = new Uint8Array(offset + bytes.length);
    shifted.set(bytes, offset);
    const own = btoa(String.fromCharCode(...shifted)).slice(
      Math.ceil((offset * 8) / 6),
      Math.floor((shifted.length * 8) / 6),
    );
    return lowerCase(standardAlphabet(own));
  });
}

/** base64url as base64; any other text keeps its length. */
function standardAlphabet(text: string): string {
  return /[-_]/.test(text) ? text.replaceAll('-', '+').replaceAll('_', '/') : text;
}

/** A pattern of more takes longer to make than it saves. */
const MOST_TRACED = 8;

/** Texts are escaped in layers: JSON in a URL in JSON. */
const MOST_LAYERS = 4;

function find(text: string, forms: Forms, layer = 1): Range[] {
  const lowerText = lowerCase(text);
  const ranges = forms.plain.flatMap((plain) => findPlain(lowerText, plain));
  if (forms.encoded.length === 0) return ranges;
  const base64Text = standardAlphabet(lowerText);
  for (const encoded of forms.encoded) {
    for (const range of findPlain(base64Text, encoded, BASE64_CHARACTER)) ranges.push(range);
  }
  if (layer < MOST_LAYERS && text.search(ESCAPE) !== -1) {
    const { decoded, origin } = decode(text);
    for (const [start, end] of find(decoded, forms, layer + 1)) ranges.push([origin(start), origin(end)]);
  }
  return ranges;
}

const BASE64_CHARACTER = /[\w+/=]/;

/**
 * The occurrences of a credential, whole or cut off on either side.
 *
 * @param rim - Characters that belong to an occurrence on either side of it, up to four.
 */
function findPlain(text: string, credential: string, rim?: RegExp): Range[] {
  const [start = credential, end] = cutsOf(credential);
  const ranges: Range[] = [];
  // Occurrences may overlap: the start of one, cut off, and then a whole one.
  for (let from = text.indexOf(start); from !== -1; from = text.indexOf(start, from + 1)) {
    let length = start.length;
    while (length < credential.length && text[from + length] === credential[length]) length++;
    ranges.push(rim ? widen(text, from, from + length, rim) : [from, from + length]);
  }
  if (end === undefined) return ranges;
  for (let at = text.indexOf(end); at !== -1; at = text.indexOf(end, at + 1)) {
    let length = end.length;
    const to = at + length;
    while (length < credential.length && text[to - length - 1] === credential.at(-length - 1)) length++;
    ranges.push(rim ? widen(text, to - length, to, rim) : [to - length, to]);
  }
  return ranges;
}

/** base64's characters at the rims still carry up to six bits of the credential each. */
function widen(text: string, start: number, end: number, rim: RegExp): Range {
  const isRim = (index: number): boolean => rim.test(text[index] ?? '');
  let last = end;
  while (last < end + 3 && isRim(last)) last++;
  return [isRim(start - 1) ? start - 1 : start, last];
}

/** A text without one layer of its escapes, and where in it a place of the decoded one comes from. */
function decode(text: string): { decoded: string; origin: (place: number) => number } {
  const parts: string[] = [];
  /** Where each escape ends: in the decoded text, and in the original one. */
  const ends: [decoded: number, original: number][] = [[0, 0]];
  let from = 0;
  let length = 0;
  for (const match of text.matchAll(ESCAPE)) {
    const [escaped, percent, unicode, braced, hex, htmlHex, decimal, sign, name] = match;
    const digits = percent ?? unicode ?? braced ?? hex ?? htmlHex;
    const code = digits === undefined ? Number(decimal) : Number.parseInt(digits, 16);
    const character = sign ?? (name && NAMED[name.toLowerCase()]) ?? String.fromCharCode(code);
    parts.push(text.slice(from, match.index), character);
    length += match.index - from + 1;
    from = match.index + escaped.length;
    ends.push([length, from]);
  }
  parts.push(text.slice(from));
  const origin = (place: number): number => {
    let low = 0;
    for (let high = ends.length - 1; low < high; ) {
      const middle = Math.ceil((low + high) / 2);
      if ((ends[middle]?.[0] ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    const [inDecoded, inOriginal] = ends[low] ?? [0, 0];
    return inOriginal + place - inDecoded;
  };
  return { decoded: parts.join(''), origin };
}

function replaceRanges(text: string, ranges: readonly Range[], replacement: string): string {
  if (ranges.length === 0) return text;
  let clean = '';
  let end = 0;
  for (const range of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (range[0] >= end) clean += text.slice(end, range[0]) + replacement;
    end = Math.max(end, range[1]);
  }
  return clean + text.slice(end);
}
