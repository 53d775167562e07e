import { ApiKeys, isDrunError, keyVerifier } from 'drun-sdk';
import { expect, it } from 'vitest';
import { connectionReset } from '../api-keys/clients.ts';
import { emulatedRingSetup } from '../support/emulated-ring-setup.ts';
import { rejection } from '../support/failures.ts';
import { html, json } from '../support/network.ts';
import { MINUTE } from '../support/ring-setup.ts';

/* One fault at each request of a ring's life, with the real clients and the emulator. */

type Send = () => Promise<Response>;

const FAULTS: Readonly<Record<string, (send: Send) => Promise<Response>>> = {
  'a request that is never sent': async () => Promise.reject(connectionReset()),
  'a lost response': async (send) => send().then(() => Promise.reject(connectionReset())),
  'a 500 after the request took effect': async (send) => send().then(() => json({ message: 'x' }, 500)),
  'an empty object after the request took effect': async (send) => send().then(() => json({})),
  'a maintenance page': async () => html(503),
  'a 401': async () => json({ message: 'x' }, 401),
  'a 403': async () => json({ message: 'x' }, 403),
  'a 404': async () => json({ message: 'x' }, 404),
  'a 429': async () => json({ message: 'x' }, 429),
};

const cases = (['0.15', '0.17'] as const).flatMap((version) =>
  Object.entries(FAULTS).map(([title, fault]) => [title, version, fault] as const),
);

it.each(cases)(
  'a ring recovers from %s at any request (%s)',
  { timeout: 120_000 },
  async (_, version, fault) => {
    for (let faulty = 1; ; faulty++) {
      const setup = emulatedRingSetup({ version, maxKeys: 5 });
      let requests = 0;
      const fetch = (url: string, init: RequestInit): Promise<Response> => {
        const send = async (): Promise<Response> => setup.drun.fetch(url, init);
        return ++requests === faulty ? fault(send) : send();
      };
      const service = { baseUrl: 'https://drun.test', fetch, maxRetries: 0 };
      const manager = new ApiKeys({ accessToken: setup.drun.accessToken, ...service });
      const ring = setup.newRing({ manager, verifier: keyVerifier(service), gracePeriodMs: MINUTE });
      const steps = [() => ring.reconcile(), () => ring.rotate(), () => ring.revoke('current')];

      for (const step of steps) {
        const error = await rejection(step()).catch(() => undefined);
        expect(error === undefined || isDrunError(error), String(error)).toBe(true);
      }
      const isOver = requests < faulty;
      requests = Number.POSITIVE_INFINITY;
      // Longer than any lease and grace period.
      for (let round = 0; round < 6; round++) {
        await setup.clock.advance(3 * MINUTE);
        await ring.reconcile();
      }

      const { current, standby, previous, pending, retiredIds } = ring.status();
      expect({ previous, pending, retiredIds }).toEqual({ retiredIds: [] });
      expect(setup.ids().toSorted()).toEqual([current?.id, standby?.id].toSorted());
      if (isOver) break;
    }
  },
);
