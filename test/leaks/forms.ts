import { inspect } from 'node:util';

const percent = (text: string): string =>
  Array.from(text, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');

const toHex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Encodings of a credential, alone or in a longer string. */
export const forms: Readonly<Record<string, (credential: string) => string>> = {
  plain: (credential) => credential,
  'in upper case': (credential) => credential.toUpperCase(),
  'in lower case': (credential) => credential.toLowerCase(),
  'with the scheme': (credential) => `Bearer ${credential}`,
  'in a JSON string': (credential) => JSON.stringify(credential),
  'percent-encoded': (credential) => encodeURIComponent(`key=${credential}&`),
  'percent-encoded, every character': percent,
  'percent-encoded in upper case': (credential) =>
    percent(credential).replace(/%../g, (code) => code.toUpperCase()),
  'percent-encoded twice': (credential) => encodeURIComponent(percent(credential)),
  base64: (credential) => Buffer.from(credential).toString('base64'),
  'base64 with the scheme': (credential) => Buffer.from(`Bearer ${credential}`).toString('base64'),
  'base64 as a password': (credential) => Buffer.from(`u:${credential}:x`).toString('base64'),
  'base64 at an odd offset': (credential) => Buffer.from(`ab${credential}`).toString('base64'),
  base64url: (credential) => Buffer.from(`{"key":"${credential}"}`).toString('base64url'),
  'base64, truncated at the end': (credential) => Buffer.from(credential).toString('base64').slice(0, 30),
  'base64, truncated at the start': (credential) => Buffer.from(credential).toString('base64').slice(16),
  hexadecimal: (credential) => Buffer.from(credential).toString('hex'),
  'a printed Buffer': (credential) => inspect(Buffer.from(credential)),
  'a Buffer in JSON': (credential) => JSON.stringify(Buffer.from(credential)),
  'escaped in HTML, every character': (credential) =>
    Array.from(credential, (character) => `&#${character.charCodeAt(0)};`).join(''),
  'escaped in HTML, as OWASP recommends': (credential) =>
    credential.replace(/[^\da-z]/gi, (character) => `&#x${character.charCodeAt(0).toString(16)};`),
  'escaped in JSON, as .NET does': (credential) =>
    credential.replace(
      /[+&'<>]/g,
      (character) => `\\u00${character.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
  'escaped in JSON, every character': (credential) =>
    Array.from(credential, (character) => `\\u00${character.charCodeAt(0).toString(16)}`).join(''),
  'as bytes in Go': (credential) => `[${Buffer.from(credential).join(' ')}]`,
  'as bytes in Python': (credential) => `[${Buffer.from(credential).join(', ')}]`,
  'a printed Uint8Array': (credential) => inspect(new Uint8Array(Buffer.from(credential))),
  'a Uint8Array in JSON': (credential) => JSON.stringify(new Uint8Array(Buffer.from(credential))),
  'hexadecimal with colons': (credential) => Array.from(Buffer.from(credential), toHex).join(':'),
  'hexadecimal in C': (credential) =>
    Array.from(Buffer.from(credential), (byte) => `0x${toHex(byte)}`).join(', '),
  'truncated at the end': (credential) => credential.slice(0, 32),
  'truncated at the start': (credential) => credential.slice(10),
  'only the middle': (credential) => credential.slice(8, 23),
};

/** Returns the names of all forms in which a text contains a credential. */
export function shownForms(text: string, credential: string): string[] {
  let encoded = known.get(credential);
  if (encoded === undefined) {
    encoded = Object.entries(forms).map(([name, form]) => [name, form(credential)] as const);
    known.set(credential, encoded);
  }
  return encoded.filter(([, form]) => text.includes(form)).map(([name]) => name);
}

const known = new Map<string, (readonly [name: string, text: string])[]>();

/** Returns all decodings of a text, in lower case. */
export function decodings(text: string): string[] {
  const decodeOnce = (encoded: string): string =>
    encoded
      .replace(/%([\da-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
      .replace(/\\(["\\/])/g, '$1');
  const once = decodeOnce(text);
  const binary = [...text.matchAll(/[\w+/=-]{8,}/g)].flatMap(([run]) =>
    [0, 1, 2, 3].flatMap((skip) => [
      Buffer.from(run.slice(skip), 'base64').toString('latin1'),
      Buffer.from(run.slice(skip), 'hex').toString('latin1'),
    ]),
  );
  return [text, once, decodeOnce(once), ...binary].map((reading) => reading.toLowerCase());
}
