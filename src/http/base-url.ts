import { ConfigurationError } from '../errors/index.ts';

/** `localhost`, names under it, 127.0.0.0/8 and ::1, as the URL parser writes them. */
const LOOPBACK = /^(?:localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const REGION = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;

/**
 * The address under which a service's paths are. Credentials go there, so it has to be https, or http to this
 * very machine; no message repeats it, for a password may stand in it.
 */
export function validBaseUrl(baseUrl: string | URL, allowInsecureHttp = false): URL {
  const fail = (why: string): never => {
    throw new ConfigurationError(`baseUrl ${why}`, { option: 'baseUrl' });
  };
  if (!URL.canParse(String(baseUrl))) return fail('is not a URL: give one such as https://chat.d.run');
  const url = new URL(baseUrl);
  const isHttpAllowed = allowInsecureHttp === true || LOOPBACK.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHttpAllowed)) {
    return fail('must be https; http is for this machine only (localhost, 127.0.0.1, [::1])');
  }
  if (url.username !== '' || url.password !== '') return fail('must not hold a user name or password');
  if (url.search !== '' || url.hash !== '') return fail('must not have a query or a fragment');
  return url;
}

/** The host of a dedicated deployment: `sh-02` gives `https://sh-02.d.run`. */
export function regionUrl(region: string): URL {
  if (typeof region !== 'string' || !REGION.test(region)) {
    throw new ConfigurationError('region must be the first part of a host name, such as sh-02', {
      option: 'region',
    });
  }
  return new URL(`https://${region}.d.run`);
}

/** What stands before every path: done once for all calls, for a URL takes its time to be taken apart. */
export function rootOf(base: URL): string {
  return base.origin + base.pathname.replace(/\/+$/, '');
}

/** Puts path segments under a root. Each is one segment of the result, whatever stands in it. */
export function joinUrl(root: string, segments: readonly string[], query?: URLSearchParams): string {
  const path = segments.map(encodeURIComponent).join('/');
  const search = query === undefined || query.size === 0 ? '' : `?${query}`;
  return `${root}/${path}${search}`;
}

/**
 * Checks an identifier that is going to be one segment of a path.
 *
 * Encoding alone does not do: `..` has no encoded form, and some servers and proxies decode `%2F` before they
 * look at the path.
 */
export function validPathSegment(value: string, option: string): string {
  const fail = (why: string): never => {
    throw new ConfigurationError(`${option} ${why}`, { option });
  };
  if (typeof value !== 'string' || value === '') return fail('must be a string that is not empty');
  if (/^sk-[\w-]{16,}$/.test(value)) return fail('looks like an API key: give its id, never the key');
  if (/^\.{1,2}$/.test(value) || /[/\\%?#\s\p{Cc}]/u.test(value) || !value.isWellFormed()) {
    return fail('must be one segment of a path: no slash, no percent sign, no white space, not . or ..');
  }
  return value;
}
