/** The value, or undefined where the text is no JSON. V8's own error quotes the text, which may hold a credential. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value is what JSON calls an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How deeply an answer may be nested: no real one comes near, and walking a deeper one can overflow the stack. */
const DEEPEST = 1_000;

/**
 * Whether a value is nested too deeply to be walked.
 *
 * @param text - What the value was parsed from: a short one cannot be.
 */
export function isTooDeep(text: string, value: unknown): boolean {
  if (text.length < 2 * DEEPEST) return false;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
