import { bearerToken, HttpError, json, type Language } from '../http.ts';

/*
 * The contract defines the format of errors, `{id, message}`, and which requests are invalid. It documents neither the
 * ids nor the status of a rejected create request. The values here are guesses, so clients should not rely on them.
 */

type Translated = Readonly<Record<Language, string>>;

function controlError(status: number, id: string, message: Translated, reason = message.en): HttpError {
  return new HttpError(status, reason, (language) => json({ id, message: message[language] }, status));
}

/**
 * Echoes the rejected token in plain text, so that tests can check whether clients redact it. The data plane echoes
 * rejected keys in the same way.
 */
export function unauthenticated(token: string | undefined): HttpError {
  const message =
    token === undefined
      ? { en: 'The access token is missing', zh: '缺少访问令牌' }
      : { en: `The access token is not valid: ${token}`, zh: `访问令牌无效：${token}` };
  return controlError(401, 'Unauthenticated', message, 'The access token is missing or invalid.');
}

export function invalidBody(): HttpError {
  const message = { en: 'The body must be a JSON object', zh: '请求体必须是 JSON 对象' };
  return controlError(400, 'InvalidArgument', message);
}

export function invalidField(field: string): HttpError {
  const message = { en: `The field ${field} is not valid`, zh: `字段 ${field} 无效` };
  return controlError(400, 'InvalidArgument', message);
}

export function keyNotFound(id: string): HttpError {
  const message = { en: `There is no API key ${id}`, zh: `API Key ${id} 不存在` };
  return controlError(404, 'APIKeyNotFound', message, 'No API key has this id.');
}

export function limitReached(maxKeys: number): HttpError {
  return controlError(400, 'APIKeyLimitReached', limitReason(maxKeys));
}

export function limitReason(maxKeys: number): Translated {
  return { en: `The limit of ${maxKeys} API keys is reached`, zh: `API Key 数量已达到上限 ${maxKeys} 个` };
}

/** Creates the control-plane error for a fault's `status`. */
export function controlErrorOf(status: number, request: Request): HttpError {
  if (status === 401) return unauthenticated(bearerToken(request));
  return controlError(status, `Status${status}`, {
    en: `The request failed with status ${status}`,
    zh: `请求失败，状态码 ${status}`,
  });
}
