/** Returns `undefined` if the JSON is invalid or nested too deeply. An error would quote text that may be secret. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isTooDeep(text, value) ? undefined : value;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns '' for objects, because a `toString` field of theirs would make `String()` throw. */
export function scalarText(value: unknown): string {
  return typeof value === 'object' ? '' : String(value);
}

/** Maximum nesting depth. Real responses are nested far less deeply; deeper values could overflow the stack. */
const MAX_DEPTH = 1_000;

/** @param text - The JSON text of `value`. A short text cannot be nested too deeply. */
function isTooDeep(text: string, value: unknown): boolean {
  if (text.length < 2 * MAX_DEPTH) return false;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
