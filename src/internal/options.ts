/** Names that other libraries give these options. They are too dissimilar to be found by edit distance. */
const SYNONYMS: Readonly<Record<string, string>> = {
  baseUrl: 'basepath endpoint host',
  expiresAt: 'ttl expiry expiration expiretime',
  maxRounds: 'maxsteps maxturns maxiterations',
  pageSize: 'limit perpage count',
  search: 'query filter q',
};

/**
 * Finds the first key that is not an allowed option, and the allowed option most similar to it. Keys whose value is
 * `undefined` are ignored.
 */
export function findUnknownOption(options: object, allowed: readonly string[]) {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !allowed.includes(name)) return { name, suggestion: closest(name, allowed) };
  }
  return undefined;
}

function closest(name: string, candidates: readonly string[]): string | undefined {
  const plain = normalized(name);
  const synonym = candidates.find((candidate) => SYNONYMS[candidate]?.split(' ').includes(plain));
  if (synonym !== undefined) return synonym;
  const distances = candidates.map((candidate) => distance(plain, normalized(candidate)));
  const shortest = Math.min(...distances);
  const isClose = shortest <= Math.max(2, Math.ceil(plain.length / 3));
  return isClose ? candidates[distances.indexOf(shortest)] : undefined;
}

function normalized(name: string): string {
  const start = name.slice(0, 64).toLowerCase();
  return start.replaceAll(/[-_\s]|ms$/g, '');
}

/** Returns the Levenshtein distance, or 1 if one name contains the other, as with `abortSignal` and `signal`. */
function distance(a: string, b: string): number {
  if (a !== b && a.length > 2 && (b.includes(a) || a.includes(b))) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
