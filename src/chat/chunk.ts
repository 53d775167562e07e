import type { CompletionChoice, CompletionUsage, FinishReason } from './completion.ts';

/** What a chunk adds to a tool call. */
export interface ToolCallDelta {
  /** Which of the choice's tool calls it belongs to. */
  readonly index?: number | undefined;
  readonly id?: string | null | undefined;
  readonly type?: 'function' | null | undefined;
  readonly function?:
    | {
        readonly name?: string | null | undefined;
        /** A piece of the arguments' JSON. */
        readonly arguments?: string | null | undefined;
      }
    | null
    | undefined;
}

/** What a chunk adds to a message. */
export interface MessageDelta {
  readonly role?: 'assistant' | (string & {}) | null | undefined;
  readonly content?: string | null | undefined;
  readonly refusal?: string | null | undefined;
  readonly reasoning_content?: string | null | undefined;
  readonly reasoning?: string | null | undefined;
  readonly tool_calls?: readonly ToolCallDelta[] | null | undefined;
  readonly [field: string]: unknown;
}

/** What a chunk adds to one of the answers. */
export interface ChunkChoice {
  readonly index: number;
  readonly delta: MessageDelta;
  readonly finish_reason?: FinishReason | null | undefined;
  readonly logprobs?: CompletionChoice['logprobs'];
  readonly [field: string]: unknown;
}

/** A piece of a streamed answer, as it came. */
export interface ChatCompletionChunk {
  readonly id?: string | null | undefined;
  readonly object?: 'chat.completion.chunk' | (string & {}) | null | undefined;
  /** In seconds since 1970. */
  readonly created?: number | null | undefined;
  readonly model?: string | null | undefined;
  /** May be empty, as in the chunk that carries the usage. */
  readonly choices: readonly ChunkChoice[];
  /** In one chunk near the end, whether it was asked for or not. */
  readonly usage?: CompletionUsage | null | undefined;
  readonly [field: string]: unknown;
}
