/** An option that a function does not have. */
export interface UnknownOption {
  readonly name: string;
  /** The closest option that it has, if one is close enough. */
  readonly suggestion: string | undefined;
}

/** Names that other libraries use, and that do not resemble ours. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  abortsignal: ['signal'],
  url: ['baseUrl'],
  host: ['baseUrl'],
  endpoint: ['baseUrl'],
  token: ['accessToken', 'apiKey'],
  bearertoken: ['accessToken', 'apiKey'],
  key: ['apiKey', 'accessToken'],
  retries: ['maxRetries'],
  retry: ['maxRetries'],
  attempts: ['maxRetries'],
  timeout: ['timeoutMs'],
  timeoutseconds: ['timeoutMs'],
  ttl: ['expiresAt'],
  expiry: ['expiresAt'],
  expiration: ['expiresAt'],
  expiretime: ['expiresAt'],
  limit: ['pageSize'],
  perpage: ['pageSize'],
  size: ['pageSize'],
  query: ['search'],
  filter: ['search'],
  orderby: ['sort'],
  sortby: ['sort'],
  maxsteps: ['maxRounds'],
  maxturns: ['maxRounds'],
  maxiterations: ['maxRounds'],
  defaultheaders: ['headers'],
  fetcher: ['fetch'],
  fetchfn: ['fetch'],
  httpclient: ['fetch'],
  agent: ['transport', 'fetch'],
  lang: ['language'],
  locale: ['language'],
  log: ['logger'],
};

/**
 * Finds an own enumerable key that is not an allowed option and whose value is not `undefined`.
 *
 * @returns The first one, with a suggestion; `undefined` if every key is allowed.
 */
export function findUnknownOption(options: object, allowed: readonly string[]): UnknownOption | undefined {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !allowed.includes(name)) return { name, suggestion: closest(name, allowed) };
  }
  return undefined;
}

/** Finds the name that a misspelled one most likely stands for. */
export function closest(name: string, candidates: readonly string[]): string | undefined {
  const plain = normalized(name);
  const synonym = SYNONYMS[plain]?.find((option) => candidates.includes(option));
  if (synonym !== undefined) return synonym;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(plain.length / 3)) + 1;
  for (const candidate of candidates) {
    const other = normalized(candidate);
    // `timeout` stands for `timeoutMs`, `dryrun` for `dryRun`, `expires_at` for `expiresAt`.
    const distance = other.startsWith(plain) && plain.length >= 4 ? 0.5 : editDistance(plain, other);
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
