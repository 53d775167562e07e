import { type AnyDrunError, isDrunError } from '../errors/index.ts';

/** One attempt of a call, for a log: never a body, a header or a credential. */
export interface RequestLogEntry {
  readonly method: string;
  /** What was asked for, without ids: `/v1/chat/completions`, `/apikeys/{id}`. */
  readonly path: string;
  /** The answer's status; absent where there was none. */
  readonly status?: number | undefined;
  /** From sending the request to the whole answer, or to the first chunk of a stream. */
  readonly durationMs: number;
  /** Which request of the call it was: 1 for the first. */
  readonly attempt: number;
  /** What went wrong: the error's code, or `aborted`. Absent where nothing did. */
  readonly code?: string | undefined;
}

/** Is told of every attempt, as `console.log` could be. What it throws, or rejects with, is dropped: a log is no reason to lose a call. */
export type RequestLogger = (entry: RequestLogEntry) => void;

/** What is known when a call is about to be repeated. */
export interface RetryEvent {
  readonly method: string;
  /** What was asked for, without ids: `/v1/chat/completions`, `/apikeys/{id}`. */
  readonly path: string;
  /** Which request of the call failed: 1 for the first. */
  readonly attempt: number;
  /** Why. */
  readonly error: AnyDrunError;
  /** How long is waited before the next one, in milliseconds; 0 where a refused key was replaced. */
  readonly delayMs: number;
}

/**
 * Is told before a call is repeated. What it throws, or rejects with, ends the call, and is what the call rejects
 * with.
 */
export type RetryListener = (event: RetryEvent) => void;

/** Hands a line to a logger that may throw or reject. */
export function log(logger: RequestLogger, entry: RequestLogEntry): void {
  try {
    const logged: unknown = logger(entry);
    // One that nobody catches can end the process.
    if (logged instanceof Promise) logged.catch(() => {});
  } catch {
    // The call goes on.
  }
}

/** The fields of a line that say how an attempt failed. */
export function failureOf(thrown: unknown): Pick<RequestLogEntry, 'status' | 'code'> {
  if (!isDrunError(thrown)) return { code: 'aborted' };
  return { ...('status' in thrown && { status: thrown.status }), code: thrown.code };
}
