import { bearerToken, Refusal } from '../http.ts';

interface ErrorFields {
  readonly code: string | null;
  readonly type: string;
  readonly param?: string | undefined;
}

/** Where the request was not read. */
const ANY_MODEL = 'that is asked for';

function refusal(status: number, message: string, { code, type, param }: ErrorFields): Refusal {
  return new Refusal(status, () => ({ error: { code, message, param: param ?? null, type } }));
}

export function missingApiKey(): Refusal {
  return refusal(401, 'The Authorization header must be: Bearer YOUR_API_KEY', {
    code: null,
    type: 'invalid_request_error',
  });
}

/** Repeats the whole key in clear, as the gateway does. */
export function incorrectApiKey(whole: string): Refusal {
  return refusal(401, `Incorrect API key provided: ${whole}`, {
    code: 'invalid_api_key',
    type: 'invalid_request_error',
  });
}

export function notJson(): Refusal {
  return refusal(400, 'The body must be a JSON object', { code: null, type: 'invalid_request_error' });
}

export function invalidParameter(param: string): Refusal {
  return refusal(400, `The parameter ${param} is missing or not valid`, {
    code: null,
    type: 'invalid_request_error',
    param,
  });
}

export function insufficientQuota(): Refusal {
  return refusal(402, 'The quota of the key is used up', {
    code: 'insufficient_quota',
    type: 'insufficient_quota',
  });
}

export function modelAccessDenied(model = ANY_MODEL): Refusal {
  return refusal(403, `The key may not use the model ${model}`, {
    code: 'model_access_denied',
    type: 'invalid_request_error',
  });
}

export function modelNotFound(model = ANY_MODEL): Refusal {
  return refusal(404, `The model ${model} does not exist, or the key may not use it`, {
    code: 'model_not_found',
    type: 'invalid_request_error',
  });
}

function rateLimitExceeded(): Refusal {
  return refusal(429, 'Too many requests to the model', { code: 'model_rate_limit_exceeded', type: '' });
}

function internalError(status: number, message: string): Refusal {
  return refusal(status, message, { code: null, type: 'internal_error' });
}

export function modelFailed(reason: string): Refusal {
  return upstreamError(502, `The model failed: ${reason}`);
}

export function modelUnreachable(reason: string): Refusal {
  return upstreamError(502, `The model server could not be reached: ${reason}`);
}

export function upstreamError(status: number, message: string): Refusal {
  return refusal(status, message, { code: null, type: 'upstream_error' });
}

export function replyUnusable(): Refusal {
  return internalError(
    500,
    'createEmulator: `reply` must give a text, an async iterable of texts, an answer or a completion',
  );
}

/** What the gateway answers with a status, for a request that nobody has looked at. */
export function dataErrorOf(status: number, request: Request): Refusal {
  switch (status) {
    case 400:
      return notJson();
    case 401: {
      const whole = bearerToken(request);
      return whole === undefined ? missingApiKey() : incorrectApiKey(whole);
    }
    case 402:
      return insufficientQuota();
    case 403:
      return modelAccessDenied();
    case 404:
      return modelNotFound();
    case 429:
      return rateLimitExceeded();
    case 500:
    case 503:
      return internalError(status, 'The gateway failed');
    default:
      return upstreamError(status, `The model server answered ${status}`);
  }
}
