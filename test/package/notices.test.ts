import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

/** Packages whose code is in `dist`, according to its source maps. */
const bundled = new Set(
  globSync('dist/**/*.js.map', { cwd: root }).flatMap((file) => {
    const { sources } = JSON.parse(read(file)) as { sources: string[] };
    return sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? []);
  }),
);

/** Sections of THIRD-PARTY-NOTICES.md by package: the license text in its fenced block. */
const notices = new Map(
  Array.from(
    read('THIRD-PARTY-NOTICES.md').matchAll(/^## (\S+)\n.*?^```\n(.*?)^```$/gms),
    ([, name = '', license = '']) => [name, license],
  ),
);

it('THIRD-PARTY-NOTICES.md has a section for each bundled package and no other', () => {
  expect(bundled.size).toBeGreaterThan(0);
  expect([...notices.keys()].sort()).toEqual([...bundled].sort());
});

it.each([...notices])('the notice of %s is its license', (name, license) => {
  expect(license.trim()).toBe(read(`node_modules/${name}/LICENSE`).trim());
});

it('the dashboard scripts, which are bundled as text, import no package', () => {
  const scripts = globSync('src/emulator/dashboard/**/*.ts', { cwd: root });
  const specifiers = scripts.flatMap((file) =>
    Array.from(read(file).matchAll(/ from '([^']+)'/g), ([, specifier = '']) => specifier),
  );
  expect(scripts).not.toEqual([]);
  expect(specifiers.filter((specifier) => !specifier.startsWith('.'))).toEqual([]);
});
