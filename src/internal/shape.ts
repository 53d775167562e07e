/** Whether a value has a certain shape. */
export type Check = (value: unknown) => boolean;

export const isText: Check = (value) => typeof value === 'string' && value !== '';
export const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const isFiniteNumber: Check = (value) => Number.isFinite(value);

/** An object whose fields pass their checks. Other fields are ignored. */
export function objectOf(fields: Readonly<Record<string, Check>>): Check {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check((value as Record<string, unknown>)[name]));
}

export function arrayOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

export function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}
