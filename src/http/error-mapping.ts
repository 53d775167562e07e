import {
  ApiError,
  type ApiErrorInit,
  AuthenticationError,
  ConnectionError,
  InsufficientQuotaError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
} from '../errors/index.ts';
import type { Secret } from '../secret/secret.ts';
import { rateLimitsOf, requestIdOf } from './call-response.ts';
import { isObject, parseJson } from './json.ts';
import { retryAfterMs } from './retry.ts';
import type { Scrubber } from './scrubber.ts';

/** What is known of the request that an error is about. */
export interface RequestContext {
  /** What was asked for, without ids: `DELETE /apikeys/{id}`. */
  readonly label: string;
  /** Where it was sent. */
  readonly host: string;
  readonly credential: Secret;
  readonly scrubber: Scrubber;
}

/** What a service says of an error, in any of the shapes that are seen in front of and behind d.run. */
interface ServiceError {
  readonly message?: string | undefined;
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly param?: string | undefined;
}

const HINTS: Readonly<Record<number, string>> = {
  401: 'the credential is unknown, deleted, disabled, expired, or meant for another host',
  402: 'the quota is used up',
  403: 'the credential is known, but may not do this',
};

/** What an {@link InvalidResponseError} says of the answer it is about. */
export function answerOf(
  { status, headers }: Response,
  { scrubber }: RequestContext,
): { readonly status: number; readonly requestId: string | undefined } {
  return { status, requestId: requestIdOf(headers, scrubber) };
}

/** The error for an answer with an error status, or with an error in its body. */
export function toApiError(
  status: number,
  headers: Headers,
  text: string,
  context: RequestContext,
): ApiError {
  const { scrubber } = context;
  const said = readServiceError(text, headers.get('content-type'));
  const clean = (value: string | null | undefined): string | undefined =>
    value === undefined || value === null || value === '' ? undefined : scrubber.text(value);
  const message = clean(said.message) ?? HINTS[status] ?? 'the answer gives no reason';
  const init: ApiErrorInit = {
    status,
    serviceCode: clean(said.code),
    serviceType: clean(said.type),
    param: clean(said.param),
    requestId: requestIdOf(headers, scrubber),
    retryAfterMs: retryAfterMs(headers),
    rateLimits: rateLimitsOf(headers),
  };
  return errorOfStatus(`${context.label}: ${status}, ${message}`, init, context.credential);
}

function errorOfStatus(message: string, init: ApiErrorInit, credential: Secret): ApiError {
  switch (init.status) {
    case 400:
    case 422:
      return new InvalidRequestError(message, init);
    case 401:
      return new AuthenticationError(message, { ...init, maskedKey: credential.masked });
    case 402:
      return new InsufficientQuotaError(message, init);
    case 403:
      return new PermissionDeniedError(message, init);
    case 404:
      return new NotFoundError(message, init);
    case 429:
      return new RateLimitError(message, init);
    default:
      return init.status >= 500 ? new ServerError(message, init) : new ApiError(message, init);
  }
}

/**
 * Reads `{error: {code, message, param, type}}` (data plane), `{id, message}` (control plane), and what other
 * servers on the way write: `{error: 'text'}`, `{message}`, `{detail}`, `{detail: [{loc, msg}]}`, a short plain text.
 * HTML says nothing that helps a caller.
 */
function readServiceError(text: string, contentType: string | null): ServiceError {
  const body = parseJson(text);
  if (!isObject(body)) {
    const isPlain = contentType === null || /^text\/plain\b/i.test(contentType);
    return isPlain && !text.trimStart().startsWith('<') ? { message: text.trim() } : {};
  }
  const { error } = body;
  if (typeof error === 'string') return { message: error, code: stringOf(body.code) };
  const said = isObject(error) ? error : body;
  return {
    message: stringOf(said.message) ?? stringOf(said.detail) ?? issuesIn(said.detail),
    code: stringOf(said.code) ?? stringOf(said.id),
    type: stringOf(said.type),
    param: stringOf(said.param),
  };
}

/** What FastAPI says, which model servers are built on. The values that it repeats are the prompt, and stay out. */
function issuesIn(detail: unknown): string | undefined {
  if (!Array.isArray(detail)) return undefined;
  const issues = detail.filter(isObject).map(({ loc, msg }) => {
    const place = Array.isArray(loc) ? loc.map(stringOf).join('.') : '';
    return [place, stringOf(msg)].filter(Boolean).join(': ');
  });
  return issues.filter(Boolean).join('; ');
}

/** What an error says, in any of these shapes. */
export function errorMessageOf(text: string): string | undefined {
  return readServiceError(text, null).message || undefined;
}

/** Whether a JSON body says that the call failed, whatever its status says. */
export function hasErrorEnvelope(body: unknown): boolean {
  return isObject(body) && (isObject(body.error) || (typeof body.error === 'string' && body.error !== ''));
}

function stringOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

/** An error with a code such as `ECONNREFUSED`, as Node gives them. */
interface CodedError extends Error {
  code?: string;
}

/**
 * The error for a connection that failed. Whatever was thrown may carry the request with its headers, or repeat
 * it in a text, so only a redacted copy goes on, and only of what is at the root: ky's error wraps fetch's,
 * which wraps the socket's, and that one says what happened.
 */
export function toConnectionError(
  thrown: unknown,
  { scrubber, label, host }: RequestContext,
): ConnectionError {
  const { name, message, code } = rootOf(thrown);
  const cause: CodedError = new Error(scrubber.text(message));
  cause.name = scrubber.text(name);
  if (code !== undefined) cause.code = scrubber.text(code);
  // Where the copy was made helps nobody.
  cause.stack = `${cause.name}: ${cause.message}`;
  return new ConnectionError(`${label}: the connection to ${host} failed: ${cause.message}`, { cause });
}

interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly cause?: unknown;
}

/** Deep enough for every chain of wrappers; one that leads back to itself has to end somewhere. */
const LONGEST_CHAIN = 8;

function rootOf(thrown: unknown): Thrown {
  let root = readThrown(thrown);
  for (
    let depth = 1;
    depth < LONGEST_CHAIN && typeof root.cause === 'object' && root.cause !== null;
    depth++
  ) {
    root = readThrown(root.cause, root);
  }
  return root;
}

/**
 * Reads what is said about a failure. Anything can be thrown, and what is thrown can have getters that throw.
 *
 * @param outer - Says what this one leaves unsaid.
 */
function readThrown(
  thrown: unknown,
  outer: Thrown = { name: 'Error', message: 'for an unknown reason' },
): Thrown {
  if (typeof thrown === 'string') return { ...outer, message: thrown, cause: undefined };
  try {
    const { name, message, code, cause, errors } = thrown as Record<string, unknown>;
    return {
      name: typeof name === 'string' && name !== '' ? name : outer.name,
      message: typeof message === 'string' && message !== '' ? message : outer.message,
      code: typeof code === 'string' ? code : outer.code,
      // Several addresses of one host may have been tried: the first failure says as much as all of them.
      cause: cause ?? (Array.isArray(errors) ? errors[0] : undefined),
    };
  } catch {
    return { ...outer, cause: undefined };
  }
}

/**
 * Codes of Node, Deno and Bun for connections that were never there: nothing can have been sent. EHOSTUNREACH and
 * ENETUNREACH are not among them, for they end connections that are open as well.
 */
const NEVER_OPENED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'ConnectionRefused',
  'FailedToOpenSocket',
]);

/** Whether a call failed before anything of it can have reached the server. */
export function neverOpened(error: unknown): boolean {
  if (!(error instanceof ConnectionError)) return false;
  const { code } = error.cause as CodedError;
  return code !== undefined && NEVER_OPENED.has(code);
}
