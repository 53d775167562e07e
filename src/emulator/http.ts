/** Languages of control-plane messages. */
export type Language = 'en' | 'zh';

/** Thrown by a handler to respond with an error. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  /** Why the request was rejected, for the log. Contains no credential. */
  readonly reason: string;
  // Creates the response on demand: it may echo a credential, but the fields of an error must not contain one.
  readonly #respond: (language: Language) => Response;

  constructor(status: number, reason: string, respond: (language: Language) => Response) {
    super(`${status}: ${reason}`);
    this.status = status;
    this.reason = reason;
    this.#respond = respond;
  }

  toResponse(request: Request): Response {
    return this.#respond(preferredLanguage(request));
  }
}

export function json(body: unknown, status = 200, type = 'application/json; charset=utf-8'): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': type } });
}

/** Creates the response that Go's HTTP server sends for an unknown path. */
export function notFound(): Response {
  const body = '404 page not found\n';
  return new Response(body, {
    status: 404,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-length': String(body.length),
    },
  });
}

export function isEventStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') ?? false;
}

/** Returns the `Authorization: Bearer` token, or `undefined` if there is none. `Bearer` is case-sensitive. */
export function bearerToken(request: Request): string | undefined {
  return /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
}

/** Reads the text of a body. Preserves a byte order mark, because the service rejects bodies that start with one. */
export async function bodyText(message: Request | Response): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await message.arrayBuffer());
}

export function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Returns the first supported language in `Accept-Language`, or English if none is supported. */
export function preferredLanguage(request: Request): Language {
  const language = /\b(en|zh)\b/i.exec(request.headers.get('accept-language') ?? '')?.[1];
  return language?.toLowerCase() === 'zh' ? 'zh' : 'en';
}

const MESSAGES = { ECONNRESET: 'read ECONNRESET', ECONNREFUSED: 'connect ECONNREFUSED' } as const;

/**
 * Thrown by `fetch`, or when a body is read, if a fault drops the connection or the emulator is closed. `serve` and
 * `handlers` drop the client's connection instead.
 */
export class LostConnection extends TypeError {
  constructor(code: keyof typeof MESSAGES = 'ECONNRESET') {
    // Imitates Node's socket errors.
    super('fetch failed', { cause: Object.assign(new Error(MESSAGES[code]), { code }) });
  }
}
