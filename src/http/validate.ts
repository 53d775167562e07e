import { ConfigurationError } from '../errors/index.ts';
import type { HeadersOption } from './call-options.ts';

/** Longer timers fire at once. */
export const LONGEST_TIMER = 2_147_483_647;

const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
/** What may stand in a header's value: no line break, nothing beyond ASCII, no white space at the ends. */
const HEADER_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;

/** @returns the milliseconds, or undefined where there is no limit. */
export function validTimeout(timeoutMs: number, option = 'timeoutMs'): number | undefined {
  if (timeoutMs === Number.POSITIVE_INFINITY) return undefined;
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0 && timeoutMs <= LONGEST_TIMER)) {
    throw new ConfigurationError(
      `${option} must be a number of milliseconds above 0 and up to ${LONGEST_TIMER}, or Infinity`,
      { option },
    );
  }
  return timeoutMs;
}

export function validRetries(maxRetries: number): number {
  if (!(Number.isSafeInteger(maxRetries) && maxRetries >= 0)) {
    throw new ConfigurationError('maxRetries must be a whole number, 0 or more', { option: 'maxRetries' });
  }
  return maxRetries;
}

/** Checks headers here, since fetch's own error repeats the value, which may be a credential. */
export function validHeaders(headers: HeadersOption): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [name, value] of entriesOf(headers)) {
    if (value === undefined) continue;
    const lowerName = name.toLowerCase();
    if (!HEADER_NAME.test(name)) {
      throw new ConfigurationError('headers has a name that no HTTP header can have', { option: 'headers' });
    }
    if (lowerName === 'authorization') {
      throw new ConfigurationError('headers cannot set Authorization: it is made from the credential', {
        option: 'headers',
      });
    }
    if (typeof value !== 'string' || !HEADER_VALUE.test(value)) {
      throw new ConfigurationError(`headers: the value of ${lowerName} must be printable ASCII, trimmed`, {
        option: 'headers',
      });
    }
    checked[lowerName] = value;
  }
  return checked;
}

function entriesOf(headers: object): [string, unknown][] {
  // The fields of a Headers, also of one of another library, are behind its iterator.
  const isList = typeof headers === 'object' && Symbol.iterator in headers;
  const entries = isList ? [...(headers as Iterable<[string, unknown]>)] : Object.entries(headers);
  if (typeof headers === 'object' && entries.every(Array.isArray)) return entries;
  throw new ConfigurationError('headers must be a Headers, or an object of names and values', {
    option: 'headers',
  });
}

/** @returns the signal, or undefined where there is none. */
export function validSignal(signal: AbortSignal | undefined | null): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function') return signal;
  throw new ConfigurationError('signal must be an AbortSignal, such as the signal of an AbortController', {
    option: 'signal',
  });
}

export function validFunction<Value>(value: Value | undefined, option: string): Value | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw new ConfigurationError(`${option} must be a function`, { option });
  }
  return value;
}
