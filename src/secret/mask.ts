/** Maximum length of a prefix. Longer text before a `-` is part of the secret, as in a UUID or JWT. */
const MAX_PREFIX = 8;

/** Returns the prefix that names the type of a credential, such as `sk-`. */
export function prefixOf(credential: string): string {
  const length = credential.indexOf('-') + 1;
  return length <= MAX_PREFIX ? credential.slice(0, length) : '';
}

/**
 * Masks a credential: returns the prefix up to the first `-`, six asterisks and the last four characters.
 *
 * At least two thirds of the characters after the prefix are hidden, so a short credential shows fewer than four
 * characters, and a very short one none. A credential that a server has already masked is returned in the same form.
 */
export function mask(credential: string): string {
  const prefix = prefixOf(credential);
  const body = credential.slice(prefix.length);
  const hidden = body.lastIndexOf('*') + 1;
  if (hidden > 0) return `${prefix.replaceAll('*', '')}******${body.slice(hidden).slice(-4)}`;
  if (body.length < 6) return '******';
  return `${prefix}******${body.slice(-Math.min(4, Math.floor(body.length / 3)))}`;
}
