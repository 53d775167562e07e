import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import tsup from '../../tsup.config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const { './package.json': _, ...subpaths } = packageJson.exports;
const targets = Object.entries(subpaths);

test.each(targets)('%s leads to code and to types that the build makes', (_, { types, default: code }) => {
  expect(existsSync(`${root}${code}`), code).toBe(true);
  expect(existsSync(`${root}${types}`), types).toBe(true);
});

test.each(targets)('%s has its types beside its code', (_, { types, default: code }) => {
  expect(types).toBe(code.replace(/\.js$/, '.d.ts'));
});

test('the build makes an entry for each subpath, and no other', () => {
  const { entry } = tsup as { entry: Record<string, string> };

  const built = Object.keys(entry).map((name) => `./dist/${name}.js`);
  expect(built.sort()).toEqual(targets.map(([, { default: code }]) => code).sort());
});
