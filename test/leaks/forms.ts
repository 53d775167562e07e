/** The credential as servers can write it: as it stands, and in every encoding that somebody could undo. */
export const forms: Readonly<Record<string, (credential: string) => string>> = {
  plain: (credential) => credential,
  'in another case': (credential) => credential.toUpperCase(),
  'with its scheme': (credential) => `Bearer ${credential}`,
  'url-encoded': (credential) => encodeURIComponent(`key=${credential}&`),
  'percent-encoded throughout': (credential) =>
    Array.from(credential, (c) => `%${c.charCodeAt(0).toString(16)}`).join(''),
  'percent-encoded twice': (credential) =>
    encodeURIComponent(Array.from(credential, (c) => `%${c.charCodeAt(0).toString(16)}`).join('')),
  base64: (credential) => Buffer.from(credential).toString('base64'),
  'base64 with its scheme': (credential) => Buffer.from(`Bearer ${credential}`).toString('base64'),
  'base64 of a user and a password': (credential) => Buffer.from(`u:${credential}:x`).toString('base64'),
  base64url: (credential) => Buffer.from(`{"key":"${credential}"}`).toString('base64url'),
  hexadecimal: (credential) => Buffer.from(credential).toString('hex'),
  'escaped as in JavaScript': (credential) =>
    Array.from(credential, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  'escaped as in HTML': (credential) => Array.from(credential, (c) => `&#${c.charCodeAt(0)};`).join(''),
  'cut off': (credential) => credential.slice(0, 32),
  'cut off at its beginning': (credential) => credential.slice(10),
  'base64, cut off at its beginning': (credential) => Buffer.from(credential).toString('base64').slice(16),
};

/** The forms of a credential that a text shows, by name. */
export function shownForms(text: string, credential: string): string[] {
  return Object.entries(forms)
    .filter(([, form]) => text.includes(form(credential)))
    .map(([name]) => name);
}
