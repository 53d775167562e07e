import { format, inspect } from 'node:util';
import { expect } from 'vitest';

type AnyClass = abstract new (...values: never[]) => unknown;

/** Returns the reason with which a promise rejects. Fails if it resolves. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a rejection, got ${inspect(value)}`);
}

/** The error of the given class that a promise rejects with. */
export async function rejectionOf<Class extends AnyClass>(
  type: Class,
  promise: PromiseLike<unknown>,
): Promise<InstanceType<Class>> {
  const error = await rejection(promise);
  expect(error).toBeInstanceOf(type);
  return error as InstanceType<Class>;
}

/** The error of the given class that a function throws. */
export function thrownBy<Class extends AnyClass>(type: Class, act: () => unknown): InstanceType<Class> {
  let error: unknown;
  try {
    act();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(type);
  return error as InstanceType<Class>;
}

/** All printable representations of a value. */
export function everythingShownOf(value: unknown): string {
  const seen = [
    String(value),
    JSON.stringify(value),
    inspect(value),
    inspect(value, {
      showHidden: true,
      depth: Number.POSITIVE_INFINITY,
      getters: true,
      maxStringLength: null,
      maxArrayLength: null,
    }),
    format('%s %o %j', value, value, value),
  ];
  if (value instanceof Error) {
    seen.push(value.name, value.message, value.stack ?? '', everythingShownOf(value.cause));
  }
  return seen.join('\n');
}
