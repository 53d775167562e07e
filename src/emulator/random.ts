export const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
export const HEXADECIMAL = '0123456789abcdef';
export const URL_SAFE: string = `${ALPHANUMERIC}_-`;

/** Returns a random string of the given length. Each call returns a different string. */
export type RandomText = (alphabet: string, length: number) => string;

/**
 * Creates a source of random strings. Shifts each string by the number of previous strings. Shifted strings are equally
 * random, but differ even if a custom `random` always returns the same number.
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

export function secureRandom(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value / 2 ** 32;
}

/**
 * Creates a source of random numbers from 0 (inclusive) to 1 (exclusive). The same seed yields the same sequence. Pass
 * the source to {@link createEmulator} as `random` for repeatable runs. Not for generating real credentials.
 *
 * @param seed - Any number; only its lower 32 bits are used.
 */
export function seededRandom(seed: number): () => number {
  // Marsaglia's 32-bit xorshift: its state must not be zero. The factor spreads out the states of adjacent seeds.
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x85ebca6b || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
