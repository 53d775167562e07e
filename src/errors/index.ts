/**
 * The errors thrown by `drun-sdk`, and {@link isDrunError}, which recognizes them.
 *
 * @module
 */

/** A registered symbol, so that two copies of the package recognize each other's errors. */
const marker: unique symbol = /* @__PURE__ */ Symbol.for('drun-sdk.error');

/** The fields that the constructor of an error class accepts. */
type FieldsOf<E> = Omit<E, keyof DrunError> & { readonly cause?: unknown };

/** Fields that are not enumerable: `name` is printed anyway, and the others may contain a prompt. */
const HIDDEN = ['name', 'excerpt', 'messages'];

/**
 * The base class of all errors that this package throws.
 *
 * No field, message, stack or cause contains a credential: messages from servers and libraries are redacted first.
 */
export abstract class DrunError<Name extends string = string, Code extends string = string> extends Error {
  /** The name of the class. A string literal, so that it survives minification. */
  declare readonly name: Name;
  /** A stable, machine-readable code. */
  declare readonly code: Code;

  /** @internal */
  constructor(message: string, fields: object = {}, code: Code, name: Name) {
    const { cause, ...visible } = fields as { readonly cause?: unknown };
    super(message, cause === undefined ? undefined : { cause });
    for (const [field, value] of Object.entries(Object.assign({ code }, visible, { code, name }))) {
      // Undefined fields are omitted to keep printed errors short.
      if (value === undefined) continue;
      const enumerable = !HIDDEN.includes(field);
      Object.defineProperty(this, field, { value, enumerable, writable: true, configurable: true });
    }
    Object.defineProperty(this, marker, { value: true });
    // Capture the stack again now that the name is set, because some runtimes include the name in it.
    const { captureStackTrace } = Error as { captureStackTrace?: (error: Error, below: unknown) => void };
    captureStackTrace?.(this, new.target);
  }

  /** Returns the name, code, message and fields of the error, without its stack and cause. */
  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message, ...(this as object) };
  }
}

/** A base class for an error class. `fields` may be omitted if all of them are optional. */
type ErrorClass<Base extends DrunError> = new <Fields extends object = object>(
  message: string,
  ...fields: Partial<FieldsOf<Base & Fields>> extends FieldsOf<Base & Fields>
    ? [fields?: FieldsOf<Base & Fields>]
    : [fields: FieldsOf<Base & Fields>]
) => Base & Fields;

/** Creates a base class, as in `class LostError extends errorClass('LostError', 'lost')<{ readonly id: string }> {}`. */
// @__NO_SIDE_EFFECTS__
function errorClass<N extends string, C extends string>(name: N, code: C, parent: unknown = DrunError) {
  return class extends (parent as new (...args: unknown[]) => DrunError) {
    constructor(message: string, fields?: object) {
      super(message, fields, code, name);
    }
  } as unknown as ErrorClass<DrunError<N, C>>;
}

/** Creates a base class for a subclass of {@link ApiError}. */
// @__NO_SIDE_EFFECTS__
function apiErrorClass<N extends string, C extends string>(name: N, code: C) {
  return errorClass(name, code, ApiError) as unknown as ErrorClass<ApiError<C, N>>;
}

/** A violation of a schema or of the API contract. */
export interface ResponseIssue {
  /** Path to the value, outermost key first, such as `['items', 0, 'creationTimestamp']`. Empty for the root value. */
  readonly path: readonly (string | number)[];
  /** What was expected. Contains the actual value only if a schema library quotes it. */
  readonly message: string;
}

/** An option, argument or credential is invalid, or a custom `fetch` or `transport` contains a bug. */
export class ConfigurationError extends errorClass('ConfigurationError', 'invalid_configuration')<{
  /** Name of the option or argument, such as `apiKey`. */
  readonly option: string;
}> {}

/**
 * The connection could not be opened, or was lost before the response was complete.
 *
 * `cause` is a plain `Error` with the redacted message and, if the runtime reports them, the `code` (such as
 * `ECONNREFUSED`) and `syscall` of the failure.
 */
export class ConnectionError extends errorClass('ConnectionError', 'connection_failed')<{
  /** Host name, followed by the port unless it is the default port. */
  readonly host?: string | undefined;
}> {}

/** A time limit was exceeded. */
export class TimeoutError extends errorClass('TimeoutError', 'timeout')<{
  /**
   * The limit that was exceeded: `response` (`timeoutMs`), `idle` (`idleTimeoutMs`, between two chunks of a stream), or
   * `runtime` (the built-in limit of `fetch`, 300 s in Node).
   */
  readonly phase: 'response' | 'idle' | 'runtime';
  /** The limit in milliseconds. */
  readonly timeoutMs: number;
  /** For a stream, the part of the completion that arrived before the timeout. */
  readonly completion?: PartialCompletion | undefined;
}> {}

/** The service sent an unexpected response, such as HTML, JSON with an unexpected structure, or a redirect. */
export class InvalidResponseError extends errorClass('InvalidResponseError', 'invalid_response')<{
  /** HTTP status of the response. */
  readonly status: number;
  /** How the response violates the API contract. Contains no values from the response. */
  readonly issues: readonly ResponseIssue[];
  /** Request id from the response headers; absent if the server sends none. */
  readonly requestId?: string | undefined;
  /** Redacted start of the response body. Not enumerable, because it may contain the prompt. */
  readonly excerpt?: string | undefined;
}> {}

/** The service reported an error. Subclasses represent common statuses; this class represents all others. */
export class ApiError<C extends string = string, N extends string = string> extends DrunError<N, C> {
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
  constructor(message: string, fields: FieldsOf<ApiError>, code = 'api_error' as C, name = 'ApiError' as N) {
    super(message, fields, code, name);
  }
}

/** 400 or 422: the request is invalid. Retrying an invalid request does not help. */
export class InvalidRequestError extends apiErrorClass('InvalidRequestError', 'invalid_request') {}

/** 401: the credential is missing, unknown, deleted, disabled or expired. */
export class AuthenticationError extends apiErrorClass('AuthenticationError', 'authentication_failed')<{
  /** The rejected credential, masked (`sk-******7ucU`). Absent if the credential may belong to a model server. */
  readonly maskedKey?: string | undefined;
}> {}

/** 402, or 429 with the code `insufficient_quota`: the quota of the account or of the key is used up. */
export class InsufficientQuotaError extends apiErrorClass('InsufficientQuotaError', 'insufficient_quota') {}

/** 403: the credential does not permit this request, for example because the model is on the key's deny list. */
export class PermissionDeniedError extends apiErrorClass('PermissionDeniedError', 'permission_denied') {}

/** 404: the key, model or path does not exist, or the model is not on the key's allow list. */
export class NotFoundError extends apiErrorClass('NotFoundError', 'not_found') {}

/** 429: too many requests. `retryAfterMs` is present if the service reports how long to wait. */
export class RateLimitError extends apiErrorClass('RateLimitError', 'rate_limited') {}

/** 5xx: the service or a model server behind it failed. */
export class ServerError extends apiErrorClass('ServerError', 'server_error') {}

/** A key that appears to be unused. */
export interface UnusedKey {
  readonly id: string;
  readonly name: string;
  readonly maskedKey: string;
  /** Why the key appears to be unused: it has expired, was never used, or has not been used in the last 30 days. */
  readonly why: 'expired' | 'never_used' | 'not_used_lately';
  readonly createdAt: Date;
  readonly lastUsedAt?: Date | undefined;
}

/** The account has reached its API key limit. Delete a key before you create another one. */
export class ApiKeyLimitError extends apiErrorClass('ApiKeyLimitError', 'api_key_limit_reached')<{
  /** The reason given by the service. */
  readonly reason: string;
  /** Number of keys in the account; absent if the keys could not be listed. */
  readonly keyCount?: number | undefined;
  /** Keys that appear to be unused: expired keys first, then keys that were never used, then keys not used recently. */
  readonly unusedKeys: readonly UnusedKey[];
  /** Ids of the ring's keys; present only if a `KeyRing` tried to create the key. */
  readonly ringKeyIds?: readonly string[] | undefined;
}> {}

/**
 * `create` received no usable response, so a key may or may not have been created. `cause` is the underlying error.
 *
 * Before you create another key, list the keys, and delete or adopt one of the candidates.
 */
export class UnknownOutcomeError extends errorClass('UnknownOutcomeError', 'unknown_outcome')<{
  /**
   * Ids of keys that this call may have created: unused keys with the requested name that were created after the
   * request was sent. Another caller may have created some of these keys. Absent if the keys could not be listed.
   */
  readonly candidateIds?: readonly string[] | undefined;
}> {}

/** `replace` deleted the old key but could not create a new one. `cause` is the error that `create` threw. */
export class ReplacementFailedError extends errorClass('ReplacementFailedError', 'replacement_failed')<{
  /** Id of the deleted key. */
  readonly deletedId: string;
}> {}

/** The part of a completion that arrived before the failure. */
export interface PartialCompletion {
  readonly id?: string | null | undefined;
  readonly model?: string | null | undefined;
  /** The choices received so far. A choice without a `finish_reason` is incomplete. */
  readonly choices: readonly {
    readonly index: number;
    readonly message: {
      readonly role: 'assistant';
      readonly content: string | null;
      readonly reasoning_content?: string | null | undefined;
      readonly reasoning?: string | null | undefined;
      readonly [field: string]: unknown;
    };
    readonly finish_reason: string | null;
    readonly [field: string]: unknown;
  }[];
  readonly [field: string]: unknown;
}

/** The stream ended before the completion was finished, for example because a model server failed. */
export class StreamTruncatedError extends errorClass('StreamTruncatedError', 'stream_truncated')<
  Pick<ApiError, 'requestId'> & { readonly completion: PartialCompletion }
> {}

/** The service reported an error in the middle of a completion, or sent an event that could not be parsed. */
export class StreamFailedError extends errorClass('StreamFailedError', 'stream_failed')<
  Pick<ApiError, 'requestId' | 'serviceCode' | 'serviceType' | 'param'> & {
    readonly completion: PartialCompletion;
  }
> {}

/** The model refused to reply, or a content filter withheld the reply. */
export class ModelRefusalError extends errorClass('ModelRefusalError', 'model_refusal')<{
  /** The model's explanation; `null` if it gave none. */
  readonly refusal: string | null;
  readonly completion: PartialCompletion;
}> {}

/** A structured reply or a tool call was cut off, usually at the token limit. */
export class OutputTruncatedError extends errorClass('OutputTruncatedError', 'output_truncated')<{
  readonly completion: PartialCompletion;
}> {}

/** The reply is not JSON, or does not match the schema. */
export class OutputValidationError extends errorClass('OutputValidationError', 'output_validation_failed')<{
  /** How the reply violates the schema, as reported by the schema library. Empty if the reply is not JSON. */
  readonly issues: readonly ResponseIssue[];
  readonly completion: PartialCompletion;
}> {}

/** The model kept calling an unknown tool or passing invalid arguments, or announced a tool call but made none. */
export class ToolCallError extends errorClass('ToolCallError', 'invalid_tool_call')<{
  /** Name of the tool, as sent by the model. Empty if the model made no call. */
  readonly toolName: string;
  /** What is wrong with the call. Contains the schema library's issues if the arguments do not match the schema. */
  readonly issues: readonly ResponseIssue[];
  /** The conversation up to and including the invalid call. Not enumerable, to keep prompts out of logs. */
  readonly messages: readonly unknown[];
}> {}

/** The model was still calling tools after `maxRounds` rounds. */
export class MaxToolRoundsError extends errorClass('MaxToolRoundsError', 'max_tool_rounds_exceeded')<{
  readonly maxRounds: number;
  /** The conversation, including the last calls, which were not run. Not enumerable, to keep prompts out of logs. */
  readonly messages: readonly unknown[];
}> {}

/** The codes of {@link KeyRingError}. */
export type KeyRingErrorCode =
  /** The store failed or did not preserve the written value. A failed write may still have been applied. */
  | 'key_ring_store_failed'
  /** The stored value is not a valid key ring record. */
  | 'key_ring_record_invalid'
  /** The store returned an older record. The ring does not create or delete keys until `recover()` is called. */
  | 'key_ring_rolled_back'
  /** A secret could not be decrypted (wrong key or modified ciphertext), or custom encryption failed. */
  | 'key_ring_decryption_failed'
  /** The ring has no key to return: none has been created yet, or all have been revoked. */
  | 'key_ring_no_active_key'
  /** The service did not accept a new key in time, or the key has insufficient access. */
  | 'key_ring_key_rejected'
  /** When `revoke()` timed out, the service still listed or accepted the revoked key. */
  | 'key_ring_revocation_unconfirmed'
  /** The ring has no key with the given id. */
  | 'key_ring_unknown_key'
  /** Gave up because other processes kept updating the record. The next reconciliation continues the work. */
  | 'key_ring_conflict';

/** A key ring operation failed for the reason given by `code`. Contains ids and masked keys, but no secrets. */
export class KeyRingError extends DrunError<'KeyRingError', KeyRingErrorCode> {
  /** Name of the ring. */
  declare readonly ring: string;
  /** Ids of the affected keys. */
  declare readonly keyIds: readonly string[];

  constructor(message: string, { code, ...fields }: FieldsOf<KeyRingError> & Pick<KeyRingError, 'code'>) {
    super(message, fields, code, 'KeyRingError');
  }
}

/**
 * A key store failed or contains an invalid value. A failed write may still have been applied.
 *
 * Errors from the caller's database client are not wrapped in this class; they are passed on unchanged.
 */
export class KeyStoreError extends errorClass('KeyStoreError', 'key_store_failed')<{
  /** HTTP status of the Kubernetes API response, if one arrived. */
  readonly status?: number | undefined;
}> {}

/** The union of all errors that this package throws, discriminated by `code`. */
export type AnyDrunError =
  | ConfigurationError
  | ConnectionError
  | TimeoutError
  | InvalidResponseError
  | UnknownOutcomeError
  | ReplacementFailedError
  | StreamTruncatedError
  | StreamFailedError
  | ModelRefusalError
  | OutputTruncatedError
  | OutputValidationError
  | ToolCallError
  | MaxToolRoundsError
  | KeyRingError
  | KeyStoreError
  | ApiError<'api_error'>
  | InvalidRequestError
  | AuthenticationError
  | InsufficientQuotaError
  | PermissionDeniedError
  | NotFoundError
  | RateLimitError
  | ApiKeyLimitError
  | ServerError;

/** The codes of all errors that this package throws. */
export type DrunErrorCode = AnyDrunError['code'];

/**
 * Returns whether a value is an error thrown by this package or by another copy of it. Never throws.
 *
 * @example
 * ```ts
 * import { isDrunError } from 'drun-sdk/errors';
 *
 * function advise(error: unknown): string {
 *   if (!isDrunError(error)) throw error;
 *   switch (error.code) {
 *     case 'rate_limited':
 *       return `Busy. Try again in ${error.retryAfterMs ?? 1000} ms.`;
 *     case 'authentication_failed':
 *       return `The key ${error.maskedKey} was rejected.`;
 *     default:
 *       return error.message;
 *   }
 * }
 * ```
 */
export function isDrunError(value: unknown): value is AnyDrunError {
  try {
    return typeof value === 'object' && value !== null && marker in value;
  } catch {
    // The value is a revoked proxy, or a proxy with a trap that throws.
    return false;
  }
}
