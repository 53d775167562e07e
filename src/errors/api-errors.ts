import { DrunError } from './drun-error.ts';

/** The codes of {@link ApiError} and the classes under it. */
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

/** How many of something may be used in a window of time, as a server's headers say. */
export interface RateLimit {
  /** `x-ratelimit-limit-…` */
  readonly limit?: number | undefined;
  /** `x-ratelimit-remaining-…` */
  readonly remaining?: number | undefined;
  /** In how many milliseconds there is as much again as there was: `x-ratelimit-reset-…`, a duration such as `6m0s`. */
  readonly resetMs?: number | undefined;
}

/** What OpenAI's rate-limit headers say, where a server sends them; none are documented for d.run. */
export interface RateLimits {
  readonly requests?: RateLimit | undefined;
  readonly tokens?: RateLimit | undefined;
}

/** What the service said when it refused; every text is redacted. */
export interface ApiErrorInit {
  /** The HTTP status. */
  readonly status: number;
  /** The service's own name for the error: `error.code` of the data plane, `id` of the control plane. */
  readonly serviceCode?: string | undefined;
  /** The data plane's `error.type`. */
  readonly serviceType?: string | undefined;
  /** The request field that the service complains about. */
  readonly param?: string | undefined;
  /** The answer's request id, where a server sends one; none is documented. */
  readonly requestId?: string | undefined;
  /** How long the service asks to wait, in milliseconds, from `retry-after-ms` or `Retry-After`. */
  readonly retryAfterMs?: number | undefined;
  /** How much may be used, where the answer's headers say so. */
  readonly rateLimits?: RateLimits | undefined;
}

/**
 * The service answered with an error status. The classes under it say what a caller can do; this one itself
 * is thrown for a status that has no class of its own.
 */
export class ApiError<Code extends ApiErrorCode = ApiErrorCode> extends DrunError {
  override get name(): string {
    return 'ApiError';
  }
  readonly code: Code;

  /** The HTTP status. */
  readonly status: number;
  /** The service's own name for the error: `error.code` of the data plane, `id` of the control plane. */
  declare readonly serviceCode?: string | undefined;
  /** The data plane's `error.type`. */
  declare readonly serviceType?: string | undefined;
  /** The request field that the service complains about. */
  declare readonly param?: string | undefined;
  /** The answer's request id, where a server sends one; none is documented. */
  declare readonly requestId?: string | undefined;
  /** How long the service asks to wait, in milliseconds, from `retry-after-ms` or `Retry-After`. */
  declare readonly retryAfterMs?: number | undefined;
  /** How much may be used, where the answer's headers say so. */
  declare readonly rateLimits?: RateLimits | undefined;

  /** @param code - Given by the classes under this one. */
  constructor(message: string, init: ApiErrorInit, code: Code = 'api_error' as Code) {
    super(message);
    this.code = code;
    this.status = init.status;
    // A field that the service left out is absent, not undefined: printed errors stay short.
    if (init.serviceCode !== undefined) this.serviceCode = init.serviceCode;
    if (init.serviceType !== undefined) this.serviceType = init.serviceType;
    if (init.param !== undefined) this.param = init.param;
    if (init.requestId !== undefined) this.requestId = init.requestId;
    if (init.retryAfterMs !== undefined) this.retryAfterMs = init.retryAfterMs;
    if (init.rateLimits !== undefined) this.rateLimits = init.rateLimits;
  }
}

/** 400 or 422: the request is wrong as it stands; sending it again does not help. */
export class InvalidRequestError extends ApiError<'invalid_request'> {
  override get name(): 'InvalidRequestError' {
    return 'InvalidRequestError';
  }
  constructor(message: string, init: ApiErrorInit) {
    super(message, init, 'invalid_request');
  }
}

/** 401: the credential is missing, unknown, deleted, disabled or expired. */
export class AuthenticationError extends ApiError<'authentication_failed'> {
  override get name(): 'AuthenticationError' {
    return 'AuthenticationError';
  }

  /** The refused credential, masked: `sk-******7ucU`. */
  readonly maskedKey: string;

  constructor(message: string, init: ApiErrorInit & { readonly maskedKey: string }) {
    super(message, init, 'authentication_failed');
    this.maskedKey = init.maskedKey;
  }
}

/** 402: the account's or the key's quota is used up. */
export class InsufficientQuotaError extends ApiError<'insufficient_quota'> {
  override get name(): 'InsufficientQuotaError' {
    return 'InsufficientQuotaError';
  }
  constructor(message: string, init: ApiErrorInit) {
    super(message, init, 'insufficient_quota');
  }
}

/** 403: the credential is known, but may not do this; for a model, the key's deny list matches. */
export class PermissionDeniedError extends ApiError<'permission_denied'> {
  override get name(): 'PermissionDeniedError' {
    return 'PermissionDeniedError';
  }
  constructor(message: string, init: ApiErrorInit) {
    super(message, init, 'permission_denied');
  }
}

/** 404: no such key, model or path; a model that is not on the key's allow list looks the same. */
export class NotFoundError extends ApiError<'not_found'> {
  override get name(): 'NotFoundError' {
    return 'NotFoundError';
  }
  constructor(message: string, init: ApiErrorInit) {
    super(message, init, 'not_found');
  }
}

/** 429: too many calls; `retryAfterMs` says how long to wait, where the service says so. */
export class RateLimitError extends ApiError<'rate_limited'> {
  override get name(): 'RateLimitError' {
    return 'RateLimitError';
  }
  constructor(message: string, init: ApiErrorInit) {
    super(message, init, 'rate_limited');
  }
}

/** A key of an account that is full which looks as if nobody needed it. */
export interface UnusedKey {
  readonly id: string;
  readonly name: string;
  readonly maskedKey: string;
  /** Why it looks unused: it is refused anyway, no call was ever made with it, or none for 30 days. */
  readonly why: 'expired' | 'never_used' | 'not_used_lately';
  readonly createdAt: Date;
  readonly lastUsedAt?: Date | undefined;
}

/** The account has as many API keys as it may have: delete one before the next is made. */
export class ApiKeyLimitError extends ApiError<'api_key_limit_reached'> {
  override get name(): 'ApiKeyLimitError' {
    return 'ApiKeyLimitError';
  }

  /** Why no further key is allowed, in the service's words. */
  readonly reason: string;

  /** How many keys there are; absent where the list could not be read. */
  declare readonly keyCount?: number | undefined;

  /** The keys that look unused, the surest first: which of them may go is the caller's to choose. */
  readonly unusedKeys: readonly UnusedKey[];

  /** The ids of the keys that a `KeyRing` has itself, where it was one that wanted another. */
  declare readonly ringKeyIds?: readonly string[] | undefined;

  constructor(
    message: string,
    init: ApiErrorInit & {
      readonly reason: string;
      readonly keyCount?: number | undefined;
      readonly unusedKeys?: readonly UnusedKey[] | undefined;
      readonly ringKeyIds?: readonly string[] | undefined;
    },
  ) {
    super(message, init, 'api_key_limit_reached');
    this.reason = init.reason;
    if (init.keyCount !== undefined) this.keyCount = init.keyCount;
    this.unusedKeys = init.unusedKeys ?? [];
    if (init.ringKeyIds !== undefined) this.ringKeyIds = init.ringKeyIds;
  }
}

/** 5xx: the service, or a model server behind it, failed. */
export class ServerError extends ApiError<'server_error'> {
  override get name(): 'ServerError' {
    return 'ServerError';
  }
  constructor(message: string, init: ApiErrorInit) {
    super(message, init, 'server_error');
  }
}
