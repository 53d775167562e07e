import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A block of TypeScript in the documentation: a complete module. */
export interface CodeBlock {
  /** File and line: `README.md:42`. */
  readonly place: string;
  readonly code: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The `ts` blocks of all pages and `@example`s. Fragments (`text`) and code for packages that are not installed (`js`) are not checked. */
export function codeBlocks(): CodeBlock[] {
  const files = globSync(['*.md', 'docs/*.md', 'src/**/*.ts'], { cwd: root }).sort();
  return files.flatMap((file) => blocksOf(file, readFileSync(`${root}${file}`, 'utf8')));
}

function blocksOf(file: string, text: string): CodeBlock[] {
  return Array.from(text.matchAll(/^([ *]*)```ts\n(.*?)^[ *]*```$/gms), (match) => {
    const [, indent = '', body = ''] = match;
    const line = text.slice(0, match.index).split('\n').length;
    const code = body
      .split('\n')
      .map((row) => (row.startsWith(indent) ? row.slice(indent.length) : row.replace(/^ *\*$/, '')))
      .join('\n');
    // A module, even if the block imports and exports nothing.
    return { place: `${file}:${line}`, code: `${code}\nexport {};\n` };
  });
}
