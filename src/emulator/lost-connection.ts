/** A system error as Node's sockets report it. */
interface SystemError extends Error {
  code?: string;
}

const MESSAGES = { ECONNRESET: 'read ECONNRESET', ECONNREFUSED: 'connect ECONNREFUSED' } as const;

/**
 * The error of `fetch`, or of a body, when the connection is gone: a fault dropped it, or the emulator is closed.
 * `serve` and `handlers` drop their own connection instead.
 */
export class LostConnection extends TypeError {
  constructor(code: keyof typeof MESSAGES = 'ECONNRESET') {
    const cause: SystemError = new Error(MESSAGES[code]);
    cause.code = code;
    super('fetch failed', { cause });
  }
}
