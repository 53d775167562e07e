/// <reference path="./text-imports.d.ts" />

/**
 * The Content Security Policy allows the dashboard's own script and styles, and requests to its own origin. It forbids
 * inline code, other origins, form submissions and framing, and requires trusted types.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': POLICY,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Serves the dashboard's files, which require no token because they contain no data. */
export async function dashboard({ url, method }: Request): Promise<Response | undefined> {
  const { pathname } = new URL(url);
  if (pathname === '/_emulator') {
    return new Response(null, { status: 308, headers: { location: '/_emulator/' } });
  }
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const file = pathname.slice('/_emulator/'.length);
  const load = Object.hasOwn(FILES, file) ? FILES[file] : undefined;
  if (load === undefined) return undefined;
  const [type, { text }] = await load();
  return new Response(text, { headers: { ...HEADERS, 'content-type': type } });
}

/** Dashboard files are loaded on demand, because most emulators never serve the dashboard. */
const FILES: Readonly<Record<string, () => Promise<[string, { readonly text: string }]>>> = {
  '': async () => ['text/html; charset=utf-8', await import('./dashboard/page.html?text')],
  'style.css': async () => ['text/css; charset=utf-8', await import('./dashboard/style.css?text')],
  'script.js': async () => ['text/javascript; charset=utf-8', await import('./dashboard/main.ts?text')],
};
