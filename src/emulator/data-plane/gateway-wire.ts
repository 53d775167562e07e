import { type Body, type Bytes, linesOf, mapBody } from '../body.ts';
import { isObject, parseJson } from '../http.ts';

/*
 * How the gateway rewrites the responses of model servers. It is written in Go, and its JSON differs from
 * JavaScript's: sorted keys, escaped `<`, `>` and `&`.
 *
 * @see https://github.com/knoway-dev/knoway
 */

/** The gateway's response for a model server's response that it cannot use. */
export const INTERNAL_ERROR =
  '{"error":{"code":null,"message":"internal error","param":null,"type":"internal_error"}}';

/** A response in one piece. */
export function gatewayResponse(text: string, status = 200): Response {
  return new Response(text, {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'transfer-encoding': 'chunked' },
  });
}

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

/** The body of a whole response and its status; `undefined` if the gateway cannot use it. */
export function rewriteWhole(
  text: string,
  { status, statusText }: Pick<Response, 'status' | 'statusText'>,
  model: string,
): { readonly status: number; readonly text: string; readonly isError: boolean } | undefined {
  const body = parseJson(text);
  if (!isObject(body) || !isUsage(body.usage)) return undefined;
  const error = errorOf(body, status, statusText);
  if (error !== undefined) return { status, text: goJson({ error }), isError: true };
  if (!('model' in body)) return undefined;
  // Whatever the status of a success was.
  return { status: 200, text: escapeHtml(withModel(text, model)), isError: false };
}

interface GatewayError {
  readonly code: string | null;
  readonly message: string;
  readonly param: string | null;
  readonly type: string;
}

/** The error of a response, reduced to the gateway's four fields. */
function errorOf(
  body: Record<string, unknown>,
  status: number,
  statusText: string,
): GatewayError | undefined {
  const { error } = body;
  if (isObject(error) && Object.keys(error).length > 0) {
    const code = nullableText(error.code);
    const param = nullableText(error.param);
    const type = printed(error.type);
    const message =
      printed(error.message) ||
      `unknown error (empty message received from upstream): code: ${code ?? ''}, type: ${type}, param: ${param ?? ''}`;
    return { code, message, param, type };
  }
  if (typeof error === 'string' && error !== '') {
    return { code: null, message: `upstream error: ${error}`, param: null, type: '' };
  }
  if (status < 400) return undefined;
  if (body.object === 'error') {
    return {
      code: optionalText(body.code),
      message: printed(body.message),
      param: optionalText(body.param),
      type: printed(body.type),
    };
  }
  const statusLine = `${status} ${statusText || STATUS_TEXTS[status] || ''}`.trim();
  return { code: null, message: `upstream unknown error: ${statusLine}`, param: null, type: '' };
}

/** A missing field becomes an empty string, null stays null. */
function nullableText(value: unknown): string | null {
  return value === null ? null : printed(value);
}

function optionalText(value: unknown): string | null {
  return value === null || value === undefined ? null : printed(value);
}

function printed(value: unknown): string {
  if (value === undefined) return '';
  if (value === null) return '<nil>';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/**
 * The body of a stream. The gateway reads lines, not events: it drops everything but `data: ` lines and serializes
 * their JSON again.
 *
 * @param onChunk - Receives each chunk that is passed on.
 */
export function rewriteStream(body: Body, onChunk: (chunk: unknown) => void, onEnd: () => void): Body {
  return mapBody(body, (chunks) => rewrittenEvents(chunks, onChunk), { onEnd });
}

async function* rewrittenEvents(
  chunks: AsyncIterable<Bytes>,
  onChunk: (chunk: unknown) => void,
): AsyncGenerator<string, void, undefined> {
  const lines = linesOf(chunks);
  let hasError = false;
  for (;;) {
    // A connection that is reset just ends the stream.
    const next = await lines.next().catch(() => undefined);
    if (next === undefined) return;
    if (next.done === true) break;
    // A last line without a line feed is dropped.
    if (!next.value.endsWith('\n')) continue;
    const line = next.value.trim();
    hasError ||= line.startsWith('data: {"error":');
    // Everything that follows an error is dropped, `[DONE]` included.
    if (hasError || !line.startsWith('data: ')) continue;
    const data = line.slice('data: '.length);
    if (data === '[DONE]') {
      yield 'data: [DONE]\n\n';
      return;
    }
    const chunk = parseJson(data);
    const isUsable = isObject(chunk) || chunk === null;
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

/** Whether Go reads a usage: an object whose counts are unsigned integers. Anything that is not an object is ignored. */
function isUsage(usage: unknown): boolean {
  if (!isObject(usage)) return true;
  const details = [usage.completion_tokens_details, usage.prompt_tokens_details];
  const counts = [
    usage.total_tokens,
    usage.completion_tokens,
    usage.prompt_tokens,
    ...details.flatMap((each) => (isObject(each) ? Object.values(each) : [])),
  ];
  return (
    details.every((each) => each === undefined || each === null || isObject(each)) &&
    counts.every(
      (count) => count === undefined || count === null || (Number.isInteger(count) && Number(count) >= 0),
    )
  );
}

/** Serializes like Go's `encoding/json` does a map: keys sorted, HTML escaped, lone surrogates replaced. */
export function goJson(value: unknown): string {
  return escapeHtml(serialize(value));
}

function serialize(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed());
  if (Array.isArray(value)) return `[${value.map(serialize).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const fields = Object.keys(value)
    .filter((name) => value[name] !== undefined)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => `${JSON.stringify(name.toWellFormed())}:${serialize(value[name])}`);
  return `{${fields.join(',')}}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** In JSON, these characters only occur in strings. */
function escapeHtml(text: string): string {
  return text.replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] ?? character);
}

const JSON_TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/** Removes white space and replaces the top-level `model`; everything else, such as large integers, stays as it is. */
function withModel(text: string, model: string): string {
  const tokens = Array.from(text.matchAll(JSON_TOKENS), ([token]) => token);
  let depth = 0;
  const replaced = tokens.map((token, index) => {
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    const isValue = depth === 1 && tokens[index - 1] === ':' && tokens[index - 2] === '"model"';
    return isValue ? JSON.stringify(model.toWellFormed()) : token;
  });
  return replaced.join('');
}
