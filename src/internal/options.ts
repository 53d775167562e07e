/** Names that other libraries use and that do not resemble ours. */
const SYNONYMS: Readonly<Record<string, string>> = {
  expiresAt: 'ttl expiry expiration expiretime',
  maxRounds: 'maxsteps maxturns maxiterations',
  pageSize: 'limit perpage count',
  search: 'query filter q',
};

/**
 * Finds an own enumerable key that is not an allowed option and whose value is not `undefined`.
 *
 * @returns The first one, and the allowed option that it most likely stands for; `undefined` if every key is allowed.
 */
export function findUnknownOption(
  options: object,
  allowed: readonly string[],
): { readonly name: string; readonly suggestion: string | undefined } | undefined {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !allowed.includes(name)) return { name, suggestion: closest(name, allowed) };
  }
  return undefined;
}

function closest(name: string, candidates: readonly string[]): string | undefined {
  const plain = normalized(name);
  let best = candidates.find((candidate) => SYNONYMS[candidate]?.split(' ').includes(plain));
  let bestDistance = best === undefined ? Math.max(2, Math.ceil(plain.length / 3)) + 1 : 0;
  for (const candidate of candidates) {
    const other = normalized(candidate);
    // `timeout` stands for `timeoutMs`, `abortSignal` for `signal`.
    const contains = plain.length > 2 && (other.includes(plain) || plain.includes(other));
    const distance = plain === other ? 0 : contains ? 1 : editDistance(plain, other);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function normalized(name: string): string {
  return name
    .slice(0, 64)
    .toLowerCase()
    .replaceAll(/[-_\s]/g, '');
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
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
