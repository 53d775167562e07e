import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredRecord } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';
import fc from 'fast-check';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { swapped } from './contract.ts';
import { isLinearizable, programs, runTogether } from './linearizability.ts';
import type { Turn } from './stepped-files.ts';

/* The file store, one system call after the other: every one can be the last, or wait for those of other clients. */

const AT_ONCE: Turn = async () => {};
const files = vi.hoisted(() => ({ turn: async (_call: string): Promise<void> => {} }));
vi.mock('node:fs/promises', async () => {
  const { steppedFiles } = await import('./stepped-files.ts');
  return steppedFiles((call) => files.turn(call));
});

const RING = 'checkout';
let path: string;
beforeEach(() => {
  path = newFolder();
  return () => {
    files.turn = AT_ONCE;
    rmSync(path, { recursive: true });
  };
});

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'drun-sdk-file-steps-'));
}

/** Everything in a folder that is a file, by name. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? entry.name : [],
  );
}

/**
 * Starts an action and stops it before its system call of this number, from 1.
 *
 * @returns What lets it go on and gives its result, or undefined where it did not make so many calls.
 */
async function stopBefore<T>(
  number: number,
  action: () => Promise<T>,
): Promise<(() => Promise<T>) | undefined> {
  const stopped = Promise.withResolvers<'stopped'>();
  const goOn = Promise.withResolvers<void>();
  let calls = 0;
  files.turn = async () => {
    calls++;
    if (calls === number) stopped.resolve('stopped');
    if (calls >= number) await goOn.promise;
  };
  const result = action();
  const outcome = await Promise.race([stopped.promise, result]);
  files.turn = AT_ONCE;
  if (outcome !== 'stopped') return undefined;
  return () => {
    goOn.resolve();
    return result;
  };
}

/** How a swap begins: with no record, or with one. */
const beginnings = [
  { does: 'creates', before: null },
  { does: 'replaces', before: 'before' },
] as const;

async function begin(before: string | null): Promise<StoredRecord | null> {
  const store = fileStore({ path });
  if (before !== null) await swapped(store.compareAndSwap(RING, null, before));
  return store.get(RING);
}

describe.each(beginnings)('a swap that $does a record', ({ before }) => {
  test('is applied completely or not at all if its process crashes at any system call', async () => {
    const values: unknown[] = [];
    for (let number = 1; ; number++) {
      rmSync(path, { recursive: true });
      path = newFolder();
      const start = await begin(before);
      const swap = () => fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after');
      if (!(await stopBefore(number, swap))) break;

      const survivor = fileStore({ path });
      const record = await survivor.get(RING);
      values.push(record?.value ?? null);
      const version = await swapped(survivor.compareAndSwap(RING, record?.version ?? null, 'later'));
      expect(await survivor.get(RING)).toEqual({ value: 'later', version });
    }
    // First it has not happened, then it has: there is one moment at which it does.
    expect(values).toEqual([...values].sort((a, b) => Number(a === 'after') - Number(b === 'after')));
    expect(new Set(values)).toEqual(new Set([before, 'after']));
  });

  test('leaves at most its temporary file behind after a crash and a later update', async () => {
    for (let number = 1; ; number++) {
      const start = await begin(null).then((record) => record ?? begin(before));
      const swap = () => fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after');
      if (!(await stopBefore(number, swap))) break;

      const survivor = fileStore({ path });
      let version = (await survivor.get(RING))?.version ?? null;
      for (const value of ['later', 'last']) {
        version = await swapped(survivor.compareAndSwap(RING, version, value));
      }
      const records = filesIn(join(path, RING)).filter((name) => !name.startsWith('.'));
      expect(records.length).toBeLessThanOrEqual(3 * number);
    }
  });

  test('reports its true outcome if it is suspended at any system call while others continue', async () => {
    for (let number = 1; ; number++) {
      rmSync(path, { recursive: true });
      path = newFolder();
      const start = await begin(before);
      const swap = () => fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after');
      const goOn = await stopBefore(number, swap);
      if (!goOn) break;

      const other = fileStore({ path });
      const seen = await other.get(RING);
      const next = await swapped(other.compareAndSwap(RING, seen?.version ?? null, 'next'));
      const last = await swapped(other.compareAndSwap(RING, next, 'last'));
      const result = await goOn();

      expect(result).toEqual(seen?.value === 'after' ? { ok: true, version: seen.version } : { ok: false });
      expect(await other.get(RING)).toEqual({ value: 'last', version: last });
    }
  });
});

test('a read that is suspended at any system call returns a record that existed during the read', async () => {
  const store = fileStore({ path });
  for (let number = 1; ; number++) {
    const start = (await begin(null)) ?? (await begin('before'));
    const goOn = await stopBefore(number, () => store.get(RING));
    if (!goOn) break;
    const records = [start];
    for (const value of ['next', 'last']) {
      await swapped(store.compareAndSwap(RING, (await store.get(RING))?.version ?? null, value));
      records.push(await store.get(RING));
    }

    expect(records).toContainEqual(await goOn());
  }
});

test('is linearizable in any order of system calls', async () => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), programs(3), async (scheduler, steps) => {
      files.turn = (call) => scheduler.schedule(Promise.resolve(), call);
      const store = fileStore({ path });
      const events = await scheduler.waitFor(runTogether([store, store, store], `r-${number++}`, steps));
      expect(isLinearizable(events), JSON.stringify(events)).toBe(true);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test('an update resolves only when the value, and then its name, are on disk', async () => {
  const start = await begin('before');
  const calls: string[] = [];
  files.turn = async (call) => void calls.push(call);

  const version = await swapped(fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after'));

  const essential = calls.filter((call) => /^(?:write|sync|link)/.test(call));
  const temporary = `.${version}.tmp`;
  expect(essential).toEqual([`write ${temporary}`, `sync ${temporary}`, 'link 000000000002', `sync ${RING}`]);
});

test('an update of a new ring resolves only when its folders are on disk', async () => {
  const calls: string[] = [];
  files.turn = async (call) => void calls.push(call);

  await swapped(fileStore({ path: join(path, 'lib', 'rings') }).compareAndSwap(RING, null, 'a record'));

  const synced = calls.filter((call) => call.startsWith('sync') && !call.includes('.tmp'));
  expect(synced).toEqual(['sync rings', 'sync lib', `sync ${path.split('/').at(-1)}`, `sync ${RING}`]);
});

test('a read resolves only when the name of the record is on the disk', async () => {
  await begin('a record');
  const calls: string[] = [];
  files.turn = async (call) => void calls.push(call);

  await fileStore({ path }).get(RING);

  expect(calls.at(-1)).toBe(`sync ${RING}`);
});

test('a suspended update that links to a removed number reports a conflict', async () => {
  const start = await begin('before');
  const store = fileStore({ path });
  const goOn = await stopBefore(5, () => store.compareAndSwap(RING, start?.version ?? null, 'after'));
  let version = start?.version ?? '';
  for (let update = 0; update < 40; update++)
    version = await swapped(store.compareAndSwap(RING, version, `${update}`));

  const result = await goOn?.().catch((error: Error) => error);

  expect(result).not.toMatchObject({ ok: true });
  expect(await store.get(RING)).toEqual({ value: '39', version });
});

test('names EROFS for a folder that cannot be created, although Node reports ENOENT', async () => {
  const codes: Record<string, string> = { mkdir: 'ENOENT', access: 'EROFS' };
  files.turn = async (call) => {
    const code = codes[call.split(' ')[0] ?? ''];
    if (code) throw Object.assign(new Error(code), { code });
  };

  await expect(fileStore({ path }).compareAndSwap(RING, null, 'first')).rejects.toMatchObject({
    code: 'EROFS',
  });
});
