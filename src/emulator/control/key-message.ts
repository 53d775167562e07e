import { isExpired, type KeyRecord, remainingTokens } from '../keys/key-record.ts';
import { timestamp, withoutZeros } from './protobuf-json.ts';

/** The key as the control plane writes it, with the whole key or the masked one. */
export function keyMessage(record: KeyRecord, now: number, showing: 'masked' | 'whole'): object {
  return withoutZeros({
    id: record.id,
    name: record.name,
    key: showing === 'whole' ? record.secret.reveal() : record.secret.masked,
    creationTimestamp: timestamp(record.createdAt),
    expireTime: timestamp(record.expiresAt),
    expired: isExpired(record, now),
    disabled: record.disabled,
    lastUsedTime: timestamp(record.lastUsedAt),
    createBy: record.owner.name,
    userId: record.owner.id,
    workspace: record.scope === 'account' ? 0 : record.scope,
    allowModels: record.allowModels,
    denyModels: record.denyModels,
    ...quotaFields(record),
  });
}

/** The account's keys have no quota in the contract; they are given one by whoever runs the emulator, or none. */
function quotaFields(record: KeyRecord): Record<string, unknown> {
  if (record.scope === 'account' && record.quota === 'unlimited') return {};
  const remaining = remainingTokens(record);
  return {
    ...(record.quota === 'unlimited' ? { unlimitedQuota: true } : { quota: record.quota }),
    usedQuota: record.usedTokens,
    ...(remaining === 'unlimited' ? {} : { remainingQuota: remaining }),
    remainingQuotaSyncedAt: timestamp(record.quotaReckonedAt),
  };
}
