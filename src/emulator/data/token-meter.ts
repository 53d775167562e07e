import { isObject } from '../http.ts';

export const CHARACTERS_PER_TOKEN = 4;

/**
 * Counts tokens without knowing a model's vocabulary: one for every four characters (Unicode code points) of all
 * texts together, rounded up. A text counts the same whole and in pieces.
 */
export class TokenMeter {
  #characters = 0;

  add(text: string): void {
    for (const _ of text) this.#characters++;
  }

  /** Whatever a message or a delta says: its content, its reasoning, a refusal, the tools that it calls. */
  addMessage({ role: _, ...said }: Readonly<Record<string, unknown>>): void {
    for (const value of Object.values(said)) {
      if (typeof value === 'string') this.add(value);
      if (Array.isArray(value)) for (const call of value) this.#addToolCall(call);
    }
  }

  get tokens(): number {
    return Math.ceil(this.#characters / CHARACTERS_PER_TOKEN);
  }

  #addToolCall(call: unknown): void {
    if (!isObject(call) || !isObject(call.function)) return;
    const { name, arguments: text } = call.function;
    if (typeof name === 'string') this.add(name);
    if (typeof text === 'string') this.add(text);
  }
}
