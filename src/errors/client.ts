import { DrunError, type FieldsOf, type ResponseIssue } from './base.ts';
import type { PartialCompletion } from './chat.ts';

/** An option, an argument or a credential is invalid, or a custom `fetch` has a bug. */
export class ConfigurationError extends DrunError<'ConfigurationError', 'invalid_configuration'> {
  /** The option or argument, as the caller spells it: `apiKey`, `baseUrl`, `name`. */
  declare readonly option: string;

  constructor(message: string, fields: FieldsOf<ConfigurationError>) {
    super('ConfigurationError', 'invalid_configuration', message, fields);
  }
}

/**
 * The connection could not be opened, or was lost before the complete response arrived.
 *
 * `cause` is a plain error with the redacted message and, if the runtime reports them, `code` (`ECONNREFUSED`) and
 * `syscall` of the failure.
 */
export class ConnectionError extends DrunError<'ConnectionError', 'connection_failed'> {
  /** Host name, and port unless it is the default one. */
  declare readonly host?: string | undefined;

  constructor(message: string, fields: FieldsOf<ConnectionError> = {}) {
    super('ConnectionError', 'connection_failed', message, fields);
  }
}

/** A time limit was exceeded. */
export class TimeoutError extends DrunError<'TimeoutError', 'timeout'> {
  /**
   * The limit: `response` for `timeoutMs`, `idle` for `idleTimeoutMs` between two chunks of a stream, `runtime` for one
   * of the runtime's `fetch` (300 s in Node).
   */
  declare readonly phase: 'response' | 'idle' | 'runtime';
  /** The limit in milliseconds. */
  declare readonly timeoutMs: number;
  /** The part of a streamed completion that arrived before. */
  declare readonly completion?: PartialCompletion | undefined;

  constructor(message: string, fields: FieldsOf<TimeoutError>) {
    super('TimeoutError', 'timeout', message, fields);
  }
}

/** The service sent a response that the contract does not allow: not JSON, another shape, or a redirect. */
export class InvalidResponseError extends DrunError<'InvalidResponseError', 'invalid_response'> {
  /** HTTP status of the response. */
  declare readonly status: number;
  /** Where the response differs from the contract, without the values. */
  declare readonly issues: readonly ResponseIssue[];
  /** From the response's headers; d.run documents none. */
  declare readonly requestId?: string | undefined;
  /** Start of the body, redacted. Not enumerable: it may repeat the prompt. */
  declare readonly excerpt?: string | undefined;

  constructor(message: string, { excerpt, ...fields }: FieldsOf<InvalidResponseError, 'issues'>) {
    const issues = fields.issues ?? [];
    super('InvalidResponseError', 'invalid_response', message, { ...fields, issues }, { excerpt });
  }
}
