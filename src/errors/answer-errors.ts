import type { ResponseIssue } from './call-errors.ts';
import { DrunError } from './drun-error.ts';
import type { PartialCompletion } from './stream-errors.ts';

/**
 * The model declined to give the answer that was asked for in a schema, or a filter of the service withheld it
 * (`finish_reason: 'content_filter'`).
 */
export class ModelRefusalError extends DrunError {
  override get name(): 'ModelRefusalError' {
    return 'ModelRefusalError';
  }
  readonly code = 'model_refusal' as const;

  /** Why, in the model's words, where it gave any. */
  readonly refusal: string | null;

  /** What came. */
  readonly completion: PartialCompletion;

  constructor(
    message: string,
    init: { readonly refusal: string | null; readonly completion: PartialCompletion },
  ) {
    super(message);
    this.refusal = init.refusal;
    this.completion = init.completion;
  }
}

/**
 * The model ran into its limit of tokens (`finish_reason: 'length'`) in the middle of JSON: of an answer in a schema,
 * or of the arguments of a tool.
 */
export class OutputTruncatedError extends DrunError {
  override get name(): 'OutputTruncatedError' {
    return 'OutputTruncatedError';
  }
  readonly code = 'output_truncated' as const;

  /** What came. */
  readonly completion: PartialCompletion;

  constructor(message: string, init: { readonly completion: PartialCompletion }) {
    super(message);
    this.completion = init.completion;
  }
}

/** The model finished an answer that is not JSON, or not of the schema that was asked for. */
export class OutputValidationError extends DrunError {
  override get name(): 'OutputValidationError' {
    return 'OutputValidationError';
  }
  readonly code = 'output_validation_failed' as const;

  /** Where the answer differs from the schema, in the words of the schema's library; empty where it is not JSON. */
  readonly issues: readonly ResponseIssue[];

  /** What came. */
  readonly completion: PartialCompletion;

  constructor(
    message: string,
    init: { readonly issues: readonly ResponseIssue[]; readonly completion: PartialCompletion },
  ) {
    super(message);
    this.issues = init.issues;
    this.completion = init.completion;
  }
}
