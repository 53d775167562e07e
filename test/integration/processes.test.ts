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
import { Run } from './run.ts';
import { openStore, rotatingRing, type StoreAddress } from './settings.ts';

const ROTATIONS = 5;

/** A store of its own for one test, closed after it. */
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

describe.each(stores)('real processes over %s', (name, isMissing, open) => {
  test.skipIf(isMissing)(
    `no call fails while rotators are killed, nor when the key is revoked${isMissing}`,
    { timeout: 600_000 },
    async () => {
      await using run = await Run.begin(await open(), randomBytes(32).toString('base64'));
      const { accessToken, url: baseUrl } = run.surroundings;
      const { store, close } = openStore(run.surroundings.store);
      onTestFinished(async () => void (await close()));
      await using ring = rotatingRing(run.surroundings, store);
      await ring.reconcile();

      await run.startReaders();
      run.startRotators();
      const began = performance.now();
      await run.epochComes(1 + ROTATIONS);
      const tookMs = performance.now() - began;
      await run.rest();
      await clean(ring);
      const before = await run.tallies();
      const leak = await leakAndRevoke(ring, baseUrl);
      await clean(ring);
      const after = await run.tallies();

      const calls = sum(before, ({ calls }) => calls);
      const failed =
        sum(after, ({ failures }) => failures.length) - sum(before, ({ failures }) => failures.length);
      const { epoch, minted, orphansSwept, killed } = run.rotations;
      print(
        `${name}: ${epoch - 1} rotations in ${Math.round(tookMs / 1_000)} s, with ${killed} rotators killed, ${minted} keys created, ${orphansSwept} orphans deleted; ${calls} calls, ${sum(before, ({ failures }) => failures.length)} failed`,
        `${name}: revoke('current') under load: the leaked key was refused after ${leak.refusedAfterMs.toFixed(1)} ms, it resolved after ${Math.round(leak.resolvedAfterMs)} ms; ${failed} calls failed of ${sum(after, ({ calls }) => calls) - calls}`,
      );
      expect(after.flatMap(({ failures }) => failures)).toEqual([]);
      for (const tally of before) expect(tally.keys).toBeGreaterThan(ROTATIONS / 2);
      expect(killed).toBeGreaterThan(3);
      expect(run.rotations.failures).toEqual([]);

      const seen = await run.seenByService();
      expect(seen.mostKeys).toBe(2);
      expect(seen.refusedCreates).toBe(0);
      const { current, standby } = ring.status();
      const listed = await Array.fromAsync(new ApiKeys({ accessToken, baseUrl }).list(), ({ id }) => id);
      expect(new Set(listed)).toEqual(new Set([current?.id, standby?.id]));
    },
  );
});

/** Runs passes until there is nothing left to do. */
async function clean(ring: KeyRing): Promise<void> {
  for (;;) {
    const { current, standby, previous, pending, retiredIds } = await ring.reconcile();
    if (current && standby && !previous && !pending && retiredIds.length === 0) return;
    await setTimeout(200);
  }
}

/** Somebody has got hold of the current key, and uses it as fast as possible while it is revoked. */
async function leakAndRevoke(
  ring: KeyRing,
  baseUrl: string,
): Promise<{ readonly refusedAfterMs: number; readonly resolvedAfterMs: number }> {
  const thief = new ChatClient({ apiKey: await ring.getKey(), baseUrl });
  await thief.models();
  const began = performance.now();
  const refused = refusal(thief).then(() => performance.now() - began);
  await ring.revoke('current', { reason: 'leaked' });
  return { resolvedAfterMs: performance.now() - began, refusedAfterMs: await refused };
}

async function refusal(thief: ChatClient): Promise<void> {
  while ((await thief.checkKey()).accepted);
}

function sum<Item>(items: readonly Item[], figure: (item: Item) => number): number {
  return items.reduce((total, item) => total + figure(item), 0);
}

/** Not by the console, for nothing else may print there. */
function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
