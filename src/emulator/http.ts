import { type Language, languageOf } from './language.ts';

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

export function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
}

export function errorResponse(refusal: Refusal, request: Request): Response {
  return json(refusal.body(languageOf(request)), refusal.status);
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

export function isEventStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') ?? false;
}

/** The token of an `Authorization: Bearer` header; undefined where there is none or it is malformed. */
export function bearerToken(request: Request): string | undefined {
  return /^Bearer ([!-~]+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
}

/** The body's JSON object; undefined where the body is no JSON or another value. */
export async function jsonObject(request: Request): Promise<Record<string, unknown> | undefined> {
  const value = parseJson(await request.text());
  return isObject(value) ? value : undefined;
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
