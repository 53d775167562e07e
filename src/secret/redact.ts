import { Redactor } from './redactor.ts';
import { isSecret, type Secret } from './secret.ts';

/**
 * Replaces every occurrence of the given credentials in a text by their masked form.
 *
 * Finds a credential as it stands, in another case, with any of its characters percent-encoded (also several
 * times) or escaped as in JSON, JavaScript or HTML, as hexadecimal digits, inside of base64 or base64url (alone
 * or as a part of a longer text, such as `user:key`), and in parts that have twelve characters of its beginning or, if it
 * has twice as many, of its end.
 *
 * @param text - What somebody else said: a server's message, a library's error.
 * @param secrets - The credentials to take out, or one. Empty ones are ignored.
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
  // A text can be iterated, too: letter by letter.
  const isOne = typeof secrets === 'string' || isSecret(secrets);
  const values = [...(isOne ? [secrets] : secrets)].map((secret) =>
    isSecret(secret) ? secret.reveal() : secret,
  );
  return new Redactor(values).redact(text);
}
