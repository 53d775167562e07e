import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ContentPart, TextPart, ToolCall } from './content.ts';
import type { Tool, ToolDefinition } from './tool.ts';

/** Instructions for the whole conversation. */
export interface SystemMessage {
  readonly role: 'system' | 'developer';
  readonly content: string | readonly TextPart[];
  readonly name?: string | undefined;
}

/** What the user says. */
export interface UserMessage {
  readonly role: 'user';
  readonly content: string | readonly ContentPart[];
  readonly name?: string | undefined;
}

/** What the model said before; a message of an answer can be sent back as it came. */
export interface AssistantMessage {
  readonly role: 'assistant';
  readonly content?: string | readonly TextPart[] | null | undefined;
  readonly name?: string | undefined;
  readonly refusal?: string | null | undefined;
  readonly tool_calls?: readonly ToolCall[] | null | undefined;
  /** The reasoning of models such as DeepSeek-R1. */
  readonly reasoning_content?: string | null | undefined;
  /** The same, as newer versions of vLLM call it. */
  readonly reasoning?: string | null | undefined;
  /** Anything else that came with the message. */
  readonly [field: string]: unknown;
}

/** What a tool answered. */
export interface ToolMessage {
  readonly role: 'tool';
  readonly tool_call_id: string;
  readonly content: string | readonly TextPart[];
}

/** One message of a conversation. */
export type ChatMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** Whether, or which, tools are to be asked for. */
export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } };

/** The form that the answer is to have. */
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
 * What a request for a chat completion says, after OpenAI's API. Fields that are not named here are sent as they are:
 * model servers know many that OpenAI does not have.
 */
export interface ChatRequest {
  /** `public/<name>` for a shared model, `<user>/<name>` for a dedicated deployment. */
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly max_tokens?: number | null | undefined;
  readonly max_completion_tokens?: number | null | undefined;
  /** How many answers to give. */
  readonly n?: number | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly seed?: number | null | undefined;
  readonly frequency_penalty?: number | null | undefined;
  readonly presence_penalty?: number | null | undefined;
  readonly logit_bias?: Readonly<Record<string, number>> | null | undefined;
  readonly logprobs?: boolean | null | undefined;
  readonly top_logprobs?: number | null | undefined;
  readonly response_format?: ResponseFormat | undefined;
  /** As they are sent, or as {@link defineTool} makes them. */
  readonly tools?: readonly (ToolDefinition | Tool)[] | undefined;
  readonly tool_choice?: ToolChoice | undefined;
  readonly parallel_tool_calls?: boolean | undefined;
  /** Whom the call is made for. */
  readonly user?: string | undefined;
  /** How much a model that reasons is to think. */
  readonly reasoning_effort?:
    | 'none'
    | 'minimal'
    | 'low'
    | 'medium'
    | 'high'
    | (string & {})
    | null
    | undefined;
  /** vLLM: how many of the likeliest tokens to choose from. */
  readonly top_k?: number | undefined;
  /** vLLM: the least probability, in relation to the likeliest token's. */
  readonly min_p?: number | undefined;
  /** vLLM: above 1 discourages repetition. */
  readonly repetition_penalty?: number | undefined;
  /** vLLM: the least number of tokens before the model may stop. */
  readonly min_tokens?: number | undefined;
  /** vLLM: further tokens, by their ids, at which the model stops. */
  readonly stop_token_ids?: readonly number[] | undefined;
  /** vLLM: goes on where the model would stop, up to the limit of tokens. */
  readonly ignore_eos?: boolean | undefined;
  /** vLLM: handed to the model's chat template, such as `{ enable_thinking: false }`. */
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>> | undefined;
  readonly [field: string]: unknown;
}

/** What {@link ChatClient.complete} takes. */
export interface ChatCompletionRequest extends ChatRequest {
  /** An answer in one piece; {@link ChatClient.stream} gives one in many. */
  readonly stream?: false | null | undefined;
  /** {@link ChatClient.parse} takes one. */
  readonly schema?: undefined;
}

/** What {@link ChatClient.stream} takes. */
export interface ChatStreamRequest extends ChatRequest {
  /** Whatever it says, the answer comes in pieces. */
  readonly stream?: boolean | null | undefined;
  readonly stream_options?:
    | { readonly include_usage?: boolean | undefined; readonly [field: string]: unknown }
    | undefined;
  readonly schema?: undefined;
}

/** What a request says that asks for an answer in a schema. */
export interface SchemaRequest<Schema extends StandardSchemaV1> extends ChatRequest {
  /**
   * What the answer has to be: a Standard Schema that can give a JSON schema, such as one of zod, zod/mini, arktype,
   * or of valibot in `toStandardJsonSchema`. A server that keeps to OpenAI's strict rules takes objects only, and
   * no optional fields: make them nullable.
   */
  readonly schema: Schema;
  /** What the schema is called towards the model. Default: `answer`. */
  readonly schemaName?: string | undefined;
  /** Made from the schema. */
  readonly response_format?: undefined;
  /** One answer is read. */
  readonly n?: 1 | null | undefined;
}

/** What {@link ChatClient.parse} takes. */
export interface ChatParseRequest<Schema extends StandardSchemaV1> extends SchemaRequest<Schema> {
  /** An answer in one piece; {@link ChatClient.stream} takes a schema as well. */
  readonly stream?: false | null | undefined;
}

/** What {@link ChatClient.stream} takes for an answer in a schema. */
export interface ChatStreamParseRequest<Schema extends StandardSchemaV1> extends SchemaRequest<Schema> {
  readonly stream?: ChatStreamRequest['stream'];
  readonly stream_options?: ChatStreamRequest['stream_options'];
}

/** What {@link ChatClient.runTools} takes. */
export interface ToolRunRequest extends ChatRequest {
  readonly tools: readonly Tool[];
  /** How many rounds of tool calls are carried out. Default: 10. */
  readonly maxRounds?: number | undefined;
  /** Holds for the first round; later the model is free to answer. */
  readonly tool_choice?: ChatRequest['tool_choice'];
  readonly stream?: false | null | undefined;
  readonly schema?: undefined;
  /** One answer is followed. */
  readonly n?: 1 | null | undefined;
}
