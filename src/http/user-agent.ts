import { isWebPage } from './options.ts';

/** The version in package.json. */
const VERSION = '0.1.0';

/**
 * Returns the headers that identify this package. A web page cannot set `User-Agent` unless the server permits it
 * (CORS).
 */
export function userAgentHeaders(): Readonly<Record<string, string>> {
  return isWebPage() ? {} : { 'user-agent': `drun-sdk/${VERSION}` };
}
