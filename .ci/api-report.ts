/*
 * Writes the public API to `docs/api/`, one text file for each entry point, based on the built declarations.
 *
 *   node .ci/api-report.ts          write the report
 *   node .ci/api-report.ts --check  fail if the committed report differs from the build
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import packageJson from '../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}docs/api/`;
const isCheck = process.argv.includes('--check');

const declarations = Object.entries(packageJson.exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [{ subpath, file: `${root}${target.types}` }],
);
const program = ts.createProgram(
  declarations.map(({ file }) => file),
  {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  },
);
const checker = program.getTypeChecker();
const printer = ts.createPrinter({ removeComments: true });

const reports = new Map(
  declarations.map(({ subpath, file }) => [
    `${subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-')}.txt`,
    report(subpath, file),
  ]),
);

if (isCheck) {
  const committed = await readdir(folder).catch(() => []);
  const stale = committed.filter((name) => !reports.has(name));
  const changed: string[] = [];
  for (const [name, text] of reports) {
    const before = await readFile(folder + name, 'utf8').catch(() => '');
    if (before !== text) changed.push(`${name}\n${difference(before, text)}`);
  }
  if (stale.length + changed.length > 0) {
    console.error(
      'The public API differs from docs/api/. If this is intended, run `npm run api` and commit the result.',
    );
    for (const entry of [...stale.map((name) => `${name} belongs to no entry point`), ...changed])
      console.error(entry);
    process.exitCode = 1;
  }
} else {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, text] of reports) await writeFile(folder + name, text);
}

function report(subpath: string, file: string): string {
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${file} has no exports. Run \`npm run build\` first.`);
  // `drun-sdk` re-exports other entry points, so the names are enough.
  const entries = checker
    .getExportsOfModule(module)
    .map((symbol) => `export ${symbol.name}\n${subpath === '.' ? '' : `${declarationOf(symbol)}\n`}`)
    .sort();
  return `${subpath.replace('.', packageJson.name)}\n\n${entries.join(subpath === '.' ? '' : '\n')}`;
}

function declarationOf(symbol: ts.Symbol): string {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return (target.declarations ?? [])
    .flatMap((declaration) => [...baseOf(declaration), declaration])
    .map((declaration) => {
      const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
      return printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile());
    })
    .join('\n')
    .replaceAll(/^(?:export )?(?:declare )?/gm, '')
    .replaceAll(/^\s*(?:#private;|private .*;)\n/gm, '')
    .replaceAll('"', "'")
    .replaceAll(/^/gm, '  ');
}

/** Returns the constant that the compiler declares for a class that extends an expression. */
function baseOf(declaration: ts.Declaration): ts.Declaration[] {
  if (!ts.isClassDeclaration(declaration)) return [];
  const base = declaration.heritageClauses?.[0]?.types[0]?.expression;
  if (!base?.getText().endsWith('_base')) return [];
  return checker.getSymbolAtLocation(base)?.declarations ?? [];
}

/** Returns the lines that only one of the two texts contains. */
function difference(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ].join('\n');
}
