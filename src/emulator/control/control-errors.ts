import { bearerToken, Refusal } from '../http.ts';
import type { Language } from '../language.ts';

/*
 * The contract fixes the form of an error, `{id, message}`, and says which requests are wrong. It documents no
 * id, and no status for a refused creation: those here are only plausible, and no client may rely on them.
 */

type Translated = Readonly<Record<Language, string>>;

function refusal(status: number, id: string, message: Translated): Refusal {
  return new Refusal(status, (language) => ({ id, message: message[language] }));
}

/** Repeats the refused token in clear, as the data plane does with keys: clients have to cope with that. */
export function unauthenticated(token: string | undefined): Refusal {
  const message =
    token === undefined
      ? { en: 'The access token is missing', zh: '缺少访问令牌' }
      : { en: `The access token is not valid: ${token}`, zh: `访问令牌无效：${token}` };
  return refusal(401, 'Unauthenticated', message);
}

export function invalidBody(): Refusal {
  return refusal(400, 'InvalidArgument', {
    en: 'The body must be a JSON object',
    zh: '请求体必须是 JSON 对象',
  });
}

export function invalidField(field: string): Refusal {
  return refusal(400, 'InvalidArgument', { en: `The field ${field} is not valid`, zh: `字段 ${field} 无效` });
}

export function keyNotFound(id: string): Refusal {
  return refusal(404, 'APIKeyNotFound', { en: `There is no API key ${id}`, zh: `API Key ${id} 不存在` });
}

export function limitReached(maxKeys: number): Refusal {
  return refusal(400, 'APIKeyLimitReached', limitReason(maxKeys));
}

const IDS: Readonly<Record<number, string>> = {
  400: 'InvalidArgument',
  403: 'PermissionDenied',
  404: 'NotFound',
  409: 'Aborted',
  429: 'ResourceExhausted',
  500: 'Internal',
  501: 'Unimplemented',
  503: 'Unavailable',
  504: 'DeadlineExceeded',
};

/** What the service answers with a status, for a request that nobody has looked at. */
export function controlErrorOf(status: number, request: Request): Refusal {
  if (status === 401) return unauthenticated(bearerToken(request));
  return refusal(status, IDS[status] ?? 'Unknown', {
    en: `The request failed with status ${status}`,
    zh: `请求失败，状态码 ${status}`,
  });
}

export function limitReason(maxKeys: number): Translated {
  return {
    en: `The limit of ${maxKeys} API keys is reached`,
    zh: `API Key 数量已达到上限 ${maxKeys} 个`,
  };
}
