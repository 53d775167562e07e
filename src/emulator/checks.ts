import * as z from 'zod';
import { isPrintableAscii } from '../internal/checks.ts';
import { findUnknownOption } from '../internal/options.ts';
import { isSecret } from '../secret/secret.ts';

export const nonEmpty = z.string().min(1);

/** A credential that can be sent in an HTTP header. */
export const credential = z.union([
  z.string().refine(isPrintableAscii, 'must be printable ASCII characters without spaces'),
  z.custom(isSecret),
]);

/** A reference to a key: its id, its name or the full key. */
export const keyReference = z.union([nonEmpty, z.custom(isSecret)], 'must be a key id, key name or full key');

/** An emulator, or another object with a `fetch` method. */
export const servable = z.custom((value) => typeof Object(value).fetch === 'function', 'Pass an emulator');

/** Creates an object schema that rejects unknown fields and suggests the closest known field. */
export function fields<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error({ code, keys }) {
      if (code !== 'unrecognized_keys') return undefined;
      const { suggestion } = findUnknownOption({ [String(keys[0])]: true }, Object.keys(shape)) ?? {};
      return `is unknown${suggestion === undefined ? '' : `; did you mean \`${suggestion}\`?`}`;
    },
  });
}

/**
 * Validates a value against a schema.
 *
 * @throws {TypeError} If the value is invalid. The message names the field but omits the value, which may be a
 * credential.
 */
export function check(subject: string, schema: z.ZodType, value: unknown): void {
  const [issue] = schema.safeParse(value).error?.issues ?? [];
  if (issue === undefined) return;
  const { path, message } = explain(issue);
  const field = path.length === 0 ? '' : `\`${path.join('.')}\``;
  // Messages from zod are sentences; custom messages start with a verb.
  const separator = field === '' ? '' : /^[A-Z]/.test(message) ? ': ' : ' ';
  throw new TypeError(`${subject}: ${field}${separator}${message}${message.endsWith('?') ? '' : '.'}`);
}

function explain(issue: z.core.$ZodIssue): Pick<z.core.$ZodIssue, 'path' | 'message'> {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') return { path: [...path, issue.keys[0] ?? ''], message };
  if (issue.code !== 'invalid_union') return { path, message };
  // The alternative that fails at the most deeply nested field is probably the intended one.
  const [best] = issue.errors
    .flatMap(([first]) => (first === undefined ? [] : [explain(first)]))
    .filter((each) => each.path.length > 0)
    .sort((a, b) => b.path.length - a.path.length);
  return best === undefined ? { path, message } : { ...best, path: [...path, ...best.path] };
}
