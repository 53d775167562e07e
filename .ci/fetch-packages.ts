import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const cache = fileURLToPath(new URL('../.cache/', import.meta.url));

/**
 * Installs pinned packages in `.cache/<name>`, which git ignores, unless they are already installed. Install scripts do
 * not run, because binaries for each platform are in packages that npm installs as dependencies.
 *
 * @param versions - The version or `npm:` alias of each package, by the name under which it is installed.
 * @returns The path of the folder, without a trailing slash.
 */
export async function fetchPackages(
  name: string,
  versions: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = `${cache}${name}`;
  const manifest = JSON.stringify({ private: true, dependencies: versions }, null, 2);
  // Written last, so that an interrupted installation is repeated.
  const stamp = `${folder}/installed.json`;
  if ((await readFile(stamp, 'utf8').catch(() => undefined)) === manifest) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/package.json`, manifest);
  await npm(['install'], folder);
  await writeFile(stamp, manifest);
  return folder;
}

/** Runs npm without install scripts, audits and progress messages. */
export async function npm(args: readonly string[], cwd: string): Promise<void> {
  const [command = '', ...options] = args;
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await promisify(execFile)('npm', [command, ...quiet, ...options], {
    cwd,
    shell: process.platform === 'win32',
  });
}
