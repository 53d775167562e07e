import type { ApiError } from '../errors/index.ts';
import { isRecord, isTooDeep, parseJson } from '../internal/json.ts';
import { errorFromText, invalidResponse, type ResponseContext, toApiError } from './errors.ts';
import { errorIn, parseServiceError } from './service-error.ts';
import type { TransportResponse } from './transport.ts';

/** What a valid JSON body has, so that anything else is not taken for a success. */
export interface BodyRules {
  /** Fields of the contract. A body has at least one of them. */
  readonly fields: readonly string[];
  /** Whether `{}` is valid: protobuf JSON leaves out zero values. */
  readonly allowEmpty?: boolean | undefined;
}

/**
 * Reads the JSON object of a 2xx response.
 *
 * @throws {ApiError} If it reports an error; the class is that of the error.
 * @throws {InvalidResponseError} If it is not JSON, or has none of the contract's fields.
 */
export async function readJson(
  response: TransportResponse,
  context: ResponseContext,
  rules: BodyRules,
): Promise<Readonly<Record<string, unknown>>> {
  const text = await context.deadline.race(response.text());
  context.deadline.throwIfAborted();
  return parseBody(text, response, context, rules);
}

/** The same for a body that has been read. */
function parseBody(
  text: string,
  response: TransportResponse,
  context: ResponseContext,
  { fields, allowEmpty = false }: BodyRules,
): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  if (value === undefined) throw notJson(text, response, context);
  const invalid = (what: string): Error =>
    invalidResponse(response, context, `${response.status} with ${what}`, { body: text });
  if (isTooDeep(text, value)) throw invalid('JSON that is nested too deeply');
  const error = errorIn(value, fields);
  if (error !== undefined) throw toApiError(error, response, context);
  if (!isRecord(value)) throw invalid('JSON that is not an object');
  // `null` is an absence in protobuf JSON, but one that the contract allows.
  if (fields.some((field) => field in value) || (allowEmpty && Object.keys(value).length === 0)) return value;
  throw invalid(`a body without any of the expected fields (${fields.join(', ')})`);
}

function notJson(text: string, response: TransportResponse, context: ResponseContext): Error {
  // The start of an error envelope that is cut off, or followed by something else.
  const error = /^\s*\[?\s*\{\s*"(?:error|errors|detail)"\s*:/.test(text)
    ? parseServiceError(text)
    : undefined;
  if (error?.message) return toApiError(error, response, context);
  const trimmed = text.trimStart();
  const what =
    trimmed === '' ? 'an empty body' : trimmed.startsWith('<') ? 'HTML' : 'a body that is not JSON';
  const why = `${response.status} with ${what}; is \`baseUrl\` correct?`;
  return invalidResponse(response, context, why, { body: text });
}

/** Error bodies beyond this length, or that take longer, are not read to the end. */
const MAX_ERROR_BYTES = 65_536;
const ERROR_BODY_TIMEOUT_MS = 5_000;

/** The error for a response with an error status, from what can be read of its body. */
export async function readError(response: TransportResponse, context: ResponseContext): Promise<ApiError> {
  return errorFromText(await context.deadline.race(readErrorText(response)), response, context);
}

/** The start of a body, up to 64 KiB. Never rejects: the status alone says something too. */
async function readErrorText(response: Pick<TransportResponse, 'read' | 'cancel'>): Promise<string> {
  const decoder = new TextDecoder();
  const timer = setTimeout(() => response.cancel(), ERROR_BODY_TIMEOUT_MS);
  let text = '';
  let bytes = 0;
  try {
    for (let part = await response.read(); part !== undefined; part = await response.read()) {
      text += decoder.decode(part.subarray(0, MAX_ERROR_BYTES - bytes), { stream: true });
      bytes += part.byteLength;
      if (bytes >= MAX_ERROR_BYTES) {
        response.cancel();
        break;
      }
    }
    text += decoder.decode();
  } catch {
    // The connection was lost; what has arrived may be enough.
  } finally {
    clearTimeout(timer);
  }
  return text;
}
