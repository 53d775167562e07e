import { ApiKeys, ChatClient } from 'drun-sdk';
import { createEmulator, type Emulator } from 'drun-sdk/emulator';
import { ConfigurationError, KeyRingError } from 'drun-sdk/errors';
import { KeyRing, type KeyRingOptions, type KeyStore, memoryStore, openCurrentKey } from 'drun-sdk/rotation';
import { kubernetesSecretStore } from 'drun-sdk/rotation/kubernetes';
import { describe, expect, test } from 'vitest';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { verifierFor } from '../support/ring-verifier.ts';
import { fetchOf, KubernetesApi, NAMESPACE, TOKEN } from './stores/kubernetes-api.ts';

const RING = 'checkout';
const baseUrl = 'https://drun.test';

const newSeal = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');

/** A ring on an account of its own. */
function newRing(options: Partial<KeyRingOptions> = {}): { ring: KeyRing; store: KeyStore; drun: Emulator } {
  const drun = createEmulator({ maxKeys: 2 });
  const access = { baseUrl, fetch: drun.fetch };
  const { store = memoryStore() } = options;
  const ring = new KeyRing({
    name: RING,
    manager: new ApiKeys({ accessToken: drun.accessToken, ...access }),
    verifier: verifierFor(access),
    encryptionKey: newSeal(),
    ...options,
    store,
  });
  return { ring, store, drun };
}

/** The text of a ring's record, as its store has it. */
async function recordIn(store: KeyStore): Promise<string> {
  return (await store.get(RING))?.value ?? '';
}

describe('the current key in the text of a record', () => {
  test('is the one that the ring gives out, before and after a rotation', async () => {
    const encryptionKey = newSeal();
    const { ring, store } = newRing({ encryptionKey });
    await ring.reconcile();
    const before = await openCurrentKey(RING, await recordIn(store), { encryptionKey });
    expect(before?.equals(await ring.getKey())).toBe(true);

    await ring.rotate();

    const after = await openCurrentKey(RING, await recordIn(store), { encryptionKey });
    expect(after?.equals(await ring.getKey())).toBe(true);
    expect(after?.masked).not.toBe(before?.masked);
  });

  test('shows only by being asked', async () => {
    const encryptionKey = newSeal();
    const { ring, store } = newRing({ encryptionKey });
    await ring.reconcile();

    const key = await openCurrentKey(RING, await recordIn(store), { encryptionKey });

    expect(key?.reveal()).toMatch(/^sk-/);
    expect(everythingShownOf({ key })).not.toContain(key?.reveal());
  });

  test('is undefined in the record of a ring that has none', async () => {
    const encryptionKey = newSeal();
    const { ring, store } = newRing({ encryptionKey, standby: false });
    await ring.reconcile();
    const written: string[] = [];
    const { compareAndSwap } = store;
    store.compareAndSwap = (name, expected, value) => {
      written.push(value);
      return compareAndSwap(name, expected, value);
    };

    await ring.revoke('current');

    const [locked = ''] = written;
    expect(await openCurrentKey(RING, locked, { encryptionKey })).toBeUndefined();
  });

  test('opens with any of several sealing keys', async () => {
    const encryptionKey = newSeal();
    const { ring, store } = newRing({ encryptionKey });
    await ring.reconcile();

    const key = await openCurrentKey(RING, await recordIn(store), {
      encryptionKey: [newSeal(), encryptionKey],
    });

    expect(key?.equals(await ring.getKey())).toBe(true);
  });

  test('does not open with another sealing key: the error names the key, and repeats nothing sealed', async () => {
    const { ring, store } = newRing();
    const { current } = await ring.reconcile();
    const record = await recordIn(store);

    const error = await rejectionOf(KeyRingError, openCurrentKey(RING, record, { encryptionKey: newSeal() }));

    expect(error).toMatchObject({ code: 'key_ring_decryption_failed', ring: RING, keyIds: [current?.id] });
    expect(everythingShownOf(error)).not.toContain(JSON.parse(record).current.ciphertext);
  });

  test('does not open under the name of another ring', async () => {
    const encryptionKey = newSeal();
    const { ring, store } = newRing({ encryptionKey });
    await ring.reconcile();

    const error = await rejectionOf(
      KeyRingError,
      openCurrentKey('other', await recordIn(store), { encryptionKey }),
    );

    expect(error).toMatchObject({ code: 'key_ring_decryption_failed', ring: 'other' });
  });

  test.each(['', 'sk-not-a-record', '{"format":2}'])(
    'is not looked for in %j, which is no record',
    async (text) => {
      const error = await rejectionOf(KeyRingError, openCurrentKey(RING, text, { encryptionKey: newSeal() }));

      expect(error).toMatchObject({ code: 'key_ring_record_invalid', ring: RING });
    },
  );

  test('needs a sealing key that can be one', async () => {
    const error = await rejectionOf(
      ConfigurationError,
      openCurrentKey(RING, '{}', { encryptionKey: 'too short' }),
    );

    expect(error.option).toBe('encryptionKey');
    expect(error.message).not.toContain('too short');
  });
});

test('a mounted Secret has the key in clear, and changes with every rotation', async () => {
  const encryptionKey = newSeal();
  const api = new KubernetesApi();
  const store = kubernetesSecretStore({
    name: 'drun-key-rings',
    namespace: NAMESPACE,
    server: 'https://kubernetes.test',
    token: TOKEN,
    fetch: fetchOf(api),
    entries: async (ring, record) => {
      const key = await openCurrentKey(ring, record, { encryptionKey });
      return key ? { [`${ring}.key`]: key.reveal() } : {};
    },
  });
  const { ring, drun } = newRing({ store, encryptionKey });
  // As a pod that only mounts the Secret reads it.
  const mounted = (): string => api.entries('drun-key-rings')[`${RING}.key`] ?? '';
  const chat = new ChatClient({ apiKey: mounted, baseUrl, fetch: drun.fetch });

  await ring.reconcile();
  const first = mounted();
  expect(await chat.checkKey()).toEqual({ accepted: true });
  await ring.rotate();

  expect(mounted()).not.toBe(first);
  expect(mounted()).toBe((await ring.getKey()).reveal());
  expect(await chat.checkKey()).toEqual({ accepted: true });
});
