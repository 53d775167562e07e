import { ApiError, ApiKeyLimitError, type UnusedKey } from '../errors/index.ts';
import type { Send } from './control-plane.ts';
import { checkCreationEndpoint } from './endpoints.ts';
import { type FetchPage, readAll } from './list.ts';
import type { ApiKey } from './types.ts';

const UNUSED_FOR_MS = 30 * 86_400_000;

/** Statuses that are unrelated to the key limit: rejected credentials, missing paths and unreachable backends. */
const UNRELATED_STATUSES = [401, 404, 408, 502, 503, 504];

/**
 * Determines whether a create request failed because the account has reached its key limit. The contract defines no
 * status or error id for this, so the check-creation endpoint decides.
 *
 * @returns `undefined` if the account has not reached its limit, or if the check failed.
 */
export async function findLimitError(
  error: unknown,
  send: Send,
  fetchPage: FetchPage,
): Promise<ApiKeyLimitError | undefined> {
  if (!(error instanceof ApiError) || UNRELATED_STATUSES.includes(error.status)) return undefined;
  const check = await send(checkCreationEndpoint()).catch(() => undefined);
  if (check === undefined || check.data.allowed) return undefined;
  const survey = await surveyKeys(fetchPage).catch(() => undefined);
  const { reason = 'the service gave no reason' } = check.data;
  const count = survey?.unusedKeys.length ?? 0;
  const unused =
    count === 0 ? '' : ` ${count === 1 ? '1 key appears' : `${count} keys appear`} to be unused.`;
  const message = `The account cannot create another API key (${reason}). Delete one first.${unused}`;
  const { code: _, ...fields } = error;
  return new ApiKeyLimitError(message, { ...fields, reason, unusedKeys: [], ...survey });
}

async function surveyKeys(fetchPage: FetchPage): Promise<Pick<ApiKeyLimitError, 'keyCount' | 'unusedKeys'>> {
  const { items, total = 0, servedAt, unknownUse } = (await readAll({}, fetchPage)).data;
  const now = servedAt?.getTime() ?? Date.now();
  const unusedKeys = items.flatMap((key) => {
    const why = whyUnused(key, now);
    if (why === undefined || unknownUse.has(key.id)) return [];
    const { id, name, maskedKey, createdAt, lastUsedAt } = key;
    return [{ id, name, maskedKey, why, createdAt, ...(lastUsedAt && { lastUsedAt }) }];
  });
  const order = ['expired', 'never_used', 'not_used_lately'];
  unusedKeys.sort((a, b) => order.indexOf(a.why) - order.indexOf(b.why) || lastEvent(a) - lastEvent(b));
  return { keyCount: Math.max(items.length, total), unusedKeys };
}

function whyUnused({ expired, lastUsedAt }: ApiKey, now: number): UnusedKey['why'] | undefined {
  if (expired) return 'expired';
  if (lastUsedAt === undefined) return 'never_used';
  return now - lastUsedAt.getTime() > UNUSED_FOR_MS ? 'not_used_lately' : undefined;
}

function lastEvent({ createdAt, lastUsedAt }: UnusedKey): number {
  return (lastUsedAt ?? createdAt).getTime();
}
