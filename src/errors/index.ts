/**
 * The errors of `drun-sdk`, the guard {@link isDrunError} and the union of their codes.
 *
 * @module
 */

export { ModelRefusalError, OutputTruncatedError, OutputValidationError } from './answer-errors.ts';
export { type AnyDrunError, type DrunErrorCode, isDrunError } from './any-drun-error.ts';
export {
  ApiError,
  type ApiErrorCode,
  type ApiErrorInit,
  ApiKeyLimitError,
  AuthenticationError,
  InsufficientQuotaError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  type RateLimit,
  RateLimitError,
  type RateLimits,
  ServerError,
  type UnusedKey,
} from './api-errors.ts';
export {
  ConfigurationError,
  ConnectionError,
  InvalidResponseError,
  type ResponseIssue,
  TimeoutError,
} from './call-errors.ts';
export { ReplacementFailedError, UnknownOutcomeError } from './create-errors.ts';
export { DrunError } from './drun-error.ts';
export { KeyRingError, type KeyRingErrorCode } from './key-ring-error.ts';
export { KeyStoreError } from './key-store-errors.ts';
export { type PartialCompletion, StreamFailedError, StreamTruncatedError } from './stream-errors.ts';
export { MaxToolRoundsError, ToolCallError } from './tool-errors.ts';
