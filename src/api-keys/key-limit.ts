import { ApiError, ApiKeyLimitError, type DrunError, TimeoutError, type UnusedKey } from '../errors/index.ts';
import type { Deadline } from '../http/deadline.ts';
import type { ApiKey } from './api-key.ts';
import { type CreationCheck, checkCreationOperation } from './check-creation.ts';
import type { Perform } from './control-plane.ts';
import type { KeyLists } from './key-lists.ts';
import { lastUseOf } from './last-use.ts';
import { walk } from './walk.ts';

const DAY_MS = 86_400_000;

/** A key without a call for this long looks unused. */
const LONG_UNUSED_MS = 30 * DAY_MS;

const PAGE_SIZE = 100;

/** Accounts have a handful of keys; whoever has more than this is told of those that come first. */
const MOST_KEYS = 1_000;

/**
 * The contract names no status and no id for "limit reached": the one documented way to know is to ask. Asked after
 * every refusal but those that say something else for certain: a refused credential, a path that is not there, and a
 * gateway that did not reach the service.
 *
 * @throws ApiKeyLimitError if no further key is allowed. Where that cannot be told, the error stays what it is.
 */
export async function throwIfAtLimit(
  error: DrunError,
  lists: KeyLists,
  perform: Perform,
  scope: Deadline,
): Promise<void> {
  if (!(error instanceof ApiError) || [401, 404, 408, 502, 503, 504].includes(error.status)) return;
  const check = await answerOrNothing(async () => (await perform(checkCreationOperation())).data);
  if (check === undefined) throwIfAborted(scope);
  if (check === undefined || check.allowed) return;
  const survey = await answerOrNothing(() => surveyKeys(lists, perform));
  throwIfAborted(scope);
  throw limitError(error, check, survey);
}

/** Where it was the time that was over, what is known already says more than that. */
function throwIfAborted(scope: Deadline): void {
  if (!(scope.signal.reason instanceof TimeoutError)) scope.throwIfAborted();
}

/** What only helps to say more is no reason to lose the error that is there. */
async function answerOrNothing<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}

function limitError(
  { status, serviceCode, requestId }: ApiError,
  check: CreationCheck,
  survey: Survey | undefined,
): ApiKeyLimitError {
  const reason = check.reason ?? 'no reason given';
  const unused = survey?.unusedKeys.length;
  const advice =
    unused === undefined || unused === 0
      ? 'Delete one that is no longer used first'
      : `Delete one first: ${unused === 1 ? 'one looks' : `${unused} look`} unused`;
  return new ApiKeyLimitError(`no further API key is allowed: ${reason}. ${advice}`, {
    status,
    serviceCode,
    requestId,
    reason,
    ...survey,
  });
}

interface Survey {
  readonly keyCount: number;
  readonly unusedKeys: readonly UnusedKey[];
}

async function surveyKeys(lists: KeyLists, perform: Perform): Promise<Survey> {
  const unusedKeys: UnusedKey[] = [];
  let walked = 0;
  let total = 0;
  const pages = walk(async (slice) => (await lists.all(slice, perform)).data, {
    page: 1,
    pageSize: PAGE_SIZE,
  });
  for await (const { keys, listed } of pages) {
    walked += keys.length;
    const now = listed.servedAt ?? Date.now();
    for (const key of keys) {
      const why = whyUnused(key, now);
      if (why !== undefined) unusedKeys.push(unusedKey(key, why));
    }
    if (walked < MOST_KEYS) continue;
    total = listed.total ?? 0;
    break;
  }
  const order = ['expired', 'never_used', 'not_used_lately'];
  unusedKeys.sort((a, b) => order.indexOf(a.why) - order.indexOf(b.why) || latest(a) - latest(b));
  return { keyCount: Math.max(walked, total), unusedKeys };
}

function unusedKey(key: ApiKey, why: UnusedKey['why']): UnusedKey {
  const { id, name, maskedKey, createdAt } = key;
  const lastUsedAt = lastUseOf(key);
  return { id, name, maskedKey, why, createdAt, ...(lastUsedAt && { lastUsedAt }) };
}

function whyUnused(key: ApiKey, now: number): UnusedKey['why'] | undefined {
  if (key.expired) return 'expired';
  const lastUsedAt = lastUseOf(key);
  if (lastUsedAt === undefined) return 'never_used';
  return now - lastUsedAt.getTime() > LONG_UNUSED_MS ? 'not_used_lately' : undefined;
}

/** When somebody last had to do with it. */
function latest({ createdAt, lastUsedAt }: UnusedKey): number {
  return (lastUsedAt ?? createdAt).getTime();
}
