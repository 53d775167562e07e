import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A TypeScript code block in the documentation. Each one is a complete module. */
export interface CodeBlock {
  /** File and line: `README.md:42`. */
  readonly location: string;
  readonly code: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Returns the `ts` blocks of all pages and `@example`s, without fragments (`text`) and code that needs other packages (`js`). */
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
    // A file is a module only if it imports or exports something.
    return { location: `${file}:${line}`, code: `${code}\nexport {};\n` };
  });
}
