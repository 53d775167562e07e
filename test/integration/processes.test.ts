import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ApiKeys, ChatClient } from 'drun-sdk';
import type { KeyRing } from 'drun-sdk/rotation';
import { describe, expect, onTestFinished, test } from 'vitest';
import { postgresSkipNote, startPostgres } from '../support/postgres.ts';
import { redisSkipNote, startRedis } from '../support/redis.ts';
import { newRotatorRing, openStore, type StoreAddress } from './config.ts';
import { Run } from './run.ts';

const ROTATIONS = 5;

/** Opens a new store for a test, which is closed after it. */
const stores: readonly [name: string, isMissing: string, open: () => Promise<StoreAddress>][] = [
  [
    'PostgreSQL',
    postgresSkipNote,
    async () => {
      const server = await startPostgres();
      onTestFinished(() => server.close());
      return { kind: 'postgres', port: server.port };
    },
  ],
  [
    'Redis',
    redisSkipNote,
    async () => {
      const server = await startRedis();
      onTestFinished(() => server.close());
      return { kind: 'redis', port: server.port };
    },
  ],
  [
    'files',
    '',
    async () => {
      const path = await mkdtemp(join(tmpdir(), 'drun-sdk-processes-'));
      onTestFinished(() => rm(path, { recursive: true, force: true }));
      return { kind: 'file', path };
    },
  ],
];

describe.each(stores)('several processes with %s', (name, skipNote, open) => {
  test.skipIf(skipNote)(
    `no call fails while rotators are killed and when the key is revoked${skipNote}`,
    { timeout: 600_000 },
    async () => {
      await using run = await Run.start(await open(), randomBytes(32).toString('base64'));
      const { accessToken, url: baseUrl } = run.config;
      const { store, close } = openStore(run.config.store);
      onTestFinished(async () => void (await close()));
      await using ring = newRotatorRing(run.config, store);
      await ring.reconcile();

      await run.startReaders();
      run.startRotators();
      const startedAt = performance.now();
      await run.waitForEpoch(1 + ROTATIONS);
      const durationMs = performance.now() - startedAt;
      await run.stopRotators();
      await reconcileUntilClean(ring);
      const before = await run.readerStatistics();
      const revocation = await revokeUnderLoad(ring, baseUrl);
      await reconcileUntilClean(ring);
      const after = await run.readerStatistics();

      const calls = sum(before, ({ calls }) => calls);
      const failed =
        sum(after, ({ failures }) => failures.length) - sum(before, ({ failures }) => failures.length);
      const { epoch, keysCreated, orphansDeleted, killed } = run.rotations;
      print(
        `${name}: ${epoch - 1} rotations in ${Math.round(durationMs / 1_000)} s, with ${killed} rotators killed, ${keysCreated} keys created, ${orphansDeleted} orphans deleted; ${calls} calls, ${sum(before, ({ failures }) => failures.length)} failed`,
        `${name}: revoke('current') under load: the leaked key was rejected after ${revocation.rejectedAfterMs.toFixed(1)} ms, it resolved after ${Math.round(revocation.resolvedAfterMs)} ms; ${failed} calls failed of ${sum(after, ({ calls }) => calls) - calls}`,
      );
      expect(after.flatMap(({ failures }) => failures)).toEqual([]);
      for (const statistics of before) expect(statistics.keys).toBeGreaterThan(ROTATIONS / 2);
      expect(killed).toBeGreaterThan(3);
      expect(run.rotations.failures).toEqual([]);

      const service = await run.serviceStatistics();
      expect(service.peakKeys).toBe(2);
      expect(service.rejectedCreates).toBe(0);
      const { current, standby } = ring.status();
      const listed = await Array.fromAsync(new ApiKeys({ accessToken, baseUrl }).list(), ({ id }) => id);
      expect(new Set(listed)).toEqual(new Set([current?.id, standby?.id]));
    },
  );
});

/** Reconciles until nothing remains to be done. */
async function reconcileUntilClean(ring: KeyRing): Promise<void> {
  for (;;) {
    const { current, standby, previous, pending, retiredIds } = await ring.reconcile();
    if (current && standby && !previous && !pending && retiredIds.length === 0) return;
    await setTimeout(200);
  }
}

/** Revokes the current key while a client that leaked it sends requests without a pause. */
async function revokeUnderLoad(
  ring: KeyRing,
  baseUrl: string,
): Promise<{ readonly rejectedAfterMs: number; readonly resolvedAfterMs: number }> {
  const leaked = new ChatClient({ apiKey: await ring.getKey(), baseUrl });
  await leaked.models();
  const startedAt = performance.now();
  const rejected = untilRejected(leaked).then(() => performance.now() - startedAt);
  await ring.revoke('current', { reason: 'leaked' });
  return { resolvedAfterMs: performance.now() - startedAt, rejectedAfterMs: await rejected };
}

async function untilRejected(leaked: ChatClient): Promise<void> {
  while ((await leaked.checkKey()).accepted);
}

function sum<Item>(items: readonly Item[], select: (item: Item) => number): number {
  return items.reduce((total, item) => total + select(item), 0);
}

/** Prints without the console, because console output fails a test. */
function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
