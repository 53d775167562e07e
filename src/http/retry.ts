import { type AnyDrunError, ApiError } from '../errors/index.ts';
import { connectionFailure } from './connection.ts';

/** `transient`: retry all transient failures. `if-not-applied`: retry only if the service cannot have acted. */
export type RetryPolicy = 'if-not-applied' | 'transient';

const INITIAL_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;

/** If the service requests a longer delay, the call fails without a retry. */
const MAX_RETRY_AFTER_MS = 60_000;

export function mayRetry(error: AnyDrunError, policy: RetryPolicy): boolean {
  return isTransient(error) && (policy === 'transient' || cannotHaveBeenApplied(error));
}

/** Whether a failure is temporary: 408, 409, 425, 429, 5xx, lost connections, streams that end before a chunk. */
function isTransient(error: AnyDrunError): boolean {
  if (error.code === 'connection_failed') return connectionFailure(error) !== 'final';
  if (error.code === 'stream_failed' || error.code === 'stream_truncated') {
    return error.completion.choices.length === 0;
  }
  if (!(error instanceof ApiError) || error.code === 'insufficient_quota') return false;
  return error.status >= 500 || [408, 409, 425, 429].includes(error.status);
}

/** Whether the service cannot have acted on the request, because it responded with 429 or no connection was opened. */
export function cannotHaveBeenApplied(error: unknown): boolean {
  return error instanceof ApiError ? error.status === 429 : connectionFailure(error) !== 'unknown';
}

/**
 * Returns the delay that the service requests (`undefined` if it exceeds 60 s), or else a random delay ("full jitter")
 * that spreads out clients that failed at the same time. A requested delay of 0 is ignored. `retry` starts at 1.
 */
export function retryDelayMs(error: AnyDrunError, retry: number): number | undefined {
  const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
  if (asked) return asked <= MAX_RETRY_AFTER_MS ? asked : undefined;
  return Math.random() * Math.min(MAX_DELAY_MS, INITIAL_DELAY_MS * 2 ** (retry - 1));
}
