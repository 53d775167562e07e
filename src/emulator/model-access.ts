import type { KeyRecord } from './account.ts';

/** Returns whether a key may use a model. The deny list takes precedence. An empty allow list allows all models. */
export function modelAccess(
  { allowModels, denyModels }: Pick<KeyRecord, 'allowModels' | 'denyModels'>,
  model: string,
): 'allowed' | 'denied' | 'not-allowed' {
  if (denyModels.some((glob) => matchesGlob(glob, model))) return 'denied';
  if (allowModels.length === 0 || allowModels.some((glob) => matchesGlob(glob, model))) return 'allowed';
  return 'not-allowed';
}

const TOKENS = /(?<=^|\/)\*\*\/|\/\*\*$|\*+|\[[!^]?[^\]]+\]|\\.|[\s\S]/gu;

/**
 * Matches a doublestar glob, as the gateway does: `*` and `?` do not match slashes, `**` as a whole path segment
 * matches zero or more segments, and classes (`[ab]`, `[^ab]`) and alternatives (`{a,b}`) are supported. A malformed
 * glob matches nothing.
 *
 * @see https://github.com/bmatcuk/doublestar#patterns
 */
export function matchesGlob(glob: string, text: string): boolean {
  if (glob === '**') return true;
  let depth = 0;
  const pattern = glob.replace(TOKENS, (token) => {
    if (token === '**/') return '(?:[^/]+/)*';
    if (token === '/**') return '(?:/.*)?';
    if (token.startsWith('*')) return '[^/]*';
    if (token === '?') return '[^/]';
    if (token === ',' && depth > 0) return '|';
    if (token === '{') {
      depth++;
      return '(?:';
    }
    if (token === '}' && depth > 0) {
      depth--;
      return ')';
    }
    if (token.startsWith('[')) return classOf(token);
    return literal(token.length > 1 && token.startsWith('\\') ? token.slice(1) : token);
  });
  try {
    return new RegExp(`^${pattern}$`, 'su').test(text);
  } catch {
    return false;
  }
}

/** Converts a character class. An unmatched bracket is kept unchanged and makes the pattern invalid. */
function classOf(token: string): string {
  const negated = /^\[[!^]/.test(token);
  const members = token.slice(negated ? 2 : 1, -1).replace(/[\\\]^]/g, '\\$&');
  return token === '[' ? token : `(?!/)[${negated ? '^' : ''}${members}]`;
}

function literal(character: string): string {
  return character.replace(/[\\^$.|?*+()[\]{}/]/g, '\\$&');
}
