import { ApiError } from './api.ts';
import { DrunError, type FieldsOf } from './base.ts';

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
export class ApiKeyLimitError extends ApiError<'api_key_limit_reached', 'ApiKeyLimitError'> {
  /** The reason given by the service. */
  declare readonly reason: string;
  /** Number of keys in the account; absent if the keys could not be listed. */
  declare readonly keyCount?: number | undefined;
  /** Keys that appear to be unused: expired keys first, then keys that were never used, then keys not used recently. */
  declare readonly unusedKeys: readonly UnusedKey[];
  /** Ids of the ring's keys; present only if a `KeyRing` tried to create the key. */
  declare readonly ringKeyIds?: readonly string[] | undefined;

  constructor(message: string, fields: FieldsOf<ApiKeyLimitError, 'unusedKeys'>) {
    const all = { ...fields, unusedKeys: fields.unusedKeys ?? [] };
    super(message, all, 'api_key_limit_reached', 'ApiKeyLimitError');
  }
}

/**
 * `create` received no usable response, so a key may or may not have been created. `cause` is the underlying error.
 *
 * Before you create another key, list the keys, and delete or adopt one of the candidates.
 */
export class UnknownOutcomeError extends DrunError<'UnknownOutcomeError', 'unknown_outcome'> {
  /**
   * Ids of keys that this call may have created: unused keys with the requested name that were created after the
   * request was sent. Another caller may have created some of these keys. Absent if the keys could not be listed.
   */
  declare readonly candidateIds?: readonly string[] | undefined;

  constructor(message: string, fields: FieldsOf<UnknownOutcomeError>) {
    super('UnknownOutcomeError', 'unknown_outcome', message, fields);
  }
}

/** `replace` deleted the old key but could not create a new one. `cause` is the error that `create` threw. */
export class ReplacementFailedError extends DrunError<'ReplacementFailedError', 'replacement_failed'> {
  /** Id of the deleted key. */
  declare readonly deletedId: string;

  constructor(message: string, fields: FieldsOf<ReplacementFailedError>) {
    super('ReplacementFailedError', 'replacement_failed', message, fields);
  }
}
