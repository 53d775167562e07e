const CHARACTERS_PER_TOKEN = 4;

/**
 * Counts tokens without knowing a model's vocabulary: one for every four characters (Unicode code points) of all
 * texts together, rounded up. A text counts the same whole and in pieces.
 */
export class TokenMeter {
  #characters = 0;

  add(text: string): void {
    for (const _ of text) this.#characters++;
  }

  get tokens(): number {
    return Math.ceil(this.#characters / CHARACTERS_PER_TOKEN);
  }
}
