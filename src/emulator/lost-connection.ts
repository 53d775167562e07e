/** A system error, as Node's sockets have them. */
interface SystemError extends Error {
  code?: string;
}

const WORDS = {
  ECONNRESET: 'read ECONNRESET',
  ECONNREFUSED: 'connect ECONNREFUSED',
} as const;

/**
 * What `fetch` rejects with, or the body of an answer fails with, where there is no connection any more: a fault took
 * it away, or the emulator is closed. Ways in that have a connection of their own take that away instead.
 */
export class LostConnection extends TypeError {
  constructor(code: keyof typeof WORDS = 'ECONNRESET') {
    const cause: SystemError = new Error(WORDS[code]);
    cause.code = code;
    super('fetch failed', { cause });
  }
}
