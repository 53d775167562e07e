/** Returns `undefined` if the JSON is invalid or nested too deeply. An error would quote text that may be secret. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    // Text this short cannot be nested too deeply.
    return text.length > MAX_DEPTH && isTooDeep(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns '' for objects, because one with a `toString` field would make `String()` throw. */
export function scalarText(value: unknown): string {
  return typeof value === 'object' ? '' : String(value);
}

/** Maximum nesting depth. Real responses are nested far less deeply; deeper values could overflow the stack. */
const MAX_DEPTH = 1_000;

function isTooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth > MAX_DEPTH || Object.values(value).some((item) => isTooDeep(item, depth + 1));
}
