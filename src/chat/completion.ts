import type { ToolCall } from './content.ts';

/** Why the model stopped. Servers have more reasons than OpenAI lists. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | (string & {});

/** What the model answered. */
export interface CompletionMessage {
  readonly role: 'assistant';
  /** The text; null where the answer is something else, such as tool calls. */
  readonly content: string | null;
  readonly refusal?: string | null | undefined;
  readonly tool_calls?: readonly ToolCall[] | null | undefined;
  /** The reasoning of models such as DeepSeek-R1. */
  readonly reasoning_content?: string | null | undefined;
  /** The same, as newer versions of vLLM call it. */
  readonly reasoning?: string | null | undefined;
  readonly [field: string]: unknown;
}

/** The probability of a token, and of those that could have stood in its place. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes?: readonly number[] | null | undefined;
  readonly top_logprobs?: readonly Omit<TokenLogprob, 'top_logprobs'>[] | undefined;
}

/** One of the answers that were asked for. */
export interface CompletionChoice {
  readonly index: number;
  readonly message: CompletionMessage;
  readonly finish_reason: FinishReason | null;
  readonly logprobs?:
    | {
        readonly content?: readonly TokenLogprob[] | null | undefined;
        readonly refusal?: readonly TokenLogprob[] | null | undefined;
      }
    | null
    | undefined;
  readonly [field: string]: unknown;
}

/** What a call cost, in tokens. */
export interface CompletionUsage {
  readonly prompt_tokens?: number | null | undefined;
  readonly completion_tokens?: number | null | undefined;
  readonly total_tokens?: number | null | undefined;
  readonly prompt_tokens_details?:
    | { readonly cached_tokens?: number | null | undefined; readonly [field: string]: unknown }
    | null
    | undefined;
  readonly completion_tokens_details?:
    | { readonly reasoning_tokens?: number | null | undefined; readonly [field: string]: unknown }
    | null
    | undefined;
  readonly [field: string]: unknown;
}

/** An answer to a chat completion request, with every field that came. */
export interface ChatCompletion {
  readonly id?: string | null | undefined;
  readonly object?: 'chat.completion' | (string & {}) | null | undefined;
  /** When it was made, in seconds since 1970. */
  readonly created?: number | null | undefined;
  /** The model that answered, as its server calls it. */
  readonly model?: string | null | undefined;
  /** At least one. */
  readonly choices: readonly [CompletionChoice, ...CompletionChoice[]];
  readonly usage?: CompletionUsage | null | undefined;
  readonly [field: string]: unknown;
}

/** A model that a key may call. */
export interface Model {
  /** What a request's `model` takes. */
  readonly id: string;
  readonly object?: string | undefined;
  /** In seconds since 1970. */
  readonly created?: number | undefined;
  readonly owned_by?: string | undefined;
  readonly [field: string]: unknown;
}
