import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileStore } from 'drun-sdk/rotation/file';
import { expect, onTestFinished, test } from 'vitest';
import { swapped } from './contract.ts';

const program = fileURLToPath(new URL('counting-process.ts', import.meta.url));

const PROCESSES = 4;
const KILLS = 25;
const RING = 'count';

test('processes that are killed at random lose no update and block no other process', {
  timeout: 120_000,
}, async () => {
  const path = await mkdtemp(join(tmpdir(), 'drun-sdk-file-processes-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  const counted: number[] = [];
  const complaints: string[] = [];
  const running = new Set<ChildProcess>();
  const start = (): void => {
    const child = spawn(process.execPath, [program, path, RING], { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      counted.push(...lines.map(Number));
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => complaints.push(chunk));
  };
  onTestFinished(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  // Each kill comes when somebody has counted: at whatever the one who is killed is just doing.
  const store = fileStore({ path, pollMs: 1 });
  const enough = Promise.withResolvers<void>();
  const ended: Promise<unknown>[] = [];
  const killOne = (): void => {
    const [victim] = [...running].sort(() => Math.random() - 0.5);
    if (!victim) return;
    running.delete(victim);
    ended.push(once(victim, 'close'));
    victim.kill('SIGKILL');
    if (ended.length < KILLS) start();
    if (running.size === 0) enough.resolve();
  };
  const stop = store.watch?.(RING, killOne);
  for (let started = 0; started < PROCESSES; started++) start();
  await enough.promise;
  stop?.();
  await Promise.all(ended);

  expect(complaints).toEqual([]);
  const record = await store.get(RING);
  const last = Number(record?.value);
  expect(new Set(counted).size, 'nobody counts to a number that another one has counted to').toBe(
    counted.length,
  );
  expect(Math.max(...counted)).toBeLessThanOrEqual(last);
  expect(
    last - counted.length,
    'what was counted but not said, by those who were killed',
  ).toBeLessThanOrEqual(KILLS + PROCESSES);
  await swapped(store.compareAndSwap(RING, record?.version ?? null, 'over'));
  const records = (await readdir(join(path, RING))).filter((name) => !name.startsWith('.'));
  expect(records.length).toBeLessThanOrEqual(32);
});
