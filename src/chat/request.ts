import type { ToolCall } from './completion.ts';
import type { CustomToolDefinition, Tool, ToolDefinition } from './tools.ts';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** An image, as a web URL or a `data:` URL. */
export interface ImagePart {
  readonly type: 'image_url';
  readonly image_url: { readonly url: string; readonly detail?: 'auto' | 'low' | 'high' | undefined };
}

/** Base64-encoded audio. */
export interface AudioPart {
  readonly type: 'input_audio';
  readonly input_audio: { readonly data: string; readonly format: 'wav' | 'mp3' | (string & {}) };
}

/** Not every model supports images and audio. */
export type ContentPart = TextPart | ImagePart | AudioPart;

/** Instructions for the whole conversation. */
export interface SystemMessage {
  readonly role: 'system' | 'developer';
  readonly content: string | readonly TextPart[];
  readonly name?: string | undefined;
}

export interface UserMessage {
  readonly role: 'user';
  readonly content: string | readonly ContentPart[];
  readonly name?: string | undefined;
}

/** An earlier reply from the model. The `message` of a completion can be sent back unchanged. */
export interface AssistantMessage {
  readonly role: 'assistant';
  readonly content?: string | readonly TextPart[] | null | undefined;
  readonly name?: string | undefined;
  readonly refusal?: string | null | undefined;
  readonly tool_calls?: readonly ToolCall[] | null | undefined;
  readonly reasoning_content?: string | null | undefined;
  readonly reasoning?: string | null | undefined;
}

/** The result of a tool call. */
export interface ToolMessage {
  readonly role: 'tool';
  readonly tool_call_id: string;
  readonly content: string | readonly TextPart[];
}

export type ChatMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** Whether the model may, must or must not call tools, or which tool it must call. */
export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } };

export type ResponseFormat =
  | { readonly type: 'text' | 'json_object' }
  | {
      readonly type: 'json_schema';
      readonly json_schema: {
        readonly name: string;
        readonly description?: string | undefined;
        readonly schema?: object | undefined;
        readonly strict?: boolean | null | undefined;
      };
    };

type Optional<T> = T | null | undefined;

/**
 * A chat completion request in the format of the OpenAI API, with the extensions of vLLM and SGLang.
 *
 * Fields that are not listed here are sent unchanged. To catch misspelled names, TypeScript rejects unlisted fields in
 * an object literal. It accepts them if the request is first assigned to a variable.
 */
export interface ChatRequest {
  /** `public/<name>` for a shared model, `<user>/<name>` for a dedicated deployment. */
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: Optional<number>;
  readonly top_p?: Optional<number>;
  readonly max_tokens?: Optional<number>;
  readonly max_completion_tokens?: Optional<number>;
  /** Number of choices to generate. */
  readonly n?: Optional<number>;
  readonly stop?: Optional<string | readonly string[]>;
  readonly seed?: Optional<number>;
  readonly frequency_penalty?: Optional<number>;
  readonly presence_penalty?: Optional<number>;
  readonly logit_bias?: Optional<Readonly<Record<string, number>>>;
  readonly logprobs?: Optional<boolean>;
  readonly top_logprobs?: Optional<number>;
  /** A response format, or a schema from a library such as zod (converted to JSON Schema). */
  readonly response_format?: Optional<ResponseFormat | { readonly '~standard': object }>;
  /** Tool definitions, or tools created by {@link defineTool}. */
  readonly tools?: readonly (ToolDefinition | CustomToolDefinition | Tool)[] | undefined;
  readonly tool_choice?: ToolChoice | undefined;
  readonly parallel_tool_calls?: boolean | undefined;
  /** Identifier of the end user. */
  readonly user?: string | undefined;
  readonly metadata?: Optional<Readonly<Record<string, string>>>;
  readonly store?: Optional<boolean>;
  readonly service_tier?: Optional<string>;
  readonly modalities?: Optional<readonly string[]>;
  readonly prediction?: Optional<object>;
  readonly reasoning_effort?: Optional<'none' | 'minimal' | 'low' | 'medium' | 'high' | (string & {})>;
  // The following fields are extensions of vLLM and SGLang.
  readonly top_k?: number | undefined;
  readonly min_p?: number | undefined;
  readonly repetition_penalty?: number | undefined;
  readonly length_penalty?: number | undefined;
  readonly min_tokens?: number | undefined;
  readonly stop_token_ids?: readonly number[] | undefined;
  readonly include_stop_str_in_output?: boolean | undefined;
  readonly ignore_eos?: boolean | undefined;
  readonly skip_special_tokens?: boolean | undefined;
  readonly truncate_prompt_tokens?: number | undefined;
  readonly prompt_logprobs?: number | undefined;
  readonly return_token_ids?: boolean | undefined;
  readonly add_generation_prompt?: boolean | undefined;
  readonly continue_final_message?: boolean | undefined;
  readonly chat_template?: string | undefined;
  /** Arguments for the chat template, such as `{ enable_thinking: false }`. */
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>> | undefined;
  readonly guided_json?: object | string | undefined;
  readonly guided_regex?: string | undefined;
  readonly guided_choice?: readonly string[] | undefined;
  readonly guided_grammar?: string | undefined;
  readonly structured_outputs?: Readonly<Record<string, unknown>> | undefined;
  readonly regex?: string | undefined;
  readonly ebnf?: string | undefined;
  readonly separate_reasoning?: boolean | undefined;
  readonly enable_thinking?: boolean | undefined;
  readonly thinking_budget?: number | undefined;
  readonly thinking?: Readonly<Record<string, unknown>> | undefined;
  readonly priority?: number | undefined;
}

/** A non-streaming completion request. */
export interface ChatCompletionRequest extends ChatRequest {
  /** Use {@link ChatClient.stream} for a streamed completion. */
  readonly stream?: Optional<false>;
}

/** A request for a streamed completion. */
export interface ChatStreamRequest extends ChatRequest {
  /** Always sent as `true`. */
  readonly stream?: Optional<boolean>;
  readonly stream_options?: Optional<{
    readonly include_usage?: boolean | undefined;
    readonly include_obfuscation?: boolean | undefined;
    readonly continuous_usage_stats?: boolean | undefined;
  }>;
}
