import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, KeyStoreError } from 'drun-sdk/errors';
import { type FileStoreOptions, fileStore } from 'drun-sdk/rotation/file';
import { describe, expect, onTestFinished, test } from 'vitest';
import { rejection, rejectionOf, thrownBy } from '../../support/failures.ts';
import { keepsTheContract, swapped } from './contract.ts';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drun-sdk-file-store-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Everything in a folder, by name. */
async function treeOf(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

describe('fileStore', () => {
  keepsTheContract(
    async () => {
      const path = await mkdtemp(join(tmpdir(), 'drun-sdk-file-store-'));
      return {
        open: () => fileStore({ path, pollMs: 5 }),
        close: () => rm(path, { recursive: true, force: true }),
      };
    },
    { durability: 'strong', runs: 50 },
  );

  test('touches no disk before the first record is stored', async () => {
    const path = join(await newFolder(), 'key-rings');

    expect(await fileStore({ path }).get('checkout')).toBeNull();
    await rejection(stat(path));
  });

  test('makes its folder, however many above it are missing, for this user only', async () => {
    const folder = await newFolder();
    const path = join(folder, 'lib', 'checkout', 'key-rings');

    const version = await swapped(fileStore({ path }).compareAndSwap('checkout', null, 'a record'));

    const modes: [string, string][] = [];
    for (const name of await treeOf(folder)) {
      modes.push([name, ((await stat(join(folder, name))).mode & 0o777).toString(8)]);
    }
    const record = `lib/checkout/key-rings/checkout/${version}`;
    expect(modes).toEqual([
      ['lib', '700'],
      ['lib/checkout', '700'],
      ['lib/checkout/key-rings', '700'],
      ['lib/checkout/key-rings/checkout', '700'],
      [record, '700'],
      [`${record}/${version}`, '600'],
    ]);
  });

  test('leaves the mode of a folder alone that was there before', async () => {
    const path = join(await newFolder(), 'key-rings');
    await mkdir(path, { mode: 0o750 });

    await swapped(fileStore({ path }).compareAndSwap('checkout', null, 'a record'));

    expect((await stat(path)).mode & 0o777).toBe(0o750);
  });

  test('keeps one file for each ring, and nothing of earlier records or refused swaps', async () => {
    const path = await newFolder();
    const store = fileStore({ path });
    let version = await swapped(store.compareAndSwap('checkout', null, '0'));

    for (let count = 1; count <= 5; count++) {
      const swaps = await Promise.all(
        Array.from({ length: 4 }, () => store.compareAndSwap('checkout', version, `${count}`)),
      );
      await store.compareAndSwap('checkout', null, 'another');
      version = swaps.flatMap((swap) => (swap.ok ? swap.version : []))[0] ?? '';
    }
    version = await swapped(store.compareAndSwap('checkout', version, 'last'));

    expect(await treeOf(path)).toEqual(['checkout', `checkout/${version}`, `checkout/${version}/${version}`]);
  });

  test('finds its folder again after the process has changed to another one', async () => {
    const folder = await newFolder();
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(folder);
    const store = fileStore({ path: 'key-rings' });
    await swapped(store.compareAndSwap('checkout', null, 'a record'));

    process.chdir(before);

    expect((await store.get('checkout'))?.value).toBe('a record');
  });

  test('takes no notice of files of others', async () => {
    const path = await newFolder();
    const store = fileStore({ path });
    const version = await swapped(store.compareAndSwap('checkout', null, 'a record'));
    const stray = join(path, 'checkout', '.DS_Store');
    const inner = join(path, 'checkout', version, '.DS_Store');
    await writeFile(stray, '');
    await writeFile(inner, '');

    expect(await store.get('checkout')).toEqual({ value: 'a record', version });
    const next = await swapped(store.compareAndSwap('checkout', version, 'another'));

    expect(await readFile(stray, 'utf8')).toBe('');
    expect(await readFile(join(path, 'checkout', next, '.DS_Store'), 'utf8')).toBe('');
  });

  test.each<[string, (ring: string, version: string) => Promise<unknown>]>([
    ['has lost its file', (ring, version) => rm(join(ring, version, version))],
    ['has lost its folder', (ring, version) => rm(join(ring, version), { recursive: true })],
    ['is there twice', (ring) => mkdir(join(ring, crypto.randomUUID()))],
  ])('rejects with a KeyStoreError where a record %s', async (_, damage) => {
    const path = await newFolder();
    const store = fileStore({ path });
    const version = await swapped(store.compareAndSwap('checkout', null, 'a record'));
    await damage(join(path, 'checkout'), version);

    const error = await rejectionOf(KeyStoreError, store.get('checkout'));

    expect(error.message).toBe(`${join(path, 'checkout')} is in disorder: it does not hold one record`);
  });

  test('rejects with what the system says where the folder cannot be one', async () => {
    const path = join(await newFolder(), 'key-rings');
    await writeFile(path, 'a file');
    const store = fileStore({ path });

    expect(await rejection(store.get('checkout'))).toMatchObject({ code: 'ENOTDIR' });
    expect(await rejection(store.compareAndSwap('checkout', null, 'a record'))).toMatchObject({
      code: 'EEXIST',
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
  ])('refuses the %s %o', (option, value) => {
    const options = { path: '/tmp', [option]: value } as FileStoreOptions;

    expect(thrownBy(ConfigurationError, () => fileStore(options)).option).toBe(option);
  });

  test('refuses to run on Windows, where it could not keep its word', () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform');
    onTestFinished(() => void Object.defineProperty(process, 'platform', platform ?? {}));
    Object.defineProperty(process, 'platform', { value: 'win32' });

    thrownBy(ConfigurationError, () => fileStore({ path: '/tmp' }));
  });
});
