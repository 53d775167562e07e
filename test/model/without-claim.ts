import type { Observation } from '../../src/rotation/plan.ts';
import { Reconciliation } from '../../src/rotation/reconcile.ts';
import type { Pending } from '../../src/rotation/record.ts';

/** A reconciliation that creates a key without claiming it in the record first. */
export class WithoutClaim extends Reconciliation {
  protected override async writeClaim(observation: Observation): Promise<undefined> {
    const { record } = observation;
    const seq = record.seq + 1;
    const name = `kr1-checkout-${record.ringId}-${seq.toString(36)}-${Math.floor(observation.monotonicNow).toString(36).padStart(6, '0').slice(-6)}`;
    const key = await this.sendCreate(name, observation.now + 1e9);
    this.progress.memory.unstored = {
      ...key,
      name,
      createdAt: observation.now,
      expiresAt: observation.now + 1e9,
    };
    const pending: Pending = {
      name,
      seq,
      owner: this.progress.memory.owner,
      leaseMs: 1,
      phase: 'claimed',
    };
    await this.storeKey({ ...observation, record: { ...record, seq } }, pending);
  }
}
