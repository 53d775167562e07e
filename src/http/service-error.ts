import { isRecord, parseJson, scalarText } from '../internal/json.ts';

/** An error as the service describes it. Not redacted. */
export interface ServiceError {
  readonly message?: string | undefined;
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly param?: string | undefined;
  /** The status in the body or, if there is none, the status that corresponds to the error's code or type. */
  readonly status?: number | undefined;
}

/** Maximum length of the excerpt that is shown if a body contains no message. */
export const MAX_SHOWN = 200;

type Fields = Readonly<Record<string, unknown>>;

/** Maximum nesting of errors, as in `{"detail":{"error":{…}}}`. */
const MAX_NESTING = 5;

/** Fields that can contain the message, most specific first. `error` may be a reason phrase. FastChat uses `text`. */
const MESSAGE_FIELDS =
  'message msg detail details error_msg error_message errorMessage errmsg err_msg error_description errors error description reason title text'.split(
    ' ',
  );

/**
 * Returns the error that a JSON value reports, regardless of the response status. If the value has a field of the
 * contract (except `id` and `name`, which errors also have), a message or unknown code alone does not make it an error.
 */
export function errorIn(value: unknown, fields: readonly string[]): ServiceError | undefined {
  if (Array.isArray(value)) return errorIn(value[0], fields);
  if (!isRecord(value)) return undefined;
  const isExpected = fields.some((field) => !/^(?:id|name)$/.test(field) && isPresent(value[field]));
  if (!statesError(value) && !saysError(value, isExpected)) return undefined;
  const error = readError(value);
  return { ...error, message: error?.message || JSON.stringify(value).slice(0, MAX_SHOWN) };
}

function statesError(body: Fields): boolean {
  const { error, errors, success, ok, object, status, error_code, errcode } = body;
  const flags = [success, ok, object, status].map(scalarText);
  return (
    isRecord(error) ||
    error === true ||
    (typeof error === 'string' && error !== '') ||
    Object.keys(Object(errors)).length > 0 ||
    flags.some((flag) => /^(?:false|error|fail(?:ed|ure)?)$/i.test(flag)) ||
    // Codes that are not HTTP statuses: `{"text":"…","error_code":50002}`.
    [error_code, errcode].some((code) => isPresent(code) && !isSuccess(code)) ||
    statusIn(body) !== undefined
  );
}

function saysError(body: Fields, isExpected: boolean): boolean {
  const { code, message, msg, success } = body;
  if (success === true || [code, message, msg].some(isSuccess)) return false;
  if (isExpected) return isPresent(code) && isPresent(message ?? msg);
  return isPresent(code) || MESSAGE_FIELDS.some((field) => field !== 'text' && isPresent(body[field]));
}

function isSuccess(code: unknown): boolean {
  return /^(?:0+|2\d\d|ok|success)$/i.test(scalarText(code));
}

/** Returns whether a value is present and not an empty string, array or object. */
function isPresent(value: unknown): boolean {
  if (typeof value === 'object') return Object.keys(value ?? {}).length > 0;
  return value !== undefined && value !== '';
}

/** Parses the body of an error response. The body may be truncated. */
export function parseServiceError(text: string): ServiceError | undefined {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (!/^(?:data|event|id|retry)?:/.test(trimmed)) return parsePayload(trimmed);
  // In an event stream, the first event with content is used. Some routers send plain text as an event stream.
  for (const [, data = ''] of trimmed.matchAll(/^data:(.*)$/gm)) {
    const error = /^\s*(?:\[DONE\]|null)?\s*$/.test(data) ? undefined : parsePayload(data.trim());
    if (error !== undefined) return error;
  }
  return undefined;
}

function parsePayload(text: string): ServiceError | undefined {
  if (text.startsWith('<')) {
    const title = /<(title|h1|message)\b[^>]{0,200}>([^<]{1,200})<\/\1>/i.exec(text)?.[2]?.trim();
    return title ? { message: title } : undefined;
  }
  const isCut = /^[[{]/.test(text);
  const error = readError(parseJson(text) ?? (isCut ? partialFields(text) : text));
  return error?.message || error?.code || error?.type ? error : undefined;
}

/** Extracts the fields of an error from truncated or malformed JSON, at any nesting depth. */
function partialFields(text: string): Fields {
  const read = (name: string): string | undefined => {
    const raw = new RegExp(`"${name}"\\s*:\\s*(?:"((?:[^"\\\\]|\\\\.)*)|(-?\\d+))`).exec(text);
    const [, string, number] = raw ?? [];
    // The string may end within an escape sequence.
    return string === undefined ? number : (parseJson(`"${string}"`)?.toString() ?? string);
  };
  const names = [...MESSAGE_FIELDS, 'code', 'error_code', 'type', 'param'];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

export function readError(value: unknown, nesting = 0): ServiceError | undefined {
  if (typeof value === 'string') return { message: value };
  if (nesting > MAX_NESTING) return undefined;
  if (Array.isArray(value)) return readList(value, nesting);
  if (!isRecord(value)) return undefined;
  const { error, detail, message, errors } = value;
  const inner = [error, detail, message, [errors].flat()[0]].find(isRecord);
  // Fields that the nested error lacks are taken from the envelope.
  const nested = readError(inner, nesting + 1);
  // In an error from the control plane, `id` is the error code. Elsewhere, `id` identifies a completion.
  const id = typeof value.message === 'string' ? value.id : undefined;
  const code = nested?.code ?? textOf(value.code ?? value.error_code ?? value.errcode ?? id);
  const type = nested?.type ?? textOf(value.type ?? value.error_type);
  const messages = MESSAGE_FIELDS.map((name) => readError(value[name], nesting + 1)?.message?.trim());
  return {
    message: nested?.message ?? messages.find(Boolean),
    code,
    type,
    param: nested?.param ?? (typeof value.param === 'string' ? value.param : undefined),
    status: nested?.status ?? statusIn(value) ?? statusNamed(code, type),
  };
}

/** Reads an array of errors, such as validation errors with `loc` and `msg`. Omits their `input`. */
function readList(list: readonly unknown[], nesting: number): ServiceError | undefined {
  const issues = list.slice(0, 10).flatMap((item) => {
    const error = readError(item, nesting + 1);
    if (!error?.message) return [];
    const place = isRecord(item) && Array.isArray(item.loc) ? `${item.loc.map(textOf).join('.')}: ` : '';
    return [{ ...error, message: place + error.message }];
  });
  return issues[0] && { ...issues[0], message: issues.map(({ message }) => message).join('; ') };
}

function textOf(value: unknown): string | undefined {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : undefined;
}

const STATUS_FIELDS = 'code status statusCode status_code http_status error_code errcode error'.split(' ');

function statusIn(body: Fields): number | undefined {
  const codes = STATUS_FIELDS.map((name) => Number(scalarText(body[name])));
  return codes.find((code) => code >= 400 && code < 600);
}

/** Error names used by OpenAI, Anthropic, gRPC and Python servers, in lower case and without punctuation. */
const NAMES: readonly (readonly [status: number, name: RegExp])[] = [
  [401, /apikey|unauth|authentication|(?:token|session)(?:expired|invalid)|invalidtoken/],
  [402, /insufficientquota|budgetexceeded|billing|insufficientbalance|paymentrequired/],
  [403, /permission|forbidden|accessdenied/],
  [404, /notfound/],
  [429, /ratelimit|toomanyrequests|resourceexhausted|throttl/],
  [503, /unavailable|overload/],
  [500, /internal|servererror|upstream/],
  [400, /invalid|badrequest|validation|unprocessable|contextlength/],
];

function statusNamed(...names: readonly (string | undefined)[]): number | undefined {
  const plain = names.map((name = '') => name.toLowerCase().replaceAll(/[^a-z]/g, ''));
  return plain.map((name) => NAMES.find(([, pattern]) => pattern.test(name))?.[0]).find(Boolean);
}

/** Fields in which Pydantic and FastAPI (used by many model servers) echo the request, even in nested JSON. */
const ECHO = /((?<!\\)\\*['"](?:input|input_value|ctx)\\*['"]\s*:\s*|\binput_value=)/;

/**
 * Truncates text where a server echoes request input, because the input may be a prompt. The end of the input is not
 * searched for: servers shorten long input in the middle, so its quotes and brackets need not match.
 */
export function withoutInput(text: string): string {
  const [start = '', name] = text.split(ECHO, 2);
  return name === undefined ? start : `${start}${name}…`;
}
