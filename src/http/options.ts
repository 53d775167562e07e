import { ConfigurationError } from '../errors/index.ts';
import { isTimerMs, MAX_TIMER_MS } from '../internal/checks.ts';
import { findUnknownOption } from '../internal/options.ts';
import type { HeadersOption } from './call.ts';

/** Options of every call. A method passes these, and the ones it adds, to {@link checkOptions}. */
export const CALL_OPTIONS = ['signal', 'timeoutMs', 'headers', 'maxRetries'] as const;

/** Options that both clients have. */
export const CLIENT_OPTIONS: readonly string[] =
  'baseUrl timeoutMs maxRetries fetch headers onRetry logger allowInsecureHttp dangerouslyAllowBrowser'.split(
    ' ',
  );

/**
 * Checks that an options argument is an object, that it has only known options, and that none of them is `null`.
 *
 * @param owner - The function that takes the options, for the message: `ChatClient`, `complete()`.
 * @throws {ConfigurationError} If it does not; suggests the closest known option.
 */
export function checkOptions(options: unknown, allowed: readonly string[], owner: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    // Not repeated: it may be a credential, as in `new ChatClient('sk-…')`.
    const received = options === null ? 'null' : Array.isArray(options) ? 'an array' : `a ${typeof options}`;
    throw new ConfigurationError(`${owner} takes an object with options (received ${received}).`, {
      option: 'options',
    });
  }
  const unknown = findUnknownOption(options, allowed);
  if (unknown !== undefined) {
    const hint = unknown.suggestion === undefined ? '' : ` Did you mean \`${unknown.suggestion}\`?`;
    throw new ConfigurationError(`${owner} has no option \`${unknown.name}\`.${hint}`, {
      option: unknown.name,
    });
  }
  for (const [option, value] of Object.entries(options)) {
    if (value === null) {
      throw new ConfigurationError(`\`${option}\` must not be null. Leave it out to use the default.`, {
        option,
      });
    }
  }
}

/** Returns the options of `withOptions()`: the overrides that are not `undefined`, and the current ones. */
export function mergeOptions<Options extends object>(current: Options, overrides: Partial<Options>): Options {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { ...current, ...Object.fromEntries(given) };
}

/** @throws {ConfigurationError} If `withOptions()` would send the current credential to another origin. */
export function checkOrigin(current: URL, next: URL, credential: unknown, option: string): void {
  if (credential !== undefined || next.origin === current.origin) return;
  throw new ConfigurationError(`Requests to another origin need a \`${option}\` of their own.`, { option });
}

/** Parts of the runtime that may be missing. */
interface Runtime {
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
  readonly window?: { readonly document?: unknown };
}

/** Reads an environment variable; `undefined` if it is not set, or the runtime has or permits none (Deno asks its user). */
export function environmentVariable(name: string): string | undefined {
  try {
    return (globalThis as Runtime).process?.env?.[name] || undefined;
  } catch {
    return undefined;
  }
}

/** Returns the option, or the environment variable that stands in for it. */
export function optionOrVariable<T>(value: T | undefined, option: string, variable: string): T | string {
  const found = value ?? environmentVariable(variable);
  if (found === undefined) {
    throw new ConfigurationError(`\`${option}\` is missing. Pass it, or set ${variable}.`, { option });
  }
  return found;
}

/** Refuses to run in a page, whose visitors can read everything in it. */
export function refuseBrowser(option: string, allowed: boolean | undefined): void {
  if (allowed === true || (globalThis as Runtime).window?.document === undefined) return;
  throw new ConfigurationError(
    `In a browser every visitor of the page can read \`${option}\`. Call the service from a server, or set \`dangerouslyAllowBrowser\` if only you open this page.`,
    { option: 'dangerouslyAllowBrowser' },
  );
}

/** @returns The milliseconds, or `undefined` for no limit. */
export function checkTimeout(timeoutMs: number, option = 'timeoutMs'): number | undefined {
  if (timeoutMs === Number.POSITIVE_INFINITY) return undefined;
  if (isTimerMs(timeoutMs)) return timeoutMs;
  throw new ConfigurationError(
    `\`${option}\` must be a number of milliseconds above 0 and up to ${MAX_TIMER_MS}, or Infinity${received(timeoutMs)}.`,
    { option },
  );
}

export function checkRetries(maxRetries: number): number {
  if (Number.isSafeInteger(maxRetries) && maxRetries >= 0) return maxRetries;
  throw new ConfigurationError(`\`maxRetries\` must be an integer of 0 or more${received(maxRetries)}.`, {
    option: 'maxRetries',
  });
}

export function checkFunction<Value>(value: Value | undefined, option: string): Value | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw new ConfigurationError(`\`${option}\` must be a function (received ${typeof value}).`, { option });
}

/** Numbers are repeated in messages; anything else may be a credential in the wrong place. */
function received(value: unknown): string {
  return ` (received ${typeof value === 'number' ? value : typeof value})`;
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
/** No line break, nothing beyond ASCII, no white space at either end. */
const HEADER_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;

/** Checks headers before `fetch` does, whose errors repeat the value. */
export function checkHeaders(headers: HeadersOption): Record<string, string> {
  const fail = (why: string): never => {
    throw new ConfigurationError(`\`headers\` ${why}.`, { option: 'headers' });
  };
  const checked: Record<string, string> = {};
  for (const [name, value] of headerEntries(headers) ??
    fail('must be a Headers object or a record of strings')) {
    if (value === undefined) continue;
    const lowerName = String(name).toLowerCase();
    if (!HEADER_NAME.test(lowerName)) return fail('has a name that is not a valid header name');
    if (lowerName === 'authorization')
      return fail('cannot set `Authorization`: it is set from the credential');
    if (typeof value !== 'string' || !HEADER_VALUE.test(value)) {
      return fail(
        `has a value for \`${lowerName}\` that is not a string of printable ASCII without outer white space`,
      );
    }
    checked[lowerName] = value;
  }
  return checked;
}

function headerEntries(headers: unknown): [unknown, unknown][] | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  // A Headers object, also one of another library, gives its fields through its iterator.
  const entries = Symbol.iterator in headers ? [...(headers as Iterable<unknown>)] : Object.entries(headers);
  return entries.every((entry) => Array.isArray(entry)) ? (entries as [unknown, unknown][]) : undefined;
}
