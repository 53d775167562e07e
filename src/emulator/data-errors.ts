import { Refusal } from './http.ts';

interface ErrorFields {
  readonly code: string | null;
  readonly type: string;
  readonly param?: string | undefined;
}

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

export function modelNotFound(model: string): Refusal {
  return refusal(404, `The model ${model} does not exist, or the key may not use it`, {
    code: 'model_not_found',
    type: 'invalid_request_error',
  });
}

export function modelFailed(reason: string): Refusal {
  return refusal(502, `The model failed: ${reason}`, { code: null, type: 'upstream_error' });
}

export function replyUnusable(): Refusal {
  const message =
    'createEmulator: `reply` must give a string, an async iterable of strings, or a completion with its choices';
  return refusal(500, message, { code: null, type: 'internal_error' });
}
