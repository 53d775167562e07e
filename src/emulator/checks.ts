import * as z from 'zod/mini';
import { isPrintableAscii } from '../internal/checks.ts';
import { findUnknownOption } from '../internal/options.ts';
import { isSecret } from '../secret/secret.ts';

export const nonEmpty = z.string().check(z.minLength(1));

export const positiveInteger = z.int().check(z.minimum(1));

/** A credential as a header can hold it. */
export const credential = z.union([
  z.string().check(z.refine(isPrintableAscii, 'must be printable ASCII characters without spaces')),
  z.custom(isSecret),
]);

/** An object whose unknown fields are rejected, with the closest known one as a suggestion. */
export function fields<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodMiniObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error({ code, keys }) {
      if (code !== 'unrecognized_keys') return undefined;
      const { suggestion } = findUnknownOption({ [String(keys[0])]: true }, Object.keys(shape)) ?? {};
      return `is unknown${suggestion === undefined ? '' : `; did you mean \`${suggestion}\``}`;
    },
  });
}

/**
 * Validates a value from outside.
 *
 * @throws {TypeError} That names the invalid field. The value is not repeated: it may be a credential.
 */
export function check(subject: string, schema: z.ZodMiniType, value: unknown): void {
  const issue = z.safeParse(schema, value).error?.issues[0];
  if (issue === undefined) return;
  const { path, problem } = explain(issue);
  throw new TypeError(`${subject}: ${path.length === 0 ? 'the value' : `\`${path.join('.')}\``} ${problem}.`);
}

interface Explanation {
  readonly path: readonly PropertyKey[];
  readonly problem: string;
}

/** zod/mini has no messages of its own. */
function explain(issue: z.core.$ZodIssue): Explanation {
  const { path, message } = issue;
  const problem = message === 'Invalid input' ? 'is invalid' : message;
  switch (issue.code) {
    case 'unrecognized_keys':
      return { path: [...path, issue.keys[0] ?? ''], problem };
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
      // The alternative of which most is valid.
      const [best] = issue.errors
        .flatMap(([first]) => (first === undefined ? [] : [explain(first)]))
        .filter((each) => each.path.length > 0)
        .sort((a, b) => b.path.length - a.path.length);
      return best === undefined ? { path, problem } : { ...best, path: [...path, ...best.path] };
    }
    default:
      return { path, problem };
  }
}
