import { isRecord } from '../../internal/json.ts';
import type { TokenUsage } from '../account.ts';

/*
 * Estimates token counts without a tokenizer: four characters (Unicode code points) count as one token, rounded up. The
 * estimate does not depend on how the text is split into chunks.
 */

export const CHARACTERS_PER_TOKEN = 4;

function tokensOf(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

export function lengthOf(text: string): number {
  return [...text].length;
}

/** @param messages - May contain invalid messages. */
export function promptTokens(messages: readonly unknown[]): number {
  return tokensOf(
    messages.reduce((sum: number, message) => sum + lengthOf(textOf(Object(message).content)), 0),
  );
}

/** Returns the text of a message's `content`. If `content` is an array, concatenates the text of its parts. */
export function textOf(content: unknown): string {
  const texts = [content].flat().map((part) => (isRecord(part) ? part.text : part));
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

  /** Reads a completion or a chunk. */
  read(response: unknown): void {
    if (!isRecord(response)) return;
    this.#reported = readUsage(response.usage) ?? this.#reported;
    for (const choice of Array.isArray(response.choices) ? response.choices.filter(isRecord) : []) {
      const message = choice.delta ?? choice.message ?? { text: choice.text };
      if (isRecord(message)) this.#add(message);
    }
  }

  /** Number of reasoning tokens read so far. */
  get reasoning(): number {
    return tokensOf(this.#reasoningCharacters);
  }

  /** The reported usage, or an estimate if the model server reported none. */
  get usage(): TokenUsage {
    const output = tokensOf(this.#characters);
    return this.#reported ?? { input: this.#input, output, cached: 0, total: this.#input + output };
  }

  /** Counts all the text in a message or a delta: content, reasoning, refusal and tool calls. */
  #add({ role: _, ...fields }: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(fields)) {
      const length = typeof value === 'string' ? lengthOf(value) : 0;
      this.#characters += length;
      if (name.startsWith('reasoning')) this.#reasoningCharacters += length;
      if (Array.isArray(value))
        for (const call of value) if (isRecord(call?.function)) this.#add(call.function);
    }
  }
}

/** Returns the token counts in a `usage` object, or `undefined` if there are none. */
function readUsage(usage: unknown): TokenUsage | undefined {
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: details } = Object(usage);
  const [input, output] = [count(prompt_tokens), count(completion_tokens)];
  const total = count(total_tokens) || input + output;
  return total === 0 ? undefined : { input, output, cached: count(Object(details).cached_tokens), total };
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : 0;
}
