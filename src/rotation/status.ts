import type { PreviousKey, RingKey, RingRecord } from './record.ts';

/** A key of a ring, as it may be shown. */
export interface RingKeyStatus {
  readonly id: string;
  readonly maskedKey: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** What is known of a ring, as it may be shown. */
export interface KeyRingStatus {
  readonly name: string;
  /** How many keys have been the current one; 0 where nothing is known yet. */
  readonly epoch: number;
  /** Whether there is a key to give out. */
  readonly ready: boolean;
  readonly current?: (RingKeyStatus & { readonly since: Date }) | undefined;
  readonly standby?: RingKeyStatus | undefined;
  /** The key before, which still works until `retireAt`. */
  readonly previous?: (RingKeyStatus & { readonly retireAt: Date }) | undefined;
  /** A key is in the making: said, or made and not yet accepted. */
  readonly pending?: 'claimed' | 'created' | undefined;
  /** Keys that are out of use and wait for being deleted. */
  readonly retiredIds: readonly string[];
  /** Whether a rotation was asked for and is not done yet. */
  readonly rotationRequested: boolean;
}

export function statusOf(name: string, record: RingRecord | undefined): KeyRingStatus {
  const { current, standby, previous, pending } = record ?? {};
  return {
    name,
    epoch: record?.epoch ?? 0,
    ready: current !== undefined,
    ...(current && { current: { ...keyStatus(current), since: new Date(current.since) } }),
    ...(standby && { standby: keyStatus(standby) }),
    ...(previous && { previous: previousStatus(previous) }),
    ...(pending && { pending: pending.phase }),
    retiredIds: (record?.retired ?? []).map(({ id }) => id),
    rotationRequested: record?.rotateEpoch !== undefined,
  };
}

function keyStatus({ id, maskedKey, createdAt, expiresAt }: RingKey): RingKeyStatus {
  return { id, maskedKey, createdAt: new Date(createdAt), expiresAt: new Date(expiresAt) };
}

function previousStatus(key: PreviousKey): NonNullable<KeyRingStatus['previous']> {
  return { ...keyStatus(key), retireAt: new Date(key.retireAt) };
}
