import { bearerToken, HttpError, json } from '../http.ts';
import { gatewayResponse, goJson } from './gateway-wire.ts';

/* The gateway's errors. The messages are those of the real gateway, which copies most of them from OpenAI. */

const INVALID = 'invalid_request_error';
const MISSING_KEY =
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.";
const INVALID_JSON =
  "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)";
const RATE_LIMIT_EXCEEDED = 'You have exceeded the rate limit. Please try again later.';
const QUOTA_USED_UP =
  'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.';

/** @param reason - Explains the error in the log. Must not contain a credential. */
function gatewayError(
  status: number,
  code: string | null,
  type: string,
  message: string,
  reason = message,
): HttpError {
  const text = goJson({ error: { code, message, param: null, type } });
  return new HttpError(status, reason, () => gatewayResponse(text, status));
}

export const missingApiKey = (): HttpError =>
  gatewayError(401, null, INVALID, MISSING_KEY, 'The request has no `Authorization: Bearer` header.');

/** Creates the error for a rejected key. Echoes the full key in plain text, as the gateway does. */
export const incorrectApiKey = (fullKey: string, reason = 'The API key is invalid.'): HttpError =>
  gatewayError(401, 'invalid_api_key', INVALID, `Incorrect API key provided: ${fullKey}`, reason);

export const invalidJson = (): HttpError =>
  gatewayError(400, null, INVALID, INVALID_JSON, 'The body is not a JSON object.');

export const missingModel = (): HttpError =>
  gatewayError(400, null, INVALID, 'you must provide a model parameter');

export const insufficientQuota = (): HttpError => {
  const code = 'insufficient_quota';
  return gatewayError(402, code, code, QUOTA_USED_UP, 'The quota of the API key is used up.');
};

export const modelAccessDenied = (model: string): HttpError =>
  gatewayError(403, 'model_access_denied', INVALID, `You do not have access to the model \`${model}\`.`);

export const modelNotFound = (model: string): HttpError => {
  const message = `The model \`${model}\` does not exist or you do not have access to it.`;
  return gatewayError(404, 'model_not_found', INVALID, message);
};

export const internalError = (reason: string): HttpError =>
  gatewayError(500, null, 'internal_error', 'internal error', reason);

/** Creates the error for an unreachable model server. @param message - The error from the gateway's HTTP client. */
export const upstreamError = (message: string): HttpError =>
  gatewayError(502, null, 'upstream_error', message);

const BY_STATUS: Readonly<Record<number, () => HttpError>> = {
  400: invalidJson,
  402: insufficientQuota,
  403: () => modelAccessDenied('requested'),
  404: () => modelNotFound('requested'),
  429: () => gatewayError(429, 'model_rate_limit_exceeded', '', RATE_LIMIT_EXCEEDED),
  500: () => internalError('internal error'),
  502: () => upstreamError('bad gateway'),
  503: () => gatewayError(503, null, 'internal_error', 'service unavailable'),
};

/** Creates the gateway's error for a fault's `status`. */
export function dataErrorOf(status: number, request: Request): HttpError {
  const fullKey = bearerToken(request);
  if (status === 401) return fullKey === undefined ? missingApiKey() : incorrectApiKey(fullKey);
  // Any other status is treated like a model server's error that the gateway forwards.
  return BY_STATUS[status]?.() ?? gatewayError(status, null, '', `upstream unknown error: ${status}`);
}

/** Creates an error that tells the test author about a mistake in a scenario. Real servers never send it. */
export const scenarioError = (code: string, message: string): HttpError =>
  gatewayError(400, code, 'emulator_error', message);

const VLLM_TYPES: Readonly<Record<number, string>> = { 404: 'NotFoundError', 500: 'InternalServerError' };

/** Creates vLLM's response to a non-streaming request. */
export function vllmResponse(body: unknown, status = 200): Response {
  return json(body, status, 'application/json');
}

/** Serializes JSON as Python does, with spaces after colons and commas. Most model servers format errors this way. */
export function pythonJson(value: unknown): string {
  return JSON.stringify(value, null, 1)
    .replace(/(?<=[[{])\n\s*|\n\s*(?=[\]}])/g, '')
    .replace(/\n\s*/g, ' ');
}

/** Creates vLLM's response for an unknown path. */
export function unknownPath(): Response {
  return vllmResponse({ detail: 'Not Found' }, 404);
}

/** An error from the model server, in vLLM's format. */
export class ModelServerError extends HttpError {
  constructor(status: number, message: string, param: string | null = null) {
    const error = { message, type: VLLM_TYPES[status] ?? 'BadRequestError', param, code: status };
    super(status, message, () => vllmResponse({ error }, status));
  }
}
