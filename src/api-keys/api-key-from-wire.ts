import { mask, maskKeys } from '../secret/mask.ts';
import { Redactor } from '../secret/redact.ts';
import type { ApiKey, ApiKeyQuota } from './api-key.ts';
import type { KeyScope } from './key-scope.ts';
import type { WireApiKey } from './schema.ts';

type IdentifiedKey = WireApiKey & { readonly id: string };

/** Shorter keys are dummies, and stand in names as words do. */
const SHORTEST_IN_TEXTS = 8;

/** So many keys are looked for in the texts of each other; all of them in all texts would take minutes for 5,000. */
const GROUP_SIZE = 200;

/**
 * API keys of one answer as the wire has them, made into ones that may be shown: each key is possibly whole, and may
 * stand in any field of any of them.
 */
export function apiKeysFromWire(wires: readonly IdentifiedKey[], kind: KeyScope['kind']): ApiKey[] {
  const keys: ApiKey[] = [];
  for (let start = 0; start < wires.length; start += GROUP_SIZE) {
    const group = wires.slice(start, start + GROUP_SIZE);
    const clean = cleanerFor(group);
    for (const wire of group) keys.push(apiKeyFromWire(wire, kind, clean));
  }
  return keys;
}

/** An API key that is all of its answer, unless it is given what takes the keys of others out of its texts. */
export function apiKeyFromWire(
  wire: IdentifiedKey,
  kind: KeyScope['kind'],
  clean = cleanerFor([wire]),
): ApiKey {
  const quota = quotaFromWire(wire, kind);
  return {
    id: clean(wire.id),
    name: clean(wire.name ?? ''),
    maskedKey: mask(wire.key ?? ''),
    // Left out, it has protobuf's zero value.
    createdAt: new Date(wire.creationTimestamp || 0),
    ...(wire.expireTime && { expiresAt: new Date(wire.expireTime) }),
    expired: wire.expired ?? false,
    disabled: wire.disabled ?? false,
    ...(wire.lastUsedTime && { lastUsedAt: new Date(wire.lastUsedTime) }),
    ...(wire.createBy && { createdBy: clean(wire.createBy) }),
    ...(wire.userId && { userId: clean(wire.userId) }),
    ...(wire.workspace && { workspace: wire.workspace }),
    allowModels: (wire.allowModels ?? []).map(clean),
    denyModels: (wire.denyModels ?? []).map(clean),
    ...(quota && { quota }),
  };
}

/**
 * In a workspace every key has a quota, and one of which nothing is said is 0: taken for absent, it would look as
 * if there were none.
 */
function quotaFromWire(wire: WireApiKey, kind: KeyScope['kind']): ApiKeyQuota | undefined {
  const { quota, usedQuota, remainingQuota, remainingQuotaSyncedAt, unlimitedQuota } = wire;
  const said = [quota, usedQuota, remainingQuota, remainingQuotaSyncedAt, unlimitedQuota];
  if (kind === 'account' && said.every((field) => field === undefined || field === null)) return undefined;
  const amounts = {
    limit: unlimitedQuota ? 'unlimited' : (quota ?? 0),
    used: usedQuota ?? 0,
    remaining: unlimitedQuota ? 'unlimited' : (remainingQuota ?? 0),
  } as const;
  // One that could not be read.
  if (Object.values(amounts).some(Number.isNaN)) return undefined;
  return { ...amounts, ...(remainingQuotaSyncedAt && { syncedAt: new Date(remainingQuotaSyncedAt) }) };
}

/** Takes the keys of an answer out of a text of it, and whatever else looks like one. */
function cleanerFor(wires: readonly IdentifiedKey[]): (text: string) => string {
  const keys = wires.flatMap(({ key }) =>
    key && key.length >= SHORTEST_IN_TEXTS && !key.includes('*') ? [key] : [],
  );
  const redactor = new Redactor(keys);
  // One look at all texts at once: in nearly every answer that is the only one.
  const all = wires.flatMap(textsOf).join('\n');
  const isClean = keys.length === 0 || redactor.redact(all) === all;
  return isClean ? maskKeys : (text) => maskKeys(redactor.redact(text));
}

function textsOf({ id, name, createBy, userId, allowModels, denyModels }: IdentifiedKey): string[] {
  return [id, name ?? '', createBy ?? '', userId ?? '', ...(allowModels ?? []), ...(denyModels ?? [])];
}
