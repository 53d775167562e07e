import { WorkspaceApiKeys } from 'drun-sdk';
import { expect, it, vi } from 'vitest';
import { chatRequest, emulatedRingSetup, isAccepted } from '../support/emulated-ring-setup.ts';
import { keyOf, MINUTE, SECOND } from '../support/ring-setup.ts';

vi.setConfig({ testTimeout: 60_000 });

/*
 * Rings over the real clients and the emulated service.
 */

it.each(['0.15', '0.17'] as const)(
  'no call fails through three rotations and a revocation (%s)',
  async (version) => {
    const bench = emulatedRingSetup({ version, maxKeys: 2 });
    const ring = bench.newRing({ gracePeriodMs: MINUTE });
    await ring.reconcile();
    const whole = bench.chat(bench.newReader({ refreshMs: 10 * SECOND }));
    const streamed = bench.chat(bench.newReader({ refreshMs: 10 * SECOND }));

    for (let round = 0; round < 20; round++) {
      await whole.complete(chatRequest);
      await streamed.stream(chatRequest).completion();
      if (round % 6 === 5) await ring.rotate();
      if (round === 13) await ring.revoke('current', { reason: 'leaked' });
      await bench.clock.advance(30 * SECOND);
      await ring.reconcile();
    }

    expect(ring.status().epoch).toBeGreaterThanOrEqual(5);
    expect(bench.ids().length).toBeLessThanOrEqual(2);
  },
);

it('a revoked key is replaced within the call that uses it', async () => {
  const bench = emulatedRingSetup();
  const ring = bench.newRing();
  await ring.reconcile();
  const chat = bench.chat(bench.newReader());
  await chat.complete(chatRequest);
  const before = await keyOf(ring);

  await ring.revoke('current');

  await expect(chat.complete(chatRequest)).resolves.toMatchObject({ choices: [{}] });
  expect(await isAccepted(bench, before)).toBe(false);
});

it('a ring over WorkspaceApiKeys sets the quota of its keys', async () => {
  const bench = emulatedRingSetup();
  const manager = new WorkspaceApiKeys({
    accessToken: bench.drun.accessToken,
    workspace: 12,
    baseUrl: 'https://drun.test',
    fetch: bench.drun.fetch,
  });
  const ring = bench.newRing({ manager, quota: 5_000 });

  await ring.reconcile();

  const { items } = await manager.list();
  expect(items.map(({ quota }) => quota?.limit ?? quota)).toHaveLength(2);
  expect(JSON.stringify(items)).toContain('5000');
});

it('an idle reconciliation costs one request', async () => {
  const bench = emulatedRingSetup({ maxKeys: 250 });
  for (let key = 0; key < 120; key++) await bench.manager.create({ name: `other ${key}` });
  const ring = bench.newRing();
  await ring.reconcile();
  bench.newOperations();

  await ring.reconcile();

  expect(bench.newOperations()).toEqual(['list']);
});
