import type { RingKey, RingRecord } from './record.ts';

/** A key in a ring, without its secret. */
export interface RingKeyStatus {
  readonly id: string;
  readonly maskedKey: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** What this process knows about a ring. */
export interface KeyRingStatus {
  readonly name: string;
  /** Number of promotions so far; 0 if the record is not known yet. */
  readonly epoch: number;
  /** Whether there is a current key. */
  readonly ready: boolean;
  readonly current?: (RingKeyStatus & { readonly since: Date }) | undefined;
  readonly standby?: RingKeyStatus | undefined;
  /** The previously current key. It remains valid until `retireAt`, which is set soon after the promotion. */
  readonly previous?: (RingKeyStatus & { readonly retireAt?: Date | undefined }) | undefined;
  /** The phase of a key that is being created: announced (`claimed`), or stored but not verified yet (`created`). */
  readonly pending?: 'claimed' | 'created' | undefined;
  /** Ids of keys that are no longer used but have not been deleted yet. */
  readonly retiredIds: readonly string[];
  /** Whether a requested rotation is still pending. */
  readonly rotationRequested: boolean;
  /** The last background error. Cleared when the failed work succeeds later, or after a complete reconciliation. */
  readonly lastError?: unknown;
}

export function statusOf(name: string, record: RingRecord | undefined, lastError?: unknown): KeyRingStatus {
  const { current, standby, previous, pending, epoch = 0, retired = [] } = record ?? {};
  const { retireAt } = previous ?? {};
  return {
    name,
    epoch,
    ready: current !== undefined,
    ...(current && { current: { ...keyStatus(current), since: new Date(current.since) } }),
    ...(standby && { standby: keyStatus(standby) }),
    ...(previous && {
      previous: { ...keyStatus(previous), ...(retireAt && { retireAt: new Date(retireAt) }) },
    }),
    ...(pending && { pending: pending.phase }),
    retiredIds: retired.map(({ id }) => id),
    rotationRequested: record?.rotateEpoch !== undefined,
    ...(lastError !== undefined && { lastError }),
  };
}

function keyStatus({ id, maskedKey, createdAt, expiresAt }: RingKey): RingKeyStatus {
  return { id, maskedKey, createdAt: new Date(createdAt), expiresAt: new Date(expiresAt) };
}
