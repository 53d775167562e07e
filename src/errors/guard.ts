import type * as api from './api.ts';
import type * as keys from './api-keys.ts';
import { marker } from './base.ts';
import type * as chat from './chat.ts';
import type * as client from './client.ts';
import type { KeyRingError, KeyStoreError } from './key-ring.ts';

/** The union of all errors that this package throws, discriminated by `code`. */
export type AnyDrunError =
  | client.ConfigurationError
  | client.ConnectionError
  | client.TimeoutError
  | client.InvalidResponseError
  | keys.UnknownOutcomeError
  | keys.ReplacementFailedError
  | chat.StreamTruncatedError
  | chat.StreamFailedError
  | chat.ModelRefusalError
  | chat.OutputTruncatedError
  | chat.OutputValidationError
  | chat.ToolCallError
  | chat.MaxToolRoundsError
  | KeyRingError
  | KeyStoreError
  | api.ApiError<'api_error'>
  | api.InvalidRequestError
  | api.AuthenticationError
  | api.InsufficientQuotaError
  | api.PermissionDeniedError
  | api.NotFoundError
  | api.RateLimitError
  | keys.ApiKeyLimitError
  | api.ServerError;

/** The codes of all errors that this package throws. */
export type DrunErrorCode = AnyDrunError['code'];

/**
 * Returns whether a value is an error thrown by this package or by another copy of it. Never throws.
 *
 * @example
 * ```ts
 * import { isDrunError } from 'drun-sdk/errors';
 *
 * function advise(error: unknown): string {
 *   if (!isDrunError(error)) throw error;
 *   switch (error.code) {
 *     case 'rate_limited':
 *       return `Busy. Try again in ${error.retryAfterMs ?? 1000} ms.`;
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
    // The value is a revoked proxy, or a proxy with a trap that throws.
    return false;
  }
}
