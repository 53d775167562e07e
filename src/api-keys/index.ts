/**
 * {@link ApiKeys} and {@link WorkspaceApiKeys}: the API keys of a d.run account, and of a workspace.
 *
 * @module
 */
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
export type { ApiKey, ApiKeyQuota, CreatedApiKey, DeletedApiKey } from './api-key.ts';
export type { ApiKeyList } from './api-key-list.ts';
export { ApiKeys } from './api-keys.ts';
export type { CreationCheck } from './check-creation.ts';
export type { ApiKeyPage, ListApiKeysQuery } from './list-page.ts';
export type { CreateApiKeyInput, CreateApiKeyOptions, CreateWorkspaceApiKeyInput } from './new-key.ts';
export type { ApiKeysOptions, WorkspaceApiKeysOptions } from './options.ts';
export type { PruneApiKeysQuery, PrunedApiKey, PruneWorkspaceApiKeysQuery } from './prune.ts';
export type { ScopedApiKeys } from './scoped-api-keys.ts';
export type {
  ApiKeyUsage,
  ApiKeyUsageQuery,
  AudioUsage,
  TokenUsage,
  UsageAmounts,
  UsagePoint,
} from './usage.ts';
export { WorkspaceApiKeys } from './workspace-api-keys.ts';
