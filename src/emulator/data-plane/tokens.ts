import type { TokenUsage } from '../account.ts';
import { isObject } from '../http.ts';
import type { EmulatedMessage } from './reply.ts';

/*
 * Estimates tokens without a model's vocabulary: four characters (Unicode code points) are one token, rounded up. The
 * count does not depend on how text is split into chunks.
 */

export const CHARACTERS_PER_TOKEN = 4;

function tokensOf(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

export function lengthOf(text: string): number {
  return [...text].length;
}

export function promptTokens(messages: readonly EmulatedMessage[]): number {
  return tokensOf(messages.reduce((sum, { content }) => sum + lengthOf(textOf(content)), 0));
}

/** Returns the text of a message's content, with its parts joined. */
export function textOf(content: EmulatedMessage['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text: part }) => (typeof part === 'string' ? part : '')).join('');
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

  /** Number of tokens in the reasoning so far. */
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

/** The `usage` of a response; `undefined` if it has none. */
function readUsage(usage: unknown): TokenUsage | undefined {
  if (!isObject(usage)) return undefined;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: details } = usage;
  const [input, output, total] = [prompt_tokens, completion_tokens, total_tokens].map(count);
  if (input === undefined && output === undefined && total === undefined) return undefined;
  return {
    input: input ?? 0,
    output: output ?? 0,
    cached: (isObject(details) ? count(details.cached_tokens) : undefined) ?? 0,
    total: total ?? (input ?? 0) + (output ?? 0),
  };
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
