import { isRecord, parseJson } from '../../internal/json.ts';
import { type Body, type Bytes, dataOf, eventsOf, mapBody, splitAfter } from '../body.ts';

/*
 * Rewrites responses from model servers as the gateway does. The gateway is written in Go, whose JSON differs from
 * JavaScript's: keys are sorted, and `<`, `>` and `&` are escaped.
 *
 * @see https://github.com/knoway-dev/knoway
 */

/** The body that the gateway sends if it cannot use the model server's response. */
export const INTERNAL_ERROR =
  '{"error":{"code":null,"message":"internal error","param":null,"type":"internal_error"}}';

/** Creates the gateway's response to a non-streaming request. */
export function gatewayResponse(text: string, status = 200): Response {
  return new Response(text, {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'transfer-encoding': 'chunked' },
  });
}

/** Defaults for a missing `statusText`: HTTP/2 does not transmit it, and custom `fetch` functions often omit it. */
const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Rewrites a non-streaming response as the gateway does. Returns `undefined` if the gateway cannot use it. */
export function rewriteWhole(text: string, response: Response, model: string) {
  const body = parseJson(text);
  if (!isRecord(body) || !isUsage(body.usage)) return undefined;
  const error = errorOf(body, response);
  if (error !== undefined) return { status: response.status, text: goJson({ error }), isError: true };
  // The gateway responds with 200 even if the model server's status is a different 2xx.
  if (!('model' in body)) return undefined;
  return { status: 200, text: escapeHtml(withModel(text, model)), isError: false };
}

/** Returns the error in a response, reduced to the four fields that the gateway sends. */
function errorOf(body: Record<string, unknown>, { status, statusText }: Response): object | undefined {
  const { error } = body;
  if (isRecord(error) && Object.keys(error).length > 0) {
    const fields = reduced(error);
    const { code, param, type } = fields;
    const empty = `unknown error (empty message received from upstream): code: ${code ?? ''}, type: ${type}, param: ${param ?? ''}`;
    return { ...fields, message: fields.message || empty };
  }
  const plain = { code: null, param: null, type: '' };
  if (typeof error === 'string' && error !== '') return { ...plain, message: `upstream error: ${error}` };
  if (status < 400) return undefined;
  if (body.object === 'error') return reduced({ ...plain, ...body });
  const statusLine = `${status} ${statusText || STATUS_TEXTS[status] || ''}`.trim();
  return { ...plain, message: `upstream unknown error: ${statusLine}` };
}

function reduced({ code, message, param, type }: Record<string, unknown>) {
  const orNull = (value: unknown): string | null => (value === null ? null : printed(value));
  return { code: orNull(code), message: printed(message), param: orNull(param), type: printed(type) };
}

/** Formats a value the way Go prints it. */
function printed(value: unknown): string {
  if (value === undefined) return '';
  if (value === null) return '<nil>';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/**
 * Rewrites the body of a stream as the gateway does. The gateway reads lines, not events: it keeps only `data: ` lines
 * and re-serializes their JSON.
 *
 * @param onChunk - Called with each chunk that is forwarded.
 */
export function rewriteStream(body: Body, onChunk: (chunk: unknown) => void, onEnd: () => void): Body {
  return mapBody(body, (chunks) => rewrittenEvents(chunks, onChunk), { onEnd });
}

/** Forwards the body of a stream unchanged. @param onChunk - Called with the parsed data of each event. */
export function observeStream(body: Body, onChunk: (chunk: unknown) => void, onEnd: () => void): Body {
  const observed = async function* (chunks: AsyncIterable<Bytes>): AsyncGenerator<string, void, undefined> {
    for await (const event of eventsOf(chunks)) {
      onChunk(parseJson(dataOf(event) ?? ''));
      yield event;
    }
  };
  return mapBody(body, observed, { onEnd });
}

async function* rewrittenEvents(
  chunks: AsyncIterable<Bytes>,
  onChunk: (chunk: unknown) => void,
): AsyncGenerator<string, void, undefined> {
  const lines = splitAfter(chunks, /\n/);
  let hasError = false;
  for (;;) {
    // If the connection is reset, the gateway ends the stream without an error.
    const next = await lines.next().catch(() => undefined);
    if (next === undefined) return;
    if (next.done === true) break;
    // The gateway drops the last line if it has no line feed.
    if (!next.value.endsWith('\n')) continue;
    const line = next.value.trim();
    hasError ||= line.startsWith('data: {"error":');
    // The gateway drops an error and everything after it, including `[DONE]`.
    if (hasError || !line.startsWith('data: ')) continue;
    const data = line.slice('data: '.length);
    if (data === '[DONE]') {
      yield 'data: [DONE]\n\n';
      return;
    }
    const chunk = parseJson(data);
    const isUsable = isRecord(chunk) || chunk === null;
    if (data.includes('"completion_tokens":') && !(isUsable && isUsage(chunk?.usage))) {
      yield INTERNAL_ERROR;
      return;
    }
    if (!isUsable) return;
    onChunk(chunk);
    yield `data: ${goJson(chunk)}\n\n`;
  }
  yield 'data: null\n\n';
}

/** Returns whether Go can decode a `usage` value. The counts in an object must be unsigned integers. */
function isUsage(usage: unknown): boolean {
  if (!isRecord(usage)) return true;
  const isCount = (value: unknown): boolean => Number.isInteger(value ?? 0) && Number(value ?? 0) >= 0;
  const isDetail = (value: unknown): boolean =>
    isRecord(value ?? {}) && Object.values(value ?? {}).every(isCount);
  const { total_tokens, completion_tokens, prompt_tokens } = usage;
  const { completion_tokens_details, prompt_tokens_details } = usage;
  return (
    [total_tokens, completion_tokens, prompt_tokens].every(isCount) &&
    [completion_tokens_details, prompt_tokens_details].every(isDetail)
  );
}

/** Serializes a value as Go serializes a map: sorts keys, escapes HTML and replaces lone surrogates. */
export function goJson(value: unknown): string {
  return escapeHtml(serialize(value));
}

function serialize(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed());
  if (Array.isArray(value)) return `[${value.map(serialize).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null';
  const names = Object.keys(value).filter((name) => value[name] !== undefined);
  return `{${names
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => `${serialize(name)}:${serialize(value[name])}`)
    .join(',')}}`;
}

/** Escapes HTML characters in JSON text. In JSON, these characters occur only in strings. */
function escapeHtml(text: string): string {
  return text.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The group repeats only for escapes, because too many repetitions would overflow the stack. */
const JSON_TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/** Minifies JSON and replaces the top-level `model`. All other values, such as large integers, remain unchanged. */
function withModel(text: string, model: string): string {
  const tokens = Array.from(text.matchAll(JSON_TOKENS), ([token]) => token);
  let depth = 0;
  const replaced = tokens.map((token, index) => {
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    const isValue = depth === 1 && tokens[index - 1] === ':' && tokens[index - 2] === '"model"';
    return isValue ? serialize(model) : token;
  });
  return replaced.join('');
}
