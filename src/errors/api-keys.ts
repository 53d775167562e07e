import { ApiError } from './api.ts';
import { DrunError, type FieldsOf } from './base.ts';

/** A key that appears to be unused. */
export interface UnusedKey {
  readonly id: string;
  readonly name: string;
  readonly maskedKey: string;
  /** Why the key appears to be unused: it has expired, was never used, or was not used within the last 30 days. */
  readonly why: 'expired' | 'never_used' | 'not_used_lately';
  readonly createdAt: Date;
  readonly lastUsedAt?: Date | undefined;
}

/** The account has reached its API key limit. Delete a key before you create another. */
export class ApiKeyLimitError extends ApiError<'api_key_limit_reached', 'ApiKeyLimitError'> {
  /** The service's reason. */
  declare readonly reason: string;
  /** Number of keys in the account; absent if the list could not be read. */
  declare readonly keyCount?: number | undefined;
  /** Keys that appear to be unused: expired ones first, then those never used, then those not used recently. */
  declare readonly unusedKeys: readonly UnusedKey[];
  /** Ids of the keys of the `KeyRing` that tried to create a key. */
  declare readonly ringKeyIds?: readonly string[] | undefined;

  constructor(message: string, fields: FieldsOf<ApiKeyLimitError, 'unusedKeys'>) {
    const all = { ...fields, unusedKeys: fields.unusedKeys ?? [] };
    super(message, all, 'api_key_limit_reached', 'ApiKeyLimitError');
  }
}

/**
 * No usable response to a `create` arrived, so a key may or may not exist. `cause` is the failure.
 *
 * List the keys and delete or adopt a candidate before you create another key.
 */
export class UnknownOutcomeError extends DrunError<'UnknownOutcomeError', 'unknown_outcome'> {
  /**
   * Ids of keys that this call may have created: unused keys of the requested name that were created after the request
   * was sent. Another caller may have created them. Absent if the list could not be read.
   */
  declare readonly candidateIds?: readonly string[] | undefined;

  constructor(message: string, fields: FieldsOf<UnknownOutcomeError>) {
    super('UnknownOutcomeError', 'unknown_outcome', message, fields);
  }
}

/** `replace` deleted the old key but could not create the new one. `cause` is the error from creating it. */
export class ReplacementFailedError extends DrunError<'ReplacementFailedError', 'replacement_failed'> {
  /** Id of the deleted key. */
  declare readonly deletedId: string;

  constructor(message: string, fields: FieldsOf<ReplacementFailedError>) {
    super('ReplacementFailedError', 'replacement_failed', message, fields);
  }
}
