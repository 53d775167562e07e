import { KeyRingError } from '../errors/index.ts';
import { readCauses } from '../internal/cause.ts';

/** Longer messages are cut: database clients quote their input. */
const MAX_LENGTH = 300;
/** User and password in a URL; what looks like a key of d.run, in plain text or encrypted. */
const USER_INFO = /(\/\/)[^/\s@]*@/g;
const SECRETS = /\bsk-[\w-]{6,}|\bgcm1\.[\w.-]+/g;

/** An error of foreign code without what it may carry: a query with its values, or the password of a connection. */
export interface SafeCause extends Error {
  code?: string;
  status?: number;
}

/** Copies name, message, code and status of what foreign code has thrown. */
export function safeCause(thrown: unknown): SafeCause {
  const [outer, inner] = readCauses(thrown);
  const cause: SafeCause = new Error(clean(outer?.message || inner?.message || 'unknown reason'));
  cause.name = clean(outer?.name ?? 'Error');
  const code = outer?.code ?? inner?.code;
  if (code !== undefined) cause.code = clean(code);
  const status = readStatus(thrown);
  if (typeof status === 'number') cause.status = status;
  // The place of this copy would only mislead.
  cause.stack = `${cause.name}: ${cause.message}`;
  return cause;
}

/** The HTTP status of a thrown value, whose getters can throw too. */
export function readStatus(thrown: unknown): unknown {
  try {
    return (thrown as { readonly status?: unknown } | null | undefined)?.status;
  } catch {
    return undefined;
  }
}

function clean(text: string): string {
  const safe = text.replace(USER_INFO, '$1******@').replace(SECRETS, '******');
  return safe.length > MAX_LENGTH ? `${safe.slice(0, MAX_LENGTH)}…` : safe;
}

/** @param message - Follows the name of the ring. */
export function ringError(
  ring: string,
  code: KeyRingError['code'],
  message: string,
  keyIds: readonly string[] = [],
  cause?: unknown,
): KeyRingError {
  return new KeyRingError(`Ring \`${ring}\`: ${message}`, { code, ring, keyIds, cause });
}
