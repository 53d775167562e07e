import * as errors from '../errors/index.ts';
import { readCauses, type Thrown } from '../internal/cause.ts';
import { type ResponseContext, sentence } from './context.ts';

/** How long Node's `fetch` waits for the response headers and for further bytes of the body. */
const NODE_LIMIT_MS = 300_000;

/** Creates a typed error from known, redacted fields, because the thrown value may contain the request's headers. */
export function toConnectionError(thrown: unknown, context: ResponseContext): errors.DrunError {
  if (thrown instanceof errors.DrunError) return thrown;
  const { label, url, shown, response } = context;
  const { host } = new URL(url);
  const chain = readCauses(thrown);
  // If several addresses were tried, the least conclusive failure is reported.
  const roots = chain.filter(({ isRoot }) => isRoot);
  const ofKind = (kind: FailureKind): Thrown | undefined => roots.find((root) => failureKind(root) === kind);
  const { name, message, code, syscall } = ofKind('unknown') ?? ofKind('final') ?? (roots[0] as Thrown);
  const why = shown(message || 'unknown reason');
  const cause = Object.assign(new Error(why), {
    name: shown(name),
    // The stack of the new error would only point to this function.
    stack: `${shown(name)}: ${why}`,
    ...(code && { code: shown(code) }),
    ...(syscall && { syscall: shown(syscall) }),
  });
  // After the response has arrived, any other failure is a broken body, such as `Invalid gzip header` in Deno.
  if (chain.some(isBug) || (response === undefined && isUnlikeNetwork(chain[0] as Thrown))) {
    const what = sentence(`${label}: the custom \`fetch\` or \`transport\` failed: ${why}`);
    return new errors.ConfigurationError(what, { option: 'fetch', cause });
  }
  if (chain.some((one) => one.code === 'UND_ERR_HEADERS_TIMEOUT' || one.code === 'UND_ERR_BODY_TIMEOUT')) {
    const what = `${label}: the runtime's fetch timed out (in Node, after 300 s without headers or data). Pass \`transport: nodeTransport()\` from drun-sdk/node, or \`fetch: (url, init) => undici.fetch(url, { ...init, dispatcher })\` with longer timeouts.`;
    return new errors.TimeoutError(what, { phase: 'runtime', timeoutMs: NODE_LIMIT_MS, cause });
  }
  return new errors.ConnectionError(sentence(`${label}: the connection to ${host} failed: ${why}`), {
    host,
    cause,
  });
}

/** Words that identify TypeErrors as network failures. Includes non-ASCII text, because Safari localizes messages. */
const NETWORK_MESSAGE =
  /fetch|network|load|connect|verbind|request|response|resource|decod|compress|server|socket|stream|host|terminated|time[ds ]*out|offline|cancell?ed|closed|lost|abort|hang|certificate|ssl|tls|dns|http|[^\s -~]/i;

/** Messages of programming errors, even if they contain those words, for example in a property name. */
const BUG_MESSAGE =
  /is not (?:an? |defined|iterable|implemented)|(?:^|request |method )cannot (?!connect|parse|decode)|can't (?:access|convert)|must be|instance ?of|duplex|only .* supported|illegal invocation|failed to (?:parse|construct|execute)|invalid url|(?:body|stream|response).*(?:unusable|already|locked|disturbed)|uint8array|(?:undefined|null) is not/i;

/** Codes of programming errors. The last two come from mocks without a handler for the request. */
const BUG_CODE =
  /^(?:ERR_INVALID_(?!HTTP)\w+|UND_ERR_(?:INVALID_\w+|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)|UND_MOCK_ERR_\w+|ERR_NOCK_NO_MATCH)$/;

function isBug(thrown: Thrown): boolean {
  const { name, message, code = '', status } = thrown;
  // In Bun, the error for a rejected CONNECT request has the status of the proxy's response.
  if (failureKind(thrown) !== 'unknown') return false;
  // Some libraries reject if the response has an error status. After a 429 or 5xx, a retry may succeed.
  if (/^4(?!29)\d\d$/.test(String(status))) return true;
  if (/^(?:Reference|Range|Syntax|Eval|URI)Error$/.test(name)) return true;
  return BUG_CODE.test(code) || (name === 'TypeError' && BUG_MESSAGE.test(message));
}

function isUnlikeNetwork({ name, message, code, isRoot }: Thrown): boolean {
  return name === 'TypeError' && isRoot && code === undefined && !NETWORK_MESSAGE.test(message);
}

/**
 * `unopened`: no connection was opened, so the request was not sent. `final`: not sent either, and a retry would fail
 * again, for example because a certificate or CONNECT request was rejected.
 */
type FailureKind = 'unopened' | 'final' | 'unknown';

/** Patterns for the code, system call and message of a failure, each on a separate line. */
const FINAL = [
  // Rejected certificates, as reported by Node and Bun. Node uses `UNSPECIFIED` for unknown reasons.
  /^(?:ERR_TLS_)?(?:\w*CERT\w*|UNABLE_TO_\w+|CRL_\w+|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|SUBJECT_ISSUER_MISMATCH|AKID_\w+|UNSPECIFIED)\n/,
  // Failed handshakes, but not errors on established connections (a bad MAC, a failed decryption). OpenSSL's reason is
  // in the code (`ERR_SSL_WRONG_VERSION_NUMBER`) or, if the code is `EPROTO`, in the message.
  /(?:^ERR_SSL_|SSL routines:[^:]*:)[^:\n]*(?:wrong.version|unsupported.protocol|handshake|protocol.version|unrecognized.name|unknown.(?:ca|protocol)|packet.length|http.request|https.proxy|no.(?:protocols|shared|cipher|suitable|application.protocol)|version.too.low|certificate|key.too.small|md.too.weak|legacy.renegotiation|insufficient.security|illegal.parameter)/i,
  // Rejected CONNECT requests, closed dispatchers, blocked ports, missing permissions; certificates in Deno, TLS in Bun.
  /^(?:ERR_PROXY_TUNNEL|ERR_ACCESS_DENIED|UND_ERR_(?:CLOSED|PRX_TLS|SOCKS5\w*))\n|when HTTP Tunneling|failed to establish tunnel|(?:connect|\(Connect\)): (?:tunnel error: )?(?:unsuccessful|proxy auth)|tunneling socket could not.*statusCode|\nbad port$|requires net access|TLS handshake failed|net::ERR_(?:CERT|SSL_(?:PROTOCOL|VERSION)|TUNNEL|PROXY_AUTH)|error (?:sending request|trying to connect).*invalid (?:peer )?certificate/i,
];
const UNOPENED = [
  // Codes that Node, undici and Bun use if no connection was opened, regardless of the system call.
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_\w+|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_HANDSHAKE_TIMEOUT|ERR_SOCKET_CONNECTION_TIMEOUT|ConnectionRefused|FailedToOpenSocket)\n/,
  /^.*\n(?:connect|getaddrinfo|query\w*|bind)\n/,
  // Connections closed during the handshake; node-fetch, Electron and proxy errors without a system call; all failures in Deno.
  /before (?:(?:secure TLS|the) connection was established|receiving CONNECT)|reason: connect E|net::ERR_(?:CONNECTION_(?:REFUSED|TIMED_OUT)|NAME|ADDRESS|INTERNET|PROXY_CONN)|tunneling socket could not|client error \(Connect\)|error sending request.*error trying to connect/i,
];

function failureKind({ code = '', syscall = '', message }: Thrown): FailureKind {
  const text = `${code}\n${syscall}\n${message}`;
  const matches = (patterns: readonly RegExp[]): boolean => patterns.some((pattern) => pattern.test(text));
  return matches(FINAL) ? 'final' : matches(UNOPENED) ? 'unopened' : 'unknown';
}

/** Classifies a connection failure. Returns `unknown` for every other error. */
function connectionFailure(error: unknown): FailureKind {
  const [cause] = error instanceof errors.ConnectionError ? readCauses(error.cause) : [];
  return cause === undefined ? 'unknown' : failureKind(cause);
}

/** `transient`: retry all transient failures. `if-not-applied`: retry only if the service cannot have acted. */
export type RetryPolicy = 'if-not-applied' | 'transient';

const INITIAL_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;

/** If the service requests a longer delay, the call fails without a retry. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Whether a failure is temporary (408, 409, 425, 429, 5xx, lost connections, streams that end before a chunk). */
export function mayRetry(error: errors.AnyDrunError, policy: RetryPolicy): boolean {
  if (policy === 'if-not-applied' && !cannotHaveBeenApplied(error)) return false;
  if (error.code === 'connection_failed') return connectionFailure(error) !== 'final';
  if (error.code === 'stream_failed' || error.code === 'stream_truncated') {
    return error.completion.choices.length === 0;
  }
  if (!(error instanceof errors.ApiError) || error.code === 'insufficient_quota') return false;
  return error.status >= 500 || [408, 409, 425, 429].includes(error.status);
}

/** Whether the service cannot have acted on the request, because it responded with 429 or no connection was opened. */
export function cannotHaveBeenApplied(error: unknown): boolean {
  return error instanceof errors.ApiError ? error.status === 429 : connectionFailure(error) !== 'unknown';
}

/**
 * Returns the delay that the service requests (`undefined` if it exceeds 60 s), or else a random delay ("full jitter")
 * that spreads out clients that failed at the same time. A requested delay of 0 is ignored. `retry` starts at 1.
 */
export function retryDelayMs(error: errors.AnyDrunError, retry: number): number | undefined {
  const asked = error instanceof errors.ApiError ? error.retryAfterMs : undefined;
  if (asked) return asked <= MAX_RETRY_AFTER_MS ? asked : undefined;
  return Math.random() * Math.min(MAX_DELAY_MS, INITIAL_DELAY_MS * 2 ** (retry - 1));
}
