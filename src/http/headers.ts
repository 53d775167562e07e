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
  return present({ requests: rateLimitOf(headers, 'requests'), tokens: rateLimitOf(headers, 'tokens') });
}

function rateLimitOf(headers: ResponseHeaders, unit: 'requests' | 'tokens'): RateLimit | undefined {
  return present({
    limit: parseCount(headers.get(`x-ratelimit-limit-${unit}`)),
    remaining: parseCount(headers.get(`x-ratelimit-remaining-${unit}`)),
    resetMs: parseDuration(headers.get(`x-ratelimit-reset-${unit}`)),
  });
}

/** The fields that are known; `undefined` if none is. */
function present<T extends object>(fields: T): T | undefined {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return known.length === 0 ? undefined : (Object.fromEntries(known) as T);
}

function parseCount(text: string | null): number | undefined {
  const value = text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(value) ? value : undefined;
}

const UNITS_MS = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Parses a duration with units, such as `20ms` or `6m0s`. A number without a unit is ambiguous and ignored. */
function parseDuration(text: string | null): number | undefined {
  if (text === null || !/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) return undefined;
  const parts = text.matchAll(/([\d.]+)(ms|[smhd])/g);
  return [...parts].reduce(
    (sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS_MS.get(unit) ?? 0),
    0,
  );
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
