/*
 * Tests the packed package on every supported platform and prints the table for docs/compatibility.md. Run
 * `npm run build` first. Requires the npm registry. Fails if a check fails or the table in the docs is out of date.
 *
 *   node .ci/matrix/matrix.ts            runs all groups
 *   node .ci/matrix/matrix.ts types …    runs only these groups
 */
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { fetchPackages, npm } from '../fetch-packages.ts';
import { bundlers } from './bundlers.ts';
import { frameworks } from './frameworks.ts';
import type { Check, Group } from './group.ts';
import { runtimes } from './runtimes.ts';
import { types } from './types.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const allGroups = [runtimes, types, bundlers, frameworks];
const names = process.argv.slice(2);
const groups = names.length > 0 ? allGroups.filter(({ name }) => names.includes(name)) : allGroups;

/** The successful checks of each platform. */
const working = new Map<string, string[]>();
let notTried = 0;
let failed = 0;

const folder = await mkdtemp(`${tmpdir()}/drun-sdk-pack-`);
try {
  await npm(['pack', '--pack-destination', folder], root);
  const [tarball] = globSync(`${folder}/*.tgz`);
  if (!tarball) throw new Error('`npm pack` created no tarball.');
  for (const group of groups) await tryGroup(group, tarball);
} finally {
  await rm(folder, { recursive: true, force: true });
}

const rows = Array.from(working, ([platform, uses]) => `| ${platform} | ${uses.join(', ')} |`);
const table = ['| platform | what works |', '|---|---|', ...rows].join('\n');
console.log(`\n${table}\n`);
console.log(`${[...working.values()].flat().length} passed, ${failed} failed, ${notTried} groups not tried`);
if (failed > 0) process.exitCode = 1;
const isComplete = groups.length === allGroups.length && notTried === 0 && failed === 0;
if (isComplete && !(await readFile(`${root}docs/compatibility.md`, 'utf8')).includes(`${table}\n`)) {
  console.log('The table in docs/compatibility.md is out of date. Replace it with the one above.');
  process.exitCode = 1;
}

async function tryGroup(group: Group, tarball: string): Promise<void> {
  let packages: string;
  try {
    packages = await fetchPackages(group.name, group.packages);
  } catch (error) {
    notTried++;
    const names = Object.keys(group.packages).join(', ');
    console.log(`not tried: ${group.name} (${names}), because npm failed: ${fetchErrorOf(error)}`);
    return;
  }
  for (const check of await group.checks(packages, tarball)) await tryOne(check);
}

async function tryOne({ platform, use, run }: Check): Promise<void> {
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  try {
    await run();
    working.set(platform, [...(working.get(platform) ?? []), use]);
    console.log(`ok    ${platform}: ${use} (${seconds()} s)`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${platform}: ${use} (${seconds()} s)\n${messageOf(error)}`);
  }
}

/** Returns npm's summary of an error, without the details. */
function fetchErrorOf(error: unknown): string {
  const lines = Array.from(messageOf(error).matchAll(/^npm error (.*)$/gm), ([, line]) => line);
  return lines.slice(0, 3).join('; ') || messageOf(error);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 30).join('\n');
}
