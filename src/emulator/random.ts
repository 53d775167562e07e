export const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
export const URL_SAFE: string = `${ALPHANUMERIC}_-`;

/** Gives a random text of the given length, never the same twice. */
export type RandomText = (alphabet: string, length: number) => string;

/**
 * Every text is shifted by how many came before it. That leaves a random text as random as it was, and keeps two
 * texts apart even where somebody's `random` always returns the same number.
 */
export function randomText(random: () => number): RandomText {
  let count = 0;
  return (alphabet, length) => {
    let shift = count++;
    let text = '';
    for (let position = 0; position < length; position++) {
      const index = (Math.floor(random() * alphabet.length) + shift) % alphabet.length;
      shift = Math.floor(shift / alphabet.length);
      text = alphabet.charAt(index) + text;
    }
    return text;
  };
}
