import { isExpired, type KeyRecord } from './state.ts';

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
  });
}

/** What protobuf's JSON makes of a message: whatever is empty, zero, false or not set is left out. */
export function withoutZeros(message: Record<string, unknown>): object {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value))),
  );
}

/** RFC 3339, without the fraction of the second where that is zero. */
function timestamp(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString().replace('.000Z', 'Z');
}
