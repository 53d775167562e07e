/**
 * {@link ChatClient}: calls the models of d.run with an API key.
 *
 * @module
 */
export type { CallOptions, FetchFunction, HeadersOption } from '../transport/call-options.ts';
export {
  type ChatCallOptions,
  ChatClient,
  type ChatClientOptions,
  type ChatStreamOptions,
  type KeyCheck,
} from './chat-client.ts';
export { ChatStream } from './chat-stream.ts';
export type { ChatCompletionChunk, ChunkChoice, MessageDelta, ToolCallDelta } from './chunk.ts';
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
  ChatRequest,
  ChatStreamRequest,
  ResponseFormat,
  SystemMessage,
  ToolChoice,
  ToolDefinition,
  ToolMessage,
  UserMessage,
} from './request.ts';
