import { ConfigurationError } from '../errors/index.ts';
import type { ApiKey, DeletedApiKey } from './api-key.ts';
import { isTold, lastUseOf } from './last-use.ts';
import { type FetchSlice, walk } from './walk.ts';

/** Which keys to delete. At least one of the two times has to be given; with both, both have to have passed. */
export interface PruneApiKeysQuery {
  /** Those that were created longer ago than this, in milliseconds, more than 0. */
  readonly olderThanMs?: number | undefined;
  /** Those without a call for longer than this, in milliseconds, more than 0; without any, since they were created. */
  readonly unusedForMs?: number | undefined;
  /** Deletes nothing, and tells what would be deleted. Default: false. */
  readonly dryRun?: boolean | undefined;
}

/** Which keys of a workspace to delete. */
export interface PruneWorkspaceApiKeysQuery extends PruneApiKeysQuery {
  /** Looks at the caller's own keys alone. Default: false, all keys of the workspace. */
  readonly onlyMine?: boolean | undefined;
}

/** A key that was to be deleted, and what became of it. */
export type PrunedApiKey = { readonly key: ApiKey } & (
  | { readonly outcome: 'deleted' | 'would_delete' }
  | {
      /** It may still be there. */
      readonly outcome: 'failed';
      /** What `delete` rejected with; a {@link NotFoundError} where somebody else was quicker. */
      readonly error: unknown;
    }
);

/** What pruning consists of. */
export interface PruningSteps {
  readonly fetchSlice: FetchSlice;
  readonly deleteKey: (id: string) => Promise<DeletedApiKey>;
}

const PAGE_SIZE = 100;

/** Reads the whole list first, and then deletes one key after the other. */
export async function pruneKeys(
  { fetchSlice, deleteKey }: PruningSteps,
  query: PruneApiKeysQuery,
  signal: AbortSignal | undefined,
): Promise<PrunedApiKey[]> {
  const matches = matcher(query);
  const matching: ApiKey[] = [];
  for await (const { keys, listed } of walk(fetchSlice, { page: 1, pageSize: PAGE_SIZE })) {
    // The caller's clock may be hours off: it is asked only where the service's is not known.
    const now = listed.servedAt ?? Date.now();
    for (const key of keys) if (matches(key, now)) matching.push(key);
  }
  if (query.dryRun) return matching.map((key) => ({ key, outcome: 'would_delete' }));
  const pruned: PrunedApiKey[] = [];
  for (const key of matching) {
    try {
      await deleteKey(key.id);
      pruned.push({ key, outcome: 'deleted' });
    } catch (error) {
      signal?.throwIfAborted();
      pruned.push({ key, outcome: 'failed', error });
    }
  }
  return pruned;
}

/** @throws ConfigurationError if a query would match every key, or cannot be understood. */
function matcher({ olderThanMs, unusedForMs }: PruneApiKeysQuery): (key: ApiKey, now: number) => boolean {
  if (olderThanMs === undefined && unusedForMs === undefined) {
    throw new ConfigurationError('prune: give olderThanMs, unusedForMs or both', { option: 'olderThanMs' });
  }
  const age = positiveMs(olderThanMs, 'olderThanMs');
  const idleTime = positiveMs(unusedForMs, 'unusedForMs');
  return (key, now) => {
    const { createdAt } = key;
    // Of a key whose creation is not told nobody knows how old it is.
    if (!isTold(createdAt)) return false;
    return now - createdAt.getTime() > age && now - (lastUseOf(key) ?? createdAt).getTime() > idleTime;
  };
}

function positiveMs(ms: number | undefined, option: string): number {
  if (ms === undefined) return Number.NEGATIVE_INFINITY;
  if (typeof ms === 'number' && ms > 0 && ms < Number.POSITIVE_INFINITY) return ms;
  throw new ConfigurationError(`${option} must be a number of milliseconds above 0`, { option });
}
