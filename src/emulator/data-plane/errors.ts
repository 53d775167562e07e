import { bearerToken, HttpError, json } from '../http.ts';
import { gatewayResponse, goJson } from './gateway-wire.ts';

/*
 * Errors of the gateway. Their texts are those of the real one, which takes most of them from OpenAI.
 */

interface ErrorFields {
  readonly code: string | null;
  readonly type: string;
  readonly param?: string | null | undefined;
}

function gatewayError(
  status: number,
  message: string,
  { code, type, param = null }: ErrorFields,
  reason = message,
): HttpError {
  return new HttpError(status, reason, () =>
    gatewayResponse(goJson({ error: { code, message, param, type } }), status),
  );
}

const INVALID_REQUEST = { code: null, type: 'invalid_request_error' } as const;

export function missingApiKey(): HttpError {
  return gatewayError(
    401,
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
    INVALID_REQUEST,
    'No `Authorization: Bearer` header.',
  );
}

/** Repeats the full key in plain text, as the gateway does. */
export function incorrectApiKey(fullKey: string, reason = 'The API key is invalid.'): HttpError {
  return gatewayError(
    401,
    `Incorrect API key provided: ${fullKey}`,
    { ...INVALID_REQUEST, code: 'invalid_api_key' },
    reason,
  );
}

export function invalidJson(): HttpError {
  return gatewayError(
    400,
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)",
    INVALID_REQUEST,
    'The body is not a JSON object.',
  );
}

export function missingModel(): HttpError {
  return gatewayError(400, 'you must provide a model parameter', INVALID_REQUEST);
}

export function insufficientQuota(): HttpError {
  return gatewayError(
    402,
    'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
    { code: 'insufficient_quota', type: 'insufficient_quota' },
    'The quota of the API key is used up.',
  );
}

export function modelAccessDenied(model: string): HttpError {
  return gatewayError(403, `You do not have access to the model \`${model}\`.`, {
    ...INVALID_REQUEST,
    code: 'model_access_denied',
  });
}

export function modelNotFound(model: string): HttpError {
  return gatewayError(404, `The model \`${model}\` does not exist or you do not have access to it.`, {
    ...INVALID_REQUEST,
    code: 'model_not_found',
  });
}

function rateLimitExceeded(): HttpError {
  return gatewayError(429, 'You have exceeded the rate limit. Please try again later.', {
    code: 'model_rate_limit_exceeded',
    type: '',
  });
}

export function internalError(reason: string): HttpError {
  return gatewayError(500, 'internal error', { code: null, type: 'internal_error' }, reason);
}

/** The model server could not be reached. The gateway repeats the message of its HTTP client. */
export function upstreamError(status: number, message: string): HttpError {
  return gatewayError(status, message, { code: null, type: 'upstream_error' });
}

/** The gateway's error for a status that a fault asks for. */
export function dataErrorOf(status: number, request: Request): HttpError {
  switch (status) {
    case 400:
      return invalidJson();
    case 401: {
      const fullKey = bearerToken(request);
      return fullKey === undefined ? missingApiKey() : incorrectApiKey(fullKey);
    }
    case 402:
      return insufficientQuota();
    case 403:
      return modelAccessDenied('requested');
    case 404:
      return modelNotFound('requested');
    case 429:
      return rateLimitExceeded();
    case 500:
      return internalError('internal error');
    case 503:
      return gatewayError(503, 'service unavailable', { code: null, type: 'internal_error' });
    case 502:
      return upstreamError(502, 'bad gateway');
    default:
      // An error of the model server, as the gateway passes it on.
      return gatewayError(status, `upstream unknown error: ${status}`, { code: null, type: '' });
  }
}

/** An error of the emulator itself, for the author of a test. No server sends it. */
export function scenarioError(code: string, message: string): HttpError {
  return gatewayError(400, message, { code, type: 'emulator_error' });
}

const VLLM_TYPES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  404: 'NotFoundError',
  500: 'InternalServerError',
};

/** An error of the model server, in vLLM's form. */
export class ModelServerError extends Error {
  override readonly name = 'ModelServerError';
  readonly status: number;
  readonly param: string | null;

  constructor(status: number, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.param = param;
  }

  get body(): object {
    const { message, param, status } = this;
    return { error: { message, type: VLLM_TYPES[status] ?? 'BadRequestError', param, code: status } };
  }

  toResponse(): Response {
    return json(this.body, this.status);
  }
}
