import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileStore } from 'drun-sdk/rotation/file';
import { expect, onTestFinished, test } from 'vitest';
import { updated } from './store-contract.ts';

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
  const errors: string[] = [];
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
    child.stderr.setEncoding('utf8').on('data', (chunk) => errors.push(chunk));
  };
  onTestFinished(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  // Kills a random process after each update, whatever it is doing.
  const store = fileStore({ path, pollMs: 1 });
  const allKilled = Promise.withResolvers<void>();
  const exited: Promise<unknown>[] = [];
  const killOne = (): void => {
    const [child] = [...running].sort(() => Math.random() - 0.5);
    if (!child) return;
    running.delete(child);
    exited.push(once(child, 'close'));
    child.kill('SIGKILL');
    if (exited.length < KILLS) start();
    if (running.size === 0) allKilled.resolve();
  };
  const stop = store.watch?.(RING, killOne);
  for (let started = 0; started < PROCESSES; started++) start();
  await allKilled.promise;
  stop?.();
  await Promise.all(exited);

  expect(errors).toEqual([]);
  const record = await store.get(RING);
  const last = Number(record?.value);
  expect(new Set(counted).size, 'no number is stored twice').toBe(counted.length);
  expect(Math.max(...counted)).toBeLessThanOrEqual(last);
  expect(
    last - counted.length,
    'updates that a process did not print before it was killed',
  ).toBeLessThanOrEqual(KILLS + PROCESSES);
  await updated(store.compareAndSwap(RING, record?.version ?? null, 'over'));
  const records = (await readdir(join(path, RING))).filter((name) => !name.startsWith('.'));
  expect(records.length).toBeLessThanOrEqual(32);
});
