import {
  ApiKeyLimitError,
  ConfigurationError,
  KeyRingError,
  PermissionDeniedError,
  ServerError,
} from 'drun-sdk/errors';
import { describe, expect, it } from 'vitest';
import { rejectionOf } from '../support/failures.ts';
import { rejected, requestLost, responseLost } from '../support/ring-service.ts';
import { DAY, keyOf, MINUTE, namesOf, ringSetup, SECOND, SLACK } from '../support/ring-setup.ts';

describe('reconcile', () => {
  it('creates the current key and a standby', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing();

    const status = await ring.reconcile();

    expect(status).toMatchObject({ ready: true, epoch: 1, current: { id: 'k1' }, standby: { id: 'k2' } });
    expect(await keyOf(ring)).toBe(service.keys.get('k1')?.secret.reveal());
    expect(namesOf(ring.events)).toEqual(['created', 'rotated', 'created']);
  });

  it('sends one request when nothing is due', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    service.newRequests();

    await ring.reconcile();

    expect(service.newRequests()).toEqual(['list']);
  });

  it('creates one key per slot, however many replicas start at once', async () => {
    const { newRing, service } = ringSetup();

    await Promise.all(Array.from({ length: 5 }, () => newRing().reconcile()));
    await newRing().reconcile();

    expect(service.ids).toHaveLength(2);
  });

  it('replaces the current key by the standby at `maxAgeMs`, and deletes it after `gracePeriodMs`', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing({ maxAgeMs: DAY, gracePeriodMs: MINUTE });
    await ring.reconcile();
    await clock.advance(DAY);

    expect(await ring.reconcile()).toMatchObject({ epoch: 2, current: { id: 'k2' }, previous: { id: 'k1' } });
    await clock.advance(MINUTE);
    await ring.reconcile();
    expect(service.ids).toEqual(['k1', 'k2']);
    await clock.advance(SLACK + SECOND);
    await ring.reconcile();
    expect(service.ids).toEqual(['k2', 'k3']);
  });

  it('limits the lifetime of keys, so that an unreachable orphan expires by itself', async () => {
    const { newRing, service, clock } = ringSetup();
    await newRing({ maxAgeMs: 10 * DAY, gracePeriodMs: MINUTE }).reconcile();

    const lifetimes = [...service.keys.values()].map(({ expiresAt }) => expiresAt.getTime() - clock.now());

    for (const lifetime of lifetimes) {
      expect(lifetime).toBeGreaterThanOrEqual(21 * DAY + MINUTE);
      expect(lifetime).toBeLessThanOrEqual(21 * DAY + MINUTE + 2 * SLACK);
    }
  });

  it('starts a new key if nothing has reconciled for a key lifetime', async () => {
    const { newRing, clock } = ringSetup();
    const ring = newRing({ maxAgeMs: DAY });
    await ring.reconcile();
    await clock.advance(10 * DAY);

    await ring.reconcile();

    expect(ring.status()).toMatchObject({ ready: true, current: { id: 'k3' } });
  });

  it.each([[5], [1_000_000], ['unlimited']] as const)('passes the quota %s to `create`', async (quota) => {
    const { newRing, service } = ringSetup();

    await newRing({ quota }).reconcile();

    expect([...service.keys.values()].map((key) => key.quota)).toEqual([quota, quota]);
  });

  it.each([
    ['a short name', 'checkout', /^kr1-checkout-[a-z\d]{5}-1-[a-z\d]{6}$/],
    ['32 characters', 'payments-of-the-european-branch0', /^kr1-paym[a-z\d]{6}-[a-z\d]{5}-1-[a-z\d]{6}$/],
  ])('names keys after a ring with %s, in at most 32 characters', async (_, name, pattern) => {
    const { newRing, service } = ringSetup();

    await newRing({ name }).reconcile();

    const [key] = [...service.keys.values()];
    expect(key?.name).toMatch(pattern);
    expect(key?.name.length).toBeLessThanOrEqual(32);
  });

  it('distinguishes the keys of rings with similar long names', async () => {
    const { newRing, service } = ringSetup();
    const names = ['payments-production', 'payments-staging'];
    for (const name of names) {
      const { newRing: other } = ringSetup({ service });
      await other({ name }).reconcile();
    }

    expect(service.ids).toHaveLength(4);
    await newRing({ name: 'payments-testing' }).reconcile();
    expect(service.ids).toHaveLength(6);
  });

  it('does not touch keys of another ring with the same name, and reports them once', async () => {
    const { newRing, service } = ringSetup();
    const { newRing: elsewhere } = ringSetup({ service });
    await elsewhere().reconcile();
    const ring = newRing();

    await ring.reconcile();
    await ring.reconcile();

    expect(service.ids).toHaveLength(4);
    expect(ring.events.filter(([name]) => name === 'name-conflict')).toEqual([
      ['name-conflict', { ringId: expect.any(String), ids: ['k1', 'k2'] }],
    ]);
  });
});

describe('a key that is deleted or disabled elsewhere', () => {
  const changes = {
    deleted: (keys: ReadonlyMap<string, { disabled: boolean }>, id: string) =>
      (keys as Map<string, unknown>).delete(id),
    disabled: (keys: ReadonlyMap<string, { disabled: boolean }>, id: string) => {
      const key = keys.get(id);
      if (key) key.disabled = true;
    },
  };

  it.each(Object.entries(changes))('is replaced by the standby if it was current: %s', async (_, change) => {
    const { newRing, service } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    change(service.keys, 'k1');

    const status = await ring.reconcile();

    expect(status).toMatchObject({ current: { id: 'k2' }, standby: { id: 'k3' } });
    expect(service.ids).toEqual(['k2', 'k3']);
    expect(namesOf(ring.events)).toContain('replaced');
  });

  it.each(Object.entries(changes))('is replaced if it was the standby: %s', async (_, change) => {
    const { newRing, service } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    change(service.keys, 'k2');

    expect(await ring.reconcile()).toMatchObject({ current: { id: 'k1' }, standby: { id: 'k3' } });
  });

  it('remains in use while the service accepts it, even if lists do not contain it', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    const lagging = async () => ({ items: [], servedAt: new Date(service.now) });
    service.fail('list', lagging, lagging);

    expect(await ring.reconcile()).toMatchObject({ current: { id: 'k1' }, standby: { id: 'k2' } });
  });

  it('remains in use while a verification is inconclusive', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing();
    await ring.reconcile();
    service.keys.delete('k1');
    service.fail('verify', rejected(new ServerError('Unavailable.', { status: 503 })));

    expect(await ring.reconcile()).toMatchObject({ current: { id: 'k1' } });
  });
});

describe('a create without a response', () => {
  it.each([
    ['whose key exists', responseLost],
    ['that was lost', requestLost],
    ['for which a gateway returns 502', rejected(new ServerError('Bad gateway.', { status: 502 }))],
    [
      'that rejects with a non-Error value',
      rejected(Object.assign(new Error('?'), { code: 'unknown_outcome' })),
    ],
  ])('%s is not repeated before the lease expires', async (_, fault) => {
    const { newRing, service, clock } = ringSetup();
    service.fail('create', fault);
    const ring = newRing();

    await ring.reconcile();
    const creates = service.requests.filter((request) => request === 'create').length;
    if (!ring.status().ready) expect(creates).toBe(1);
    await clock.advance(3 * MINUTE);
    await ring.reconcile();

    expect(ring.status().ready).toBe(true);
    expect(service.ids).toHaveLength(2);
  });

  it('recovers the key by its name if the server supports getSecret()', async () => {
    const { newRing, service } = ringSetup();
    service.fail('create', responseLost);

    expect(await newRing().reconcile()).toMatchObject({ current: { id: 'k1' }, standby: { id: 'k2' } });
    expect(service.requests.filter((request) => request === 'create')).toHaveLength(2);
  });

  it('recovers a key whose list entry has only a name', async () => {
    const { newRing, service } = ringSetup();
    service.fail('create', responseLost);
    const manager = service.manager();
    const list: typeof manager.list = async (...input) => {
      const { items, servedAt } = await manager.list(...input);
      const bare = items.map(({ id, name }) => ({
        id,
        name,
        maskedKey: '',
        expiresAt: new Date(Number.NaN),
      }));
      return { items: [{ id: 'other' }, { id: 'odd', name: null as never }, ...bare], servedAt };
    };

    const status = await newRing({ manager: { ...manager, list } }).reconcile();

    expect(status).toMatchObject({ current: { id: 'k1', maskedKey: expect.stringContaining('******') } });
  });

  it.each([
    ['no id', { id: '' }],
    ['an id that is not a string', { id: 7 }],
  ])('does not store a key if the manager returns %s', async (_, odd) => {
    const { newRing, service, record } = ringSetup();
    const manager = service.manager();
    const create: typeof manager.create = async (...input) => ({
      ...(await manager.create(...input)),
      ...(odd as object),
    });

    const ring = newRing({ manager: { ...manager, create } });
    expect((await rejectionOf(ConfigurationError, ring.reconcile())).option).toBe('manager');
    expect(record().pending).toBeUndefined();
    await newRing().reconcile();
    expect(service.ids).toEqual(['k2', 'k3']);
  });

  it('deletes the key after the lease if the server does not support getSecret()', async () => {
    const { newRing, service, clock } = ringSetup();
    service.fail('create', responseLost);
    const ring = newRing({ manager: service.manager({ supportsGetSecret: false }) });
    await ring.reconcile();
    expect(ring.status().pending).toBe('claimed');

    await clock.advance(3 * MINUTE);
    await ring.reconcile();

    expect(service.ids).toEqual(['k2', 'k3']);
    expect(namesOf(ring.events)).toContain('orphan-deleted');
  });

  it.each([404, 405, 501])('treats status %s as a server without getSecret()', async (status) => {
    const { newRing, service, clock } = ringSetup();
    service.fail('create', responseLost);
    const missing = rejected(Object.assign(new Error('Missing.'), { status }));
    service.fail('getSecret', missing, missing);
    const ring = newRing();

    await ring.reconcile();
    await clock.advance(3 * MINUTE);
    await ring.reconcile();

    expect(ring.status().current?.id).toBe('k2');
  });

  it('is not repeated by its owner before the lease expires: an aborted call and the next one create one key', async () => {
    const { newRing, service } = ringSetup();
    service.fail('create', responseLost);
    const ring = newRing({ manager: service.manager({ supportsGetSecret: false }) });
    const abort = new AbortController();
    service.fail(
      'list',
      async (perform) => perform(),
      async (perform) => perform(),
      async (perform) => perform(),
    );
    service.fail('list', async (perform) => {
      abort.abort(new Error('stopped'));
      return perform();
    });

    await ring.reconcile({ signal: abort.signal }).catch(() => {});
    await ring.reconcile();
    await ring.reconcile();

    expect(service.ids).toEqual(['k1']);
    expect(service.requests.filter((request) => request === 'create')).toHaveLength(1);
  });

  it('keeps a key that was created while the store was unreachable, and stores it later', async () => {
    const { newRing, service, store } = ringSetup();
    const ring = newRing({ standby: false, manager: service.manager({ supportsGetSecret: false }) });
    service.fail('create', async (perform) => {
      const created = await perform();
      store.failure = new Error('connect ECONNREFUSED');
      return created;
    });

    await rejectionOf(KeyRingError, ring.reconcile());
    store.failure = undefined;
    await ring.reconcile();

    expect(ring.status().current?.id).toBe('k1');
    expect(service.ids).toEqual(['k1']);
  });

  it('drops its claim at once if the service rejects the create', async () => {
    const { newRing, service, record } = ringSetup();
    service.fail('create', rejected(new PermissionDeniedError('Forbidden.', { status: 403 })));

    await rejectionOf(PermissionDeniedError, newRing().reconcile());

    expect(record().pending).toBeUndefined();
  });
});

describe('a new key', () => {
  it('is not used before the service accepts it', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing();
    const inactive = async () => ({ accepted: false, code: 'authentication_failed' });
    service.fail('verify', inactive, inactive, inactive);
    const before = clock.now();

    await ring.reconcile();

    expect(ring.status().current?.id).toBe('k1');
    expect(clock.now() - before).toBeGreaterThan(SECOND);
  });

  it('is retired if the service rejects it for `activationTimeoutMs`, and the current key remains in use', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing({ standby: false, activationTimeoutMs: MINUTE });
    await ring.reconcile();
    service.fail('create', async (perform) => {
      const created = (await perform()) as { id: string };
      const key = service.keys.get(created.id);
      if (key) key.disabled = true;
      return created;
    });

    const error = await rejectionOf(KeyRingError, ring.rotate());

    expect(error).toMatchObject({ code: 'key_ring_key_rejected', keyIds: ['k2'] });
    expect(ring.status().current?.id).toBe('k1');
    await ring.reconcile();
    expect(service.ids).not.toContain('k2');
  });

  it('does not replace a key that has access to more models', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing({ standby: false, activationTimeoutMs: SECOND });
    await ring.reconcile();
    const fewer = async () => ({ accepted: true, models: [] });
    const all = async () => ({ accepted: true, models: ['public/deepseek-r1'] });
    service.fail('verify', fewer, all, fewer, all, fewer, all, fewer, all);

    const error = await rejectionOf(KeyRingError, ring.rotate());

    expect(error.message).toContain('has not had access to all models of the current key');
  });

  it.each([
    ['402', async () => ({ accepted: false, code: 'insufficient_quota' })],
    ['429', rejected(Object.assign(new Error('Slow down.'), { status: 429 }))],
    ['503', rejected(new ServerError('Unavailable.', { status: 503 }))],
  ])('replaces a current key whose models cannot be listed (%s)', async (_, fault) => {
    const { newRing, service } = ringSetup();
    const ring = newRing({ standby: false });
    await ring.reconcile();
    service.fail('verify', async (perform) => perform(), fault);

    expect((await ring.rotate()).current?.id).toBe('k2');
  });

  it('remains pending while its verification is inconclusive', async () => {
    const { newRing, service } = ringSetup();
    const ring = newRing({ standby: false, activationTimeoutMs: 2 * SECOND });
    const undecided = rejected(new ServerError('Unavailable.', { status: 503 }));
    service.fail('verify', ...Array.from({ length: 8 }, () => undecided));

    await ring.reconcile();
    expect(ring.status()).toMatchObject({ ready: false, pending: 'created' });
    service.faults.verify = [];
    await ring.reconcile();
    expect(ring.status().current?.id).toBe('k1');
  });
});

describe('an account that has reached its key limit', () => {
  it('causes an ApiKeyLimitError with the ids of the ring, whose keys remain in use', async () => {
    const { newRing, service, record } = ringSetup();
    service.maxKeys = 1;
    const ring = newRing();

    const error = await rejectionOf(ApiKeyLimitError, ring.reconcile());

    expect(error.ringKeyIds).toEqual(['k1']);
    expect(error.message).toContain('The ring itself owns k1.');
    expect(ring.status().ready).toBe(true);
    expect(record().pending).toBeUndefined();
  });

  it('still rotates a ring that has a standby', async () => {
    const { newRing, service } = ringSetup();
    service.maxKeys = 2;
    const ring = newRing();
    await ring.reconcile();

    expect((await ring.rotate()).current?.id).toBe('k2');
  });

  it('with `deleteBeforeCreate`, deletes the old key before it creates the next one', async () => {
    const { newRing, service } = ringSetup();
    service.maxKeys = 1;
    const ring = newRing({ deleteBeforeCreate: true });
    await ring.reconcile();

    expect((await ring.rotate()).current?.id).toBe('k2');
    expect(service.ids).toEqual(['k2']);
  });

  it('first deletes up to three orphans of the ring per reconciliation', async () => {
    const { newRing, service, record } = ringSetup();
    const ring = newRing({ standby: false });
    await ring.reconcile();
    for (let orphan = 0; orphan < 5; orphan++) service.add(`kr1-checkout-${record().ringId}-1-orphan`);

    await ring.reconcile();
    expect(service.ids).toHaveLength(3);
    await ring.reconcile();
    expect(service.ids).toEqual(['k1']);
  });
});

describe('an access token that may not delete keys', () => {
  const forbidden = rejected(new PermissionDeniedError('Forbidden.', { status: 403 }));

  it('does not stop the ring below the key limit, and is reported once per key', async () => {
    const { newRing, service, clock } = ringSetup();
    const ring = newRing({ gracePeriodMs: MINUTE });
    await ring.reconcile();
    await ring.rotate();
    await clock.advance(2 * MINUTE);
    service.fail('delete', ...Array.from({ length: 50 }, () => forbidden));

    const status = await ring.reconcile();
    await ring.reconcile();

    expect(status).toMatchObject({ current: { id: 'k2' }, standby: { id: 'k3' }, retiredIds: ['k1'] });
    const errors = ring.events.flatMap(([name, details]) =>
      name === 'error' ? [String(details.error)] : [],
    );
    expect(errors).toEqual([expect.stringContaining('may not delete key k1')]);
  });
});

describe('a store that fails occasionally', () => {
  it.each(['request lost', 'response lost'] as const)('wastes no key: %s', async (fault) => {
    for (let update = 0; update < 8; update++) {
      const { newRing, service, store, clock } = ringSetup();
      let updates = 0;
      const { compareAndSwap } = store;
      store.compareAndSwap = (...input) => {
        if (updates++ === update) store.updateFaults.push(fault);
        return compareAndSwap(...input);
      };
      const ring = newRing({ gracePeriodMs: MINUTE });
      await ring.reconcile();
      await ring.rotate();
      await clock.advance(5 * MINUTE);
      await ring.reconcile();

      expect(service.ids, `update ${update}`).toEqual([ring.status().current?.id, ring.status().standby?.id]);
      expect(service.accepts(await ring.getKey())).toBe(true);
    }
  });

  it('may return undefined for a record that does not exist', async () => {
    const { newRing, service, store } = ringSetup();
    const { get } = store;
    store.get = async (name) => (await get(name)) ?? (undefined as never);

    await newRing().reconcile();

    expect(service.ids).toHaveLength(2);
  });

  it('ends the reconciliation if it fails four times', async () => {
    const { newRing, store } = ringSetup();
    store.failure = new Error('connect ECONNREFUSED 10.0.0.1:5432');

    const error = await rejectionOf(KeyRingError, newRing().reconcile());

    expect(error.code).toBe('key_ring_store_failed');
    expect(store.counts.reads).toBe(4);
  });

  it('ends the reconciliation at once after a permanent error', async () => {
    const { newRing, store } = ringSetup();
    store.failure = Object.assign(new Error('permission denied for table'), { code: '42501' });

    await rejectionOf(KeyRingError, newRing().reconcile());

    expect(store.counts.reads).toBe(1);
  });

  it('causes an error if it does not respond within `storeTimeoutMs`', async () => {
    const { newRing, store, clock } = ringSetup();
    store.get = () => new Promise(() => {});
    const failed = rejectionOf(KeyRingError, newRing({ storeTimeoutMs: SECOND }).reconcile());

    for (let attempt = 0; attempt < 6; attempt++) await clock.advance(SECOND);

    expect((await failed).message).toContain('no response within 1000 ms');
  });
});

describe('a list of keys', () => {
  it('that is slower than the lease is reported as a configuration error', async () => {
    const { newRing, service } = ringSetup();
    service.latencyMs = MINUTE;

    const error = await rejectionOf(ConfigurationError, newRing().reconcile());

    expect(error.option).toBe('leaseMs');
    expect(error.message).toContain('listing the keys took 60000 ms');
    expect(service.ids).toEqual([]);
  });

  it('of 5,000 keys at 100 ms per request delays the first key by seconds, and takes one request when idle', async () => {
    const { newRing, service, clock } = ringSetup();
    service.maxKeys = 10_000;
    for (let key = 0; key < 5_000; key++) service.add(`other ${key}`);
    service.latencyMs = 100;
    const ring = newRing();
    const before = clock.now();

    await ring.reconcile();
    const firstKeyMs = clock.now() - before;
    service.newRequests();
    await ring.reconcile();
    const idleRequests = service.newRequests().length;

    process.stdout.write(
      `5,000 keys: both keys after ${firstKeyMs} virtual ms, ${idleRequests} request per idle reconciliation\n`,
    );
    expect(firstKeyMs).toBeLessThan(MINUTE);
    expect(idleRequests).toBeLessThanOrEqual(2);
  });
});
