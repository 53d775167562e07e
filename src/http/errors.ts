import {
  ApiError,
  type ApiErrorInit,
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  type DrunError,
  InsufficientQuotaError,
  InvalidRequestError,
  InvalidResponseError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  type ResponseIssue,
  ServerError,
  TimeoutError,
} from '../errors/index.ts';
import { readCauses, type Thrown } from '../internal/cause.ts';
import type { Secret } from '../secret/secret.ts';
import type { Deadline } from './deadline.ts';
import { requestIdOf, retryAfterMs } from './headers.ts';
import { parseServiceError, type ServiceError, withoutInput } from './service-error.ts';
import type { TransportResponse } from './transport.ts';

/** The call that a response belongs to. */
export interface ResponseContext {
  /** Method and path without ids: `DELETE /apikeys/{id}`. Every message starts with it. */
  readonly label: string;
  /** Origin and path of the request. */
  readonly url: string;
  readonly deadline: Deadline;
  /** The credential of the latest request, and what it is called. */
  readonly credential: Secret;
  readonly credentialOption: 'apiKey' | 'accessToken';
  /** Masks every credential that the call has used. For all text that goes into an error. */
  redact(text: string): string;
  /** Does the same in every string of a JSON value. */
  redactValue<T>(value: T): T;
}

/** Redacted texts of servers and libraries are cut to this length, */
const MAX_TEXT = 500;
/** and only this much of them is looked at. */
const MAX_INPUT = 16_384;

/** Length of the start of a body in the message for an unknown shape. */
const MAX_EXCERPT_IN_MESSAGE = 200;

function shorten(text: string, length = MAX_TEXT): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** A text of a server or library as it may be shown: without credentials and repeated input, and not too long. */
export function shownText(text: string, context: Pick<ResponseContext, 'redact'>): string {
  return shorten(context.redact(withoutInput(text.slice(0, MAX_INPUT))));
}

function sentence(text: string): string {
  return /[.!?。！？…]$/.test(text) ? text : `${text}.`;
}

const HINTS: Readonly<Record<number, string>> = {
  401: 'the credential is unknown, deleted, disabled, expired, or belongs to another host',
  402: 'the quota is used up',
  403: 'the credential may not do this',
};

/** The error for a response with an error status; never fails, whatever the body is. */
export function errorFromText(text: string, response: TransportResponse, context: ResponseContext): ApiError {
  const error = parseServiceError(text);
  if (error?.message || text.trim() === '') return toApiError(error ?? {}, response, context);
  const excerpt = shownText(text.trim(), context);
  return toApiError(
    { ...error, message: shorten(excerpt, MAX_EXCERPT_IN_MESSAGE) },
    response,
    context,
    excerpt,
  );
}

/**
 * The error of the class that fits.
 *
 * @param error - What the body says. If the response's own status is a success, this determines the class.
 */
export function toApiError(
  error: ServiceError,
  response: TransportResponse,
  context: ResponseContext,
  excerpt?: string,
): ApiError {
  const { headers, status: httpStatus } = response;
  const isSuccess = httpStatus >= 200 && httpStatus < 300;
  const status = isSuccess ? (error.status ?? httpStatus) : httpStatus;
  const clean = (text: string | undefined): string | undefined =>
    text ? shownText(text, context) : undefined;
  const init: ApiErrorInit = {
    status,
    url: clean(context.url),
    serviceCode: clean(error.code),
    serviceType: clean(error.type),
    param: clean(error.param),
    requestId: clean(requestIdOf(headers)),
    retryAfterMs: retryAfterMs(headers),
    excerpt,
  };
  const reason = clean(error.message) ?? HINTS[status] ?? 'the response gives no reason';
  const where = status === httpStatus ? '' : ` (reported in a ${httpStatus} response)`;
  return errorForStatus(sentence(`${context.label} failed with ${status}${where}: ${reason}`), init, context);
}

function errorForStatus(message: string, init: ApiErrorInit, context: ResponseContext): ApiError {
  const names = [init.serviceCode, init.serviceType];
  const isQuota = names.includes('insufficient_quota');
  // LiteLLM reports it with several statuses.
  if (names.includes('budget_exceeded')) return new InsufficientQuotaError(message, init);
  switch (init.status) {
    case 400:
    case 422:
      return new InvalidRequestError(message, init);
    case 401:
      return authenticationError(message, init, context);
    case 402:
      return new InsufficientQuotaError(message, init);
    case 403:
      return new PermissionDeniedError(message, init);
    case 404:
      return new NotFoundError(message, init);
    case 429:
      return isQuota ? new InsufficientQuotaError(message, init) : new RateLimitError(message, init);
    default:
      return init.status >= 500 ? new ServerError(message, init) : new ApiError(message, init);
  }
}

/** The gateway's own 401 has the code `invalid_api_key` or none; another code comes from a model server behind it. */
function authenticationError(message: string, init: ApiErrorInit, context: ResponseContext): ApiError {
  const isOwn =
    context.credentialOption !== 'apiKey' ||
    init.serviceCode === undefined ||
    init.serviceCode === 'invalid_api_key';
  if (isOwn) return new AuthenticationError(message, { ...init, maskedKey: context.credential.masked });
  const hint = "The code is not the gateway's: a model server may have rejected its own credential.";
  return new AuthenticationError(`${message} ${hint}`, init);
}

/** The error for a response that the contract does not allow. */
export function invalidResponse(
  response: TransportResponse,
  context: ResponseContext,
  what: string,
  details: {
    readonly issues?: readonly ResponseIssue[] | undefined;
    readonly body?: string | undefined;
  } = {},
): InvalidResponseError {
  const requestId = requestIdOf(response.headers);
  return new InvalidResponseError(sentence(shownText(`${context.label} returned ${what}`, context)), {
    status: response.status,
    issues: details.issues,
    requestId: requestId && shownText(requestId, context),
    excerpt: details.body && shownText(details.body.trim(), context),
  });
}

/** The limit of Node's `fetch` on the time to the headers and between two parts of a body. */
const NODE_LIMIT_MS = 300_000;

/**
 * The error for a request without a response, or whose body could not be read.
 *
 * What was thrown may carry the request with its headers, or repeat it in its message, so only redacted copies of the
 * known fields are kept.
 */
export function toConnectionError(
  thrown: unknown,
  context: Pick<ResponseContext, 'label' | 'url' | 'redact'>,
): DrunError {
  const { label } = context;
  const { host } = new URL(context.url);
  const chain = readCauses(thrown);
  // The others wrap the roots. If several addresses were tried, the one that leaves the most open counts.
  const roots = chain.filter(({ isRoot }) => isRoot);
  const ofKind = (kind: FailureKind): Thrown | undefined =>
    roots.find((cause) => failureKind(cause) === kind);
  const root = ofKind('unknown') ?? ofKind('final') ?? roots[0];
  const message = shownText(root?.message || 'unknown reason', context);
  const cause = Object.assign(new Error(message), {
    ...(root?.code && { code: shownText(root.code, context) }),
    ...(root?.syscall && { syscall: shownText(root.syscall, context) }),
  });
  cause.name = shownText(root?.name ?? 'Error', context);
  // The frames of this copy are of no use.
  cause.stack = `${cause.name}: ${cause.message}`;
  if (chain.some(isBug)) {
    const why = `${label}: the custom \`fetch\` or its configuration failed: ${message}`;
    return new ConfigurationError(sentence(why), { option: 'fetch', cause });
  }
  if (chain.some(isRuntimeTimeout)) {
    const why = `${label}: the runtime's fetch stopped waiting (Node limits headers and gaps in a body to 300 s). Pass \`transport: nodeTransport()\` from drun-sdk/node, or \`fetch: (url, init) => undici.fetch(url, { ...init, dispatcher })\` with longer timeouts.`;
    return new TimeoutError(why, { phase: 'runtime', timeoutMs: NODE_LIMIT_MS, cause });
  }
  const why = `${label}: the connection to ${host} failed: ${message}`;
  return new ConnectionError(sentence(why), { host, cause });
}

function isRuntimeTimeout({ code }: Thrown): boolean {
  return code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
}

/** Messages of engines for programming errors, and of `fetch` for a body that is read twice. Network failures are TypeErrors too. */
const BUG_MESSAGE =
  /is not (?:a function|defined|iterable|a constructor|an object)|cannot (?:read|set|destructure|convert|access)|assignment to constant|illegal invocation|failed to parse url|invalid url|(?:body|stream|response).*(?:unusable|already|locked|disturbed)|can't access|undefined is not|null is not/i;

/** Whether something is a bug in the caller's `fetch` rather than a failure of the network. */
function isBug({ name, message, code }: Thrown): boolean {
  if (/^(?:Reference|Range|Syntax|Eval|URI)Error$/.test(name)) return true;
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return true;
  return name === 'TypeError' && (/^ERR_INVALID_(?!HTTP)/.test(code ?? '') || BUG_MESSAGE.test(message));
}

/** Codes of connections that never opened, whatever the system call: Node's DNS, undici, Bun. */
const UNOPENED_CODE =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_\w+|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_HANDSHAKE_TIMEOUT|ERR_SOCKET_CONNECTION_TIMEOUT|ConnectionRefused|FailedToOpenSocket)$/;

/** OpenSSL's codes for certificates that are not accepted, as Node and Bun report them. */
const CERTIFICATE_CODE =
  /^(?:ERR_TLS_)?(?:\w*CERT\w*|UNABLE_TO_\w+|CRL_\w+|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|SUBJECT_ISSUER_MISMATCH|AKID_\w+)$/;

/** OpenSSL's errors of a handshake. Those of an established connection (a bad MAC, a failed decryption) are not among them. */
const HANDSHAKE_CODE =
  /^ERR_SSL_\w*(?:WRONG_VERSION|UNSUPPORTED_PROTOCOL|HANDSHAKE|PROTOCOL_VERSION|UNRECOGNIZED_NAME|UNKNOWN_CA|UNKNOWN_PROTOCOL|PACKET_LENGTH|HTTP_REQUEST|HTTPS_PROXY|NO_PROTOCOLS|NO_SHARED|NO_CIPHERS|VERSION_TOO_LOW|CERTIFICATE|DH_KEY_TOO_SMALL|EE_KEY_TOO_SMALL|CA_MD_TOO_WEAK)\w*$/;

/** For failures without a specific code: closed handshakes and refused proxies in Node, everything in Deno. */
const UNOPENED_MESSAGE = /before secure TLS connection was established|client error \(Connect\)/i;
const FINAL_MESSAGE =
  /when HTTP Tunneling|failed to establish tunnel|invalid peer certificate|SSL routines:[^:]*:wrong version number/i;

type FailureKind = 'unopened' | 'final' | 'unknown';

/**
 * Classifies the failure of a connection: `unopened` if nothing can have been sent, `final` if that will not change
 * (certificates, refused CONNECTs, another protocol), and otherwise `unknown`.
 */
function failureKind({ code = '', syscall = '', message }: Thrown): FailureKind {
  if (CERTIFICATE_CODE.test(code) || HANDSHAKE_CODE.test(code) || code === 'ERR_PROXY_TUNNEL') return 'final';
  if (FINAL_MESSAGE.test(message)) return 'final';
  if (/^(?:connect|getaddrinfo|query\w*|bind)$/.test(syscall) || UNOPENED_CODE.test(code)) return 'unopened';
  return UNOPENED_MESSAGE.test(message) ? 'unopened' : 'unknown';
}

/** How the connection of a failed request failed; `unknown` for every other error. */
export function connectionFailure(error: unknown): FailureKind {
  if (!(error instanceof ConnectionError)) return 'unknown';
  const [cause] = readCauses(error.cause);
  return cause === undefined ? 'unknown' : failureKind(cause);
}
