import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const cache = fileURLToPath(new URL('../.cache/', import.meta.url));

/**
 * Installs pinned packages into `.cache/<name>`, which git ignores, unless they are already there. Install scripts do not
 * run: packages with a binary for each platform depend on the packages that contain it.
 *
 * @param versions - Version or `npm:` alias of each package, by the name it is installed under.
 * @returns The folder, without a trailing slash.
 */
export async function fetchPackages(
  name: string,
  versions: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = `${cache}${name}`;
  const manifest = JSON.stringify({ private: true, dependencies: versions }, null, 2);
  // Written last, so that an interrupted installation does not count.
  const stamp = `${folder}/installed.json`;
  if ((await readFile(stamp, 'utf8').catch(() => undefined)) === manifest) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/package.json`, manifest);
  await npm(['install'], folder);
  await writeFile(stamp, manifest);
  return folder;
}

/** Runs npm without scripts, audits and progress. */
export async function npm(args: readonly string[], cwd: string): Promise<void> {
  const [command = '', ...options] = args;
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await promisify(execFile)('npm', [command, ...quiet, ...options], {
    cwd,
    shell: process.platform === 'win32',
  });
}
