import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import typedoc from '../../docs/typedoc.json' with { type: 'json' };
import packageJson from '../../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = globSync(['*.md', 'docs/*.md', 'examples/*.md'], { cwd: root }).sort();

const read = (page: string): string => readFileSync(join(root, page), 'utf8');

/** Targets of the links and images of a page that are not URLs, as `[file, fragment]`. */
function linksOf(page: string): [file: string, fragment: string | undefined][] {
  const text = read(page).replace(/^ *```.*?^ *```$/gms, '');
  return Array.from(text.matchAll(/\]\(\s*([^)\s]+)\)/g), ([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', fragment] = target.split('#');
      return [path === '' ? page : join(dirname(page), path), fragment];
    });
}

/** The fragments of a page's headings, as GitHub creates them. */
function fragmentsOf(page: string): string[] {
  const text = read(page).replace(/^ *```.*?^ *```$/gms, '');
  return Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it.each(pages)('%s links only to files and headings that exist', (page) => {
  const broken = linksOf(page).filter(
    ([file, fragment]) =>
      !existsSync(join(root, file)) || (fragment !== undefined && !fragmentsOf(file).includes(fragment)),
  );
  expect(broken).toEqual([]);
});

it('the package contains every file to which its pages link', () => {
  // npm always includes the README and the license.
  const included = [...packageJson.files, 'README*', 'LICENSE'];
  const isIncluded = (file: string): boolean =>
    included.some((entry) => globSync([entry, `${entry}/**`], { cwd: root }).includes(file));
  const shipped = pages.filter(isIncluded);

  const missing = shipped.flatMap((page) => linksOf(page).filter(([file]) => !isIncluded(file)));

  expect(shipped.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

it('the documentation site contains every page', () => {
  const included = [typedoc.readme, ...typedoc.projectDocuments].map((path) => join('docs', path));
  // The site links to the licenses as a file.
  expect(pages.filter((page) => !included.includes(page))).toEqual(['THIRD-PARTY-NOTICES.md']);
});
