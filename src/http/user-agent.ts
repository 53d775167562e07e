/** The version in package.json. */
const VERSION = '0.1.0';

/** The headers that identify this package. A web page may not set `User-Agent` without the server's permission. */
export function userAgentHeaders(): Readonly<Record<string, string>> {
  const { window } = globalThis as { readonly window?: { readonly document?: unknown } };
  return window?.document === undefined ? { 'user-agent': `drun-sdk/${VERSION}` } : {};
}
