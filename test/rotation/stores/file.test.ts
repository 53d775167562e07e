import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, KeyStoreError } from 'drun-sdk/errors';
import { type FileStoreOptions, fileStore } from 'drun-sdk/rotation/file';
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest';
import { rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import { testStoreContract, updated } from './store-contract.ts';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-file-store-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Returns the names of all entries in a folder, recursively. */
async function treeOf(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Mounts a file system on a new folder for a test, or skips the test if that is not permitted. */
async function mount(context: TestContext, ...options: string[]): Promise<string> {
  const folder = await newFolder();
  try {
    execFileSync('mount', [...options, folder], { stdio: 'ignore' });
  } catch {
    context.skip(`mount ${options.join(' ')} is not permitted here`);
  }
  onTestFinished(() => void execFileSync('umount', [folder]));
  return folder;
}

describe('fileStore', () => {
  testStoreContract(
    async () => {
      const path = await mkdtemp(join(tmpdir(), 'drun-sdk-file-store-'));
      return {
        open: () => fileStore({ path, pollMs: 5 }),
        close: () => rm(path, { recursive: true, force: true }),
      };
    },
    { runs: 50 },
  );

  test('creates no files before the first record is stored', async () => {
    const path = join(await newFolder(), 'key-rings');

    expect(await fileStore({ path }).get('checkout')).toBeNull();
    await rejection(stat(path));
  });

  test('creates its folder and missing parents with access for this user only', async () => {
    const folder = await newFolder();
    const path = join(folder, 'lib', 'checkout', 'key-rings');

    await updated(fileStore({ path }).compareAndSwap('checkout', null, 'a record'));

    const modes: [string, string][] = [];
    for (const name of await treeOf(folder)) {
      modes.push([name, ((await stat(join(folder, name))).mode & 0o777).toString(8)]);
    }
    expect(modes).toEqual([
      ['lib', '700'],
      ['lib/checkout', '700'],
      ['lib/checkout/key-rings', '700'],
      ['lib/checkout/key-rings/checkout', '700'],
      ['lib/checkout/key-rings/checkout/000000000001', '600'],
    ]);
  });

  test('keeps the mode of an existing folder', async () => {
    const path = join(await newFolder(), 'key-rings');
    await mkdir(path, { mode: 0o750 });

    await updated(fileStore({ path }).compareAndSwap('checkout', null, 'a record'));

    expect((await stat(path)).mode & 0o777).toBe(0o750);
  });

  test('keeps the last 32 records of a ring, and no files of conflicting updates', async () => {
    const path = await newFolder();
    const store = fileStore({ path });
    let version = await updated(store.compareAndSwap('checkout', null, '0'));

    for (let count = 2; count <= 40; count++) {
      await store.compareAndSwap('checkout', null, 'rejected');
      version = await updated(store.compareAndSwap('checkout', version, `${count}`));
    }

    const names = await readdir(join(path, 'checkout'));
    expect(names.sort()).toEqual(
      Array.from({ length: 32 }, (_, index) => String(index + 9).padStart(12, '0')),
    );
  });

  test('resolves a relative path once', async () => {
    const folder = await newFolder();
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(folder);
    const store = fileStore({ path: 'key-rings' });
    await updated(store.compareAndSwap('checkout', null, 'a record'));

    process.chdir(before);

    expect((await store.get('checkout'))?.value).toBe('a record');
  });

  test('ignores unrelated files, and rejects a file that is not a record', async () => {
    const path = await newFolder();
    const store = fileStore({ path });
    const version = await updated(store.compareAndSwap('checkout', null, 'a record'));
    await writeFile(join(path, 'checkout', '.DS_Store'), '');
    expect(await store.get('checkout')).toEqual({ value: 'a record', version });

    await writeFile(join(path, 'checkout', '000000000009'), 'sk-secret');
    const error = await rejectionOf(KeyStoreError, store.get('checkout'));
    expect(error.message).toContain('a file that is not a record of this store');
    expect(error.message).not.toContain('sk-secret');
  });

  test('works on an overlay file system, on which folders cannot be renamed', async (context) => {
    // An overlay cannot be mounted on another overlay, such as that of a container.
    const folder = await mount(context, '-t', 'tmpfs', 'tmpfs');
    const [lower = '', upper = '', work = ''] = ['lower', 'upper', 'work'].map((name) => join(folder, name));
    for (const path of [lower, upper, work]) await mkdir(path);
    await updated(fileStore({ path: lower }).compareAndSwap('checkout', null, 'in the image'));
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    const mounted = fileStore({ path: await mount(context, '-t', 'overlay', 'overlay', '-o', layers) });
    const record = await mounted.get('checkout');

    const version = await updated(mounted.compareAndSwap('checkout', record?.version ?? null, 'updated'));
    await updated(mounted.compareAndSwap('checkout', version, 'updated again'));

    expect((await mounted.get('checkout'))?.value).toBe('updated again');
  });

  test('reports EROFS on a read-only disk, and still reads from it', async (context) => {
    const folder = await mount(context, '-t', 'tmpfs', 'tmpfs');
    const version = await updated(fileStore({ path: folder }).compareAndSwap('checkout', null, 'a record'));
    execFileSync('mount', ['-o', 'remount,ro', folder]);
    const store = fileStore({ path: folder });

    expect(await store.get('checkout')).toEqual({ value: 'a record', version });
    expect(await rejection(store.compareAndSwap('checkout', version, 'next'))).toMatchObject({
      code: 'EROFS',
    });
    expect(await rejection(store.compareAndSwap('other', null, 'first'))).toMatchObject({ code: 'EROFS' });
    const nested = fileStore({ path: join(folder, 'key', 'rings') });
    expect(await rejection(nested.compareAndSwap('other', null, 'first'))).toMatchObject({ code: 'EROFS' });
  });

  test('removes temporary files of crashed processes after an hour', async () => {
    const path = await newFolder();
    const store = fileStore({ path });
    let version = await updated(store.compareAndSwap('checkout', null, 'first'));
    const [old, recent] = [1, 2].map((digit) =>
      join(path, 'checkout', `.${crypto.randomUUID().slice(0, -1)}${digit}.tmp`),
    );
    await writeFile(old ?? '', '');
    await writeFile(recent ?? '', '');
    await utimes(old ?? '', 0, 0);

    version = await updated(store.compareAndSwap('checkout', version, 'second'));

    expect((await treeOf(join(path, 'checkout'))).filter((name) => name.startsWith('.'))).toEqual([
      recent?.split('/').at(-1),
    ]);
  });

  test('rejects with the system error if `path` is a file', async () => {
    const path = join(await newFolder(), 'key-rings');
    await writeFile(path, 'a file');
    const store = fileStore({ path });

    expect(await rejection(store.get('checkout'))).toMatchObject({ code: 'ENOTDIR' });
    expect(await rejection(store.compareAndSwap('checkout', null, 'a record'))).toMatchObject({
      code: 'ENOTDIR',
    });
    expect(await readFile(path, 'utf8')).toBe('a file');
  });

  test.each<[string, unknown]>([
    ['path', undefined],
    ['path', ''],
    ['path', new URL('file:///tmp')],
    ['pollMs', 0],
    ['pollMs', Number.NaN],
    ['pollMs', Number.POSITIVE_INFINITY],
    ['pollMs', '1000'],
    ['directory', '/tmp'],
  ])('rejects the option %s: %o', (option, value) => {
    const options = { path: '/tmp', [option]: value } as FileStoreOptions;

    expect(thrownBy(ConfigurationError, () => fileStore(options)).option).toBe(option);
  });

  test('rejects Windows, where folders cannot be synced', () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform');
    onTestFinished(() => void Object.defineProperty(process, 'platform', platform ?? {}));
    Object.defineProperty(process, 'platform', { value: 'win32' });

    thrownBy(ConfigurationError, () => fileStore({ path: '/tmp' }));
  });
});
