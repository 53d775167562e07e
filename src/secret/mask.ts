/** Longer prefixes are taken for a part of the credential itself (a UUID, a JWT), not for its kind. */
const LONGEST_PREFIX = 8;

const ASTERISKS = '******';

/** What a credential begins with that only says what it is: `sk-`. */
export function prefixOf(credential: string): string {
  const dash = credential.indexOf('-') + 1;
  return dash <= LONGEST_PREFIX ? credential.slice(0, dash) : '';
}

/**
 * A credential as it may be shown: the prefix up to the first `-`, six asterisks, the last four characters.
 *
 * At least two thirds of what follows the prefix stay hidden, so a short credential shows less of its end and a
 * very short one nothing. A text that a server has already masked comes out in the same form.
 */
export function mask(credential: string): string {
  const prefix = prefixOf(credential);
  const body = credential.slice(prefix.length);
  const hidden = body.lastIndexOf('*') + 1;
  if (hidden > 0) return prefix.replaceAll('*', '') + ASTERISKS + body.slice(hidden).slice(-4);
  if (body.length < 6) return ASTERISKS;
  return prefix + ASTERISKS + body.slice(-Math.min(4, Math.floor(body.length / 3)));
}

/** What looks like a key of d.run. */
const ANY_KEY = /\bsk-[\w-]{16,}/g;

/** A text with everything masked in it that looks like a key of d.run. */
export function maskKeys(text: string): string {
  return text.replace(ANY_KEY, mask);
}
