import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { bundle } from '../support/bundle.ts';
import { interleave } from './measure.ts';
import { compile, packagesFolder } from './programs.ts';
import { BASELINE, table } from './table.ts';

/** What a program with a client imports, and the class that it uses. */
const IMPORTS: Readonly<Record<string, readonly [specifier: string, name: string]>> = {
  'drun-sdk/chat': ['drun-sdk/chat', 'ChatClient'],
  'drun-sdk/api-keys': ['drun-sdk/api-keys', 'ApiKeys'],
  'drun-sdk/rotation': ['drun-sdk/rotation', 'KeyRing'],
  'drun-sdk': ['drun-sdk', 'ChatClient'],
  ky: ['ky', 'default'],
  openai: ['openai', 'default'],
  groq: ['groq-sdk', 'Groq'],
  OpenRouter: ['@openrouter/sdk', 'OpenRouter'],
  'AI SDK': ['ai', 'generateText'],
};

/**
 * Measures new processes: the duration of an import, the time from the start of the process to the first completion, and
 * to the first list of API keys. Also prints the sizes of bundles.
 */
export async function measureStart(
  clients: Readonly<Record<string, string>>,
  origin: string,
  rounds: number,
): Promise<string> {
  const imports = new Map<string, () => Promise<number>>();
  const sizes = new Map<string, number[]>();
  for (const [title, [specifier, name]] of Object.entries(IMPORTS)) {
    imports.set(title, () =>
      printedBy(`const start = performance.now();
        await import(${JSON.stringify(specifier)});
        console.log(performance.now() - start);`),
    );
    const { gzippedBytes } = await bundle(
      `import { ${name} as used } from ${JSON.stringify(specifier)}; console.log(used);`,
      packagesFolder,
      { platform: 'node' },
    );
    sizes.set(title, [gzippedBytes / 1_000]);
  }

  const measureFirst = async (
    files: Readonly<Record<string, string>>,
    expression: string,
    isBundled: boolean,
  ): Promise<Map<string, number[]>> => {
    const programs = new Map<string, () => Promise<number>>();
    for (const [title, file] of Object.entries(files)) {
      const url = pathToFileURL(await compile({ file: `clients/${file}.ts`, isBundled })).href;
      programs.set(title, () =>
        printedBy(`import * as client from ${JSON.stringify(url)};
          const baseUrl = ${JSON.stringify(`${origin}/whole`)};
          await ${expression};
          console.log(performance.now());
          process.exit();`),
      );
    }
    return interleave(programs, rounds);
  };
  const lists = { [BASELINE]: 'first-list-fetch', 'drun-sdk': 'first-list' };
  return [
    table([
      { title: 'import, ms', values: await interleave(imports, rounds) },
      { title: 'bundle, gzip, kB', values: sizes, digits: 1 },
    ]),
    table([
      {
        title: 'start to first completion, bundled, ms',
        values: await measureFirst(clients, 'client.createClient(baseUrl).call()', true),
      },
      {
        title: 'unbundled, ms',
        values: await measureFirst(clients, 'client.createClient(baseUrl).call()', false),
      },
    ]),
    table([
      {
        title: 'start to first list of API keys, bundled, ms',
        values: await measureFirst(lists, 'client.listKeys(baseUrl)', true),
      },
      { title: 'unbundled, ms', values: await measureFirst(lists, 'client.listKeys(baseUrl)', false) },
    ]),
  ].join('\n\n');
}

/** Runs a program in a new process. Returns the number that it prints. */
async function printedBy(program: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: packagesFolder,
  });
  return Number(stdout);
}
