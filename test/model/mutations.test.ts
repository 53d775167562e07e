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
import { CALM, explore } from './explore.ts';
import { WithoutClaim } from './without-claim.ts';
import { type Circumstances, GRACE_MS, SECOND } from './world.ts';

/*
 * The protocol without one of its rules. Each of these must violate an invariant: an exploration that finds nothing wrong
 * with a broken protocol proves nothing about the real one.
 */

const STEPS = Number(process.env.DRUN_MUTATION_STEPS ?? 400_000);

/** A reconciliation whose plan is changed. */
function planning(change: (step: Step, seen: Observation) => Step): Protocol {
  return reconciling(
    class extends Reconciliation {
      protected override plan(seen: Observation): Step {
        return change(super.plan(seen), seen);
      }
    },
  );
}

/** A reconciliation with other rules. */
function ruled(rules: Readonly<Record<string, Rule>>): Protocol {
  return reconciling(
    class extends Reconciliation {
      protected override plan(seen: Observation): Step {
        return plan(seen, { ...RULES, ...rules });
      }
    },
  );
}

function reconciling(Changed: typeof Reconciliation): Protocol {
  return { Reconciliation: Changed, Revocation };
}

/** The list before the read takes the place of the list after it. */
function withoutConfirmation(rule: Rule): Rule {
  return (seen) => rule({ ...seen, isConfirmed: true });
}

const rule = (name: string): Rule => RULES[name] as Rule;

/** Creates where the lease does not allow it anymore. */
function creating(step: Step, { record }: Observation): Step {
  const { pending } = record;
  const isDropped = step.kind === 'update' && step.record.pending === undefined;
  return isDropped && pending?.phase === 'claimed' ? { kind: 'create', pending } : step;
}

interface Mutation {
  readonly title: string;
  readonly protocol: Protocol;
  /** The invariants that it may violate. */
  readonly violates: RegExp;
  readonly circumstances: Partial<Circumstances>;
}

const mutations: readonly Mutation[] = [
  {
    title: 'reads the record before it lists',
    protocol: reconciling(
      class extends Reconciliation {
        protected override async observe(): Promise<Observation | undefined> {
          const read = await this.read();
          const seen = await super.observe();
          return read && seen && { ...seen, record: read.record, version: read.version };
        }
      },
    ),
    violates: /older state|I[1-5]/,
    circumstances: { replicas: 3, rotations: 0.05 },
  },
  {
    title: 'replaces a missing key without asking the service',
    protocol: ruled({
      replaceMissing: withoutConfirmation((seen) => {
        const { current, standby } = seen.record;
        const rejectedIds = new Set([current, standby].flatMap((key) => (key ? [key.id] : [])));
        return rule('replaceMissing')({ ...seen, rejectedIds });
      }),
    }),
    violates: /I1: .* replaced as missing/,
    circumstances: { replicas: 3, rotations: 0.06, stalls: 0.02 },
  },
  {
    title: 'never replaces a missing key',
    protocol: ruled({ replaceMissing: () => undefined }),
    violates: /I6|I10/,
    circumstances: { foreignDeletions: 0.01 },
  },
  {
    title: 'claims beside a previous key although there is a current one',
    protocol: planning((step, { record, settings }) =>
      step.kind === 'rest' &&
      record.previous &&
      record.current &&
      settings.standby &&
      !record.standby &&
      !record.pending
        ? { kind: 'claim' }
        : step,
    ),
    violates: /I[48]|conflict|I10/,
    circumstances: { rotations: 0.05 },
  },
  {
    title: 'creates without a claim',
    protocol: reconciling(WithoutClaim),
    violates: /I[4567]|I10/,
    circumstances: { replicas: 3, crashes: 0.02 },
  },
  {
    title: 'creates right after the claim, without another list',
    protocol: reconciling(
      class extends Reconciliation {
        protected override async writeClaim(seen: Observation, key: Announcement): Promise<undefined> {
          await super.writeClaim(seen, key);
          const claimed = await this.read();
          if (
            claimed?.record.pending?.owner !== this.progress.memory.owner ||
            this.progress.claim === undefined
          )
            return;
          const { pending } = claimed.record;
          if (pending.phase === 'claimed') await this.create({ ...seen, ...claimed }, pending);
        }
      },
    ),
    violates: /I4/,
    circumstances: {
      replicas: 3,
      faults: 0.1,
      canShow: false,
      rotations: 0.05,
      stalls: 0.03,
      standby: false,
    },
  },
  {
    title: 'repeats a create without a response',
    protocol: reconciling(
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
    protocol: reconciling(
      class extends Reconciliation {
        protected override async storeKey(seen: Observation, pending: Pending): Promise<undefined> {
          const key = this.progress.memory.unstored;
          if (key === undefined) return;
          const { secret: _, ...fields } = key;
          const stored = { ...fields, maskedKey: 'sk-******lost', seq: pending.seq, ciphertext: '["lost"]' };
          await this.promote(seen, { ...pending, phase: 'created', key: stored });
          this.progress.memory.unstored = undefined;
        }
      },
    ),
    violates: /I2/,
    circumstances: {},
  },
  {
    title: 'promotes a key without verifying it',
    protocol: reconciling(
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
    title: 'writes `retireAt` with the promotion, from the list before it',
    protocol: reconciling(
      class extends Reconciliation {
        protected override update(seen: Observation, record: RingRecord) {
          const { previous } = record;
          const servedAt = seen.listing?.servedAt;
          if (!previous || previous.retireAt !== undefined || servedAt === undefined)
            return super.update(seen, record);
          return super.update(seen, to.setRetireAt(record, previous, servedAt + GRACE_MS));
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
    protocol: ruled({ correctInstants: withoutConfirmation(rule('correctInstants')) }),
    violates: /I3/,
    circumstances: { replicas: 3, rotations: 0.05, jumpsBack: 0.03, slowLists: 0.03 },
  },
  {
    title: 'takes over a claim by a list that was sent before the read',
    protocol: ruled({ takeOverClaim: withoutConfirmation(rule('takeOverClaim')) }),
    violates: /I4/,
    circumstances: {
      replicas: 3,
      canShow: false,
      faults: 0.05,
      rotations: 0.05,
      jumpsBack: 0.05,
      stalls: 0.06,
      slowLists: 0.03,
      standby: false,
    },
  },
  {
    title: 'continues its own claim without renewing it',
    protocol: reconciling(
      class extends Reconciliation {
        protected override async observe(): Promise<Observation | undefined> {
          const seen = await super.observe();
          const isOwn = seen?.record.pending?.owner === this.progress.memory.owner;
          if (isOwn) this.progress.claim = { version: seen.version, sentAt: 1e12 };
          return seen;
        }
        protected override plan(seen: Observation): Step {
          const step = super.plan(seen);
          return creating(step, seen);
        }
      },
    ),
    violates: /I[47]/,
    circumstances: { replicas: 3, aborts: 0.06, stalls: 0.05, rotations: 0.05, faults: 0.04, standby: false },
  },
  {
    title: 'creates although the lease may be over',
    protocol: planning(creating),
    violates: /I[47]/,
    circumstances: { replicas: 3, rotations: 0.05, stalls: 0.06, standby: false, faults: 0.03 },
  },
  {
    title: 'believes an instant that is too far ahead',
    protocol: planning((step, { record }) => {
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
      jumpsForward: 0.01,
      jumpsBack: 0.01,
      jumpMs: 86_400 * SECOND,
      crashes: 0.02,
      rotations: 0.05,
    },
  },
  {
    title: 'makes itself the owner of a claim whose lease it writes anew',
    protocol: planning((step, { record, progress }) => {
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
      canShow: false,
      jumpsBack: 0.03,
      jumpMs: 86_400 * SECOND,
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
    'finds a protocol that %s',
    { timeout: 3_600_000 },
    async (_, { protocol, violates, circumstances }) => {
      const { counterexample } = await explore(STEPS, () => ({ ...CALM, ...circumstances }), { protocol });

      expect(counterexample?.split('\n')[0]).toMatch(violates);
    },
  );
});

/** A ring over a service whose create has no response, aborted while it waits, and called again. */
async function abortedCreate(protocol: Protocol): Promise<number> {
  const clock = ringClock();
  const service = new RingService(clock);
  service.fail('create', responseLost);
  const options = {
    name: 'checkout',
    manager: service.manager({ canShow: false }),
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
  it('binds its owner until the lease is over; without that rule there are more creates', async () => {
    const dropping = planning((step, { record, progress }) =>
      record.pending?.phase === 'claimed' && progress.memory.sentName === record.pending.name
        ? { kind: 'update', record: to.dropClaim(record) }
        : step,
    );

    expect(await abortedCreate({ Reconciliation, Revocation })).toBe(1);
    expect(await abortedCreate(dropping)).toBeGreaterThan(1);
  });
});

/**
 * A rotation during which another process, which lives for one reconciliation, runs after every list while a claim is
 * pending. Their encryption keys are in alternating order.
 *
 * @returns the id of the new current key.
 */
async function rotateAmongOthers(protocol: Protocol): Promise<string | undefined> {
  const clock = ringClock();
  const service = new RingService(clock);
  const shared = { name: 'checkout', verifier: service.verifier, store: testStore(), clock, standby: false };
  const keys = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  const newRing = (encryptionKey: Uint8Array[], manager = service.manager()): KeyRing =>
    new KeyRing({ ...shared, manager, encryptionKey }, protocol);
  const manager = service.manager();
  let others = 0;
  const disturbed = newRing(keys, {
    ...manager,
    list: async (...input) => {
      const listed = await manager.list(...input);
      const isClaimed = shared.store.stored?.value.includes('"phase":"claimed"');
      if (isClaimed) await newRing(++others % 2 ? keys.toReversed() : keys).reconcile();
      return listed;
    },
  });
  await newRing(keys).reconcile();
  return (await disturbed.rotate()).current?.id;
}

describe('a claim', () => {
  it('is created although other replicas re-encrypt keys; without that rule, no replica can create', async () => {
    const eager = reconciling(
      class extends Reconciliation {
        protected override plan(seen: Observation): Step {
          return plan(seen, { reencryptOutdated: rule('reencryptOutdated'), ...RULES });
        }
      },
    );

    expect(await rotateAmongOthers({ Reconciliation, Revocation })).toBe('k2');
    await expect(rotateAmongOthers(eager)).rejects.toMatchObject({ code: 'key_ring_conflict' });
  });
});

/** Two replicas whose encryption keys are in different order. @returns the number of updates. */
async function twoOrders(protocol: Protocol): Promise<number> {
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
  it('encrypt a key once each; without that rule they never stop', async () => {
    const forgetful = reconciling(
      class extends Reconciliation {
        override run() {
          this.progress.memory.reencryptedIds.clear();
          return super.run();
        }
      },
    );

    expect(await twoOrders({ Reconciliation, Revocation })).toBeLessThanOrEqual(4);
    expect(await twoOrders(forgetful)).toBeGreaterThan(8);
  });
});
