/** An error with a code such as `ECONNREFUSED`, as Node and clients of databases give them. */
interface CodedError extends Error {
  code?: string;
}

/** Texts longer than this are cut: clients of databases quote what they were given. */
const LONGEST_TEXT = 300;

/** The user and the password in an address. */
const USER_INFO = /(\/\/)[^/\s@]*@/g;

/** What looks like a key of d.run, or like one that is sealed. */
const SECRETS = /\bsk-[\w-]{6,}|\bgcm1\.[\w.-]+/g;

/**
 * A copy of what somebody else's code threw that can be shown: its name, message and code. The original may carry the
 * query, its values and the connection's password.
 */
export function failureCause(thrown: unknown): Error {
  const { name, message, code } = readThrown(thrown);
  const cause: CodedError = new Error(cleanText(message));
  cause.name = cleanText(name);
  if (code !== undefined) cause.code = cleanText(code);
  // Where the copy was made helps nobody.
  cause.stack = `${cause.name}: ${cause.message}`;
  return cause;
}

function cleanText(text: string): string {
  const clean = text.replace(USER_INFO, '$1******@').replace(SECRETS, '******');
  return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean;
}

/** Anything can be thrown, and what is thrown can have getters that throw. */
function readThrown(thrown: unknown): { name: string; message: string; code?: string | undefined } {
  if (typeof thrown === 'string') return { name: 'Error', message: thrown };
  try {
    const { name, message, code, errors } = thrown as Record<string, unknown>;
    // Several addresses of one host may have been tried: the first failure says as much as all of them.
    if (!message && Array.isArray(errors) && errors.length > 0) return readThrown(errors[0]);
    return {
      name: typeof name === 'string' ? name : 'Error',
      message: typeof message === 'string' && message !== '' ? message : 'for an unknown reason',
      code: typeof code === 'string' ? code : undefined,
    };
  } catch {
    return { name: 'Error', message: 'for an unknown reason' };
  }
}
