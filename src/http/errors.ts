import * as errors from '../errors/index.ts';
import { isRecord, parseJson } from '../internal/json.ts';
import { type ResponseContext, sentence } from './context.ts';
import { errorIn, MAX_SHOWN, parseServiceError, type ServiceError } from './service-error.ts';
import { requestIdOf, retryAfterMs, type TransportResponse } from './transport.ts';

export interface BodyRules {
  /** Fields that the contract defines. A valid body has at least one of them. */
  readonly fields: readonly string[];
  /** Whether `{}` is valid, as in protobuf JSON, which omits default values. */
  readonly allowEmpty?: boolean | undefined;
}

/** Reads the JSON object in a 2xx response. Throws if the body reports an error or violates the contract. */
export async function readJson(
  response: TransportResponse,
  context: ResponseContext,
  { fields, allowEmpty = false }: BodyRules,
): Promise<Readonly<Record<string, unknown>>> {
  const text = await context.deadline.race(response.text());
  const value = parseJson(text);
  if (value === undefined) throw notJson(text, response, context);
  const invalid = (what: string): Error =>
    invalidResponse(response, context, `${response.status} with ${what}`, { body: text });
  const error = errorIn(value, fields);
  if (error !== undefined) throw toApiError(error, response, context);
  if (!isRecord(value)) throw invalid('JSON that is not an object');
  // A field that is `null` counts as present, because protobuf JSON allows `null` instead of a default value.
  if (fields.some((field) => field in value) || (allowEmpty && Object.keys(value).length === 0)) return value;
  throw invalid(`a body that has none of the expected fields (${fields.join(', ')})`);
}

function notJson(text: string, response: TransportResponse, context: ResponseContext): Error {
  // The body may start with an error that is truncated or followed by other text.
  const isEnvelope = /^\s*\[?\s*\{\s*"(?:error|errors|detail)"\s*:/.test(text);
  const error = isEnvelope ? parseServiceError(text) : undefined;
  if (error?.message) return toApiError(error, response, context);
  const isMarkup = /^\s*</.test(text);
  const kind = isMarkup ? 'HTML or XML' : text.trim() === '' ? 'an empty body' : 'a body that is not JSON';
  const what = `${response.status} with ${kind}; is \`baseUrl\` correct?`;
  return invalidResponse(response, context, what, { body: text });
}

/** Limits on reading the body of an error response. */
const MAX_ERROR_LENGTH = 65_536;
const ERROR_BODY_TIMEOUT_MS = 5_000;

/** Redirect statuses in the Fetch standard, and 0 for a redirect whose status the runtime hides. */
const REDIRECTS = [0, 301, 302, 303, 307, 308];

/** Creates the error for a response whose status is not 2xx, from as much of its body as can be read. */
export async function readError(response: TransportResponse, context: ResponseContext): Promise<Error> {
  const { status } = response;
  if (status === 0 || (status >= 300 && status < 400)) {
    response.cancel();
    const what = REDIRECTS.includes(status)
      ? 'a redirect, which is not followed because its target would receive the credential. Is `baseUrl` correct?'
      : 'which is neither a result nor an error. Does a cache or proxy modify the responses?';
    return invalidResponse(response, context, `${status ? `${status},` : 'a response after'} ${what}`);
  }
  const timer = setTimeout(() => response.cancel(), ERROR_BODY_TIMEOUT_MS);
  const body = readText(response, MAX_ERROR_LENGTH);
  const text = await context.deadline.race(body).finally(() => clearTimeout(timer));
  return toApiError(parseServiceError(text) ?? {}, response, context, text.trim());
}

/** Reads a body up to a limit, or until the connection is lost. Never rejects, because the status alone is useful. */
export async function readText(response: TransportResponse, maxLength: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    while (text.length < maxLength) {
      const part = await response.read();
      text += decoder.decode(part, { stream: part !== undefined });
      if (part === undefined) return text;
    }
  } catch {
    // The text received so far may be sufficient.
  }
  response.cancel();
  return text.slice(0, maxLength);
}

const HINTS: Readonly<Record<number, string>> = {
  401: 'the credential is unknown, deleted, disabled, expired, or belongs to another host',
  402: 'the quota is used up',
  403: 'the credential does not permit this request',
};

type ErrorInit = ConstructorParameters<typeof errors.ApiError>[1];

const CLASSES: Readonly<Record<number, new (message: string, init: ErrorInit) => errors.ApiError>> = {
  400: errors.InvalidRequestError,
  402: errors.InsufficientQuotaError,
  403: errors.PermissionDeniedError,
  404: errors.NotFoundError,
  422: errors.InvalidRequestError,
  429: errors.RateLimitError,
};

/**
 * Creates an error whose class depends on the response status or, if that is 2xx, on the status in the error itself.
 * The message contains the body if the error has no message.
 */
export function toApiError(
  error: ServiceError,
  response: TransportResponse,
  context: ResponseContext,
  body = '',
): errors.ApiError {
  const { shown } = context;
  const { headers, status: httpStatus } = response;
  const isSuccess = httpStatus >= 200 && httpStatus < 300;
  const status = isSuccess ? (error.status ?? httpStatus) : httpStatus;
  const given = error.message ? shown(error.message) : shown(body, MAX_SHOWN);
  const reason = given || HINTS[status] || 'the response gives no reason';
  const where = status === httpStatus ? '' : ` (reported in a ${httpStatus} response)`;
  const message = sentence(`${context.label} failed with ${status}${where}: ${reason}`);
  const init: ErrorInit = {
    status,
    url: shown(context.url),
    serviceCode: shown(error.code),
    serviceType: shown(error.type),
    param: shown(error.param),
    requestId: shown(requestIdOf(headers)),
    retryAfterMs: retryAfterMs(headers),
    excerpt: (!error.message && shown(body)) || undefined,
  };
  const says = (name: string): boolean => init.serviceCode === name || init.serviceType === name;
  // LiteLLM reports an exhausted budget with various statuses.
  const isQuota = says('budget_exceeded') || (status === 429 && says('insufficient_quota'));
  if (isQuota) return new errors.InsufficientQuotaError(message, init);
  if (status !== 401)
    return new (CLASSES[status] ?? (status >= 500 ? errors.ServerError : errors.ApiError))(message, init);
  // A 401 from the gateway itself has the code `invalid_api_key` or no code.
  const isOwn = [undefined, 'invalid_api_key'].includes(init.serviceCode);
  if (isOwn || context.credentialOption === 'accessToken') {
    return new errors.AuthenticationError(message, { ...init, maskedKey: context.credential().masked });
  }
  const hint = 'The gateway does not use this code, so a model server may have rejected its own credential.';
  return new errors.AuthenticationError(`${message} ${hint}`, init);
}

export function invalidResponse(
  response: TransportResponse,
  { label, shown }: ResponseContext,
  what: string,
  { issues = [], body }: { issues?: readonly errors.ResponseIssue[]; body?: string | undefined } = {},
): errors.InvalidResponseError {
  return new errors.InvalidResponseError(sentence(shown(`${label} returned ${what}`)), {
    status: response.status,
    issues,
    requestId: shown(requestIdOf(response.headers)),
    excerpt: shown(body?.trim()),
  });
}
