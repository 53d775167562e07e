import { ConfigurationError } from '../errors/index.ts';
import { check, checkBoolean } from '../errors/invalid.ts';
import { type FetchPage, readAll } from './list.ts';
import type { ApiKey, DeletedApiKey, PruneApiKeysQuery, PrunedApiKey, PruneOptions } from './types.ts';

/** Reads the complete list, then deletes the matching keys one by one. */
export async function pruneKeys(
  query: PruneApiKeysQuery,
  fetchPage: FetchPage,
  deleteKey: (id: string) => PromiseLike<DeletedApiKey>,
  { dryRun, signal }: PruneOptions,
): Promise<PrunedApiKey[]> {
  checkBoolean(dryRun, 'dryRun');
  const matches = toPredicate(query);
  const { items, servedAt, unknownUse } = (await readAll({}, fetchPage)).data;
  // The local clock may be wrong, so it is used only if the service does not report its time.
  const now = servedAt?.getTime() ?? Date.now();
  const pruned: PrunedApiKey[] = [];
  for (const key of items) {
    if (!matches(key, now) || (query.unusedForMs !== undefined && unknownUse.has(key.id))) continue;
    try {
      if (!dryRun) await deleteKey(key.id);
      pruned.push({ key, outcome: dryRun ? 'would_delete' : 'deleted' });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      pruned.push({ key, outcome: 'failed', error });
    }
  }
  return pruned;
}

/** Returns a predicate for keys that match the query. @throws {ConfigurationError} If the query matches every key. */
function toPredicate(query: PruneApiKeysQuery): (key: ApiKey, now: number) => boolean {
  const { olderThanMs, unusedForMs } = query;
  if (olderThanMs === undefined && unusedForMs === undefined) {
    throw new ConfigurationError('prune() needs `olderThanMs` or `unusedForMs`.', { option: 'olderThanMs' });
  }
  const minAge = toMs(olderThanMs, 'olderThanMs');
  const minIdleTime = toMs(unusedForMs, 'unusedForMs');
  return ({ createdAt, lastUsedAt = createdAt }, now) =>
    // A key without a creation time has an unknown age.
    createdAt.getTime() > 0 && now - createdAt.getTime() > minAge && now - lastUsedAt.getTime() > minIdleTime;
}

function toMs(ms: number | undefined, option: string): number {
  if (ms === undefined) return Number.NEGATIVE_INFINITY;
  const isValid = typeof ms === 'number' && ms > 0 && ms < Number.POSITIVE_INFINITY;
  check(isValid, option, 'must be a positive number of milliseconds');
  return ms;
}
