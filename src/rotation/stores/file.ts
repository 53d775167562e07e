import { mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError, KeyStoreError } from '../../errors/index.ts';
import type { KeyStore, StoredRecord, SwapResult } from '../key-store.ts';
import { checkFunction, checkRing, checkSwap, validMilliseconds } from './arguments.ts';
import { pollVersion } from './polling.ts';
import { isVersion, newVersion } from './version.ts';

/** What {@link fileStore} is told. */
export interface FileStoreOptions {
  /**
   * The folder for the records, on a disk of this machine. It is made, for this user only (0700), when the first record
   * is stored.
   */
  readonly path: string;
  /** How often `watch` looks for a change, in milliseconds. Default: 1,000. */
  readonly pollMs?: number | undefined;
}

/**
 * Makes a store in the files of one machine, for any number of its processes. A swap that was answered is on the disk.
 *
 * The files are readable for their user only (0600). The disk has to be a local one: network file systems repeat what
 * they do not know to be done, and so take a swap that was carried out for one that was refused. Not for Windows, where
 * a folder cannot be synced.
 *
 * @throws ConfigurationError that names the option that is wrong. Later, a method rejects with what `node:fs` throws,
 * or with KeyStoreError where somebody else has put the files in disorder.
 *
 * @example
 * ```ts
 * import { fileStore } from 'drun-sdk/rotation/file';
 *
 * const store = fileStore({ path: '/var/lib/checkout/key-rings' });
 * ```
 */
export function fileStore(options: FileStoreOptions): KeyStore {
  const { path } = options;
  if (typeof path !== 'string' || path === '') {
    throw new ConfigurationError('path must be the name of a folder', { option: 'path' });
  }
  if (process.platform === 'win32') {
    throw new ConfigurationError('fileStore keeps its word on Linux and macOS only, not on Windows', {
      option: 'path',
    });
  }
  const root = resolve(path);
  const pollMs = validMilliseconds(options.pollMs ?? 1_000, 'pollMs');

  return {
    durability: 'strong',
    async get(ring) {
      checkRing(ring);
      return readRecord(join(root, ring));
    },
    async compareAndSwap(ring, expected, value) {
      checkSwap(ring, expected, value);
      if (expected === null) return createRecord(root, ring, value);
      return isVersion(expected) ? replaceRecord(join(root, ring), expected, value) : { ok: false };
    },
    watch(ring, changed) {
      checkRing(ring);
      checkFunction(changed, 'changed');
      // Events of file systems get lost in containers, on some mounts, and when there are many of them. A folder of one
      // entry is read in microseconds.
      const readVersion = async (): Promise<string | null> =>
        (await readVersions(join(root, ring)))?.join() ?? null;
      return pollVersion(readVersion, pollMs, changed);
    },
  };
}

/*
 * A ring is a folder with one folder in it, whose name is the version; in that one, the file of the same name is the
 * value:
 *
 *     key-rings/checkout/5f0c…/5f0c…
 *
 * A swap writes the new value beside the old one, under the name of the new version, and then gives the folder that
 * name. This rename is the comparison and the swap in one system call: of any number of processes, one finds the folder
 * under the name that it expects. There is no lock, so a process that is killed leaves none behind, and one that stood
 * still for a day finds its version gone.
 */

/** Answers once the record is on the disk: a power cut must not take back what somebody has acted on. */
async function readRecord(folder: string): Promise<StoredRecord | null> {
  let before: string | undefined;
  for (;;) {
    const versions = await readVersions(folder);
    if (versions === undefined) return null;
    const [version = ''] = versions;
    const value = versions.length === 1 ? await readIfThere(join(folder, version, version)) : undefined;
    if (value !== undefined) {
      await sync(folder);
      return { value, version };
    }
    // A swap came in between, and then the folder has another name now.
    const seen = versions.join();
    if (seen === before) throw new KeyStoreError(`${folder} is in disorder: it does not hold one record`);
    before = seen;
  }
}

/**
 * Makes the whole folder of the ring under another name, and renames it: that fails where there is a folder of that
 * name with something in it. A process that is killed before can leave such a folder behind, with a dot before its name.
 */
async function createRecord(root: string, ring: string, value: string): Promise<SwapResult> {
  const version = newVersion();
  const prepared = join(root, `.${version}`);
  await makeFolder(root);
  try {
    const folder = join(prepared, version);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeValue(join(folder, version), value);
    await sync(folder);
    await sync(prepared);
    if (!(await renameToNew(prepared, join(root, ring)))) return { ok: false };
  } finally {
    // There is nothing of that name any more where it was renamed.
    await rm(prepared, { recursive: true, force: true }).catch(() => {});
  }
  await sync(root);
  return { ok: true, version };
}

async function renameToNew(folder: string, name: string): Promise<boolean> {
  try {
    await rename(folder, name);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

async function replaceRecord(ring: string, expected: string, value: string): Promise<SwapResult> {
  const version = newVersion();
  const folder = join(ring, expected);
  let written: string[];
  try {
    await writeValue(join(folder, version), value);
    await sync(folder);
    written = await readdir(folder);
    await rename(folder, join(ring, version));
  } catch (error) {
    // A value that was written to the folder all the same is removed by the next swap.
    if (hasCode(error, 'ENOENT')) return { ok: false };
    await unlink(join(folder, version)).catch(() => {});
    throw error;
  }
  await sync(ring);
  // What lay there before the rename is over: the old value, and those of swaps that expect the old version.
  const isOver = (name: string): boolean => isVersion(name) && name !== version;
  await Promise.allSettled(written.filter(isOver).map((name) => unlink(join(ring, version, name))));
  return { ok: true, version };
}

/** The folders whose name is a version; undefined where the ring has no folder. */
async function readVersions(ring: string): Promise<string[] | undefined> {
  try {
    return (await readdir(ring)).filter(isVersion);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function writeValue(file: string, value: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(value);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder, and those above it that are missing. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await sync(dirname(made));
    if (made === first) return;
  }
}

/** What was made, renamed and removed in a folder is on the disk only once the folder is. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException).code));
}
