import { ConfigurationError } from '../errors/index.ts';
import { MAX_TIMER_MS, isLoopback, isRecordLike, isTimerMs } from '../internal/checks.ts';
import { findUnknownOption } from '../internal/options.ts';
import type { HeadersOption } from './call.ts';
import type { Credential } from '../secret/credential.ts';

/** Options of every call; pass these, and the ones that a method adds, to {@link checkOptions}. */
export const CALL_OPTIONS = ['signal', 'timeoutMs', 'headers', 'maxRetries'] as const;

/** Options of both clients. */
export const CLIENT_OPTIONS = [
  'baseUrl',
  'timeoutMs',
  'maxRetries',
  'fetch',
  'headers',
  'onRetry',
  'logger',
  'allowInsecureHttp',
  'dangerouslyAllowBrowser',
] as const;

/**
 * Checks an options argument: an object with nothing but known keys, and without `null`.
 *
 * @param owner - What takes the options, for messages: `ChatClient`, `complete()`.
 * @throws {ConfigurationError} If an option is unknown; suggests the closest known one.
 */
export function checkOptions(options: unknown, allowed: readonly string[], owner: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    // The value may be a credential: `new ChatClient('sk-…')`.
    throw new ConfigurationError(
      `${owner} takes an object of options (received ${options === null ? 'null' : typeof options}).`,
      { option: 'options' },
    );
  }
  const unknown = findUnknownOption(options, allowed);
  if (unknown === undefined) return;
  const hint = unknown.suggestion === undefined ? '' : ` Did you mean \`${unknown.suggestion}\`?`;
  throw new ConfigurationError(`${owner} has no option \`${unknown.name}\`.${hint}`, { option: unknown.name });
}
