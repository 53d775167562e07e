import type { TokenUsage } from '../account.ts';
import { isObject } from '../http.ts';

/*
 * Estimates tokens without a model's vocabulary: every four characters (Unicode code points) are one token, rounded up.
 * The count does not depend on how text is split into chunks.
 */

export const CHARACTERS_PER_TOKEN = 4;

function tokensOf(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

export function lengthOf(text: string): number {
  return [...text].length;
}

/** @param messages - May be invalid. */
export function promptTokens(messages: readonly unknown[]): number {
  return tokensOf(
    messages.reduce((sum: number, message) => sum + lengthOf(textOf(Object(message).content)), 0),
  );
}

/** Returns the text of a message's content, with its parts joined. */
export function textOf(content: unknown): string {
  const texts = [content].flat().map((part) => (isObject(part) ? part.text : part));
  return texts.filter((text) => typeof text === 'string').join('');
}

/** Determines the usage of a request from its completion or chunks. */
export class UsageMeter {
  readonly #input: number;
  #characters = 0;
  #reasoningCharacters = 0;
  #reported: TokenUsage | undefined;

  /** @param input - Number of tokens in the prompt. */
  constructor(input: number) {
    this.#input = input;
  }

  /** Reads a completion or one of its chunks. */
  read(response: unknown): void {
    if (!isObject(response)) return;
    this.#reported = readUsage(response.usage) ?? this.#reported;
    for (const choice of Array.isArray(response.choices) ? response.choices.filter(isObject) : []) {
      const message = choice.delta ?? choice.message ?? { text: choice.text };
      if (isObject(message)) this.#add(message);
    }
  }

  /** Number of reasoning tokens so far. */
  get reasoning(): number {
    return tokensOf(this.#reasoningCharacters);
  }

  /** The reported usage, or an estimate if the model server reported none. */
  get usage(): TokenUsage {
    const output = tokensOf(this.#characters);
    return this.#reported ?? { input: this.#input, output, cached: 0, total: this.#input + output };
  }

  /** Adds all the text of a message or a delta: content, reasoning, refusal, tool calls. */
  #add({ role: _, ...fields }: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(fields)) {
      const length = typeof value === 'string' ? lengthOf(value) : 0;
      this.#characters += length;
      if (name.startsWith('reasoning')) this.#reasoningCharacters += length;
      if (Array.isArray(value))
        for (const call of value) if (isObject(call?.function)) this.#add(call.function);
    }
  }
}

/** The `usage` of a response; `undefined` if it reports no tokens. */
function readUsage(usage: unknown): TokenUsage | undefined {
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: details } = Object(usage);
  const [input, output] = [count(prompt_tokens), count(completion_tokens)];
  const total = count(total_tokens) || input + output;
  return total === 0 ? undefined : { input, output, cached: count(Object(details).cached_tokens), total };
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : 0;
}
