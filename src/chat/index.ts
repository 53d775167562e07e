/**
 * {@link ChatClient} calls the models on d.run with an API key.
 *
 * @module
 */

export type { AuthenticatedFetch } from '../http/authenticated-fetch.ts';
export type {
  CallOptions,
  CallPromise,
  CallResponse,
  ClientOptions,
  FetchFunction,
  HeadersOption,
  RequestLogEntry,
  RequestLogger,
  RetryEvent,
  RetryListener,
  WithResponse,
} from '../http/call.ts';
export type { ResponseHeaders, Transport, TransportRequest, TransportResponse } from '../http/transport.ts';
export type * from '../internal/platform.ts';
export {
  type ApiKeyVerifier,
  ChatClient,
  type KeyCheck,
  keyVerifier,
  type VerifiedKey,
} from './chat-client.ts';
export { ChatStream, type EventStreamOptions, type EventStreamResponseOptions } from './chat-stream.ts';
export type * from './completion.ts';
export type * from './options.ts';
export type * from './request.ts';
export type { Parsed, ParsedCompletion } from './structured-output.ts';
export type { ToolEvent, ToolRunCompletion } from './tool-run.ts';
export { ToolStream } from './tool-stream.ts';
export {
  type CustomToolDefinition,
  defineTool,
  type SchemaOutput,
  type Tool,
  type ToolContext,
  type ToolDefinition,
} from './tools.ts';
