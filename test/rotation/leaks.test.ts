import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';
import { expect, test } from 'vitest';
import { shownForms } from '../leaks/forms.ts';
import { chatRequest, emulatedRingSetup } from '../support/emulated-ring-setup.ts';
import { everythingShownOf, rejection } from '../support/failures.ts';
import { skewed, waitUntil } from '../support/ring-clock.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../support/ring-setup.ts';

/*
 * A life of a ring, with everything that can befall it, and at its end: no secret of any key that there was, and no
 * sealing key and access token, is anywhere but where it has to be.
 */

const sealingKeys = [1, 2].map((first) => Uint8Array.from({ length: 32 }, (_, index) => first + index * 3));
const base64 = (key: Uint8Array | undefined): string => Buffer.from(key ?? []).toString('base64');

test.each(['0.15', '0.17'] as const)(
  'no secret is exposed during the life of a ring (%s)',
  { timeout: 30_000 },
  async (version) => {
    const bench = emulatedRingSetup({ version, maxKeys: 4 });
    const { drun, store, clock } = bench;
    const secrets = new Set<string>();
    const sent: string[] = [];
    const shown: unknown[] = [];

    /** The emulator, with a look at everything that comes and goes. */
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
      const ring = bench.newRing({
        manager,
        verifier,
        encryptionKey: base64(sealingKeys[0]),
        gracePeriodMs: MINUTE,
        ...options,
      });
      const events = (): unknown[] => ring.events.splice(0);
      shown.push(ring, { events });
      heard.push(events);
      return ring;
    };
    const heard: (() => unknown[])[] = [];
    const ring = newRing();
    const reader = newRing({ manager: undefined, verifier: undefined });
    const chat = new ChatClient({ apiKey: reader, ...service });
    const note = async (step: PromiseLike<unknown>): Promise<void> => {
      shown.push(await Promise.resolve(step).catch((error: unknown) => error));
      shown.push(ring.status(), reader.status(), chat);
      for (const events of heard) shown.push(...events());
    };
    const failing = async (step: () => PromiseLike<unknown>): Promise<void> => {
      const error = await rejection(step());
      expect(error).toBeInstanceOf(Error);
      await note(Promise.reject(error));
    };

    // It is made, used, rotated by age and by hand.
    await note(ring.reconcile());
    await note(chat.complete(chatRequest));
    await clock.advance(31 * DAY);
    await note(ring.reconcile());
    await note(ring.rotate());

    // Keys leak, are deleted by hand, and are refused while they are used.
    await note(ring.revoke('current', { reason: 'leaked' }));
    await note(chat.complete(chatRequest));
    drun.keys.delete(ring.status().current?.id ?? '');
    await note(chat.complete(chatRequest));
    await note(ring.reconcile());
    await note(chat.complete(chatRequest));
    await failing(() => ring.revoke([...secrets].find((secret) => secret.startsWith('sk-')) ?? ''));
    await note(ring.revoke('all'));

    // The service fails in every way: what it says repeats what it was sent.
    drun.faults.next({ operation: 'create', dropConnection: true, applied: true });
    await note(ring.revoke('current'));
    const hostile = { body: { id: 'x', message: [...secrets].join(' ') } };
    for (const status of [401, 403, 404, 409, 429, 500, 503]) {
      drun.faults.next({ operation: 'list', status, ...hostile });
      await failing(() => ring.reconcile());
    }
    for (const status of [400, 401, 429]) {
      const one = newRing({ name: 'one', store: bench.store, standby: false });
      const { stored } = store;
      store.stored = null;
      drun.faults.next({ operation: 'create', status, ...hostile });
      await failing(() => one.reconcile());
      store.stored = stored;
    }
    drun.faults.next({ operation: 'delete', status: 403, ...hostile });
    await failing(() => ring.revoke('current'));
    await note(ring.reconcile());
    drun.faults.next({ operation: 'delete', acceptedForMs: HOUR });
    await failing(() => ring.revoke('current', { timeoutMs: 5 * SECOND }));
    await clock.advance(HOUR);
    await note(ring.reconcile());

    // There is no room, and a key is never accepted.
    const small = newRing({ name: 'small', store: bench.store });
    const { stored: large } = store;
    store.stored = null;
    while (Array.from(drun.keys).length < 4) drun.keys.create({ name: 'foreign' });
    await failing(() => small.reconcile());
    store.stored = large;
    for (const { id, name } of drun.keys) if (name === 'foreign') drun.keys.delete(id);
    await note(ring.revoke('all'));
    drun.faults.next({ operation: 'create', acceptedAfterMs: DAY });
    const impatient = newRing({ activationTimeoutMs: SECOND });
    await note(impatient.revoke('all'));
    await clock.advance(5 * MINUTE);
    await note(ring.reconcile());

    const leaked = [...secrets].find((secret) => /^sk-.{20}/.test(secret));
    // The store fails, and repeats what it was given; it loses answers, goes back, and is tampered with.
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
    await note(Promise.resolve(reader.getKey()));
    store.failure = undefined;
    store.updateFaults.push('response lost', 'request lost');
    await note(ring.reconcile());
    await note(ring.reconcile());
    store.stored = stored;
    await failing(() => ring.reconcile());
    await note(ring.recover());
    await note(ring.rotate());
    for (const value of ['{', `{"format":2,"secret":"${[...secrets][2]}"}`]) {
      const { stored: kept } = store;
      store.stored = { value, version: value };
      await failing(() => ring.reconcile());
      await clock.advance(30 * SECOND);
      await note(Promise.resolve(reader.getKey()));
      store.stored = kept;
    }

    // The sealing key is another one, is replaced, and a way of one's own to seal fails.
    await failing(() => newRing({ encryptionKey: sealingKeys[1] }).reconcile());
    await failing(() => Promise.resolve(newRing({ encryptionKey: sealingKeys[1] }).getKey()));
    await note(newRing({ encryptionKey: [sealingKeys[1], sealingKeys[0]].map(base64) }).reconcile());
    const tellsAll = {
      encrypt: (secret: string) => {
        throw Object.assign(new Error(`cannot encrypt ${secret}`), { secret });
      },
      decrypt: (ciphertext: string) => {
        throw new Error(`cannot decrypt ${ciphertext}`);
      },
    };
    await failing(() => newRing({ encryptionKey: tellsAll }).reconcile());
    const { stored: ciphertext } = store;
    store.stored = null;
    await failing(() => newRing({ encryptionKey: tellsAll }).reconcile());
    store.stored = ciphertext;
    const last = newRing({ encryptionKey: base64(sealingKeys[1]), clock: skewed(clock, MINUTE) });
    last.start();
    await waitUntil(() => last.status().current !== undefined && clock.waits.length > 0);
    await note(last.stop());
    await note(Promise.resolve(last.getKey()));
    await note(Promise.resolve(new KeyRing({ name: 'other', store, encryptionKey: base64(sealingKeys[0]) })));

    secrets.delete('');
    secrets.delete('sk-unused');
    const hidden = [...secrets, ...sealingKeys.map(base64)];
    expect(hidden.length).toBeGreaterThan(12);
    const texts = [...shown.map(everythingShownOf), ...store.values, ...sent].join('\n');
    expect(texts.length).toBeGreaterThan(100_000);
    for (const secret of hidden) {
      expect(shownForms(texts, secret)).toEqual([]);
      // Nor a good part of it.
      expect(texts).not.toContain(secret.slice(8, 20));
    }
    // The texts are those that the masked keys are in.
    expect(texts).toContain('sk-******');
  },
);
