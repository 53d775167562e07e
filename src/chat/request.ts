import type { ContentPart, TextPart, ToolCall } from './content.ts';
import type { Tool, ToolDefinition } from './tool.ts';

/** Instructions for the whole conversation. */
export interface SystemMessage {
  readonly role: 'system' | 'developer';
  readonly content: string | readonly TextPart[];
  readonly name?: string | undefined;
}

/** A message of the user. */
export interface UserMessage {
  readonly role: 'user';
  readonly content: string | readonly ContentPart[];
  readonly name?: string | undefined;
}

/** An earlier reply of the model. The `message` of a completion can be sent back unchanged. */
export interface AssistantMessage {
  readonly role: 'assistant';
  readonly content?: string | readonly TextPart[] | null | undefined;
  readonly name?: string | undefined;
  readonly refusal?: string | null | undefined;
  readonly tool_calls?: readonly ToolCall[] | null | undefined;
  /** Reasoning of models such as DeepSeek-R1. */
  readonly reasoning_content?: string | null | undefined;
  /** The same field in newer versions of vLLM. */
  readonly reasoning?: string | null | undefined;
}

/** The result of a tool call. */
export interface ToolMessage {
  readonly role: 'tool';
  readonly tool_call_id: string;
  readonly content: string | readonly TextPart[];
}

/** One message of a conversation. */
export type ChatMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** Whether the model may, must or must not call tools, or the one that it must call. */
export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } };

/** The format of the reply. */
export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema';
      readonly json_schema: {
        readonly name: string;
        readonly description?: string | undefined;
        readonly schema?: object | undefined;
        readonly strict?: boolean | null | undefined;
      };
    };

/**
 * A chat completion request in the format of the OpenAI API, with the extensions of vLLM and SGLang.
 *
 * Fields that are not listed here are sent unchanged. Pass them from a variable: an object literal with an unknown field
 * does not compile, which catches misspelled names.
 */
export interface ChatRequest {
  /** `public/<name>` for a shared model, `<user>/<name>` for a dedicated deployment. */
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly max_tokens?: number | null | undefined;
  readonly max_completion_tokens?: number | null | undefined;
  /** Number of choices to generate. */
  readonly n?: number | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly seed?: number | null | undefined;
  readonly frequency_penalty?: number | null | undefined;
  readonly presence_penalty?: number | null | undefined;
  readonly logit_bias?: Readonly<Record<string, number>> | null | undefined;
  readonly logprobs?: boolean | null | undefined;
  readonly top_logprobs?: number | null | undefined;
  readonly response_format?: ResponseFormat | undefined;
  /** Definitions as they are sent, or tools of {@link defineTool}. */
  readonly tools?: readonly (ToolDefinition | Tool)[] | undefined;
  readonly tool_choice?: ToolChoice | undefined;
  readonly parallel_tool_calls?: boolean | undefined;
  /** Identifier of the end user. */
  readonly user?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | null | undefined;
  readonly store?: boolean | null | undefined;
  readonly service_tier?: string | null | undefined;
  readonly modalities?: readonly string[] | null | undefined;
  readonly prediction?: object | null | undefined;
  readonly reasoning_effort?:
    | 'none'
    | 'minimal'
    | 'low'
    | 'medium'
    | 'high'
    | (string & {})
    | null
    | undefined;
  /** vLLM, SGLang: number of most likely tokens to sample from. */
  readonly top_k?: number | undefined;
  /** vLLM, SGLang: minimum probability of a token, relative to the most likely one. */
  readonly min_p?: number | undefined;
  /** vLLM, SGLang: values above 1 discourage repetition. */
  readonly repetition_penalty?: number | undefined;
  /** vLLM: penalty for the length of a sequence in beam search. */
  readonly length_penalty?: number | undefined;
  /** vLLM, SGLang: minimum number of tokens before the model may stop. */
  readonly min_tokens?: number | undefined;
  /** vLLM, SGLang: ids of further tokens that stop the model. */
  readonly stop_token_ids?: readonly number[] | undefined;
  /** vLLM: keeps the stop string in the text. */
  readonly include_stop_str_in_output?: boolean | undefined;
  /** vLLM, SGLang: continues past the end-of-sequence token, up to the token limit. */
  readonly ignore_eos?: boolean | undefined;
  readonly skip_special_tokens?: boolean | undefined;
  readonly spaces_between_special_tokens?: boolean | undefined;
  readonly truncate_prompt_tokens?: number | undefined;
  readonly prompt_logprobs?: number | undefined;
  readonly return_token_ids?: boolean | undefined;
  readonly echo?: boolean | undefined;
  readonly add_generation_prompt?: boolean | undefined;
  readonly continue_final_message?: boolean | undefined;
  readonly chat_template?: string | undefined;
  /** vLLM, SGLang: arguments of the chat template, such as `{ enable_thinking: false }`. */
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>> | undefined;
  readonly guided_json?: object | string | undefined;
  readonly guided_regex?: string | undefined;
  readonly guided_choice?: readonly string[] | undefined;
  readonly guided_grammar?: string | undefined;
  /** vLLM: structured output by JSON Schema, regular expression, choice or grammar. */
  readonly structured_outputs?: Readonly<Record<string, unknown>> | undefined;
  /** SGLang: regular expression for the reply. */
  readonly regex?: string | undefined;
  /** SGLang: EBNF grammar for the reply. */
  readonly ebnf?: string | undefined;
  /** SGLang: sends reasoning in fields of its own. */
  readonly separate_reasoning?: boolean | undefined;
  readonly stream_reasoning?: boolean | undefined;
  /** Models with a switch for reasoning, such as `{ type: 'enabled', budget_tokens: 1024 }`. */
  readonly thinking?: Readonly<Record<string, unknown>> | undefined;
  readonly enable_thinking?: boolean | undefined;
  readonly thinking_budget?: number | undefined;
  /** vLLM, SGLang: priority of the request in the server's queue. */
  readonly priority?: number | undefined;
  readonly request_id?: string | undefined;
}

/** The first argument of {@link ChatClient.complete}, {@link ChatClient.parse} and {@link ChatClient.runTools}. */
export interface ChatCompletionRequest extends ChatRequest {
  /** Use {@link ChatClient.stream} for a streamed response. */
  readonly stream?: false | null | undefined;
}

/** The first argument of {@link ChatClient.stream}. */
export interface ChatStreamRequest extends ChatRequest {
  /** Always sent as `true`. */
  readonly stream?: boolean | null | undefined;
  readonly stream_options?:
    | {
        readonly include_usage?: boolean | undefined;
        readonly include_obfuscation?: boolean | undefined;
        readonly continuous_usage_stats?: boolean | undefined;
      }
    | undefined;
}
