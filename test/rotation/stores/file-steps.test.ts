import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredRecord } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';
import fc from 'fast-check';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { isLinearizable, programs, runConcurrently } from './linearizability.ts';
import type { Turn } from './stepped-files.ts';
import { updated } from './store-contract.ts';

/* Runs the file store one system call at a time. A process can crash or be suspended before each of them. */

const IMMEDIATELY: Turn = async () => {};
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
    files.turn = IMMEDIATELY;
    rmSync(path, { recursive: true });
  };
});

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'drun-sdk-file-steps-'));
}

/** Returns the names of all files in a folder, recursively. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? entry.name : [],
  );
}

/**
 * Starts an action and suspends it before a system call.
 *
 * @param number - Number of the system call, from 1.
 * @returns A function that resumes the action, or `undefined` if it made fewer calls.
 */
async function suspendBefore<T>(
  number: number,
  action: () => Promise<T>,
): Promise<(() => Promise<T>) | undefined> {
  const suspended = Promise.withResolvers<'stopped'>();
  const resume = Promise.withResolvers<void>();
  let calls = 0;
  files.turn = async () => {
    calls++;
    if (calls === number) suspended.resolve('stopped');
    if (calls >= number) await resume.promise;
  };
  const result = action();
  const outcome = await Promise.race([suspended.promise, result]);
  files.turn = IMMEDIATELY;
  if (outcome !== 'stopped') return undefined;
  return () => {
    resume.resolve();
    return result;
  };
}

const updateKinds = [
  { kind: 'creates', before: null },
  { kind: 'replaces', before: 'before' },
] as const;

async function prepare(before: string | null): Promise<StoredRecord | null> {
  const store = fileStore({ path });
  if (before !== null) await updated(store.compareAndSwap(RING, null, before));
  return store.get(RING);
}

describe.each(updateKinds)('an update that $does a record', ({ before }) => {
  test('is applied completely or not at all if its process crashes at any system call', async () => {
    const values: unknown[] = [];
    for (let number = 1; ; number++) {
      rmSync(path, { recursive: true });
      path = newFolder();
      const start = await prepare(before);
      const update = () => fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after');
      if (!(await suspendBefore(number, update))) break;

      const survivor = fileStore({ path });
      const record = await survivor.get(RING);
      values.push(record?.value ?? null);
      const version = await updated(survivor.compareAndSwap(RING, record?.version ?? null, 'later'));
      expect(await survivor.get(RING)).toEqual({ value: 'later', version });
    }
    // The update takes effect at exactly one system call.
    expect(values).toEqual([...values].sort((a, b) => Number(a === 'after') - Number(b === 'after')));
    expect(new Set(values)).toEqual(new Set([before, 'after']));
  });

  test('leaves only its temporary file behind after a crash and a later update', async () => {
    for (let number = 1; ; number++) {
      const start = await prepare(null).then((record) => record ?? prepare(before));
      const update = () => fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after');
      if (!(await suspendBefore(number, update))) break;

      const survivor = fileStore({ path });
      let version = (await survivor.get(RING))?.version ?? null;
      for (const value of ['later', 'last']) {
        version = await updated(survivor.compareAndSwap(RING, version, value));
      }
      const records = filesIn(join(path, RING)).filter((name) => !name.startsWith('.'));
      expect(records.length).toBeLessThanOrEqual(3 * number);
    }
  });

  test('returns the correct result if it is suspended at any system call while other clients continue', async () => {
    for (let number = 1; ; number++) {
      rmSync(path, { recursive: true });
      path = newFolder();
      const start = await prepare(before);
      const update = () => fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after');
      const resume = await suspendBefore(number, update);
      if (!resume) break;

      const other = fileStore({ path });
      const current = await other.get(RING);
      const next = await updated(other.compareAndSwap(RING, current?.version ?? null, 'next'));
      const last = await updated(other.compareAndSwap(RING, next, 'last'));
      const result = await resume();

      expect(result).toEqual(
        current?.value === 'after' ? { ok: true, version: current.version } : { ok: false },
      );
      expect(await other.get(RING)).toEqual({ value: 'last', version: last });
    }
  });
});

test('a read that is suspended at any system call returns a record that existed during the read', async () => {
  const store = fileStore({ path });
  for (let number = 1; ; number++) {
    const start = (await prepare(null)) ?? (await prepare('before'));
    const resume = await suspendBefore(number, () => store.get(RING));
    if (!resume) break;
    const records = [start];
    for (const value of ['next', 'last']) {
      await updated(store.compareAndSwap(RING, (await store.get(RING))?.version ?? null, value));
      records.push(await store.get(RING));
    }

    expect(records).toContainEqual(await resume());
  }
});

test('is linearizable in any order of system calls', async () => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), programs(3), async (scheduler, steps) => {
      files.turn = (call) => scheduler.schedule(Promise.resolve(), call);
      const store = fileStore({ path });
      const events = await scheduler.waitFor(runConcurrently([store, store, store], `r-${number++}`, steps));
      expect(isLinearizable(events), JSON.stringify(events)).toBe(true);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test('an update resolves only after the value and then its name are synced', async () => {
  const start = await prepare('before');
  const calls: string[] = [];
  files.turn = async (call) => void calls.push(call);

  const version = await updated(fileStore({ path }).compareAndSwap(RING, start?.version ?? null, 'after'));

  const essential = calls.filter((call) => /^(?:write|sync|link)/.test(call));
  const temporary = `.${version}.tmp`;
  expect(essential).toEqual([`write ${temporary}`, `sync ${temporary}`, 'link 000000000002', `sync ${RING}`]);
});

test('an update of a new ring resolves only after its folders are synced', async () => {
  const calls: string[] = [];
  files.turn = async (call) => void calls.push(call);

  await updated(fileStore({ path: join(path, 'lib', 'rings') }).compareAndSwap(RING, null, 'a record'));

  const synced = calls.filter((call) => call.startsWith('sync') && !call.includes('.tmp'));
  expect(synced).toEqual(['sync rings', 'sync lib', `sync ${path.split('/').at(-1)}`, `sync ${RING}`]);
});

test('a read resolves only after the name of the record is synced', async () => {
  await prepare('a record');
  const calls: string[] = [];
  files.turn = async (call) => void calls.push(call);

  await fileStore({ path }).get(RING);

  expect(calls.at(-1)).toBe(`sync ${RING}`);
});

test('a suspended update that links to a removed number reports a conflict', async () => {
  const start = await prepare('before');
  const store = fileStore({ path });
  const resume = await suspendBefore(5, () => store.compareAndSwap(RING, start?.version ?? null, 'after'));
  let version = start?.version ?? '';
  for (let update = 0; update < 40; update++)
    version = await updated(store.compareAndSwap(RING, version, `${update}`));

  const result = await resume?.().catch((error: Error) => error);

  expect(result).not.toMatchObject({ ok: true });
  expect(await store.get(RING)).toEqual({ value: '39', version });
});

test('reports EROFS if a folder cannot be created, although Node reports ENOENT', async () => {
  const codes: Record<string, string> = { mkdir: 'ENOENT', access: 'EROFS' };
  files.turn = async (call) => {
    const code = codes[call.split(' ')[0] ?? ''];
    if (code) throw Object.assign(new Error(code), { code });
  };

  await expect(fileStore({ path }).compareAndSwap(RING, null, 'first')).rejects.toMatchObject({
    code: 'EROFS',
  });
});
