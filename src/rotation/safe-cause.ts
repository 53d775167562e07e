import { KeyRingError } from '../errors/index.ts';
import { readCauses } from '../internal/cause.ts';

/** Longer messages are truncated, because database clients include their input in error messages. */
const MAX_LENGTH = 300;
/** The user and password in a URL, and text that looks like a d.run key or its ciphertext. */
const USER_INFO = /(\/\/)[^/\s@]*@/g;
const SECRETS = /\bsk-[\w-]{6,}|\bgcm1\.[\w.-]+/g;

/** A copy of a third-party error, without fields that may contain secrets, such as query values or a password. */
export interface SafeCause extends Error {
  code?: string;
  status?: number;
}

/** Copies the name, message (without its final period), code and status of a value thrown by third-party code. */
export function safeCause(thrown: unknown): SafeCause {
  const [outer, inner] = readCauses(thrown);
  const cause: SafeCause = new Error(clean(outer?.message || inner?.message || 'unknown reason'));
  cause.name = clean(outer?.name ?? 'Error');
  const code = outer?.code ?? inner?.code;
  if (code !== undefined) cause.code = clean(code);
  if (outer?.status !== undefined) cause.status = outer.status;
  // The stack of the new error would only point to this function.
  cause.stack = `${cause.name}: ${cause.message}`;
  return cause;
}

/** Returns the HTTP status of a thrown value. */
export function readStatus(thrown: unknown): number | undefined {
  return readCauses(thrown)[0]?.status;
}

/** Returns the code of an error, even if another copy of this package created the error. */
export function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null | undefined)?.code;
}

/** Returns whether a status is a permanent rejection. A 408 (the request may take effect) and a 429 are not. */
export function isRejectionStatus(status: unknown): boolean {
  return typeof status === 'number' && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function clean(text: string): string {
  const safe = text.replace(USER_INFO, '$1******@').replace(SECRETS, '******').replace(/\.$/, '');
  return safe.length > MAX_LENGTH ? `${safe.slice(0, MAX_LENGTH)}…` : safe;
}

/** Creates a {@link KeyRingError}. @param message - The message, without the ring name that precedes it. */
export function ringError(
  ring: string,
  code: KeyRingError['code'],
  message: string,
  keyIds: readonly string[] = [],
  cause?: unknown,
): KeyRingError {
  return new KeyRingError(`Ring \`${ring}\`: ${message}`, { code, ring, keyIds, cause });
}
