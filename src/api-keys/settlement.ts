import { type DrunError, UnknownOutcomeError } from '../errors/index.ts';
import type { CallOptions, Result } from '../http/call.ts';
import { Deadline } from '../http/deadline.ts';
import { maskKeys } from '../secret/mask.ts';
import type { ApiKey, CreatedApiKey } from './api-key.ts';
import type { ControlPlane, Perform } from './control-plane.ts';
import type { KeyLists } from './key-lists.ts';
import { isTold, lastUseOf } from './last-use.ts';
import type { Claim } from './namesakes.ts';
import type { NewKey } from './new-key.ts';
import { revealOperation } from './reveal.ts';
import { ServerClock } from './server-clock.ts';
import { walk } from './walk.ts';

/** How long a lost create may take to settle, beyond the time that the call itself has. */
const SETTLING_MS = 10_000;

/**
 * How long is waited before each look for the key. Not at once: a create that was cut off may still be under way, and
 * others of the same name need a moment to show.
 */
const LOOKS_AFTER_MS = [1_000, 2_000];

const PAGE_SIZE = 100;

/** How far the clock that dates keys may be behind the one that dates answers. */
const CLOCK_SLACK_MS = 1_000;

/** Names that a search finds, whatever signs have a meaning in it; for others the whole list is read. */
const SEARCHABLE = /^[\p{L}\p{N}_.-]+$/u;

/** A create whose answer did not arrive, or not with the whole key. */
export interface LostCreate {
  readonly newKey: NewKey;
  readonly claim: Claim;
  /** When the request was sent whose answer was lost, by `performance.now()`. */
  readonly sentAt: number;
  /** What went wrong. */
  readonly error: DrunError;
  /** The key, where the answer named it but did not show it. */
  readonly made?: ApiKey | undefined;
}

/**
 * Finds out what became of a create whose answer was lost: the one key that it can have made is shown again and
 * returned.
 *
 * @throws UnknownOutcomeError if there is no such key, or more than one, or if it cannot be shown again.
 */
export async function settle(
  lost: LostCreate,
  plane: ControlPlane,
  lists: KeyLists,
  options: CallOptions,
): Promise<Result<CreatedApiKey>> {
  const scope = new Deadline(options.signal, SETTLING_MS);
  const perform = plane.performerIn(scope, options);
  const search = new KeySearch(lost, lists, perform);
  try {
    const key = lost.made ?? (await findKey(search, lost.claim, scope));
    // Servers before 0.17 show no key again.
    if (key !== undefined && lists.hasMaskedList !== false) {
      const { data: secret, response } = await perform(revealOperation(key.id, true));
      lost.claim.settle({ id: key.id });
      return { data: { ...key, maskedKey: secret.masked, secret }, response };
    }
  } catch {
    options.signal?.throwIfAborted();
    // Of whatever else went wrong the outcome stays unknown.
  } finally {
    scope[Symbol.dispose]();
  }
  throw unknownOutcome(lost, search.candidates);
}

async function findKey(search: KeySearch, claim: Claim, scope: Deadline): Promise<ApiKey | undefined> {
  for (const [index, waitMs] of LOOKS_AFTER_MS.entries()) {
    await scope.sleep(waitMs);
    // Their keys must not be taken for this one's. The first look does not wait: there has to be one.
    if (index > 0) await scope.race(claim.othersAnswered());
    try {
      await search.look();
    } catch {
      scope.throwIfAborted();
      continue;
    }
    const key = search.onlyMatch;
    if (key !== undefined && claim.isOnlyOneLost) return key;
  }
  return undefined;
}

/** @param candidates - The keys that may have come of the create, where it is not known which did. */
export function unknownOutcome(
  { error, made }: LostCreate,
  candidates: readonly ApiKey[],
): UnknownOutcomeError {
  const ids = (made ? [made] : candidates).map(({ id }) => id);
  const seen =
    ids.length === 0
      ? 'none that may be it was seen, but one may still appear'
      : `${ids.length} ${ids.length === 1 ? 'key' : 'keys'} may be it`;
  return new UnknownOutcomeError(`whether a key was made is not known: ${error.message}; ${seen}`, {
    candidateIds: ids,
    cause: error,
  });
}

/** Looks for the keys that a lost create can have made. */
class KeySearch {
  readonly #lost: LostCreate;
  readonly #lists: KeyLists;
  readonly #perform: Perform;
  readonly #clock = new ServerClock();
  /** Those of its name that nobody has used: nobody holds the one that is looked for. */
  #unused: readonly ApiKey[] = [];

  constructor(lost: LostCreate, lists: KeyLists, perform: Perform) {
    this.#lost = lost;
    this.#lists = lists;
    this.#perform = perform;
  }

  async look(): Promise<void> {
    const name = maskKeys(this.#lost.newKey.name);
    const search = SEARCHABLE.test(name) ? name : undefined;
    const pages = walk(async (slice) => (await this.#lists.own({ ...slice, search }, this.#perform)).data, {
      page: 1,
      pageSize: PAGE_SIZE,
    });
    const unused: ApiKey[] = [];
    for await (const { keys, listed } of pages) {
      this.#clock.observe(listed);
      for (const key of keys) if (key.name === name && !lastUseOf(key)) unused.push(key);
    }
    this.#unused = unused;
  }

  /** The keys that may be the one, and no other create's as far as is known. */
  get candidates(): readonly ApiKey[] {
    const { newKey, claim } = this.#lost;
    const possible = this.#unused.filter(
      (key) => isPossible(key, newKey) && this.#mayBeNew(key) && !claim.isTaken(key.id),
    );
    const alike = possible.filter((key) => isAlike(key, newKey));
    return alike.length > 0 ? alike : possible;
  }

  /** The key, where it can be no other one. */
  get onlyMatch(): ApiKey | undefined {
    const [key, ...others] = this.candidates;
    const isMatch = key && others.length === 0 && isAlike(key, this.#lost.newKey) && this.#isNew(key);
    return isMatch ? key : undefined;
  }

  /** Whether a key is from after the request was sent. Where times are in whole seconds, from the same second. */
  #isNew({ createdAt }: ApiKey): boolean {
    const begun = this.#clock.earliestAt(this.#lost.sentAt);
    const time = createdAt.getTime();
    return Number.isFinite(begun) && time >= (time % 1_000 === 0 ? wholeSecond(begun) : begun);
  }

  /** The same with some slack, and where a time is not known. */
  #mayBeNew({ createdAt }: ApiKey): boolean {
    const begun = this.#clock.earliestAt(this.#lost.sentAt);
    const time = createdAt.getTime();
    return !isTold(createdAt) || time >= wholeSecond(begun) - CLOCK_SLACK_MS;
  }
}

function wholeSecond(time: number): number {
  return Math.floor(time / 1_000) * 1_000;
}

/** Whether a key has what was asked for; what was not asked for may be the service's own choice. */
function isPossible({ expiresAt, quota }: ApiKey, { expireTime, ...asked }: NewKey): boolean {
  const limit = asked.unlimitedQuota ? 'unlimited' : asked.quota && Number(asked.quota);
  return (
    // Servers may keep whole seconds.
    (expireTime === undefined ||
      Math.abs((expiresAt?.getTime() ?? Number.NaN) - Date.parse(expireTime)) < 1_000) &&
    (limit === undefined || quota?.limit === limit)
  );
}

/** Whether a key has what was asked for, and no time of expiry that was not. */
function isAlike(key: ApiKey, newKey: NewKey): boolean {
  return isPossible(key, newKey) && (newKey.expireTime !== undefined || key.expiresAt === undefined);
}
