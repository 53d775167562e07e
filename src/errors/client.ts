import { DrunError, type FieldsOf, type ResponseIssue } from './base.ts';
import type { PartialCompletion } from './chat.ts';

/** An option, an argument or a credential is invalid, or a custom `fetch` threw a programming error. */
export class ConfigurationError extends DrunError<'ConfigurationError', 'invalid_configuration'> {
  /** Name of the option or argument: `apiKey`, `baseUrl`, `name`. */
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
   * The limit that was exceeded: `response` (`timeoutMs`), `idle` (`idleTimeoutMs`, between two chunks of a stream), or
   * `runtime` (a limit of the runtime's `fetch`; 300 s in Node).
   */
  declare readonly phase: 'response' | 'idle' | 'runtime';
  /** The limit in milliseconds. */
  declare readonly timeoutMs: number;
  /** The part of a streamed completion that arrived before the failure. */
  declare readonly completion?: PartialCompletion | undefined;

  constructor(message: string, fields: FieldsOf<TimeoutError>) {
    super('TimeoutError', 'timeout', message, fields);
  }
}

/** The service sent a response that the contract does not allow: not JSON, another shape, or a redirect. */
export class InvalidResponseError extends DrunError<'InvalidResponseError', 'invalid_response'> {
  /** HTTP status of the response. */
  declare readonly status: number;
  /** Differences from the contract. They do not contain values. */
  declare readonly issues: readonly ResponseIssue[];
  /** Request id from the response headers; absent if the server sends none. */
  declare readonly requestId?: string | undefined;
  /** Redacted start of the body. Not enumerable, because it may repeat the prompt. */
  declare readonly excerpt?: string | undefined;

  constructor(message: string, fields: FieldsOf<InvalidResponseError, 'issues'>) {
    super('InvalidResponseError', 'invalid_response', message, { ...fields, issues: fields.issues ?? [] });
  }
}
