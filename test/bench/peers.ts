/**
 * Clients that only the benchmark needs: no development dependencies, which every newcomer would wait for. Installed into
 * an ignored folder when the benchmark is asked for.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const VERSIONS = { '@openrouter/sdk': '1.3.19', 'groq-sdk': '1.6.0' };

const folder = fileURLToPath(new URL('../../.cache/bench/', import.meta.url));
/** Makes the folder a project of its own; without it npm installs into the one around it. */
const manifest = join(folder, 'package.json');
/** What was installed when that came to its end. */
const installed = join(folder, 'installed.json');

/** What a peer exports, installed at the version that is asked for. */
export async function readPeer<Exports>(name: keyof typeof VERSIONS): Promise<Exports> {
  const wanted = JSON.stringify(VERSIONS);
  if (!existsSync(installed) || readFileSync(installed, 'utf8') !== wanted) {
    install();
    writeFileSync(installed, wanted);
  }
  const { resolve } = createRequire(manifest);
  return (await import(pathToFileURL(resolve(name)).href)) as Exports;
}

function install(): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(manifest, JSON.stringify({ private: true, dependencies: VERSIONS }));
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags], { cwd: folder, stdio: ['ignore', 2, 2] });
}
