import { ApiKeys, ChatClient } from 'drun-sdk';
import { createEmulator } from 'drun-sdk/emulator';
import { KeyRingError } from 'drun-sdk/errors';
import { KeyRing, memoryStore } from 'drun-sdk/rotation';
import { expect, test } from 'vitest';
import { rejectionOf } from '../support/failures.ts';

test('a revocation that finds the current key revoked already leaves the previous one alone', async () => {
  const drun = createEmulator({ maxKeys: 2 });
  const access = { baseUrl: 'https://drun.test', fetch: drun.fetch };
  const store = memoryStore();
  const seal = crypto.getRandomValues(new Uint8Array(32));
  const newRing = (): KeyRing =>
    new KeyRing({
      name: 'checkout',
      issuer: new ApiKeys({ accessToken: drun.accessToken, ...access }),
      checker: new ChatClient({ apiKey: 'unused', ...access }),
      store,
      seal,
    });
  const one = newRing();
  const other = newRing();
  await one.reconcile();
  await other.reconcile();
  const { previous } = await one.rotate();
  await one.revoke('current');

  // It last saw the record when the previous key was the current one.
  const error = await rejectionOf(KeyRingError, other.revoke('current'));

  expect(error.code).toBe('key_ring_locked');
  expect([...drun.keys].map(({ id }) => id)).toEqual([previous?.id]);
});
