import { isObject } from '../http.ts';
import type { TokenUsage } from '../usage-ledger.ts';
import { textOf } from './message-text.ts';
import type { EmulatedMessage } from './reply.ts';
import { TokenMeter } from './token-meter.ts';

/** What was used, as an answer says it. */
export function wireUsage({ input, output, total }: TokenUsage): object {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: total };
}

/** What an answer says was used; undefined where it does not say. */
export function readUsage(usage: unknown): TokenUsage | undefined {
  if (!isObject(usage)) return undefined;
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: details } = usage;
  const [input, output] = [tokens(prompt_tokens), tokens(completion_tokens)];
  if (input === undefined && output === undefined && tokens(total_tokens) === undefined) return undefined;
  return {
    input: input ?? 0,
    output: output ?? 0,
    cached: (isObject(details) ? tokens(details.cached_tokens) : undefined) ?? 0,
    total: tokens(total_tokens) ?? (input ?? 0) + (output ?? 0),
  };
}

function tokens(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** What is reckoned to have been used. */
export function meteredUsage(messages: readonly EmulatedMessage[], answer: TokenMeter): TokenUsage {
  const prompt = new TokenMeter();
  for (const { content } of messages) prompt.add(textOf(content));
  const [input, output] = [prompt.tokens, answer.tokens];
  return { input, output, cached: 0, total: input + output };
}
