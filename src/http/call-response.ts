import type { RateLimit, RateLimits } from '../errors/index.ts';
import type { Scrubber } from './scrubber.ts';

/** All of an answer but its body. */
export interface CallResponse {
  readonly status: number;
  /** The headers as they came; credentials that a server repeats in them are masked. */
  readonly headers: Headers;
  /** From `x-request-id`, `request-id` or `x-trace-id`, where a server sends one; none is documented. */
  readonly requestId?: string | undefined;
  /** How much may be used, where the headers say so. */
  readonly rateLimits?: RateLimits | undefined;
  /** How many requests it took, this answer's included. */
  readonly attempts: number;
}

/** What a call answered, together with the response that it came in. */
export interface WithResponse<Data> {
  readonly data: Data;
  readonly response: CallResponse;
}

/** The promise of a call's answer, which can be asked for the response as well. */
export interface CallPromise<Data> extends Promise<Data> {
  /** The answer together with the status and headers that it came with. Rejects as the call does. */
  withResponse(): Promise<WithResponse<Data>>;
}

/** An answer, and what can be told of the response that it came in. */
export interface Answered<Data> {
  readonly data: Data;
  /** Made when it is asked for: most callers never ask. */
  readonly response: () => CallResponse;
}

export function callPromise<Data>(answered: Promise<Answered<Data>>): CallPromise<Data> {
  const data = answered.then((answer) => answer.data);
  return Object.assign(data, {
    withResponse: async (): Promise<WithResponse<Data>> => {
      // Who asks for both hears of a failure here, and only here.
      data.catch(() => {});
      const answer = await answered;
      return { data: answer.data, response: answer.response() };
    },
  });
}

export function toCallResponse(
  { status, headers }: Response,
  scrubber: Scrubber,
  attempts: number,
): CallResponse {
  const requestId = requestIdOf(headers, scrubber);
  const rateLimits = rateLimitsOf(headers);
  return {
    status,
    headers: scrubber.headers(headers),
    ...(requestId !== undefined && { requestId }),
    ...(rateLimits !== undefined && { rateLimits }),
    attempts,
  };
}

/** Where servers put a request's id. None is documented for d.run. */
const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-trace-id'];

export function requestIdOf(headers: Headers, scrubber: Scrubber): string | undefined {
  for (const name of REQUEST_ID_HEADERS) {
    const value = headers.get(name);
    if (value !== null && value !== '') return scrubber.text(value);
  }
  return undefined;
}

export function rateLimitsOf(headers: Headers): RateLimits | undefined {
  const requests = rateLimitOf(headers, 'requests');
  const tokens = rateLimitOf(headers, 'tokens');
  if (!requests && !tokens) return undefined;
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

function rateLimitOf(headers: Headers, what: 'requests' | 'tokens'): RateLimit | undefined {
  const limit = countIn(headers.get(`x-ratelimit-limit-${what}`));
  const remaining = countIn(headers.get(`x-ratelimit-remaining-${what}`));
  const resetMs = durationMs(headers.get(`x-ratelimit-reset-${what}`));
  if (limit === undefined && remaining === undefined && resetMs === undefined) return undefined;
  return {
    ...(limit !== undefined && { limit }),
    ...(remaining !== undefined && { remaining }),
    ...(resetMs !== undefined && { resetMs }),
  };
}

function countIn(text: string | null): number | undefined {
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

/** A duration with its units: `20ms`, `1.5s`, `6m0s`. A bare number could be anything, and is left alone. */
function durationMs(text: string | null): number | undefined {
  if (text === null || !/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g);
  return [...parts].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit as string] as number),
    0,
  );
}
