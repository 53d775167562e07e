/**
 * {@link ApiKeys} and {@link WorkspaceApiKeys} manage the API keys of a d.run account or workspace.
 *
 * @module
 */

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
export type {
  AbortSignalLike,
  PlatformHeaders,
  PlatformRequestInit,
  PlatformResponse,
  PlatformUrl,
} from '../internal/platform.ts';
export { ApiKeys } from './api-keys.ts';
export type { ApiKeyList } from './list.ts';
export type * from './types.ts';
export { WorkspaceApiKeys } from './workspace.ts';
