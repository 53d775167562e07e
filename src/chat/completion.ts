type Maybe<T> = T | null | undefined;

/** Why the model stopped. Servers use more reasons than OpenAI documents; the original value is kept. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | (string & {});

/**
 * A tool call that the model requests. Calls of custom tools have `type: 'custom'` and `custom` instead of `function`;
 * they occur only if the request defines such tools.
 */
export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  /** The arguments are JSON text from the model, which can be invalid. */
  readonly function: { readonly name: string; readonly arguments: string };
}

/** The reply of the model. */
export interface CompletionMessage {
  readonly role: 'assistant';
  /** The text; `null` if the reply consists of something else, such as tool calls. */
  readonly content: string | null;
  readonly refusal?: string | null;
  readonly tool_calls?: ToolCall[];
  /** Reasoning of models such as DeepSeek-R1. */
  readonly reasoning_content?: Maybe<string>;
  /** The same content in newer versions of vLLM. */
  readonly reasoning?: Maybe<string>;
  readonly [field: string]: unknown;
}

/** The probability of a token and of its alternatives. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes?: Maybe<readonly number[]>;
  readonly top_logprobs?: readonly Omit<TokenLogprob, 'top_logprobs'>[] | undefined;
}

/** Log probabilities of the tokens of a choice. */
export interface ChoiceLogprobs {
  readonly content?: Maybe<readonly TokenLogprob[]>;
  readonly refusal?: Maybe<readonly TokenLogprob[]>;
}

/** One of the requested choices. */
export interface CompletionChoice {
  readonly index: number;
  readonly message: CompletionMessage;
  readonly finish_reason: FinishReason | null;
  readonly logprobs?: Maybe<ChoiceLogprobs>;
  readonly [field: string]: unknown;
}

/** Number of tokens that a request used. */
export interface CompletionUsage {
  readonly prompt_tokens?: Maybe<number>;
  readonly completion_tokens?: Maybe<number>;
  readonly total_tokens?: Maybe<number>;
  readonly prompt_tokens_details?: Maybe<{
    readonly cached_tokens?: Maybe<number>;
    readonly [field: string]: unknown;
  }>;
  readonly completion_tokens_details?: Maybe<{
    readonly reasoning_tokens?: Maybe<number>;
    readonly [field: string]: unknown;
  }>;
  readonly [field: string]: unknown;
}

/** A chat completion with every field that the server sent. */
export interface ChatCompletion {
  readonly id?: Maybe<string>;
  readonly object?: Maybe<'chat.completion' | (string & {})>;
  /** Time of creation in seconds since 1970. */
  readonly created?: Maybe<number>;
  /** The model that replied, as named by its server. */
  readonly model?: Maybe<string>;
  /** At least one. */
  readonly choices: readonly [CompletionChoice, ...CompletionChoice[]];
  readonly usage?: Maybe<CompletionUsage>;
  readonly [field: string]: unknown;
}

/** The part of a tool call in a chunk. */
export interface ToolCallDelta {
  /** Position of the call among the tool calls of the choice. */
  readonly index?: number | undefined;
  readonly id?: Maybe<string>;
  readonly type?: Maybe<'function'>;
  /** The arguments are a fragment of the JSON text. */
  readonly function?: Maybe<{ readonly name?: Maybe<string>; readonly arguments?: Maybe<string> }>;
}

/** The part of a message in a chunk. */
export interface MessageDelta {
  readonly role?: Maybe<'assistant' | (string & {})>;
  readonly content?: Maybe<string>;
  readonly refusal?: Maybe<string>;
  readonly reasoning_content?: Maybe<string>;
  readonly reasoning?: Maybe<string>;
  readonly tool_calls?: Maybe<readonly ToolCallDelta[]>;
  readonly [field: string]: unknown;
}

/** The part of a choice in a chunk. */
export interface ChunkChoice {
  readonly index: number;
  readonly delta: MessageDelta;
  readonly finish_reason?: Maybe<FinishReason>;
  readonly logprobs?: Maybe<ChoiceLogprobs>;
  readonly [field: string]: unknown;
}

/** A chunk of a streamed completion. */
export interface ChatCompletionChunk {
  readonly id?: Maybe<string>;
  readonly object?: Maybe<'chat.completion.chunk' | (string & {})>;
  readonly created?: Maybe<number>;
  readonly model?: Maybe<string>;
  /** Can be empty, for example in the chunk that contains the usage. */
  readonly choices: readonly ChunkChoice[];
  /** In one of the last chunks; some servers send it in every chunk. */
  readonly usage?: Maybe<CompletionUsage>;
  readonly [field: string]: unknown;
}

/** A model that a key may call. */
export interface Model {
  /** The value for `model` in a request. */
  readonly id: string;
  readonly object?: string | undefined;
  readonly created?: number | undefined;
  readonly owned_by?: string | undefined;
  readonly [field: string]: unknown;
}
