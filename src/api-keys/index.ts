/**
 * {@link ApiKeys} and {@link WorkspaceApiKeys} manage the API keys of a d.run account or workspace.
 *
 * @module
 */
export type { RequestLogEntry, RequestLogger, RetryEvent, RetryListener } from '../http/call-events.ts';
export type { CallOptions, FetchFunction, HeadersOption } from '../http/call-options.ts';
export type { CallPromise, CallResponse, WithResponse } from '../http/call-response.ts';
export { ApiKeys } from './api-keys.ts';
export type { ApiKeyList } from './list.ts';
export type * from './types.ts';
export { WorkspaceApiKeys } from './workspace.ts';
