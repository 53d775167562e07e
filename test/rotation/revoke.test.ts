import { KeyRingError, PermissionDeniedError, ServerError } from 'drun-sdk/errors';
import { describe, expect, it } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import { waitUntil } from '../support/ring-clock.ts';
import { rejected } from '../support/ring-service.ts';
import {
  keyOf,
  MINUTE,
  namesOf,
  type RingSetup,
  ringSetup,
  SECOND,
  type TestRing,
} from '../support/ring-setup.ts';

async function readySetup(options = {}): Promise<RingSetup & { ring: TestRing }> {
  const setup = ringSetup();
  const ring = setup.newRing(options);
  await ring.reconcile();
  ring.events.length = 0;
  return { ...setup, ring };
}

describe('revoke', () => {
  it('promotes the standby in one update, deletes the key and creates the next standby', async () => {
    const { ring, service, store } = await readySetup();
    const { writes } = store.counts;

    const status = await ring.revoke('current', { reason: 'leaked' });

    expect(status).toMatchObject({ epoch: 2, current: { id: 'k2' }, standby: { id: 'k3' }, retiredIds: [] });
    expect(service.ids).toEqual(['k2', 'k3']);
    const revoked = JSON.parse(store.values[writes] ?? '');
    expect(revoked).toMatchObject({ current: { id: 'k2' }, retired: [{ id: 'k1', reason: 'leaked' }] });
    expect(ring.events.filter(([name]) => name === 'revoked')).toEqual([
      ['revoked', { id: 'k1', reason: 'leaked' }],
    ]);
  });

  it('makes calls wait for the next key if there is no standby', async () => {
    const { ring, newReader, service } = await readySetup({ standby: false });
    const reader = newReader();
    const old = await reader.getKey();
    await ring.revoke('current');

    expect((await reader.getKey({ rejected: old })).reveal()).toBe(service.keys.get('k2')?.secret.reveal());
  });

  it.each([
    ['the standby', 'k2', { current: { id: 'k1' }, standby: { id: 'k3' } }],
    ['the current key', 'k1', { current: { id: 'k2' }, standby: { id: 'k3' } }],
    ['all keys', 'all', { current: { id: 'k3' }, standby: { id: 'k4' } }],
  ])('revokes %s by %s', async (_, target, expected) => {
    const { ring } = await readySetup();

    expect(await ring.revoke(target)).toMatchObject(expected);
  });

  it('revokes a previous key before its grace period ends', async () => {
    const { ring, service } = await readySetup();
    await ring.rotate();

    await ring.revoke('k1');

    expect(service.keys.has('k1')).toBe(false);
    expect(ring.status()).toMatchObject({ current: { id: 'k2' }, standby: { id: 'k3' } });
  });

  it('revokes a key of the ring to which no record refers', async () => {
    const { ring, service, record } = await readySetup();
    const { id } = service.add(`kr1-checkout-${record().ringId}-1-orphan`);

    await ring.revoke(id);

    expect(service.keys.has(id)).toBe(false);
  });

  it('rejects an id that belongs to no key of the ring, without showing it', async () => {
    const { ring, service } = await readySetup();
    const { secret } = service.add('other');

    const error = await rejectionOf(KeyRingError, ring.revoke(secret.reveal()));

    expect(error.code).toBe('key_ring_unknown_key');
    expect(error.message).not.toContain(secret.reveal());
    expect(service.ids).toHaveLength(3);
  });

  it('rejects `current` if there is no current key', async () => {
    const { newRing } = ringSetup();

    expect((await rejectionOf(KeyRingError, newRing().revoke('current'))).code).toBe(
      'key_ring_no_active_key',
    );
  });

  it.each([
    ['is lost', 'request lost'],
    ['is applied without a response', 'response lost'],
  ] as const)('revokes the same key if an update of the store %s', async (_, fault) => {
    const { ring, service, store } = await readySetup();
    store.updateFaults.push(fault);

    const status = await ring.revoke('current');

    expect(status).toMatchObject({ epoch: 2, current: { id: 'k2' } });
    expect(service.ids).toEqual(['k2', 'k3']);
  });

  it('revokes the same key after a conflict with another revocation', async () => {
    const { ring, newRing, service } = await readySetup();
    const other = newRing();

    await Promise.all([ring.revoke('current'), other.revoke('current')]);

    expect(service.keys.has('k1')).toBe(false);
    expect(ring.status().epoch).toBe(2);
    expect(service.keys.has('k2')).toBe(true);
  });

  it.each([
    ['a lost connection', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
    ['a 429', Object.assign(new Error('Too many requests'), { status: 429 })],
    ['a 503', Object.assign(new Error('Unavailable'), { status: 503 })],
  ])('tolerates %s of the store before and after the delete', async (_, failure) => {
    for (const failingCalls of [1, 2, 5]) {
      const { ring, service, store } = await readySetup();
      let calls = 0;
      for (const method of ['get', 'compareAndSwap'] as const) {
        const original = store[method] as (...input: unknown[]) => Promise<never>;
        store[method] = async (...input: unknown[]) => {
          if (calls++ < failingCalls) throw failure;
          return original(...input);
        };
      }

      const status = await ring.revoke('current');

      expect(status).toMatchObject({ current: { id: 'k2' }, standby: { id: 'k3' } });
      expect(service.keys.has('k1')).toBe(false);
    }
  });

  it('deletes the key even if the store remains unreachable, and rejects after `timeoutMs`', async () => {
    const { ring, service, store, clock } = await readySetup();
    store.failure = new Error('connect ECONNREFUSED');
    const before = clock.now();

    const error = await rejectionOf(KeyRingError, ring.revoke('current', { timeoutMs: MINUTE }));

    expect(error.code).toBe('key_ring_store_failed');
    expect(service.keys.has('k1')).toBe(false);
    expect(clock.now() - before).toBeLessThanOrEqual(MINUTE);
  });

  it.each(['delete', 'verify', 'list'] as const)(
    'rejects after `timeoutMs` if the service does not respond to %s, and uses the standby',
    async (operation) => {
      const { ring, service, clock } = await readySetup();
      service.fail(operation, () => new Promise(() => {}));
      const revoked = rejectionOf(KeyRingError, ring.revoke('current', { timeoutMs: MINUTE }));
      await waitUntil(() => clock.waits.length > 0);

      for (let second = 0; second < 120; second++) await clock.advance(SECOND);

      expect((await revoked).code).toBe('key_ring_revocation_unconfirmed');
      expect(ring.status().current?.id).toBe('k2');
    },
  );

  it('is completed by any reconciliation after a crash with an unreachable store', async () => {
    const { ring, newRing, store, service } = await readySetup();
    store.failure = new Error('connect ECONNREFUSED');
    await rejectionOf(KeyRingError, ring.revoke('current', { timeoutMs: SECOND }));
    store.failure = undefined;

    const successor = newRing();
    await successor.reconcile();

    expect(successor.status()).toMatchObject({ current: { id: 'k2' }, standby: { id: 'k3' } });
    expect(service.ids).toEqual(['k2', 'k3']);
    expect(namesOf(successor.events)).toContain('replaced');
  });

  it('emits an event and resolves if the key limit prevents a successor', async () => {
    const { ring, service } = await readySetup();
    service.fail('create', rejected(new PermissionDeniedError('No more keys.', { status: 403 })));

    expect(await ring.revoke('current')).toMatchObject({ current: { id: 'k2' } });
    expect(namesOf(ring.events)).toContain('error');
  });

  it('does not wait longer than `timeoutMs` for a running reconciliation', async () => {
    const { ring, service, clock } = await readySetup();
    service.fail('list', () => new Promise(() => {}));
    void ring.reconcile();
    while (service.faults.list?.length) await clock.advance(0);
    const revoked = ring.revoke('current', { timeoutMs: MINUTE });
    while (service.keys.has('k1')) await clock.advance(0);
    for (let turn = 0; turn < 20; turn++) await clock.advance(10 * SECOND);

    expect((await revoked).current?.id).toBe('k2');
  });

  it('waits until the service rejects the key', async () => {
    const { ring, service, clock } = await readySetup();
    const accepted = async () => ({ accepted: true, models: [] });
    service.fail('verify', accepted, accepted, accepted);
    const before = clock.now();

    await ring.revoke('current');

    expect(clock.now() - before).toBeGreaterThanOrEqual(SECOND);
  });

  it.each([
    ['accepts', 'verify', async () => ({ accepted: true, models: [] })],
    ['cannot verify', 'verify', rejected(new ServerError('Unavailable.', { status: 503 }))],
    ['lists', 'list', async () => ({ items: [{ id: 'k1', name: 'kr1-checkout-aaaaa-1-aaaaaa' }] })],
  ] as const)('rejects if the service still %s the key after `timeoutMs`', async (_, operation, fault) => {
    const { ring, service } = await readySetup();
    service.fail(operation, ...Array.from({ length: 40 }, () => fault));

    const error = await rejectionOf(KeyRingError, ring.revoke('current', { timeoutMs: 5 * SECOND }));

    expect(error).toMatchObject({ code: 'key_ring_revocation_unconfirmed', keyIds: ['k1'] });
  });

  it('retries a delete that fails temporarily', async () => {
    const { ring, service } = await readySetup();
    service.fail(
      'delete',
      rejected(new ServerError('Unavailable.', { status: 503 })),
      rejected(new Error('socket hang up')),
    );

    await ring.revoke('current');

    expect(service.keys.has('k1')).toBe(false);
  });

  it('rejects with the service’s error if it rejects the delete, and promotes the standby', async () => {
    const { ring, service } = await readySetup();
    service.fail('delete', rejected(new PermissionDeniedError('Forbidden.', { status: 403 })));

    await rejectionOf(PermissionDeniedError, ring.revoke('current'));

    expect(ring.status().current?.id).toBe('k2');
    await ring.reconcile();
    expect(service.keys.has('k1')).toBe(false);
  });

  it('deletes a key that cannot be decrypted', async () => {
    const { newRing, service } = await readySetup();
    const ring = newRing({ encryptionKey: new Uint8Array(32) });

    await ring.revoke('all');

    expect(service.keys.has('k1') || service.keys.has('k2')).toBe(false);
  });
});

describe('a store that was rolled back', () => {
  async function rolledBack() {
    const setup = await readySetup({ gracePeriodMs: SECOND });
    const { ring, store, clock, service } = setup;
    const older = store.stored;
    await ring.rotate();
    await clock.advance(MINUTE);
    await ring.reconcile();
    store.stored = older;
    return { ...setup, lost: service.ids.filter((id) => id !== 'k1' && id !== 'k2') };
  }

  it.each([
    ['a replica that has seen the newer state', false],
    ['a replica that knows nothing', true],
  ])('stops %s', async (_, isNew) => {
    const { ring, newRing, service, lost } = await rolledBack();
    const before = service.ids;

    const error = await rejectionOf(KeyRingError, (isNew ? newRing() : ring).reconcile());

    expect(error.code).toBe('key_ring_rolled_back');
    if (isNew) expect(error.keyIds).toEqual(lost);
    expect(service.ids).toEqual(before);
  });

  it('is accepted by `recover()`, which skips all numbers that were already used', async () => {
    const { newRing, newReader, ring, service, clock } = await rolledBack();
    const reader = newReader();
    const before = ring.status().epoch;

    const status = await newRing().recover();

    expect(status.epoch).toBeGreaterThan(before);
    await clock.advance(MINUTE);
    expect(service.accepts(await reader.getKey())).toBe(true);
    expect(service.ids).toHaveLength(2);
  });

  it('does not make a reader return to an earlier key', async () => {
    const { newReader, store, ring, clock, service } = await readySetup();
    const older = store.stored;
    await ring.rotate();
    const reader = newReader();
    const key = await keyOf(reader);
    store.stored = older;

    await clock.advance(MINUTE);
    await reader.getKey();
    await clock.advance(0);

    expect(await keyOf(reader)).toBe(key);
    expect(service.accepts(await reader.getKey())).toBe(true);
    expect(namesOf(reader.events)).toContain('stale-read');
  });

  it.each(['request lost', 'response lost'] as const)(
    'is accepted by `recover()` even if the first update fails: %s',
    async (fault) => {
      const { newRing, ring, service, store, clock } = await rolledBack();
      const before = ring.status().epoch;
      store.updateFaults.push(fault);
      const recovered = newRing().recover();
      await clock.advance(SECOND);

      expect((await recovered).epoch).toBeGreaterThan(before);
      expect(service.ids).toHaveLength(2);
    },
  );

  it('is only reconciled by `recover()` if its record is up to date', async () => {
    const { ring } = await readySetup();

    expect(await ring.recover()).toMatchObject({ epoch: 1, current: { id: 'k1' } });
  });

  it('stops the ring if its record is lost, until `recover()` creates a new one', async () => {
    const { ring, store, service } = await readySetup();
    store.stored = null;
    expect((await rejectionOf(KeyRingError, ring.reconcile())).code).toBe('key_ring_rolled_back');

    expect(await ring.recover()).toMatchObject({ ready: true, current: { id: 'k3' } });
    expect(service.ids).toHaveLength(4);
  });
});
