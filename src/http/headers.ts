import type { RateLimit, RateLimits } from '../errors/index.ts';
import type { ResponseHeaders } from './transport.ts';

const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-trace-id', 'x-litellm-call-id'];

export function requestIdOf(headers: ResponseHeaders): string | undefined {
  for (const name of REQUEST_ID_HEADERS) {
    const value = headers.get(name);
    if (value) return value;
  }
  return undefined;
}

export function rateLimitsOf(headers: ResponseHeaders): RateLimits | undefined {
  const requests = rateLimitOf(headers, 'requests');
  const tokens = rateLimitOf(headers, 'tokens');
  if (!requests && !tokens) return undefined;
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

function rateLimitOf(headers: ResponseHeaders, unit: 'requests' | 'tokens'): RateLimit | undefined {
  const limit = parseCount(headers.get(`x-ratelimit-limit-${unit}`));
  const remaining = parseCount(headers.get(`x-ratelimit-remaining-${unit}`));
  const resetMs = parseDuration(headers.get(`x-ratelimit-reset-${unit}`));
  if (limit === undefined && remaining === undefined && resetMs === undefined) return undefined;
  return {
    ...(limit !== undefined && { limit }),
    ...(remaining !== undefined && { remaining }),
    ...(resetMs !== undefined && { resetMs }),
  };
}

function parseCount(text: string | null): number | undefined {
  const value = text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(value) ? value : undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Parses a duration with units, such as `20ms` or `6m0s`. A number without a unit is ambiguous and ignored. */
function parseDuration(text: string | null): number | undefined {
  if (text === null || !/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) return undefined;
  const parts = text.matchAll(/([\d.]+)(ms|[smhd])/g);
  return [...parts].reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS_MS[unit] ?? 0), 0);
}

/** The wait that a response asks for: `retry-after-ms`, or `Retry-After` in seconds or as a date; also LiteLLM's copy of it. */
export function retryAfterMs(headers: ResponseHeaders): number | undefined {
  const milliseconds = parseNumber(headers.get('retry-after-ms'));
  if (milliseconds !== undefined) return milliseconds;
  const text = headers.get('retry-after') ?? headers.get('llm_provider-retry-after') ?? '';
  const seconds = parseNumber(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(text);
  // Engines parse a bare number as a year.
  if (Number.isNaN(date) || !/[a-z]{3}/i.test(text)) return undefined;
  // By the server's clock if it is known, because the caller's may be wrong.
  const now = Date.parse(headers.get('date') ?? '');
  return Math.max(0, date - (Number.isNaN(now) ? Date.now() : now));
}

function parseNumber(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
