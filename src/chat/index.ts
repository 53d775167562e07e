/**
 * {@link ChatClient}: calls the models of d.run with an API key.
 *
 * @module
 */
export type { CallOptions, FetchFunction } from '../transport/call-options.ts';
export { type ChatCallOptions, ChatClient, type ChatClientOptions, type KeyCheck } from './chat-client.ts';
export type {
  ChatCompletion,
  CompletionChoice,
  CompletionMessage,
  CompletionUsage,
  FinishReason,
  Model,
  TokenLogprob,
} from './completion.ts';
export type { AudioPart, ContentPart, ImagePart, TextPart, ToolCall } from './content.ts';
export type {
  AssistantMessage,
  ChatCompletionRequest,
  ChatMessage,
  ResponseFormat,
  SystemMessage,
  ToolChoice,
  ToolDefinition,
  ToolMessage,
  UserMessage,
} from './request.ts';
