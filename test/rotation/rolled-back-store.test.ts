import { ApiKeys, ChatClient } from 'drun-sdk';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { KeyRingError } from 'drun-sdk/errors';
import { KeyRing, type KeyStore, type StoredRecord } from 'drun-sdk/rotation';
import { expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';

/** A store that can lose what it has answered. */
function forgetfulStore(): KeyStore & { stored: StoredRecord | null } {
  let versions = 0;
  return {
    durability: 'weak',
    stored: null,
    async get() {
      return this.stored;
    },
    async compareAndSwap(_, expected, value) {
      if ((this.stored?.version ?? null) !== expected) return { ok: false };
      this.stored = { value, version: String(++versions) };
      return { ok: true, version: this.stored.version };
    },
  };
}

function newRing(drun: Emulator, store: KeyStore): KeyRing {
  const service = { baseUrl: 'https://drun.test', fetch: drun.fetch };
  return new KeyRing({
    name: 'checkout',
    issuer: new ApiKeys({ accessToken: drun.accessToken, ...service }),
    checker: new ChatClient({ apiKey: 'unused', ...service }),
    store,
    seal: new Uint8Array(32),
  });
}

const idsOf = (drun: Emulator): string[] => Array.from(drun.keys, ({ id }) => id);

test('a promotion that the store forgets stops the rotation, until recover() goes on from what it has', async () => {
  const drun = createEmulator();
  const store = forgetfulStore();
  const ring = newRing(drun, store);
  await ring.reconcile();
  const before = store.stored;
  await ring.rotate();
  const ids = idsOf(drun);
  const reader = newRing(drun, store);
  const promoted = await reader.getKey();

  store.stored = before;
  const error = await rejectionOf(KeyRingError, ring.reconcile());

  expect(error.code).toBe('key_ring_rolled_back');
  expect(idsOf(drun)).toEqual(ids);
  expect((await ring.getKey()).equals(promoted)).toBe(true);

  await ring.recover();
  const { current, epoch } = await ring.rotate();
  expect(epoch).toBeGreaterThan(2);
  const chat = new ChatClient({ apiKey: reader, baseUrl: 'https://drun.test', fetch: drun.fetch });
  expect(await chat.checkKey()).toMatchObject({ accepted: true });
  expect(idsOf(drun)).toContain(current?.id);
});

test('a record that the store loses is no reason to begin again, until recover() does', async () => {
  const drun = createEmulator();
  const store = forgetfulStore();
  const ring = newRing(drun, store);
  const { current, standby } = await ring.reconcile();
  const ids = [current?.id, standby?.id];

  store.stored = null;
  const error = await rejectionOf(KeyRingError, ring.reconcile());

  expect(error.code).toBe('key_ring_rolled_back');
  expect(new Set(error.keyIds)).toEqual(new Set(ids));
  expect(new Set(idsOf(drun))).toEqual(new Set(ids));

  const recovered = await ring.recover();
  expect(ids).not.toContain(recovered.current?.id);
  expect(idsOf(drun)).toEqual(expect.arrayContaining([...ids, recovered.current?.id]));
});

test('who has seen nothing yet begins a ring where the store has none', async () => {
  const drun = createEmulator();
  const store = forgetfulStore();
  const old = await newRing(drun, store).reconcile();

  store.stored = null;
  const next = await newRing(drun, store).reconcile();

  expect(next.current?.id).not.toBe(old.current?.id);
  expect(idsOf(drun)).toContain(old.current?.id);
});
