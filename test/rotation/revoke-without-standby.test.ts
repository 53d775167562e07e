import { ApiKeys } from 'drun-sdk';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { KeyRingError } from 'drun-sdk/errors';
import { KeyRing, memoryStore } from 'drun-sdk/rotation';
import { expect, test } from 'vitest';
import { rejection, rejectionOf } from '../support/failures.ts';
import { verifierFor } from '../support/ring-verifier.ts';

interface Scene {
  readonly drun: Emulator;
  readonly newRing: () => KeyRing;
}

function newScene(): Scene {
  const drun = createEmulator({ maxKeys: 2 });
  const access = { baseUrl: 'https://drun.test', fetch: drun.fetch };
  const store = memoryStore();
  const encryptionKey = crypto.getRandomValues(new Uint8Array(32));
  const newRing = (): KeyRing =>
    new KeyRing({
      name: 'checkout',
      manager: new ApiKeys({ accessToken: drun.accessToken, ...access }),
      verifier: verifierFor(access),
      store,
      encryptionKey,
    });
  return { drun, newRing };
}

const idsOf = (drun: Emulator): string[] => Array.from(drun.keys, ({ id }) => id);

test('a current key that is revoked while there is no standby yet is followed by another one at once', async () => {
  const { drun, newRing } = newScene();
  const ring = newRing();
  await ring.reconcile();
  const { previous, current } = await ring.rotate();

  const status = await ring.revoke('current');

  expect(status.ready).toBe(true);
  expect(status.current?.id).not.toBe(current?.id);
  expect(new Set(idsOf(drun))).toEqual(new Set([previous?.id, status.current?.id]));
});

test('a revocation that finds the current key revoked already leaves the previous one alone', async () => {
  const { drun, newRing } = newScene();
  const one = newRing();
  const other = newRing();
  await one.reconcile();
  await other.reconcile();
  const { previous } = await one.rotate();
  drun.faults.always({ operation: 'create', status: 403 });
  expect(await rejection(one.revoke('current'))).toMatchObject({ code: 'permission_denied' });

  // It last saw the record when the previous key was the current one.
  const error = await rejectionOf(KeyRingError, other.revoke('current'));

  expect(error.code).toBe('key_ring_no_active_key');
  expect(idsOf(drun)).toEqual([previous?.id]);
});
