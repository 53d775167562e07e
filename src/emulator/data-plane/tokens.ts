import type { TokenUsage } from '../account/usage-log.ts';
import { isObject } from '../http.ts';
import { type EmulatedMessage, textOf } from './reply.ts';

export const CHARACTERS_PER_TOKEN = 4;

/**
 * Counts tokens without a model's vocabulary: one for every four characters (Unicode code points), rounded up. A text
 * counts the same in one piece and in chunks.
 */
export class TokenMeter {
  #characters = 0;

  add(text: string): void {
    for (const _ of text) this.#characters++;
  }

  /** Adds every text of a message or a delta: content, reasoning, refusal, tool calls. */
  addMessage({ role: _, ...fields }: Readonly<Record<string, unknown>>): void {
    for (const value of Object.values(fields)) {
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

export function promptTokens(messages: readonly EmulatedMessage[]): number {
  const meter = new TokenMeter();
  for (const { content } of messages) meter.add(textOf(content));
  return meter.tokens;
}

/** Observes the response of a model server and determines the usage of the request. */
export class UsageMeter {
  readonly #body: Readonly<Record<string, unknown>>;
  readonly #output = new TokenMeter();
  #reported: TokenUsage | undefined;

  constructor(body: Readonly<Record<string, unknown>>) {
    this.#body = body;
  }

  /** Reads a completion or one of its chunks. */
  read(response: unknown): void {
    if (!isObject(response)) return;
    this.#reported = readUsage(response.usage) ?? this.#reported;
    if (!Array.isArray(response.choices)) return;
    for (const choice of response.choices) {
      if (!isObject(choice)) continue;
      const message = choice.delta ?? choice.message ?? { text: choice.text };
      if (isObject(message)) this.#output.addMessage(message);
    }
  }

  /** The reported usage, or an estimate if the model server did not report it. */
  get usage(): TokenUsage {
    if (this.#reported !== undefined) return this.#reported;
    const { messages, prompt } = this.#body;
    const input = promptTokens(
      (Array.isArray(messages) ? messages : [{ content: prompt }]).filter(isReadable),
    );
    const output = this.#output.tokens;
    return { input, output, cached: 0, total: input + output };
  }
}

function isReadable(message: unknown): message is EmulatedMessage {
  if (!isObject(message)) return false;
  const { content } = message;
  return typeof content === 'string' || (Array.isArray(content) && content.every(isObject));
}

/** The `usage` of a response; `undefined` if it has none. */
function readUsage(usage: unknown): TokenUsage | undefined {
  if (!isObject(usage)) return undefined;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: details } = usage;
  const [input, output] = [count(prompt_tokens), count(completion_tokens)];
  if (input === undefined && output === undefined && count(total_tokens) === undefined) return undefined;
  return {
    input: input ?? 0,
    output: output ?? 0,
    cached: (isObject(details) ? count(details.cached_tokens) : undefined) ?? 0,
    total: count(total_tokens) ?? (input ?? 0) + (output ?? 0),
  };
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
