import { WorkspaceApiKeys } from 'drun-sdk';
import { expect, it, vi } from 'vitest';
import { chatRequest, emulatedRingSetup, isAccepted } from '../support/emulated-ring-setup.ts';
import { keyOf, MINUTE, SECOND } from '../support/ring-setup.ts';

vi.setConfig({ testTimeout: 60_000 });

/* Rings that use the real clients with the emulator. */

it.each(['0.15', '0.17'] as const)(
  'no call fails through three rotations and a revocation (%s)',
  async (version) => {
    const setup = emulatedRingSetup({ version, maxKeys: 2 });
    const ring = setup.newRing({ gracePeriodMs: MINUTE });
    await ring.reconcile();
    const completing = setup.chat(setup.newReader({ refreshMs: 10 * SECOND }));
    const streaming = setup.chat(setup.newReader({ refreshMs: 10 * SECOND }));

    for (let round = 0; round < 20; round++) {
      await completing.complete(chatRequest);
      await streaming.stream(chatRequest).completion();
      if (round % 6 === 5) await ring.rotate();
      if (round === 13) await ring.revoke('current', { reason: 'leaked' });
      await setup.clock.advance(30 * SECOND);
      await ring.reconcile();
    }

    expect(ring.status().epoch).toBeGreaterThanOrEqual(5);
    expect(setup.ids().length).toBeLessThanOrEqual(2);
  },
);

it('a revoked key is replaced within the call that uses it', async () => {
  const setup = emulatedRingSetup();
  const ring = setup.newRing();
  await ring.reconcile();
  const chat = setup.chat(setup.newReader());
  await chat.complete(chatRequest);
  const before = await keyOf(ring);

  await ring.revoke('current');

  await expect(chat.complete(chatRequest)).resolves.toMatchObject({ choices: [{}] });
  expect(await isAccepted(setup, before)).toBe(false);
});

it('a ring with WorkspaceApiKeys sets the quota of its keys', async () => {
  const setup = emulatedRingSetup();
  const manager = new WorkspaceApiKeys({
    accessToken: setup.drun.accessToken,
    workspace: 12,
    baseUrl: 'https://drun.test',
    fetch: setup.drun.fetch,
  });
  const ring = setup.newRing({ manager, quota: 5_000 });

  await ring.reconcile();

  const { items } = await manager.list();
  expect(items.map(({ quota }) => quota?.limit ?? quota)).toHaveLength(2);
  expect(JSON.stringify(items)).toContain('5000');
});

it('an idle reconciliation sends one request', async () => {
  const setup = emulatedRingSetup({ maxKeys: 250 });
  for (let key = 0; key < 120; key++) await setup.manager.create({ name: `other ${key}` });
  const ring = setup.newRing();
  await ring.reconcile();
  setup.newOperations();

  await ring.reconcile();

  expect(setup.newOperations()).toEqual(['list']);
});
