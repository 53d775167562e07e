import { ApiError, ConnectionError } from '../errors/index.ts';

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;

/**
 * Whether sending the same call again can help: 408, 409, 425, 429, 5xx and lost connections. For calls that
 * may be sent twice.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionError) return true;
  return error instanceof ApiError && (error.status >= 500 || [408, 409, 425, 429].includes(error.status));
}

/**
 * How long to wait before an attempt: what the service asks for, or else any time up to a bound that doubles
 * with every attempt ("full jitter", which spreads callers that failed together).
 *
 * @param attempt - How many attempts have failed: 1 or more.
 */
export function retryDelayMs(error: unknown, attempt: number): number {
  const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
  return asked ?? Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
}

/** The wait that a service asks for: `retry-after-ms`, or `Retry-After` in seconds or as a date. */
export function retryAfterMs(headers: Headers): number | undefined {
  const milliseconds = readNumber(headers.get('retry-after-ms'));
  if (milliseconds !== undefined) return milliseconds;
  const retryAfter = headers.get('retry-after');
  const seconds = readNumber(retryAfter);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(retryAfter ?? '');
  // Engines take a bare number for a year.
  if (Number.isNaN(date) || !/[a-z]{3}/i.test(retryAfter ?? '')) return undefined;
  // By the server's clock where it tells the time, for the caller's own may be off.
  const now = Date.parse(headers.get('date') ?? '');
  return Math.max(0, date - (Number.isNaN(now) ? Date.now() : now));
}

function readNumber(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
