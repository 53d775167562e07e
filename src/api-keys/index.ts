/**
 * {@link ApiKeys}: the API keys of a d.run account.
 *
 * @module
 */
export type { CallOptions, FetchFunction, HeadersOption } from '../transport/call-options.ts';
export type { ApiKeyList } from './api-key-list.ts';
export { ApiKeys, type ApiKeysOptions } from './api-keys.ts';
export type {
  ApiKey,
  ApiKeyPage,
  CreateApiKeyInput,
  CreatedApiKey,
  CreationCheck,
  DeletedApiKey,
  ListApiKeysQuery,
} from './types.ts';
