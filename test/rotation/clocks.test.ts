import { describe, expect, it } from 'vitest';
import { skewed, waitUntil } from '../support/ring-clock.ts';
import {
  DAY,
  keyOf,
  MINUTE,
  namesOf,
  ringSetup,
  SECOND,
  SLACK,
  type TestRing,
} from '../support/ring-setup.ts';

const LEASE = 2 * MINUTE;

/** Starts a replica that claims a key and then crashes: its create never returns. */
async function crashDuringCreate(setup: ReturnType<typeof ringSetup>, offsetMs: number) {
  const { newRing, service, clock } = setup;
  service.fail('create', () => new Promise(() => {}));
  void newRing({ clock: skewed(clock, offsetMs) }).reconcile();
  while (!service.requests.includes('create')) await clock.advance(0);
}

describe('a replica that crashed while it created a key', () => {
  it.each([0, DAY, -DAY, 400 * DAY])(
    'is replaced after its lease if its clock was %s ms ahead',
    async (offsetMs) => {
      const setup = ringSetup();
      const { newRing, clock } = setup;
      await crashDuringCreate(setup, offsetMs);
      const successor = newRing();

      await successor.reconcile();
      expect(successor.status()).toMatchObject({ ready: false, pending: 'claimed' });
      await clock.advance(LEASE + 2 * SLACK + SECOND);
      await successor.reconcile();

      expect(successor.status().ready).toBe(true);
    },
  );

  it('is replaced by processes that run one reconciliation each', async () => {
    const setup = ringSetup();
    const { newRing, clock } = setup;
    await crashDuringCreate(setup, 0);
    const before = clock.now();

    while (!(await newRing().reconcile()).ready) await clock.advance(10 * SECOND);

    expect(clock.now() - before).toBeLessThanOrEqual(LEASE + 2 * SLACK + 20 * SECOND);
  });

  it('is replaced even if the service’s clock was a day ahead when it claimed the key', async () => {
    const setup = ringSetup();
    const { newRing, clock, service } = setup;
    service.clockOffsetMs = DAY;
    await crashDuringCreate(setup, 0);
    service.clockOffsetMs = 0;
    const successor = newRing();

    await successor.reconcile();
    await clock.advance(LEASE + 2 * SLACK + SECOND);
    await successor.reconcile();

    expect(successor.status().ready).toBe(true);
  });
});

describe('a grace period', () => {
  it.each([0, DAY, -DAY, 400 * DAY])(
    'lasts as long as configured if the clock is %s ms ahead',
    async (offsetMs) => {
      const { newRing, clock, service } = ringSetup();
      const ring = newRing({ clock: skewed(clock, offsetMs), gracePeriodMs: MINUTE });
      await ring.reconcile();
      await ring.rotate();

      await clock.advance(MINUTE - SECOND);
      await newRing().reconcile();
      expect(service.keys.has('k1')).toBe(true);
      await clock.advance(2 * SLACK);
      await newRing().reconcile();
      expect(service.keys.has('k1')).toBe(false);
    },
  );

  it('is restarted if the service’s clock was wrong when it started', async () => {
    const { newRing, clock, service, record } = ringSetup();
    const ring = newRing({ gracePeriodMs: MINUTE });
    await ring.reconcile();
    service.clockOffsetMs = 400 * DAY;
    await ring.rotate().catch(() => {});
    service.clockOffsetMs = 0;

    await ring.reconcile();
    expect((record().previous?.retireAt ?? 0) - clock.now()).toBeLessThanOrEqual(MINUTE + 2 * SLACK);
    await clock.advance(MINUTE + 2 * SLACK);
    await ring.reconcile();

    expect(service.keys.has('k1')).toBe(false);
  });

  it('starts with a list requested after the promotion, however long the verification took', async () => {
    const { newRing, clock, service, record } = ringSetup();
    const ring = newRing({ standby: false, gracePeriodMs: SECOND });
    await ring.reconcile();
    const inactive = async () => ({ accepted: false, code: 'authentication_failed' });
    service.fail('verify', ...Array.from({ length: 6 }, () => inactive));
    await ring.rotate();

    const { previous, current } = record();
    expect(previous?.retireAt).toBeGreaterThan(clock.now());
    expect(clock.now() - (current?.createdAt ?? 0)).toBeGreaterThan(10 * SECOND);
  });
});

describe('a service without a `Date` header', () => {
  it('creates and rotates keys, but never ends a grace period, and causes an error event', async () => {
    const { newRing, service, clock } = ringSetup();
    service.sendsDate = false;
    const ring = newRing({ maxAgeMs: DAY, gracePeriodMs: SECOND });
    await ring.reconcile();
    await ring.rotate();
    await clock.advance(2 * DAY);
    await ring.reconcile();

    expect(ring.status()).toMatchObject({ epoch: 2, previous: { id: 'k1' } });
    expect(ring.events.filter(([name]) => name === 'error')).toHaveLength(1);
    expect(service.accepts(await ring.getKey())).toBe(true);
  });

  it('preserves the claim of a crashed replica until the header returns', async () => {
    const setup = ringSetup();
    const { newRing, service, clock } = setup;
    service.sendsDate = false;
    await crashDuringCreate(setup, 0);
    const successor = newRing();
    await clock.advance(DAY);
    await successor.reconcile();
    expect(successor.status().ready).toBe(false);

    service.sendsDate = true;
    await successor.reconcile();
    await clock.advance(LEASE + 2 * SLACK);
    await successor.reconcile();

    expect(successor.status().ready).toBe(true);
  });
});

describe('rotate', () => {
  it('returns soon after another replica has promoted its key, without waiting for the lease', async () => {
    const { newRing, service, clock } = ringSetup();
    // Real encryption is asynchronous and takes real time.
    const encryptionKey = { encrypt: (secret: string) => secret, decrypt: (secret: string) => secret };
    const [first, second] = [1, 2].map(() => newRing({ standby: false, encryptionKey })) as [
      TestRing,
      TestRing,
    ];
    await first.reconcile();
    clock.isManual = true;
    const { promise: response, resolve: respond } = Promise.withResolvers<void>();
    service.fail('create', async (perform) => {
      const created = await perform();
      await response;
      return created;
    });
    const creating = first.rotate();
    await waitUntil(() => service.ids.length === 2);
    const waiting = second.rotate();
    await waitUntil(() => clock.waits.includes(250));
    const before = clock.now();

    respond();
    let isOver = false;
    const ended = Promise.all([creating, waiting]).finally(() => {
      isOver = true;
    });
    while (!isOver) await clock.advance(50);
    const [, status] = await ended;

    expect(status.current?.id).toBe('k2');
    expect(clock.now() - before).toBeLessThanOrEqual(3 * SECOND);
  });

  it('rotates once for concurrent calls', async () => {
    const { newRing, service } = ringSetup();
    const [first, second] = [newRing(), newRing()];
    await first.reconcile();

    await Promise.all([first.rotate(), second.rotate()]);

    expect(first.status().epoch).toBe(2);
    expect(service.ids).toHaveLength(2);
  });

  it('remains requested if the call is aborted', async () => {
    const { newRing, store } = ringSetup();
    const ring = newRing({ standby: false });
    await ring.reconcile();
    const abort = new AbortController();
    const { compareAndSwap } = store;
    store.compareAndSwap = async (...input) => {
      const result = await compareAndSwap(...input);
      abort.abort(new Error('stopped'));
      return result;
    };
    await expect(ring.rotate({ signal: abort.signal })).rejects.toThrow('stopped');

    const successor = newRing({ standby: false });
    expect((await successor.reconcile()).epoch).toBe(2);
  });

  it('waits for the grace period if the previous key occupies the second slot', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing({ gracePeriodMs: MINUTE });
    await ring.reconcile();
    await ring.rotate();
    const before = clock.now();

    await ring.rotate();

    expect(clock.now() - before).toBeGreaterThanOrEqual(MINUTE);
    expect(service.accepts(await ring.getKey())).toBe(true);
    expect(namesOf(ring.events).filter((name) => name === 'rotated')).toHaveLength(3);
  });

  it('twice during one call causes two more attempts of that call', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing({ gracePeriodMs: SECOND });
    await ring.reconcile();
    const reader = newRing();
    const first = await reader.getKey();
    await ring.rotate();
    await ring.rotate();

    expect(service.accepts(first)).toBe(false);
    const second = await reader.getKey({ rejected: first });

    expect(service.accepts(second)).toBe(true);
    expect(second.reveal()).toBe(await keyOf(ring));
  });
});
