import { DrunError } from './drun-error.ts';

/**
 * The answer to a `create` was lost, and no key could be shown to be the one that it made: there may be one that
 * nobody holds, or one may still appear. Creating again at once may make a second one.
 *
 * `cause` is the error with which the answer was lost.
 */
export class UnknownOutcomeError extends DrunError {
  override get name(): 'UnknownOutcomeError' {
    return 'UnknownOutcomeError';
  }
  readonly code = 'unknown_outcome' as const;

  /**
   * The ids of unused keys of this name that were created since the request, by the service's clock. Absent if the list
   * could not be read.
   */
  declare readonly candidateIds?: readonly string[] | undefined;

  constructor(
    message: string,
    init: { readonly candidateIds?: readonly string[] | undefined; readonly cause: unknown },
  ) {
    super(message, { cause: init.cause });
    if (init.candidateIds !== undefined) this.candidateIds = init.candidateIds;
  }
}

/**
 * A key was to be replaced: it is gone, and no key was made in its place.
 *
 * `cause` is the error with which the creation failed.
 */
export class ReplacementFailedError extends DrunError {
  override get name(): 'ReplacementFailedError' {
    return 'ReplacementFailedError';
  }
  readonly code = 'replacement_failed' as const;

  /** The id of the key that is gone. */
  readonly deletedId: string;

  constructor(message: string, init: { readonly deletedId: string; readonly cause: unknown }) {
    super(message, { cause: init.cause });
    this.deletedId = init.deletedId;
  }
}
