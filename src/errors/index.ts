/**
 * The errors of `drun-sdk`, and {@link isDrunError} to recognize them.
 *
 * @module
 */
export {
  ApiError,
  type ApiErrorCode,
  type ApiErrorInit,
  AuthenticationError,
  InsufficientQuotaError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
} from './api.ts';
export { ApiKeyLimitError, ReplacementFailedError, UnknownOutcomeError, type UnusedKey } from './api-keys.ts';
export { DrunError, type ResponseIssue } from './base.ts';
export {
  MaxToolRoundsError,
  ModelRefusalError,
  OutputTruncatedError,
  OutputValidationError,
  type PartialCompletion,
  StreamFailedError,
  StreamTruncatedError,
  ToolCallError,
} from './chat.ts';
export {
  ConfigurationError,
  ConnectionError,
  InvalidResponseError,
  TimeoutError,
} from './client.ts';
export { type AnyDrunError, type DrunErrorCode, isDrunError } from './guard.ts';
export { KeyRingError, type KeyRingErrorCode, KeyStoreError } from './key-ring.ts';
