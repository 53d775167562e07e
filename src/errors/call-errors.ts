import { DrunError } from './drun-error.ts';

/** An option, an argument or a credential cannot be used. Nothing was sent. */
export class ConfigurationError extends DrunError {
  override get name(): 'ConfigurationError' {
    return 'ConfigurationError';
  }
  readonly code = 'invalid_configuration' as const;

  /** The option or argument that is wrong, as the caller spells it: `apiKey`, `baseUrl`, `name`. */
  readonly option: string;

  constructor(message: string, init: { readonly option: string }) {
    super(message);
    this.option = init.option;
  }
}

/**
 * The connection could not be opened, or was lost before the whole answer was there.
 *
 * `cause` is a plain error with the name, the redacted message and, where the runtime gives one, the `code`
 * (`ECONNREFUSED`) of what happened.
 */
export class ConnectionError extends DrunError {
  override get name(): 'ConnectionError' {
    return 'ConnectionError';
  }
  readonly code = 'connection_failed' as const;
}

/** The time that the call was given is over. */
export class TimeoutError extends DrunError {
  override get name(): 'TimeoutError' {
    return 'TimeoutError';
  }
  readonly code = 'timeout' as const;

  /** What was waited for: the `response`, or, between two chunks of a stream (`idle`), the next chunk. */
  readonly phase: 'response' | 'idle';

  /** How long was waited, in milliseconds. */
  readonly timeoutMs: number;

  constructor(message: string, init: { readonly phase: 'response' | 'idle'; readonly timeoutMs: number }) {
    super(message);
    this.phase = init.phase;
    this.timeoutMs = init.timeoutMs;
  }
}

/** One place where an answer differs from the contract. It says what was expected, never what came. */
export interface ResponseIssue {
  /** Where in the answer, from the outside in: `['items', 0, 'creationTimestamp']`. Empty for the whole body. */
  readonly path: readonly (string | number)[];
  /** What was expected there. */
  readonly message: string;
}

/**
 * The service answered something else than what was asked for: not JSON, not of the contract's shape, or a
 * redirect, which is never followed.
 */
export class InvalidResponseError extends DrunError {
  override get name(): 'InvalidResponseError' {
    return 'InvalidResponseError';
  }
  readonly code = 'invalid_response' as const;

  /** The HTTP status of the answer. */
  readonly status: number;

  /** Where the answer went wrong, without the values that came. */
  readonly issues: readonly ResponseIssue[];

  /** The answer's request id, where a server sends one; none is documented. */
  declare readonly requestId?: string | undefined;

  constructor(
    message: string,
    init: {
      readonly status: number;
      readonly issues?: readonly ResponseIssue[] | undefined;
      readonly requestId?: string | undefined;
    },
  ) {
    super(message);
    this.status = init.status;
    this.issues = init.issues ?? [];
    if (init.requestId !== undefined) this.requestId = init.requestId;
  }
}
