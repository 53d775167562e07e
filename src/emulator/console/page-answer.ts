/**
 * What a browser may do with the page: load its own script, style and icon, and call the origin that it came
 * from. Nothing inline, nothing from elsewhere, no form that is sent anywhere, no frame around it, and no text that
 * becomes markup (trusted types).
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
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
  'x-frame-options': 'DENY',
};

/** An answer to the page. All of them have the same guards: the new key's answer needs them as much as the page. */
export function pageAnswer(body: string, type: string, status = 200): Response {
  return new Response(body, { status, headers: { ...HEADERS, 'content-type': type } });
}

export function pageJson(body: unknown, status = 200): Response {
  return pageAnswer(JSON.stringify(body), 'application/json; charset=utf-8', status);
}
