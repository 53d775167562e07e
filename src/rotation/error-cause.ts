/** An error with a code such as `ECONNREFUSED`, as Node and database clients have them. */
interface CodedError extends Error {
  code?: string;
  status?: number;
}

/** Longer messages are cut: database clients quote their input. */
const MAX_LENGTH = 300;

/** User and password in a URL. */
const USER_INFO = /(\/\/)[^/\s@]*@/g;

/** What looks like a key of d.run, in plain text or encrypted. */
const SECRETS = /\bsk-[\w-]{6,}|\bgcm1\.[\w.-]+/g;

/**
 * Copies what foreign code has thrown: its name, message, code and status. The original may carry a query with its
 * values, and the password of the connection.
 */
export function safeCause(thrown: unknown): Error {
  const { name, message, code, status } = readThrown(thrown);
  const cause: CodedError = new Error(clean(message));
  cause.name = clean(name);
  if (code !== undefined) cause.code = clean(code);
  if (status !== undefined) cause.status = status;
  // The place of this copy would only mislead.
  cause.stack = `${cause.name}: ${cause.message}`;
  return cause;
}

function clean(text: string): string {
  const safe = text.replace(USER_INFO, '$1******@').replace(SECRETS, '******');
  return safe.length > MAX_LENGTH ? `${safe.slice(0, MAX_LENGTH)}…` : safe;
}

interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly status?: number | undefined;
}

/** Anything can be thrown, and its getters can throw. */
function readThrown(thrown: unknown): Thrown {
  if (typeof thrown === 'string') return { name: 'Error', message: thrown };
  try {
    const { name, message, code, errors, status } = thrown as Record<string, unknown>;
    // Several addresses of a host were tried: the first failure stands for all.
    if (!message && Array.isArray(errors) && errors.length > 0) return readThrown(errors[0]);
    return {
      name: typeof name === 'string' ? name : 'Error',
      message: typeof message === 'string' && message !== '' ? message : 'unknown reason',
      code: typeof code === 'string' ? code : undefined,
      status: typeof status === 'number' ? status : undefined,
    };
  } catch {
    return { name: 'Error', message: 'unknown reason' };
  }
}
