import { DrunError, type FieldsOf, type ResponseIssue } from './base.ts';
import type { PartialCompletion } from './chat.ts';

/** An option, argument or credential is invalid, or a custom `fetch` or `transport` contains a bug. */
export class ConfigurationError extends DrunError<'ConfigurationError', 'invalid_configuration'> {
  /** Name of the option or argument, such as `apiKey`. */
  declare readonly option: string;

  constructor(message: string, fields: FieldsOf<ConfigurationError>) {
    super('ConfigurationError', 'invalid_configuration', message, fields);
  }
}

/**
 * The connection could not be opened, or was lost before the response was complete.
 *
 * `cause` is a plain `Error` with the redacted message and, if the runtime reports them, the `code` (such as
 * `ECONNREFUSED`) and `syscall` of the failure.
 */
export class ConnectionError extends DrunError<'ConnectionError', 'connection_failed'> {
  /** Host name, followed by the port unless it is the default port. */
  declare readonly host?: string | undefined;

  constructor(message: string, fields: FieldsOf<ConnectionError> = {}) {
    super('ConnectionError', 'connection_failed', message, fields);
  }
}

/** A time limit was exceeded. */
export class TimeoutError extends DrunError<'TimeoutError', 'timeout'> {
  /**
   * The limit that was exceeded: `response` (`timeoutMs`), `idle` (`idleTimeoutMs`, between two chunks of a stream), or
   * `runtime` (the built-in limit of `fetch`, 300 s in Node).
   */
  declare readonly phase: 'response' | 'idle' | 'runtime';
  /** The limit in milliseconds. */
  declare readonly timeoutMs: number;
  /** For a stream, the part of the completion that arrived before the timeout. */
  declare readonly completion?: PartialCompletion | undefined;

  constructor(message: string, fields: FieldsOf<TimeoutError>) {
    super('TimeoutError', 'timeout', message, fields);
  }
}

/** The service sent an unexpected response, such as HTML, JSON with an unexpected structure, or a redirect. */
export class InvalidResponseError extends DrunError<'InvalidResponseError', 'invalid_response'> {
  /** HTTP status of the response. */
  declare readonly status: number;
  /** How the response violates the API contract. Contains no values from the response. */
  declare readonly issues: readonly ResponseIssue[];
  /** Request id from the response headers; absent if the server sends none. */
  declare readonly requestId?: string | undefined;
  /** Redacted start of the response body. Not enumerable, because it may contain the prompt. */
  declare readonly excerpt?: string | undefined;

  constructor(message: string, fields: FieldsOf<InvalidResponseError, 'issues'>) {
    super('InvalidResponseError', 'invalid_response', message, { ...fields, issues: fields.issues ?? [] });
  }
}
