import type { KeyRecord } from './account.ts';

/** Whether a key may use a model. */
export type ModelAccess = 'allowed' | 'denied' | 'not-allowed';

/** The deny list takes precedence over the allow list, and an empty allow list allows every model. */
export function modelAccess(
  { allowModels, denyModels }: Pick<KeyRecord, 'allowModels' | 'denyModels'>,
  model: string,
): ModelAccess {
  if (denyModels.some((glob) => matchesGlob(glob, model))) return 'denied';
  if (allowModels.length === 0 || allowModels.some((glob) => matchesGlob(glob, model))) return 'allowed';
  return 'not-allowed';
}

const TOKENS = /\/\*\*$|\*\*\/|\*\*|\*|\?|\[[!^]?[^\]]+\]|\\.|[{},]|[\s\S]/gu;

/**
 * Matches a doublestar glob, as the gateway does: `*` and `?` do not cross a slash, `**` as a whole path segment
 * matches zero or more segments, and classes (`[ab]`, `[^ab]`) and alternatives (`{a,b}`) are supported. A malformed
 * glob matches nothing.
 *
 * @see https://github.com/bmatcuk/doublestar#patterns
 */
export function matchesGlob(glob: string, text: string): boolean {
  let depth = 0;
  let pattern = '';
  let previous = '/';
  for (const [token] of glob.matchAll(TOKENS)) {
    const startsSegment = previous === '/' || previous === '**/';
    if (token === '{') depth++;
    if (token === '[') return false;
    if (depth > 0 && '{,}'.includes(token)) pattern += { '{': '(?:', ',': '|', '}': ')' }[token];
    else if (token === '/**') pattern += '(?:/.*)?';
    else if (token === '**/') pattern += startsSegment ? '(?:[^/]+/)*' : '[^/]*/';
    else if (token === '**') pattern += startsSegment ? '.*' : '[^/]*';
    else if (token === '*') pattern += '[^/]*';
    else if (token === '?') pattern += '[^/]';
    else if (token.length > 1 && token.startsWith('[')) pattern += classOf(token);
    else pattern += literal(token.length === 2 && token.startsWith('\\') ? token.slice(1) : token);
    if (token === '}' && depth > 0) depth--;
    previous = token;
  }
  try {
    return new RegExp(`^${pattern}$`, 'su').test(text);
  } catch {
    return false;
  }
}

function classOf(token: string): string {
  const negated = /^\[[!^]/.test(token);
  const members = token.slice(negated ? 2 : 1, -1).replace(/[\\\]^]/g, '\\$&');
  return `(?!/)[${negated ? '^' : ''}${members}]`;
}

function literal(character: string): string {
  return character.replace(/[\\^$.|?*+()[\]{}/]/g, '\\$&');
}
