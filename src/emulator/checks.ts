import * as z from 'zod/mini';

export const nonEmpty = z.string().check(z.minLength(1));

/** Printable ASCII without spaces, as a header can hold it. */
export const credential = z
  .string()
  .check(z.regex(/^[!-~]+$/, 'must be printable ASCII characters without spaces'));

/**
 * Validates an option.
 *
 * @throws {TypeError} That names the invalid field. The value is not repeated: it may be a credential.
 */
export function check(subject: string, schema: z.ZodMiniType, value: unknown): void {
  const issue = z.safeParse(schema, value).error?.issues[0];
  if (issue === undefined) return;
  const { path, problem } = explain(issue);
  throw new TypeError(`${subject}: ${path.length === 0 ? 'the value' : `\`${path.join('.')}\``} ${problem}.`);
}

/** zod/mini has no messages of its own. */
function explain(issue: z.core.$ZodIssue): { path: PropertyKey[]; problem: string } {
  const { path, message } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return { path: [...path, issue.keys[0] ?? ''], problem: 'is unknown' };
    case 'invalid_type':
      return { path, problem: `must be of type ${issue.expected}` };
    case 'invalid_value':
      return { path, problem: `must be one of ${issue.values.join(', ')}` };
    case 'too_small':
      return {
        path,
        problem: issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`,
      };
    case 'too_big':
      return { path, problem: `must be at most ${issue.maximum}` };
    case 'invalid_union': {
      // The alternative that matches best.
      const inner = issue.errors.flatMap(([first]) =>
        first !== undefined && first.path.length > 0 ? [explain(first)] : [],
      );
      const [best] = inner.sort((a, b) => b.path.length - a.path.length);
      return best === undefined
        ? { path, problem: 'is invalid' }
        : { ...best, path: [...path, ...best.path] };
    }
    default:
      return { path, problem: message === 'Invalid input' ? 'is invalid' : message };
  }
}
