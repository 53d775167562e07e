export interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly syscall?: string | undefined;
  /** HTTP status of this error, not inherited from outer errors. */
  readonly status?: number | undefined;
  /** Whether this error has no cause. */
  readonly isRoot: boolean;
}

/** Maximum length of a cause chain, which may be cyclic. */
const MAX_DEPTH = 8;

/**
 * Reads a thrown value and its causes, outermost first. An inner error inherits the code, system call and message of
 * the outer error unless it has its own. Never throws, even if a getter of the thrown value does.
 */
export function readCauses(
  thrown: unknown,
  outer: Thrown = { name: 'Error', message: '', isRoot: true },
  depth = 1,
): Thrown[] {
  if (typeof thrown === 'string') return [{ ...outer, message: thrown.slice(0, MAX_LENGTH), isRoot: true }];
  try {
    const { name, message, code, syscall, status, response, cause, errors } = Object(thrown);
    const inner = [cause ?? (Array.isArray(errors) ? errors.slice(0, MAX_DEPTH) : [])].flat();
    const isRoot = inner.length === 0 || depth === MAX_DEPTH;
    const own: Thrown = {
      name: stringOf(name) ?? outer.name,
      message: stringOf(message) ?? outer.message,
      code: stringOf(code) ?? outer.code,
      syscall: stringOf(syscall) ?? outer.syscall,
      status: [status, Object(response).status].find((one) => typeof one === 'number'),
      isRoot,
    };
    return isRoot ? [own] : [own, ...inner.flatMap((next) => readCauses(next, own, depth + 1))];
  } catch {
    return [{ ...outer, isRoot: true }];
  }
}

/** Maximum length of a message, to limit the cost of matching patterns against it. */
const MAX_LENGTH = 2_000;

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_LENGTH) : undefined;
}
