export const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
export const HEXADECIMAL = '0123456789abcdef';
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

const pool = /* @__PURE__ */ new Uint32Array(256);
let used = pool.length;

/** Drawn many at a time: one call of the platform's source costs as much as a request. */
export function secureRandom(): number {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const value = pool[used++] ?? 0;
  return value / 2 ** 32;
}

/**
 * Random numbers from 0 to below 1 that are the same for the same seed: for `random` of {@link createEmulator}, where
 * a run has to be repeatable. Not for credentials of any worth.
 *
 * @param seed - Any number; its lower 32 bits count.
 */
export function seededRandom(seed: number): () => number {
  // Marsaglia's xorshift, of 32 bits; its state must not be zero. Seeds that are close to each other are spread.
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x85ebca6b || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
