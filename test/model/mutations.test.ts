import { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, it } from 'vitest';
import type { Protocol } from '../../src/rotation/key-ring.ts';
import { type Observation, plan, RULES, type Rule, type Step } from '../../src/rotation/plan.ts';
import { Reconciliation } from '../../src/rotation/reconcile.ts';
import type { Announcement, Pending, RingRecord } from '../../src/rotation/record.ts';
import * as to from '../../src/rotation/record.ts';
import { Revocation } from '../../src/rotation/revoke.ts';
import { ringClock } from '../support/ring-clock.ts';
import { RingService, responseLost } from '../support/ring-service.ts';
import { testStore } from '../support/test-store.ts';
import { explore, WITHOUT_FAULTS } from './explore.ts';
import { WithoutClaim } from './without-claim.ts';
import { type Circumstances, GRACE_MS, SECOND } from './world.ts';

/* Each mutation removes one rule of the protocol. The exploration must find a violation, or it would prove nothing. */

const STEPS = Number(process.env.DRUN_MUTATION_STEPS ?? 400_000);

/** A protocol whose reconciliation changes the next step. */
function withPlan(change: (step: Step, observation: Observation) => Step): Protocol {
  return withReconciliation(
    class extends Reconciliation {
      protected override plan(observation: Observation): Step {
        return change(super.plan(observation), observation);
      }
    },
  );
}

/** A protocol with other rules. */
function withRules(rules: Readonly<Record<string, Rule>>): Protocol {
  return withReconciliation(
    class extends Reconciliation {
      protected override plan(observation: Observation): Step {
        return plan(observation, { ...RULES, ...rules });
      }
    },
  );
}

function withReconciliation(Changed: typeof Reconciliation): Protocol {
  return { Reconciliation: Changed, Revocation };
}

/** Makes a rule accept a list that was requested before the record was read. */
function withoutConfirmation(rule: Rule): Rule {
  return (observation) => rule({ ...observation, isConfirmed: true });
}

const rule = (name: string): Rule => RULES[name] as Rule;

/** Creates a key even if the lease may have expired. */
function createAfterLease(step: Step, { record }: Observation): Step {
  const { pending } = record;
  const isDropped = step.kind === 'update' && step.record.pending === undefined;
  return isDropped && pending?.phase === 'claimed' ? { kind: 'create', pending } : step;
}

interface Mutation {
  readonly title: string;
  readonly protocol: Protocol;
  /** Expected violations. */
  readonly violates: RegExp;
  readonly circumstances: Partial<Circumstances>;
}

const mutations: readonly Mutation[] = [
  {
    title: 'reads the record before it lists',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override async observe(): Promise<Observation | undefined> {
          const read = await this.read();
          const observation = await super.observe();
          return read && observation && { ...observation, record: read.record, version: read.version };
        }
      },
    ),
    violates: /older state|I[1-5]/,
    circumstances: { replicas: 3, rotations: 0.05 },
  },
  {
    title: 'replaces a missing key without asking the service',
    protocol: withRules({
      replaceMissing: withoutConfirmation((observation) => {
        const { current, standby } = observation.record;
        const rejectedIds = new Set([current, standby].flatMap((key) => (key ? [key.id] : [])));
        return rule('replaceMissing')({ ...observation, rejectedIds });
      }),
    }),
    violates: /I1: .* replaced as missing/,
    circumstances: { replicas: 3, rotations: 0.06, stalls: 0.02 },
  },
  {
    title: 'never replaces a missing key',
    protocol: withRules({ replaceMissing: () => undefined }),
    violates: /I6|I10/,
    circumstances: { externalDeletions: 0.01 },
  },
  {
    title: 'creates a key while both a current and a previous key exist',
    protocol: withPlan((step, observation) => {
      const { current, previous, standby, pending } = observation.record;
      const isResting = step.kind === 'rest' && observation.settings.standby;
      if (isResting && current && previous && !standby && !pending) return { kind: 'claim' };
      return createAfterLease(step, observation);
    }),
    violates: /I4/,
    circumstances: { rotations: 0.05 },
  },
  {
    title: 'creates without a claim',
    protocol: withReconciliation(WithoutClaim),
    violates: /older state|I[4567]|I10/,
    circumstances: { replicas: 3, crashes: 0.02 },
  },
  {
    title: 'creates a key after the claim without another list',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override async writeClaim(observation: Observation, key: Announcement): Promise<undefined> {
          await super.writeClaim(observation, key);
          const claimed = await this.read();
          if (
            claimed?.record.pending?.owner !== this.progress.memory.owner ||
            this.progress.claim === undefined
          )
            return;
          const { pending } = claimed.record;
          if (pending.phase === 'claimed') await this.create({ ...observation, ...claimed }, pending);
        }
      },
    ),
    violates: /I4/,
    circumstances: {
      replicas: 3,
      faults: 0.1,
      supportsGetSecret: false,
      rotations: 0.05,
      stalls: 0.03,
      standby: false,
    },
  },
  {
    title: 'repeats a create without a response',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override sendCreate(name: string, expiresAt: number) {
          return super.sendCreate(name, expiresAt).catch(() => super.sendCreate(name, expiresAt));
        }
      },
    ),
    violates: /I[47]/,
    circumstances: { faults: 0.05 },
  },
  {
    title: 'promotes a key before it is stored',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override async storeKey(observation: Observation, pending: Pending): Promise<undefined> {
          const key = this.progress.memory.unstored;
          if (key === undefined) return;
          const { secret: _, ...fields } = key;
          const stored = { ...fields, maskedKey: 'sk-******lost', seq: pending.seq, ciphertext: '["lost"]' };
          await this.promote(observation, { ...pending, phase: 'created', key: stored });
          this.progress.memory.unstored = undefined;
        }
      },
    ),
    violates: /I2/,
    circumstances: {},
  },
  {
    title: 'promotes a key without verifying it',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override async verifyStored() {
          return { kind: 'accepted' as const, models: [] };
        }
      },
    ),
    violates: /I2/,
    circumstances: { activationMs: 5 * SECOND },
  },
  {
    title: 'sets `retireAt` with the promotion, based on an earlier list',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override update(observation: Observation | null, record: RingRecord) {
          const { previous } = record;
          const servedAt = observation?.listing?.servedAt;
          if (!previous || previous.retireAt !== undefined || servedAt === undefined)
            return super.update(observation, record);
          return super.update(observation, to.setRetireAt(record, previous, servedAt + GRACE_MS));
        }
      },
    ),
    violates: /I3/,
    circumstances: {
      replicas: 3,
      rotations: 0.05,
      activationMs: 30 * SECOND,
      standby: false,
      faults: 0.1,
      slowLists: 0.05,
    },
  },
  {
    title: 'writes `retireAt` from a list that was sent before the read',
    protocol: withRules({ correctInstants: withoutConfirmation(rule('correctInstants')) }),
    violates: /I3/,
    circumstances: { replicas: 3, rotations: 0.05, backwardJumps: 0.03, slowLists: 0.03 },
  },
  {
    title: 'takes over a claim based on a list requested before the read',
    protocol: withRules({ takeOverClaim: withoutConfirmation(rule('takeOverClaim')) }),
    violates: /I4/,
    circumstances: {
      replicas: 3,
      supportsGetSecret: false,
      faults: 0.1,
      rotations: 0.05,
      backwardJumps: 0.1,
      stalls: 0.12,
      slowLists: 0.03,
      standby: false,
    },
  },
  {
    title: 'continues its own claim without renewing it',
    protocol: withReconciliation(
      class extends Reconciliation {
        protected override async observe(): Promise<Observation | undefined> {
          const observation = await super.observe();
          const isOwn = observation?.record.pending?.owner === this.progress.memory.owner;
          if (isOwn) this.progress.claim = { version: observation.version, sentAt: 1e12 };
          return observation;
        }
        protected override plan(observation: Observation): Step {
          const step = super.plan(observation);
          return createAfterLease(step, observation);
        }
      },
    ),
    violates: /I[47]/,
    circumstances: { replicas: 3, aborts: 0.06, stalls: 0.05, rotations: 0.05, faults: 0.04, standby: false },
  },
  {
    title: 'creates a key although the lease may have expired',
    protocol: withPlan(createAfterLease),
    violates: /I[47]/,
    circumstances: { replicas: 3, rotations: 0.05, stalls: 0.06, standby: false, faults: 0.03 },
  },
  {
    title: 'trusts a service time that is too far ahead',
    protocol: withPlan((step, { record }) => {
      if (step.kind !== 'update') return step;
      const isRestart =
        step.record.pending?.phase === 'claimed' && step.record.pending.name === record.pending?.name;
      const isCorrection =
        record.previous?.retireAt !== undefined &&
        step.record.previous?.retireAt !== undefined &&
        record.previous.retireAt !== step.record.previous.retireAt;
      return isRestart || isCorrection ? { kind: 'rest' } : step;
    }),
    violates: /I6|I10/,
    circumstances: {
      forwardJumps: 0.01,
      backwardJumps: 0.01,
      maxJumpMs: 86_400 * SECOND,
      crashes: 0.02,
      rotations: 0.05,
    },
  },
  {
    title: 'takes ownership of a claim when it extends the lease',
    protocol: withPlan((step, { record, progress }) => {
      const pending = step.kind === 'update' ? step.record.pending : undefined;
      if (step.kind !== 'update' || pending?.phase !== 'claimed' || pending.name !== record.pending?.name) {
        return step;
      }
      return {
        ...step,
        record: { ...step.record, pending: { ...pending, owner: progress.memory.owner } },
      };
    }),
    violates: /I[47]/,
    circumstances: {
      replicas: 3,
      supportsGetSecret: false,
      backwardJumps: 0.03,
      maxJumpMs: 86_400 * SECOND,
      faults: 0.05,
      rotations: 0.05,
      standby: false,
    },
  },
  {
    title: 'resolves the target of a revocation again after a lost response',
    protocol: {
      Reconciliation,
      Revocation: class extends Revocation {
        protected override async resolveTarget(record: RingRecord): Promise<void> {
          const before = this.ids;
          this.ids = undefined;
          await super.resolveTarget(record);
          this.ids ??= before;
          if (before && this.ids?.join() !== before.join() && this.target === 'current') {
            throw new Error('I1: the revocation took another key out of use');
          }
        }
      },
    },
    violates: /another key/,
    circumstances: { revocations: 0.03, faults: 0.1 },
  },
];

describe('the exploration', () => {
  it.each(mutations.map((mutation) => [mutation.title, mutation] as const))(
    'finds a violation if the protocol %s',
    { timeout: 3_600_000 },
    async (_, { protocol, violates, circumstances }) => {
      const { counterexample } = await explore(STEPS, () => ({ ...WITHOUT_FAULTS, ...circumstances }), {
        protocol,
      });

      expect(counterexample?.split('\n')[0]).toMatch(violates);
    },
  );
});

/** Aborts a reconciliation that waits after a create without a response, and reconciles again. @returns The number of creates. */
async function countCreatesAfterAbort(protocol: Protocol): Promise<number> {
  const clock = ringClock();
  const service = new RingService(clock);
  service.fail('create', responseLost);
  const options = {
    name: 'checkout',
    manager: service.manager({ supportsGetSecret: false }),
    verifier: service.verifier,
    store: testStore(),
    encryptionKey: new Uint8Array(32),
    clock,
  };
  const ring = new KeyRing(options, protocol);
  const abort = new AbortController();
  const pass = async (perform: () => Promise<unknown>) => perform();
  service.fail('list', pass, pass, pass, async (perform) => {
    abort.abort(new Error('stopped'));
    return perform();
  });
  await ring.reconcile({ signal: abort.signal }).catch(() => {});
  await ring.reconcile();
  return service.requests.filter((request) => request === 'create').length;
}

describe('an aborted create without a response', () => {
  it('is not repeated by its owner before the lease expires', async () => {
    const dropping = withPlan((step, { record, progress }) =>
      record.pending?.phase === 'claimed' && progress.memory.sentName === record.pending.name
        ? { kind: 'update', record: to.dropClaim(record) }
        : step,
    );

    expect(await countCreatesAfterAbort({ Reconciliation, Revocation })).toBe(1);
    expect(await countCreatesAfterAbort(dropping)).toBeGreaterThan(1);
  });
});

/**
 * Rotates while another process reconciles after each list that sees a pending claim. The processes have the same
 * encryption keys in alternating order.
 *
 * @returns The id of the new current key.
 */
async function rotateConcurrently(protocol: Protocol): Promise<string | undefined> {
  const clock = ringClock();
  const service = new RingService(clock);
  const shared = { name: 'checkout', verifier: service.verifier, store: testStore(), clock, standby: false };
  const keys = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  const newRing = (encryptionKey: Uint8Array[], manager = service.manager()): KeyRing =>
    new KeyRing({ ...shared, manager, encryptionKey }, protocol);
  const manager = service.manager();
  let reconciliations = 0;
  const rotatingRing = newRing(keys, {
    ...manager,
    list: async (...input) => {
      const listed = await manager.list(...input);
      const isClaimed = shared.store.stored?.value.includes('"phase":"claimed"');
      if (isClaimed) await newRing(++reconciliations % 2 ? keys.toReversed() : keys).reconcile();
      return listed;
    },
  });
  await newRing(keys).reconcile();
  return (await rotatingRing.rotate()).current?.id;
}

describe('a claim', () => {
  it('is written although other replicas re-encrypt keys', async () => {
    const eager = withReconciliation(
      class extends Reconciliation {
        protected override plan(observation: Observation): Step {
          return plan(observation, { reencryptOutdated: rule('reencryptOutdated'), ...RULES });
        }
      },
    );

    expect(await rotateConcurrently({ Reconciliation, Revocation })).toBe('k2');
    await expect(rotateConcurrently(eager)).rejects.toMatchObject({ code: 'key_ring_conflict' });
  });
});

/** Reconciles two replicas whose encryption keys are in different order. @returns The number of updates. */
async function countUpdates(protocol: Protocol): Promise<number> {
  const clock = ringClock();
  const service = new RingService(clock);
  const store = testStore();
  const keys = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  const rings = [keys, keys.toReversed()].map(
    (encryptionKey) =>
      new KeyRing(
        {
          name: 'checkout',
          manager: service.manager(),
          verifier: service.verifier,
          store,
          encryptionKey,
          clock,
        },
        protocol,
      ),
  );
  await rings[0]?.reconcile();
  const { writes } = store.counts;
  for (let round = 0; round < 10; round++) for (const ring of rings) await ring.reconcile();
  return store.counts.writes - writes;
}

describe('two replicas with encryption keys in different order', () => {
  it('re-encrypt each key only once', async () => {
    const forgetful = withReconciliation(
      class extends Reconciliation {
        override run() {
          this.progress.memory.reencryptedIds.clear();
          return super.run();
        }
      },
    );

    expect(await countUpdates({ Reconciliation, Revocation })).toBeLessThanOrEqual(4);
    expect(await countUpdates(forgetful)).toBeGreaterThan(8);
  });
});
