/** What can be read of a thrown value: of an error, or of anything else that code may throw. */
export interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly syscall?: string | undefined;
}

/** Enough for every real chain of wrappers, and an end for one that leads back to itself. */
const MAX_CHAIN = 8;

/**
 * Reads a thrown value and its causes, outermost first. Of an `AggregateError` (several addresses of one host were
 * tried), every error is read.
 *
 * Never throws: anything can be thrown, and its getters can throw too.
 */
export function readCauses(thrown: unknown): Thrown[] {
  const chain: Thrown[] = [];
  let level: readonly unknown[] = [thrown];
  for (let depth = 0; depth < MAX_CHAIN && level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const value of level.slice(0, MAX_CHAIN)) {
      try {
        if (typeof value === 'string') chain.push({ name: 'Error', message: value });
        if (typeof value !== 'object' || value === null) continue;
        const { name, message, code, syscall, cause, errors } = value as Record<string, unknown>;
        chain.push({
          name: stringOr(name, 'Error') ?? 'Error',
          message: stringOr(message, '') ?? '',
          code: stringOr(code, undefined),
          syscall: stringOr(syscall, undefined),
        });
        if (cause !== undefined && cause !== null) next.push(cause);
        else if (Array.isArray(errors)) next.push(...errors);
      } catch {
        // A proxy or a getter threw: nothing can be said about this one.
      }
    }
    level = next;
  }
  return chain;
}

function stringOr<Fallback>(value: unknown, fallback: Fallback): string | Fallback {
  return typeof value === 'string' && value !== '' ? value : fallback;
}
