import { DrunError } from './drun-error.ts';

/** As much of a streamed answer as came before it failed. */
export interface PartialCompletion {
  readonly id?: string | null | undefined;
  readonly model?: string | null | undefined;
  /** The answers that had begun; one without a `finish_reason` is not complete. */
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

/**
 * The stream ended although the answer was not whole: without `[DONE]`, and with an answer that had begun but not
 * finished. The service closes a stream in this way when a model fails in the middle of it.
 */
export class StreamTruncatedError extends DrunError {
  override get name(): 'StreamTruncatedError' {
    return 'StreamTruncatedError';
  }
  readonly code = 'stream_truncated' as const;

  /** What had come. */
  readonly completion: PartialCompletion;

  /** The answer's request id, where a server sends one. */
  declare readonly requestId?: string | undefined;

  constructor(
    message: string,
    init: {
      readonly completion: PartialCompletion;
      readonly requestId?: string | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.completion = init.completion;
    if (init.requestId !== undefined) this.requestId = init.requestId;
  }
}

/** The stream said that it failed, or one of its events could not be understood. */
export class StreamFailedError extends DrunError {
  override get name(): 'StreamFailedError' {
    return 'StreamFailedError';
  }
  readonly code = 'stream_failed' as const;

  /** What had come. */
  readonly completion: PartialCompletion;

  /** The answer's request id, where a server sends one. */
  declare readonly requestId?: string | undefined;

  constructor(
    message: string,
    init: { readonly completion: PartialCompletion; readonly requestId?: string | undefined },
  ) {
    super(message);
    this.completion = init.completion;
    if (init.requestId !== undefined) this.requestId = init.requestId;
  }
}
