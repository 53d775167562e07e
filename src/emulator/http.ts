import { type Language, preferredLanguage } from './language.ts';

/** Thrown by a handler to end its request with an error answer. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: (language: Language) => object;

  // The body stays a function: it may repeat a credential, which no field of an error should.
  constructor(status: number, body: (language: Language) => object) {
    super(`refused with ${status}`);
    this.status = status;
    this.body = body;
  }
}

export function json(body: object, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
}

export function errorResponse(refusal: Refusal, request: Request): Response {
  return json(refusal.body(preferredLanguage(request.headers.get('accept-language'))), refusal.status);
}

/** A path that nobody serves, as a router answers it: no JSON. */
export function notFound(): Response {
  return plainText('404 page not found\n', 404);
}

export function methodNotAllowed(allowed: readonly string[]): Response {
  return plainText('Method Not Allowed\n', 405, { allow: allowed.join(', ') });
}

function plainText(body: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } });
}

/** The token of an `Authorization: Bearer` header; undefined where there is none or it is malformed. */
export function bearerToken(request: Request): string | undefined {
  return /^Bearer ([!-~]+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
}

/** The body's JSON object; undefined where the body is no JSON or another value. */
export async function jsonObject(request: Request): Promise<Record<string, unknown> | undefined> {
  const text = await request.text();
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
