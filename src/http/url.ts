import { ConfigurationError } from '../errors/index.ts';
import { check, checkBoolean, invalid } from '../errors/invalid.ts';
import { isLoopback } from '../internal/checks.ts';

const REGION = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;

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
    return fail('must use https, or http to this machine. `allowInsecureHttp: true` allows http to any host');
  }
  if (url.username !== '' || url.password !== '') return fail('must not contain a user name or password');
  if (url.search !== '' || url.hash !== '') return fail('must not contain a query or fragment');
  const path = url.pathname.replace(/\/+$/, '');
  const endpoint = ENDPOINT.exec(path)?.[0];
  if (endpoint !== undefined) return fail(`must not end with the endpoint ${endpoint}`);
  url.pathname = path.endsWith(root) ? path.slice(0, -root.length) : path;
  return url;
}

/** Returns the URL of a dedicated deployment: `https://sh-02.d.run` for `sh-02`. */
export function regionUrl(region: string): URL {
  if (typeof region === 'string' && REGION.test(region)) return new URL(`https://${region}.d.run`);
  throw invalid('region', 'must be the first label of a host name, such as "sh-02"');
}

export function fillPath(path: string, params: Readonly<Record<string, string>> | undefined): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params?.[name] ?? ''));
}

/**
 * Throws unless the value is a single path segment. Encoding is not enough: `..` has no encoded form, and some servers
 * and proxies decode `%2F` before routing.
 */
export function checkPathSegment(value: string, option: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(option, 'must be a non-empty string');
  if (/^sk-[\w-]{16,}$/.test(value)) throw invalid(option, 'looks like an API key. Pass the id of the key');
  const isSegment = !/^\.{1,2}$|[/\\%?#\s\p{Cc}]/u.test(value) && value.isWellFormed();
  check(isSegment, option, 'must be a single path segment without slashes, percent signs or white space');
  return value;
}
