/** Why the model stopped. Servers have more reasons than OpenAI lists; the original word is kept. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | (string & {});

/**
 * A call of a tool that the model requests. Calls of custom tools have `type: 'custom'` and a field `custom` instead of
 * `function`; a model makes them only if the request defines such tools.
 */
export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    /** JSON as the model wrote it; it can be invalid. */
    readonly arguments: string;
  };
}

/** The reply of the model. */
export interface CompletionMessage {
  readonly role: 'assistant';
  /** The text; `null` if the reply consists of something else, such as tool calls. */
  readonly content: string | null;
  readonly refusal?: string | null | undefined;
  readonly tool_calls?: ToolCall[] | undefined;
  /** Reasoning of models such as DeepSeek-R1. */
  readonly reasoning_content?: string | null | undefined;
  /** The same field in newer versions of vLLM. */
  readonly reasoning?: string | null | undefined;
  readonly [field: string]: unknown;
}

/** The probability of a token and of its alternatives. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes?: readonly number[] | null | undefined;
  readonly top_logprobs?: readonly Omit<TokenLogprob, 'top_logprobs'>[] | undefined;
}

/** Log probabilities of the tokens of a choice. */
export interface ChoiceLogprobs {
  readonly content?: readonly TokenLogprob[] | null | undefined;
  readonly refusal?: readonly TokenLogprob[] | null | undefined;
}

/** One of the requested choices. */
export interface CompletionChoice {
  readonly index: number;
  readonly message: CompletionMessage;
  readonly finish_reason: FinishReason | null;
  readonly logprobs?: ChoiceLogprobs | null | undefined;
  readonly [field: string]: unknown;
}

/** Number of tokens that a request used. */
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

/** A chat completion with every field that the server sent. */
export interface ChatCompletion {
  readonly id?: string | null | undefined;
  readonly object?: 'chat.completion' | (string & {}) | null | undefined;
  /** Time of creation in seconds since 1970. */
  readonly created?: number | null | undefined;
  /** The model that replied, as its server calls it. */
  readonly model?: string | null | undefined;
  /** At least one. */
  readonly choices: readonly [CompletionChoice, ...CompletionChoice[]];
  readonly usage?: CompletionUsage | null | undefined;
  readonly [field: string]: unknown;
}

/** What a chunk adds to a tool call. */
export interface ToolCallDelta {
  /** Position of the call among the tool calls of the choice. */
  readonly index?: number | undefined;
  readonly id?: string | null | undefined;
  readonly type?: 'function' | null | undefined;
  readonly function?:
    | {
        readonly name?: string | null | undefined;
        /** Part of the JSON. */
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

/** What a chunk adds to a choice. */
export interface ChunkChoice {
  readonly index: number;
  readonly delta: MessageDelta;
  readonly finish_reason?: FinishReason | null | undefined;
  readonly logprobs?: ChoiceLogprobs | null | undefined;
  readonly [field: string]: unknown;
}

/** A chunk of a streamed completion. */
export interface ChatCompletionChunk {
  readonly id?: string | null | undefined;
  readonly object?: 'chat.completion.chunk' | (string & {}) | null | undefined;
  /** Time of creation in seconds since 1970. */
  readonly created?: number | null | undefined;
  readonly model?: string | null | undefined;
  /** Can be empty, as in the chunk with the usage. */
  readonly choices: readonly ChunkChoice[];
  /** In one of the last chunks; some servers send it in every chunk. */
  readonly usage?: CompletionUsage | null | undefined;
  readonly [field: string]: unknown;
}

/** A model that a key may call. */
export interface Model {
  /** Value for `model` of a request. */
  readonly id: string;
  readonly object?: string | undefined;
  /** Time of creation in seconds since 1970. */
  readonly created?: number | undefined;
  readonly owned_by?: string | undefined;
  readonly [field: string]: unknown;
}
