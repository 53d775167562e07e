import type { ResponseHeaders } from './transport.ts';

const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-trace-id', 'x-litellm-call-id'];

export function requestIdOf(headers: ResponseHeaders): string | undefined {
  return REQUEST_ID_HEADERS.map((name) => headers.get(name) ?? undefined).find(Boolean);
}

/** Reads `retry-after-ms` or `Retry-After` (seconds or a date), or else LiteLLM's copy of `Retry-After`. */
export function retryAfterMs(headers: ResponseHeaders): number | undefined {
  const milliseconds = parseNumber(headers.get('retry-after-ms'));
  if (milliseconds !== undefined) return milliseconds;
  const text = headers.get('retry-after') ?? headers.get('llm_provider-retry-after') ?? '';
  const seconds = parseNumber(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(text);
  // `Date.parse` would interpret a bare number as a year.
  if (Number.isNaN(date) || !/[a-z]{3}/i.test(text)) return undefined;
  // The delay is calculated from the server's time, if known, because the local clock may be wrong.
  const now = Date.parse(headers.get('date') ?? '');
  return Math.max(0, date - (Number.isNaN(now) ? Date.now() : now));
}

function parseNumber(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
