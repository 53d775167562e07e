import { DrunError, type FieldsOf } from './base.ts';

/** The codes of {@link ApiError} and its subclasses. */
export type ApiErrorCode =
  | 'api_error'
  | 'invalid_request'
  | 'authentication_failed'
  | 'insufficient_quota'
  | 'permission_denied'
  | 'not_found'
  | 'rate_limited'
  | 'api_key_limit_reached'
  | 'server_error';

/** The fields of an {@link ApiError}. */
export type ApiErrorInit = FieldsOf<ApiError>;

/** The service reported an error. Subclasses represent common statuses; this class represents all others. */
export class ApiError<
  Code extends ApiErrorCode = ApiErrorCode,
  Name extends string = string,
> extends DrunError<Name, Code> {
  /** HTTP status. If a 2xx response reports an error, a status in its body takes precedence over the HTTP status. */
  declare readonly status: number;
  /** Origin and path of the request. */
  declare readonly url?: string | undefined;
  /** The service's error code: `error.code` from the data plane, `id` from the control plane. */
  declare readonly serviceCode?: string | undefined;
  /** `error.type` from the data plane. */
  declare readonly serviceType?: string | undefined;
  /** The request field that the service rejected. */
  declare readonly param?: string | undefined;
  /** Request id from the response headers; absent if the server sends none. */
  declare readonly requestId?: string | undefined;
  /** Requested delay before a retry, in milliseconds, from the `retry-after-ms` or `Retry-After` header. */
  declare readonly retryAfterMs?: number | undefined;
  /** Redacted start of a response body without a recognizable message. Not enumerable: it may contain the prompt. */
  declare readonly excerpt?: string | undefined;

  /** Subclasses pass their `code` and `name`. */
  constructor(
    message: string,
    fields: ApiErrorInit,
    code: Code = 'api_error' as Code,
    name: Name = 'ApiError' as Name,
  ) {
    super(name, code, message, fields);
  }
}

/** 400 or 422: the request is invalid. Retrying an invalid request does not help. */
export class InvalidRequestError extends ApiError<'invalid_request', 'InvalidRequestError'> {
  constructor(message: string, fields: ApiErrorInit) {
    super(message, fields, 'invalid_request', 'InvalidRequestError');
  }
}

/** 401: the credential is missing, unknown, deleted, disabled or expired. */
export class AuthenticationError extends ApiError<'authentication_failed', 'AuthenticationError'> {
  /** The rejected credential, masked (`sk-******7ucU`). Absent if the credential may belong to a model server. */
  declare readonly maskedKey?: string | undefined;

  constructor(message: string, fields: FieldsOf<AuthenticationError>) {
    super(message, fields, 'authentication_failed', 'AuthenticationError');
  }
}

/** 402, or 429 with the code `insufficient_quota`: the quota of the account or of the key is used up. */
export class InsufficientQuotaError extends ApiError<'insufficient_quota', 'InsufficientQuotaError'> {
  constructor(message: string, fields: ApiErrorInit) {
    super(message, fields, 'insufficient_quota', 'InsufficientQuotaError');
  }
}

/** 403: the credential does not permit this request, for example because the model is on the key's deny list. */
export class PermissionDeniedError extends ApiError<'permission_denied', 'PermissionDeniedError'> {
  constructor(message: string, fields: ApiErrorInit) {
    super(message, fields, 'permission_denied', 'PermissionDeniedError');
  }
}

/** 404: the key, model or path does not exist, or the model is not on the key's allow list. */
export class NotFoundError extends ApiError<'not_found', 'NotFoundError'> {
  constructor(message: string, fields: ApiErrorInit) {
    super(message, fields, 'not_found', 'NotFoundError');
  }
}

/** 429: too many requests. `retryAfterMs` is present if the service reports how long to wait. */
export class RateLimitError extends ApiError<'rate_limited', 'RateLimitError'> {
  constructor(message: string, fields: ApiErrorInit) {
    super(message, fields, 'rate_limited', 'RateLimitError');
  }
}

/** 5xx: the service or a model server behind it failed. */
export class ServerError extends ApiError<'server_error', 'ServerError'> {
  constructor(message: string, fields: ApiErrorInit) {
    super(message, fields, 'server_error', 'ServerError');
  }
}
