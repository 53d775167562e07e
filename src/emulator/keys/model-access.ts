import type { KeyRecord } from './key-record.ts';

/** What a key may do with a model. */
export type ModelAccess = 'allowed' | 'denied' | 'not-allowed';

/** A deny beats an allow, and an empty list of allowed models allows all. */
export function modelAccess(
  { allowModels, denyModels }: Pick<KeyRecord, 'allowModels' | 'denyModels'>,
  model: string,
): ModelAccess {
  if (denyModels.some((glob) => matchesGlob(glob, model))) return 'denied';
  if (allowModels.length === 0 || allowModels.some((glob) => matchesGlob(glob, model))) return 'allowed';
  return 'not-allowed';
}

/** `*` stands for any text without a slash, `**` for any text. */
export function matchesGlob(glob: string, text: string): boolean {
  const pattern = glob.replace(/\*\*|\*|[\\^$.|?+()[\]{}]/g, (token) => {
    if (token === '**') return '.*';
    return token === '*' ? '[^/]*' : `\\${token}`;
  });
  return new RegExp(`^${pattern}$`, 's').test(text);
}
