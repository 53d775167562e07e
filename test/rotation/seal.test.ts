import { Secret } from 'drun-sdk';
import { KeyRingError } from 'drun-sdk/errors';
import type {
  Encryption,
  EncryptionContext,
  EncryptionKeyOption,
  KeyRing,
  KeyRingOptions,
} from 'drun-sdk/rotation';
import { describe, expect, test } from 'vitest';
import { everythingShownOf, rejectionOf } from '../support/failures.ts';
import { isAccepted, keyOf, MINUTE, type RingBench, ringBench, SECOND } from '../support/ring-bench.ts';
import { until } from '../support/ring-clock.ts';
import type { StoredDocument } from '../support/test-store.ts';

const bytes = (first: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, index) => first + index);
const base64 = (key: Uint8Array): string => Buffer.from(key).toString('base64');
const base64url = (key: Uint8Array): string => Buffer.from(key).toString('base64url');
/** In base64, with both of the signs in it that base64url writes otherwise. */
const awkward = Uint8Array.from({ length: 32 }, (_, index) => (index % 2 === 0 ? 0xfb : 0xef));

/** Turns texts around, which stands for a service that encrypts. */
const reversing: Encryption = {
  encrypt: (secret, { ring, ringId, seq }) => `${ring}:${ringId}:${seq}:${reversed(secret)}`,
  decrypt: (ciphertext) => reversed(ciphertext.split(':')[3] ?? ''),
};
const reversed = (text: string): string => Array.from(text).reverse().join('');

/** The record as it is stored. */
function storedIn({ store }: RingBench): StoredDocument {
  return JSON.parse(store.stored?.value ?? '') as StoredDocument;
}

/** A ring with keys, sealed in a way. */
async function sealedBench(
  encryptionKey: EncryptionKeyOption,
): Promise<RingBench & { ring: KeyRing; key: string }> {
  const bench = ringBench();
  const ring = bench.newRing({ encryptionKey });
  await ring.reconcile();
  return { ...bench, ring, key: await keyOf(ring) };
}

/** What asking a ring for its key rejects with. */
function refusal(ring: KeyRing): Promise<KeyRingError> {
  return rejectionOf(KeyRingError, Promise.resolve(ring.getKey()));
}

describe('a sealing key', () => {
  test.each<[string, EncryptionKeyOption]>([
    ['32 bytes', bytes(1)],
    ['a Buffer', Buffer.from(bytes(1))],
    ['base64', base64(bytes(1))],
    ['base64 with the end of its line', `${base64(bytes(1))}\n`],
    ['base64url without the signs at the end', base64url(bytes(1))],
    ['a list of one', [bytes(1)]],
    ['a list of which it is the second', [bytes(2), base64(bytes(1))]],
  ])('can be %s, and each form opens what another has sealed', async (_, encryptionKey) => {
    const { newReader, key } = await sealedBench(bytes(1));

    expect(await keyOf(newReader({ encryptionKey }))).toBe(key);
    await expect(sealedBench(encryptionKey)).resolves.toHaveProperty('key');
  });

  test('in base64url may have its own signs in it', async () => {
    const { newReader, key } = await sealedBench(awkward);

    expect(base64(awkward)).toMatch(/\+.*\/|\/.*\+/);
    expect(await keyOf(newReader({ encryptionKey: base64(awkward) }))).toBe(key);
    expect(await keyOf(newReader({ encryptionKey: base64url(awkward) }))).toBe(key);
  });

  test('leaves nothing in the store that another one opens', async () => {
    const { newReader, ring } = await sealedBench(bytes(1));
    const { current } = ring.status();

    const error = await refusal(newReader({ encryptionKey: bytes(2) }));

    expect(error).toMatchObject({
      code: 'key_ring_decryption_failed',
      ring: 'checkout',
      keyIds: [current?.id],
    });
    expect(error.message).toContain('Is encryptionKey the key that it was encrypted with?');
  });

  test('seals no two secrets, and no secret twice, to the same text', async () => {
    const { ring, store } = await sealedBench(bytes(1));
    for (let rotation = 0; rotation < 5; rotation++) await ring.rotate();

    const sealed = store.values.flatMap((value) => value.match(/gcm1\.[\w-]+\.[\w-]+/g) ?? []);
    const nonces = new Map(sealed.map((text) => [text.split('.')[1], text]));

    expect(nonces.size).toBe(new Set(sealed).size);
    expect(nonces.size).toBeGreaterThanOrEqual(6);
  });
});

describe('a change of the sealing key', () => {
  test('goes over a list: the old one opens, and the next pass seals everything anew', async () => {
    const bench = await sealedBench(bytes(1));
    const { newRing, newReader, key, store } = bench;
    await bench.ring.rotate();
    const rotated = await keyOf(bench.ring);
    const before = store.counts.writes;

    const ring = newRing({ encryptionKey: [bytes(2), bytes(1)] });
    expect(await keyOf(ring)).toBe(rotated);
    const status = await ring.reconcile();

    expect(store.counts.writes).toBe(before + 1);
    expect(status).toMatchObject({ epoch: 2, current: bench.ring.status().current });
    const reader = newReader({ encryptionKey: bytes(2) });
    expect(await keyOf(reader)).toBe(rotated);
    expect((await refusal(newReader({ encryptionKey: bytes(1) }))).code).toBe('key_ring_decryption_failed');
    expect(await isAccepted(bench, key)).toBe(true);
  });

  test('is done once: the passes that follow write nothing', async () => {
    const { newRing, store } = await sealedBench(bytes(1));
    const ring = newRing({ encryptionKey: [bytes(2), bytes(1)] });
    await ring.reconcile();
    const { writes } = store.counts;

    await ring.reconcile();

    expect(store.counts.writes).toBe(writes);
  });

  test('is nothing to a reader that has the key already', async () => {
    const { newRing, newReader, clock, key } = await sealedBench(bytes(1));
    const reader = newReader({ encryptionKey: [bytes(1), bytes(2)] });
    await keyOf(reader);

    await newRing({ encryptionKey: [bytes(2), bytes(1)] }).reconcile();
    await clock.advance(30 * SECOND);

    expect(await keyOf(reader)).toBe(key);
  });
});

describe('a way of one’s own to seal', () => {
  const awaited: Encryption = {
    encrypt: async (...secret) => reversing.encrypt(...secret),
    decrypt: async (...ciphertext) => reversing.decrypt(...ciphertext),
  };

  test.each([
    ['at once', reversing],
    ['after a while', awaited],
  ])('can answer %s', async (_, encryptionKey) => {
    const bench = await sealedBench(encryptionKey);

    expect(await isAccepted(bench, bench.key)).toBe(true);
    expect(await keyOf(bench.newReader({ encryptionKey }))).toBe(bench.key);
    await bench.ring.rotate();
    expect(await isAccepted(bench, await keyOf(bench.ring))).toBe(true);
  });

  test('is told what it seals for, and the same when it opens', async () => {
    const [ciphertext, opened]: EncryptionContext[][] = [[], []];
    const bench = await sealedBench({
      encrypt: (secret, context) => {
        ciphertext?.push(context);
        return reversing.encrypt(secret, context);
      },
      decrypt: (text, context) => {
        opened?.push(context);
        return reversing.decrypt(text, context);
      },
    });

    const { ringId } = storedIn(bench);
    expect(ciphertext).toEqual([
      { ring: 'checkout', ringId, seq: 1 },
      { ring: 'checkout', ringId, seq: 2 },
    ]);
    for (const context of opened ?? []) expect(ciphertext).toContainEqual(context);
  });

  /** What a client of some key management service throws: with the request, and so with the secret, on it. */
  const tellsAll = (secret: string): never => {
    throw Object.assign(new Error(`KMS: cannot encrypt ${secret}`), { plaintext: secret });
  };

  test.each<[string, Encryption['encrypt']]>([
    ['throws', tellsAll],
    ['rejects', async (secret) => tellsAll(secret)],
  ])(
    'that %s at sealing is an error without the secret, and the key is gone on with',
    async (_, encryptionKey) => {
      const bench = ringBench();
      let secret = '';
      let isBroken = true;
      const ring = bench.newRing({
        standby: false,
        encryptionKey: {
          ...reversing,
          encrypt(text, context) {
            secret = text;
            return isBroken ? encryptionKey(text, context) : reversing.encrypt(text, context);
          },
        },
      });

      const error = await rejectionOf(KeyRingError, ring.reconcile());

      expect(error).toMatchObject({ code: 'key_ring_decryption_failed', ring: 'checkout' });
      expect(secret).not.toBe('');
      expect(everythingShownOf(error)).not.toContain(secret);
      isBroken = false;
      await ring.reconcile();
      expect(await keyOf(ring)).toBe(secret);
      expect(bench.ids()).toHaveLength(1);
    },
  );

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an empty text', ''],
    ['bytes', new Uint8Array(8)],
  ])('that gives %s is an error, and nothing that cannot be read is stored', async (_, ciphertext) => {
    const bench = ringBench();
    const encryptionKey = { ...reversing, encrypt: () => ciphertext as string };

    const error = await rejectionOf(KeyRingError, bench.newRing({ encryptionKey }).reconcile());

    expect(error.code).toBe('key_ring_decryption_failed');
    await bench.clock.advance(2 * MINUTE);
    await expect(bench.newRing({ encryptionKey: reversing }).reconcile()).resolves.toMatchObject({
      ready: true,
    });
  });

  test.each<[string, Encryption['decrypt']]>([
    ['throws', () => tellsAll('it')],
    ['rejects', async () => tellsAll('it')],
    ['gives nothing', () => undefined as unknown as string],
  ])('that %s at opening is an error that names the key', async (_, open) => {
    const bench = await sealedBench(reversing);

    const error = await refusal(bench.newReader({ encryptionKey: { ...reversing, decrypt: open } }));

    expect(error).toMatchObject({ code: 'key_ring_decryption_failed', keyIds: [bench.ids()[0]] });
  });
});

describe('a record that was tampered with', () => {
  const tamperings: Record<string, (record: StoredDocument) => unknown> = {
    'a secret with a letter changed': ({ current }) => {
      if (current) current.ciphertext = swapLast(current.ciphertext);
    },
    'a secret cut off': ({ current }) => {
      if (current) current.ciphertext = current.ciphertext.slice(0, -10);
    },
    'a secret of another form': ({ current }) => {
      if (current) current.ciphertext = current.ciphertext.replace('gcm1', 'gcm2');
    },
    'a secret that is none': ({ current }) => {
      if (current) current.ciphertext = 'sk-plain-text';
    },
    'the standby’s secret in the place of the current one’s': ({ current, standby }) => {
      if (current && standby) current.ciphertext = standby.ciphertext;
    },
    'another ringId': (record) => {
      record.ringId = 'other';
    },
    'another number': ({ current }) => {
      if (current) current.seq += 1;
    },
  };
  const swapLast = (text: string): string =>
    text.slice(0, -5) + (text.at(-5) === 'A' ? 'B' : 'A') + text.slice(-4);

  test.each(Object.entries(tamperings))(
    '(%s) gives out no key, and stops the rotation',
    async (_, tamper) => {
      const { newReader, newRing, store, ids, ring } = await sealedBench(bytes(1));
      const { current } = ring.status();
      const before = ids();
      store.edit(tamper);
      const tampered = store.stored;

      expect(await refusal(newReader({ encryptionKey: bytes(1) }))).toMatchObject({
        code: 'key_ring_decryption_failed',
        keyIds: [current?.id],
      });
      await rejectionOf(KeyRingError, newRing({ encryptionKey: bytes(1) }).reconcile());

      expect(ids()).toEqual(before);
      expect(store.stored).toBe(tampered);
    },
  );

  test('leaves a reader the key that it has, and tells it', async () => {
    const { ring, store, newReader, clock, key } = await sealedBench(bytes(1));
    const reader = newReader({ encryptionKey: bytes(1) });
    await keyOf(reader);
    await ring.rotate();
    const failures: unknown[] = [];
    reader.on('error', ({ error }) => failures.push(error));
    store.edit(({ current }) => {
      if (current) current.ciphertext = swapLast(current.ciphertext);
    });

    await clock.advance(30 * SECOND);
    await reader.getKey();
    await until(() => failures.length === 1);
    for (let call = 0; call < 100; call++) expect(await keyOf(reader)).toBe(key);

    // Once a look, and not at every call.
    expect(failures).toMatchObject([{ code: 'key_ring_decryption_failed' }]);
    expect(reader.getKey()).toBeInstanceOf(Secret);
    await clock.advance(30 * SECOND);
    await reader.getKey();
    await until(() => failures.length === 2);
  });

  test('leaves a reader whose key is refused to look again: it takes the next one that it can open', async () => {
    const { ring, store, newReader, drun, chat } = await sealedBench(bytes(1));
    const reader = newReader({ encryptionKey: bytes(1) });
    await keyOf(reader);
    const { current: first } = await ring.reconcile();
    await ring.rotate();
    const { stored } = store;
    store.edit(({ current }) => {
      if (current) current.ciphertext = swapLast(current.ciphertext);
    });
    drun.keys.delete(first?.id ?? '');
    await expect(chat(reader).models()).rejects.toMatchObject({ code: 'authentication_failed' });

    store.stored = stored;

    await expect(chat(reader).models()).resolves.toHaveLength(2);
  });

  test('by a record of another ring in its place gives out none of its keys', async () => {
    const { newRing, newReader, store } = await sealedBench(bytes(1));
    const record = store.stored;
    store.stored = null;
    await newRing({ name: 'search', encryptionKey: bytes(1) }).reconcile();

    const error = await refusal(newReader({ encryptionKey: bytes(1) }));

    expect(store.stored).not.toEqual(record);
    expect(error.code).toBe('key_ring_decryption_failed');
  });
});

describe('two rings with one sealing key', () => {
  test('have each its own keys', async () => {
    const options: Partial<KeyRingOptions> = { encryptionKey: bytes(1) };
    const [a, b] = [ringBench(), ringBench()];
    const [first, second] = [a.newRing(options), b.newRing(options)];
    await first.reconcile();
    await second.reconcile();

    expect(new Secret(await keyOf(first)).equals(await keyOf(second))).toBe(false);
  });
});
