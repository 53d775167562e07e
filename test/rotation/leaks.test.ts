import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';
import { expect, test } from 'vitest';
import { shownForms } from '../leaks/forms.ts';
import { chatRequest, emulatedRingSetup } from '../support/emulated-ring-setup.ts';
import { everythingShownOf, rejection } from '../support/failures.ts';
import { skewed, waitUntil } from '../support/ring-clock.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../support/ring-setup.ts';

/*
 * Runs a ring through its life cycle and all kinds of failures. Afterwards, no key, encryption key or access token may
 * appear in errors, events, logs, requests or stored records.
 */

const encryptionKeys = [1, 2].map((first) =>
  Uint8Array.from({ length: 32 }, (_, index) => first + index * 3),
);
const base64 = (key: Uint8Array | undefined): string => Buffer.from(key ?? []).toString('base64');

test.each(['0.15', '0.17'] as const)(
  'no secret is exposed during the life cycle of a ring (%s)',
  { timeout: 30_000 },
  async (version) => {
    const setup = emulatedRingSetup({ version, maxKeys: 4 });
    const { drun, store, clock } = setup;
    const secrets = new Set<string>();
    const sent: string[] = [];
    const shown: unknown[] = [];

    /** Passes requests to the emulator, and records them together with the secrets. */
    const fetch: typeof drun.fetch = async (input, init) => {
      const request = new Request(input, init);
      const authorization = request.headers.get('authorization') ?? '';
      const headers = [...request.headers].filter(([name]) => name !== 'authorization');
      sent.push(request.method, request.url, JSON.stringify(headers), await request.clone().text());
      secrets.add(authorization.replace(/^Bearer /, ''));
      const response = await drun.fetch(request);
      if (request.method === 'POST' && new URL(request.url).pathname.endsWith('/apikeys')) {
        const created = (await response
          .clone()
          .json()
          .catch(() => ({}))) as { key?: string };
        if (created.key !== undefined) secrets.add(created.key);
      }
      return response;
    };
    const service = { baseUrl: 'https://drun.test', fetch, maxRetries: 0 };
    const manager = new ApiKeys({ accessToken: drun.accessToken, ...service });
    const verifier = keyVerifier(service);
    const newRing = (options: object = {}): KeyRing => {
      const ring = setup.newRing({
        manager,
        verifier,
        encryptionKey: base64(encryptionKeys[0]),
        gracePeriodMs: MINUTE,
        ...options,
      });
      const events = (): unknown[] => ring.events.splice(0);
      shown.push(ring, { events });
      eventQueues.push(events);
      return ring;
    };
    const eventQueues: (() => unknown[])[] = [];
    const ring = newRing();
    const reader = newRing({ manager: undefined, verifier: undefined });
    const chat = new ChatClient({ apiKey: reader, ...service });
    const recordOutcome = async (step: PromiseLike<unknown>): Promise<void> => {
      shown.push(await Promise.resolve(step).catch((error: unknown) => error));
      shown.push(ring.status(), reader.status(), chat);
      for (const events of eventQueues) shown.push(...events());
    };
    const failing = async (step: () => PromiseLike<unknown>): Promise<void> => {
      const error = await rejection(step());
      expect(error).toBeInstanceOf(Error);
      await recordOutcome(Promise.reject(error));
    };

    // Normal operation: the ring is created, used, and rotated by age and on request.
    await recordOutcome(ring.reconcile());
    await recordOutcome(chat.complete(chatRequest));
    await clock.advance(31 * DAY);
    await recordOutcome(ring.reconcile());
    await recordOutcome(ring.rotate());

    // Keys leak, are deleted by another client, and are rejected while they are in use.
    await recordOutcome(ring.revoke('current', { reason: 'leaked' }));
    await recordOutcome(chat.complete(chatRequest));
    drun.keys.delete(ring.status().current?.id ?? '');
    await recordOutcome(chat.complete(chatRequest));
    await recordOutcome(ring.reconcile());
    await recordOutcome(chat.complete(chatRequest));
    await failing(() => ring.revoke([...secrets].find((secret) => secret.startsWith('sk-')) ?? ''));
    await recordOutcome(ring.revoke('all'));

    // The service fails, and its error messages contain the secrets.
    drun.faults.next({ operation: 'create', dropConnection: true, applied: true });
    await recordOutcome(ring.revoke('current'));
    const hostile = { body: { id: 'x', message: [...secrets].join(' ') } };
    for (const status of [401, 403, 409, 429, 500, 503]) {
      drun.faults.next({ operation: 'list', status, ...hostile });
      await failing(() => ring.reconcile());
    }
    // A path that is missing once is replaced by the plain list.
    drun.faults.next({ operation: 'list', status: 404, ...hostile });
    await recordOutcome(ring.reconcile());
    for (const status of [400, 401, 429]) {
      const one = newRing({ name: 'one', store: setup.store, standby: false });
      const { stored } = store;
      store.stored = null;
      drun.faults.next({ operation: 'create', status, ...hostile });
      await failing(() => one.reconcile());
      store.stored = stored;
    }
    drun.faults.next({ operation: 'delete', status: 403, ...hostile });
    await failing(() => ring.revoke('current'));
    await recordOutcome(ring.reconcile());
    drun.faults.next({ operation: 'delete', acceptedForMs: HOUR });
    await failing(() => ring.revoke('current', { timeoutMs: 5 * SECOND }));
    await clock.advance(HOUR);
    await recordOutcome(ring.reconcile());

    // The account is full, and a key is never accepted.
    const small = newRing({ name: 'small', store: setup.store });
    const { stored: large } = store;
    store.stored = null;
    while (Array.from(drun.keys).length < 4) drun.keys.create({ name: 'foreign' });
    await failing(() => small.reconcile());
    store.stored = large;
    for (const { id, name } of drun.keys) if (name === 'foreign') drun.keys.delete(id);
    await recordOutcome(ring.revoke('all'));
    drun.faults.next({ operation: 'create', acceptedAfterMs: DAY });
    const slowRing = newRing({ activationTimeoutMs: SECOND });
    await recordOutcome(slowRing.revoke('all'));
    await clock.advance(5 * MINUTE);
    await recordOutcome(ring.reconcile());

    const leaked = [...secrets].find((secret) => /^sk-.{20}/.test(secret));
    // The store fails with errors that contain the record, loses responses, is rolled back, and is tampered with.
    const { stored } = store;
    store.failure = Object.assign(
      new Error(`${leaked}: duplicate value ${stored?.value} for postgres://u:${[...secrets][1]}@db`),
      {
        parameters: [stored?.value],
      },
    );
    for (const call of [() => ring.reconcile(), () => ring.rotate(), () => ring.revoke('current')]) {
      await failing(call);
    }
    await failing(() => Promise.resolve(newRing().getKey()));
    await clock.advance(30 * SECOND);
    await recordOutcome(Promise.resolve(reader.getKey()));
    store.failure = undefined;
    store.updateFaults.push('response lost', 'request lost');
    await recordOutcome(ring.reconcile());
    await recordOutcome(ring.reconcile());
    store.stored = stored;
    await failing(() => ring.reconcile());
    await recordOutcome(ring.recover());
    await recordOutcome(ring.rotate());
    for (const value of ['{', `{"format":2,"secret":"${[...secrets][2]}"}`]) {
      const { stored: kept } = store;
      store.stored = { value, version: value };
      await failing(() => ring.reconcile());
      await clock.advance(30 * SECOND);
      await recordOutcome(Promise.resolve(reader.getKey()));
      store.stored = kept;
    }

    // The encryption key is wrong, is replaced, and a custom encryption fails.
    await failing(() => newRing({ encryptionKey: encryptionKeys[1] }).reconcile());
    await failing(() => Promise.resolve(newRing({ encryptionKey: encryptionKeys[1] }).getKey()));
    await recordOutcome(
      newRing({ encryptionKey: [encryptionKeys[1], encryptionKeys[0]].map(base64) }).reconcile(),
    );
    const leakingEncryption = {
      encrypt: (secret: string) => {
        throw Object.assign(new Error(`cannot encrypt ${secret}`), { secret });
      },
      decrypt: (ciphertext: string) => {
        throw new Error(`cannot decrypt ${ciphertext}`);
      },
    };
    await failing(() => newRing({ encryptionKey: leakingEncryption }).reconcile());
    const { stored: ciphertext } = store;
    store.stored = null;
    await failing(() => newRing({ encryptionKey: leakingEncryption }).reconcile());
    store.stored = ciphertext;
    const last = newRing({ encryptionKey: base64(encryptionKeys[1]), clock: skewed(clock, MINUTE) });
    last.start();
    await waitUntil(() => last.status().current !== undefined && clock.waits.length > 0);
    await recordOutcome(last.stop());
    await recordOutcome(Promise.resolve(last.getKey()));
    await recordOutcome(
      Promise.resolve(new KeyRing({ name: 'other', store, encryptionKey: base64(encryptionKeys[0]) })),
    );

    secrets.delete('');
    secrets.delete('sk-unused');
    const hidden = [...secrets, ...encryptionKeys.map(base64)];
    expect(hidden.length).toBeGreaterThan(12);
    const texts = [...shown.map(everythingShownOf), ...store.values, ...sent].join('\n');
    expect(texts.length).toBeGreaterThan(100_000);
    for (const secret of hidden) {
      expect(shownForms(texts, secret)).toEqual([]);
      // Not even a part of it is shown.
      expect(texts).not.toContain(secret.slice(8, 20));
    }
    // The output does contain the masked keys.
    expect(texts).toContain('sk-******');
  },
);
