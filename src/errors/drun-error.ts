import type {
  ApiError,
  ApiKeyLimitError,
  AuthenticationError,
  InsufficientQuotaError,
  InvalidRequestError,
  NotFoundError,
  PermissionError,
  RateLimitError,
  ServerError,
} from './api-errors.ts';
import type {
  ConfigurationError,
  ConnectionError,
  InvalidResponseError,
  TimeoutError,
} from './call-errors.ts';

import type { StreamFailedError, StreamTruncatedError } from './stream-errors.ts';

/** Registered in the global symbol table, so that two copies of the package recognise each other's errors. */
const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.error');

/**
 * What every error of this package has in common.
 *
 * No field, message, stack or cause of such an error holds a credential: what a server or a library said is
 * redacted before the error is made.
 */
export abstract class DrunError extends Error {
  /** The name of the class, literal: it survives minification. */
  abstract override get name(): string;

  /** A stable, machine-readable name of what went wrong. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    Object.defineProperty(this, marker, { value: true });
  }

  /**
   * What `JSON.stringify` sees: name, code, message and the error's own plain fields; neither stack nor cause.
   */
  toJSON(): Record<string, unknown> {
    const { name, code, message } = this;
    const { cause: _, ...fields } = this as Record<string, unknown>;
    return { name, code, message, ...fields };
  }
}

/** Every error that this package throws, told apart by `code`. */
export type AnyDrunError =
  | ConfigurationError
  | ConnectionError
  | TimeoutError
  | InvalidResponseError
  | StreamTruncatedError
  | StreamFailedError
  | ApiError<'api_error'>
  | InvalidRequestError
  | AuthenticationError
  | InsufficientQuotaError
  | PermissionError
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
