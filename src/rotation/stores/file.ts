import { access, constants, link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { KeyStoreError } from '../../errors/index.ts';
import { check, checkOptions } from '../../errors/invalid.ts';
import { isRecord, parseJson } from '../../internal/json.ts';
import { codeOf } from '../safe-cause.ts';
import { type KeyStore, type StoredRecord, storeFrom } from './store.ts';

/** Options for {@link fileStore}. */
export interface FileStoreOptions {
  /** Directory for the records, on a local disk. Created by the first update, for the current user only (0700). */
  readonly path: string;
  /** Interval at which `watch` polls, in milliseconds. @defaultValue 1_000 */
  readonly pollMs?: number | undefined;
}

/**
 * Creates a file store for any number of processes on one machine. An update resolves once the record is on disk.
 *
 * Files are readable only by their owner (0600). Requires a local disk with hard links, such as the overlay file
 * system of a container. Network file systems may retry operations and report an applied update as a conflict.
 * Windows is not supported, because it cannot sync directories.
 *
 * @throws {ConfigurationError} If an option is invalid. Methods reject with errors from `node:fs`, or with a
 * `KeyStoreError` if a record cannot be read.
 *
 * @example
 * ```ts
 * import { fileStore } from 'drun-sdk/rotation/file';
 *
 * const store = fileStore({ path: '/var/lib/checkout/key-rings' });
 * ```
 */
export function fileStore(options: FileStoreOptions): KeyStore {
  checkOptions(options, ['path', 'pollMs'], 'fileStore()');
  const { path, pollMs = 1_000 } = options;
  check(typeof path === 'string' && path !== '', 'path', 'must be the path of a directory');
  const isWindows = process.platform === 'win32';
  check(!isWindows, 'path', 'is not supported on Windows: `fileStore` needs Linux or macOS');
  const root = resolve(path);
  return storeFrom(
    {
      async get(ring) {
        const folder = join(root, ring);
        const latest = await readLatest(folder);
        // A power failure must not undo an update that has resolved.
        if (latest) await sync(folder);
        return latest && { value: latest.value, version: latest.version };
      },
      async swap(ring, expected, version, value) {
        const folder = join(root, ring);
        if (expected === null) await makeFolder(folder);
        const latest = await readLatest(folder);
        if ((latest?.version ?? null) !== expected) return false;
        return writeNext(folder, (latest?.number ?? 0) + 1, { version, value });
      },
    },
    pollMs,
  );
}

/*
 * A ring is a directory of numbered files. The file with the highest number is the record:
 * key-rings/checkout/000000000041. An update writes the next record to a temporary file and links it under the
 * next number. link(2) fails if the number exists, so the compare-and-swap is one system call, without locks that a
 * killed process would leave behind. Overlay file systems cannot rename directories (EXDEV), so that is never needed.
 * Old files are removed afterwards, so a process that was suspended may reuse the number of a removed file.
 */

const RECORD_NAME = /^\d{12}$/;
const TEMPORARY_NAME = /^\.[\da-f-]{36}\.tmp$/;
/** Age at which temporary files of crashed processes are removed. */
const MAX_TEMPORARY_AGE_MS = 60 * 60 * 1000;
/** Number of record files to keep. Older files are removed. */
const KEPT_RECORDS = 32;
/** A record can be replaced while it is being read. Every failed attempt means that another process has succeeded. */
const MAX_ATTEMPTS = 100;

async function readLatest(folder: string): Promise<(StoredRecord & { readonly number: number }) | null> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const number = (await numbersIn(folder)).at(-1);
    if (number === undefined) return null;
    const text = await unlessMissing(readFile(join(folder, nameOf(number)), 'utf8'));
    if (text !== undefined) return { ...parse(folder, text), number };
  }
  throw new KeyStoreError(`Directory ${folder} changed during each of ${MAX_ATTEMPTS} attempts to read it.`);
}

async function writeNext(folder: string, number: number, record: StoredRecord): Promise<boolean> {
  const temporary = join(folder, `.${record.version}.tmp`);
  try {
    await writeSynced(temporary, JSON.stringify(record));
    await link(temporary, join(folder, nameOf(number)));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(temporary).catch(() => {});
  }
  const highest = (await numbersIn(folder)).at(-1) ?? number;
  if (highest - number >= KEPT_RECORDS) {
    throw new KeyStoreError(`Directory ${folder} changed so often that the outcome of an update is unknown.`);
  }
  await sync(folder);
  await removeOld(folder, number);
  return true;
}

/** Removes old records, and temporary files left behind by crashed processes. */
async function removeOld(folder: string, number: number): Promise<void> {
  const names = await readdir(folder);
  await Promise.allSettled(
    names.map(async (name) => {
      const path = join(folder, name);
      if (RECORD_NAME.test(name) && Number(name) <= number - KEPT_RECORDS) return unlink(path);
      if (!TEMPORARY_NAME.test(name)) return;
      if (Date.now() - (await stat(path)).mtimeMs > MAX_TEMPORARY_AGE_MS) await unlink(path);
    }),
  );
}

/** Returns the numbers of the record files in a directory, in ascending order. */
async function numbersIn(folder: string): Promise<number[]> {
  const names = (await unlessMissing(readdir(folder))) ?? [];
  const numbers = names.filter((name) => RECORD_NAME.test(name)).map(Number);
  return numbers.sort((a, b) => a - b);
}

function nameOf(number: number): string {
  return String(number).padStart(12, '0');
}

function parse(folder: string, text: string): StoredRecord {
  const record = parseJson(text);
  const { version, value } = isRecord(record) ? record : {};
  if (typeof version === 'string' && typeof value === 'string') return { version, value };
  throw new KeyStoreError(`Directory ${folder} contains a file that is not a record of this store.`);
}

async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  return read.catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
    return undefined;
  });
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  await handle
    .writeFile(text)
    .then(() => handle.sync())
    .finally(() => handle.close());
}

/** Creates a directory and its missing parents, and syncs every directory that contains a new one. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 }).catch(async (error: unknown) => {
    // On a read-only file system, Node reports ENOENT, whereas this check reports EROFS or EACCES.
    if (codeOf(error) === 'ENOENT') await checkWritable(path);
    throw error;
  });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await sync(dirname(made));
    if (made === first) return;
  }
}

async function checkWritable(path: string): Promise<void> {
  const isWritable = await unlessMissing(access(path, constants.W_OK).then(() => true));
  if (!isWritable && dirname(path) !== path) await checkWritable(dirname(path));
}

/** Syncs a directory to make the creation, linking and removal of its files durable. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
