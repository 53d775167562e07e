import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import tsup from '../../tsup.config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const { './package.json': _, ...subpaths } = packageJson.exports;
const targets = Object.entries(subpaths);

test.each(targets)('the export %s points to a built file', (_, { default: code }) => {
  expect(existsSync(`${root}${code}`), code).toBe(true);
});

test.each(targets)('the export %s has a declaration file next to its code', (_, { types, default: code }) => {
  expect(types).toBe(code.replace(/\.js$/, '.d.ts'));
});

test('the build has an entry for each subpath and command, and no others', () => {
  const { entry } = tsup as { entry: Record<string, string> };

  const built = Object.keys(entry).map((name) => `./dist/${name}.js`);
  const named = [...targets.map(([, { default: code }]) => code), ...Object.values(packageJson.bin)];
  expect(built.sort()).toEqual([...new Set(named)].sort());
});

test.each(Object.entries(packageJson.bin))('the command %s is a Node script', (_, path) => {
  expect(readFileSync(`${root}${path}`, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});
