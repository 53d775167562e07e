import { ConfigurationError } from '../errors/index.ts';
import { check, checkBoolean, invalid } from '../errors/invalid.ts';
import { isLoopback, isTimerMs, MAX_TIMER_MS } from '../internal/checks.ts';
import type { HeadersOption } from './call.ts';

/** Names of the options in {@link CallOptions}. */
export const CALL_OPTIONS = ['signal', 'timeoutMs', 'headers', 'maxRetries'] as const;

/** Names of the options in {@link ClientOptions} and of those that each client declares itself. */
export const CLIENT_OPTIONS: readonly string[] = [
  ...['baseUrl', 'timeoutMs', 'maxRetries', 'fetch', 'headers', 'onRetry', 'logger'],
  ...['allowInsecureHttp', 'dangerouslyAllowBrowser'],
];

/** Merges options. Overrides that are `undefined` are ignored. */
export function mergeOptions<Options extends object>(current: Options, overrides: Partial<Options>): Options {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { ...current, ...Object.fromEntries(given) };
}

/** @throws {ConfigurationError} If `withOptions()` would send the current credential to another origin. */
export function checkOrigin(current: URL, next: URL, credential: unknown, option: string): void {
  if (credential !== undefined || next.origin === current.origin) return;
  throw invalid(option, 'must be set as well, because the current one is not sent to another origin');
}

/** Returns the variable, or `undefined` if it is blank or unset, or if the runtime (such as Deno) denies access. */
export function environmentVariable(name: string): string | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly env?: Record<string, string | undefined> };
  };
  try {
    return process?.env?.[name]?.trim() || undefined;
  } catch {
    return undefined;
  }
}

export function optionOrVariable<T>(value: T | undefined, option: string, variable: string): T | string {
  const found = value ?? environmentVariable(variable);
  if (found === undefined) throw invalid(option, `is missing. Pass it, or set ${variable}`);
  return found;
}

export function isWebPage(): boolean {
  return (globalThis as { readonly window?: { readonly document?: unknown } }).window?.document !== undefined;
}

export function refuseBrowser(option: string, allowed: boolean | undefined): void {
  checkBoolean(allowed, 'dangerouslyAllowBrowser');
  if (allowed === true || !isWebPage()) return;
  const why = `In a browser, every visitor can read \`${option}\`. Call the service from a server, or set \`dangerouslyAllowBrowser\` if only trusted users can open this page.`;
  throw new ConfigurationError(why, { option: 'dangerouslyAllowBrowser' });
}

/** @returns The timeout in milliseconds, or `undefined` if there is no limit. */
export function checkTimeout(timeoutMs: number, option = 'timeoutMs'): number | undefined {
  if (timeoutMs === Number.POSITIVE_INFINITY) return undefined;
  if (isTimerMs(timeoutMs)) return timeoutMs;
  const rule = `a positive number of milliseconds, at most ${MAX_TIMER_MS}, or Infinity`;
  throw invalid(option, `must be ${rule}${received(timeoutMs)}`);
}

export function checkRetries(maxRetries = 2): number {
  if (Number.isSafeInteger(maxRetries) && maxRetries >= 0) return maxRetries;
  throw invalid('maxRetries', `must be a non-negative integer${received(maxRetries)}`);
}

export function checkFunction<Value>(value: Value | undefined, option: string): Value | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw invalid(option, `must be a function (received ${typeof value})`);
}

/** Describes a received value. Shows only numbers, because other values may be misplaced credentials. */
function received(value: unknown): string {
  return ` (received ${typeof value === 'number' ? value : typeof value})`;
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const HEADER_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;

/** Headers that the client sets, or that only some transports would send. */
export const RESERVED_HEADERS =
  /^(?:authorization|connection|content-(?:encoding|length)|expect|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/;

/** Checks headers before `fetch` does, because an error from `fetch` would contain the value. */
export function checkHeaders(headers: HeadersOption = {}, reserved?: RegExp): Record<string, string> {
  const isObject = typeof headers === 'object' && headers !== null;
  // The fields of a `Headers` object, even one from another library, are available through its iterator.
  const entries = isObject && Symbol.iterator in headers ? [...headers] : Object.entries(Object(headers));
  const isValid = isObject && entries.every((entry) => Array.isArray(entry));
  check(isValid, 'headers', 'must be a Headers object or a record of strings');
  const checked: Record<string, string> = {};
  for (const [name, value] of entries as [unknown, unknown][]) {
    if (value === undefined) continue;
    const lowerName = String(name).toLowerCase();
    if (!HEADER_NAME.test(lowerName)) throw invalid('headers', 'contains an invalid header name');
    if (reserved?.test(lowerName))
      throw invalid('headers', `must not contain \`${lowerName}\`, which the client sets`);
    if (typeof value !== 'string' || !HEADER_VALUE.test(value)) {
      const rule = 'printable ASCII without leading or trailing white space';
      throw invalid('headers', `contains an invalid value for \`${lowerName}\`: it must be ${rule}`);
    }
    checked[lowerName] = value;
  }
  return checked;
}

/** Endpoint paths, used to detect a request URL that was passed as the base URL. */
const ENDPOINT =
  /\/(?:chat\/completions|completions|models|embeddings|responses|images\/generations|(?:my-|masked-)?apikeys(?:\/.*)?|apikeys-stats)$/i;

/** Checks a base URL and removes a trailing `root` (`/v1`). Messages omit the URL: it may contain a password. */
export function checkBaseUrl(
  baseUrl: string | URL,
  root: string,
  allowInsecureHttp: boolean | undefined,
  source = '`baseUrl`',
): URL {
  checkBoolean(allowInsecureHttp, 'allowInsecureHttp');
  const fail = (why: string): never => {
    throw new ConfigurationError(`${source} ${why}.`, { option: 'baseUrl' });
  };
  const text = typeof baseUrl === 'string' ? baseUrl : Object(baseUrl).href;
  if (typeof text !== 'string') return fail('must be a string or a URL');
  const hasScheme = !/^[a-z\d.-]+(?::\d+)?(?:\/|$)/i.test(text);
  if (!hasScheme) return fail('has no scheme. Add https:// or http://');
  const url = URL.parse(text) ?? fail('is not a valid URL, such as https://chat.d.run');
  const isHttp = url.protocol === 'http:' && (allowInsecureHttp === true || isLoopback(url.hostname));
  if (url.protocol !== 'https:' && !isHttp) {
    return fail('must use https, or http to localhost. `allowInsecureHttp: true` allows http to any host');
  }
  if (url.username !== '' || url.password !== '') return fail('must not contain a user name or password');
  if (url.search !== '' || url.hash !== '') return fail('must not contain a query or fragment');
  const path = url.pathname.replace(/\/+$/, '');
  const endpoint = ENDPOINT.exec(path)?.[0];
  if (endpoint !== undefined) return fail(`must not end with the endpoint ${endpoint}`);
  url.pathname = path.endsWith(root) ? path.slice(0, -root.length) : path;
  return url;
}
