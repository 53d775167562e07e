/** Parses JSON; returns `undefined` for anything else. The engine's own error quotes the text, which may hold a credential. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Real responses are far less nested; recursive code can overflow the stack on deeper ones. */
const MAX_DEPTH = 1_000;

/** @param text - The text that `value` was parsed from; a short one cannot be too deep. */
export function isTooDeep(text: string, value: unknown): boolean {
  if (text.length < 2 * MAX_DEPTH) return false;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
