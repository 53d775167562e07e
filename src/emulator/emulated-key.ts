import { isExpired, type KeyRecord } from './state.ts';

/** A key as it is at the moment of looking. It does not change afterwards, and never holds the whole key. */
export interface EmulatedKey {
  readonly id: string;
  readonly name: string;
  /** Such as `sk-******7ucU`. */
  readonly maskedKey: string;
  readonly createdAt: Date;
  /** From when on the data plane refuses the key; absent where it does not expire. */
  readonly expiresAt?: Date | undefined;
  readonly expired: boolean;
  readonly disabled: boolean;
  /** When the data plane last accepted the key; absent where it never did. */
  readonly lastUsedAt?: Date | undefined;
}

export function emulatedKey(record: KeyRecord, now: number): EmulatedKey {
  return {
    id: record.id,
    name: record.name,
    maskedKey: record.secret.masked,
    createdAt: new Date(record.createdAt),
    ...(record.expiresAt === undefined ? {} : { expiresAt: new Date(record.expiresAt) }),
    expired: isExpired(record, now),
    disabled: record.disabled,
    ...(record.lastUsedAt === undefined ? {} : { lastUsedAt: new Date(record.lastUsedAt) }),
  };
}
