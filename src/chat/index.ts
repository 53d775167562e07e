/**
 * {@link ChatClient}: calls the models of d.run with an API key.
 *
 * @module
 */
export type { AuthenticatedFetch } from '../http/authenticated-fetch.ts';
export type {
  CallOptions,
  CallPromise,
  CallResponse,
  FetchFunction,
  HeadersOption,
  RequestLogEntry,
  RequestLogger,
  RetryEvent,
  RetryListener,
  WithResponse,
} from '../http/call.ts';
export type { ResponseHeaders, Transport, TransportRequest, TransportResponse } from '../http/transport.ts';
export {
  type ApiKeyVerifier,
  ChatClient,
  type KeyCheck,
  keyVerifier,
  type VerifiedKey,
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
export type { SchemaOutput } from './json-schema.ts';
export type {
  ChatCallOptions,
  ChatClientOptions,
  ChatParseOptions,
  ChatStreamOptions,
  ChatStreamParseOptions,
  RunToolsOptions,
  SchemaOptions,
} from './options.ts';
export type {
  AssistantMessage,
  ChatCompletionRequest,
  ChatMessage,
  ChatRequest,
  ChatStreamRequest,
  ResponseFormat,
  SystemMessage,
  ToolChoice,
  ToolMessage,
  UserMessage,
} from './request.ts';
export type { ParsedCompletion } from './structured-output.ts';
export { defineTool, type Tool, type ToolContext, type ToolDefinition } from './tool.ts';
export type { ToolRunCompletion } from './tool-run.ts';
