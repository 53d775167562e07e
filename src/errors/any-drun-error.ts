import type { ModelRefusalError, OutputTruncatedError, OutputValidationError } from './answer-errors.ts';
import type {
  ApiError,
  ApiKeyLimitError,
  AuthenticationError,
  InsufficientQuotaError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
} from './api-errors.ts';
import type {
  ConfigurationError,
  ConnectionError,
  InvalidResponseError,
  TimeoutError,
} from './call-errors.ts';
import type { ReplacementFailedError, UnknownOutcomeError } from './create-errors.ts';
import { marker } from './drun-error.ts';
import type { KeyRingError } from './key-ring-error.ts';
import type { KeyStoreError } from './key-store-errors.ts';
import type { StreamFailedError, StreamTruncatedError } from './stream-errors.ts';
import type { MaxToolRoundsError, ToolCallError } from './tool-errors.ts';

/** Every error that this package throws, told apart by `code`. */
export type AnyDrunError =
  | ConfigurationError
  | ConnectionError
  | TimeoutError
  | InvalidResponseError
  | UnknownOutcomeError
  | ReplacementFailedError
  | StreamTruncatedError
  | StreamFailedError
  | ModelRefusalError
  | OutputTruncatedError
  | OutputValidationError
  | ToolCallError
  | MaxToolRoundsError
  | KeyRingError
  | KeyStoreError
  | ApiError<'api_error'>
  | InvalidRequestError
  | AuthenticationError
  | InsufficientQuotaError
  | PermissionDeniedError
  | NotFoundError
  | RateLimitError
  | ApiKeyLimitError
  | ServerError;

/** The codes of all errors of this package. */
export type DrunErrorCode = AnyDrunError['code'];

/**
 * Tells whether a caught value is an error of this package, also where it was thrown by another copy of it.
 *
 * @example
 * ```ts
 * import { isDrunError } from 'drun-sdk/errors';
 *
 * function advise(error: unknown): string {
 *   if (!isDrunError(error)) throw error;
 *   switch (error.code) {
 *     case 'rate_limited':
 *       return `busy, try again in ${error.retryAfterMs ?? 1000} ms`;
 *     case 'authentication_failed':
 *       return `the key ${error.maskedKey} is refused`;
 *     default:
 *       return error.message;
 *   }
 * }
 * ```
 */
export function isDrunError(value: unknown): value is AnyDrunError {
  return typeof value === 'object' && value !== null && marker in value;
}
