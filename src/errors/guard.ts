import type {
  ApiError,
  AuthenticationError,
  InsufficientQuotaError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
} from './api.ts';
import type { ApiKeyLimitError, ReplacementFailedError, UnknownOutcomeError } from './api-keys.ts';
import { marker } from './base.ts';
import type {
  MaxToolRoundsError,
  ModelRefusalError,
  OutputTruncatedError,
  OutputValidationError,
  StreamFailedError,
  StreamTruncatedError,
  ToolCallError,
} from './chat.ts';
import type { ConfigurationError, ConnectionError, InvalidResponseError, TimeoutError } from './client.ts';
import type { KeyRingError, KeyStoreError } from './key-ring.ts';

/** Every error that this package throws, discriminated by `code`. */
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
  | ApiError<'api_error', 'ApiError'>
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
 * Checks whether a value is an error of this package, also one of another copy of it. Never throws.
 *
 * @example
 * ```ts
 * import { isDrunError } from 'drun-sdk/errors';
 *
 * function advise(error: unknown): string {
 *   if (!isDrunError(error)) throw error;
 *   switch (error.code) {
 *     case 'rate_limited':
 *       return `Busy, try again in ${error.retryAfterMs ?? 1000} ms.`;
 *     case 'authentication_failed':
 *       return `The key ${error.maskedKey} was rejected.`;
 *     default:
 *       return error.message;
 *   }
 * }
 * ```
 */
export function isDrunError(value: unknown): value is AnyDrunError {
  try {
    return typeof value === 'object' && value !== null && marker in value;
  } catch {
    // A revoked proxy, or one with a trap that throws.
    return false;
  }
}
