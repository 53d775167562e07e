import { mkdir, rm, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { fetchPackages } from '../../.ci/fetch-packages.ts';

/** Clients that only the benchmark needs. They are fetched when it runs, so that `npm ci` stays quick. */
const VERSIONS = { '@openrouter/sdk': '1.3.19', 'groq-sdk': '1.6.0', undici: '8.13.1' };

/** Folder of the fetched packages, with a link to this package. Node also finds the repository's packages from here. */
export const packagesFolder: string = await fetchPackages('bench', VERSIONS);

const link = `${packagesFolder}/node_modules/drun-sdk`;
await rm(link, { force: true });
await symlink(fileURLToPath(new URL('../..', import.meta.url)), link);
await mkdir(`${packagesFolder}/programs`, { recursive: true });

export interface Program {
  /** Path relative to `test/bench`. */
  readonly file: string;
  /** Whether to include its packages, as a bundler for serverless functions does. */
  readonly isBundled: boolean;
}

/** Compiles a program to JavaScript. Returns its path. */
export async function compile({ file, isBundled }: Program): Promise<string> {
  const name = file.replaceAll(/\W/g, '-');
  const outfile = `${packagesFolder}/programs/${name}${isBundled ? '-bundled' : ''}.mjs`;
  await build({
    stdin: {
      contents: `export * from ${JSON.stringify(fileURLToPath(new URL(file, import.meta.url)))};`,
      resolveDir: packagesFolder,
    },
    outfile,
    bundle: true,
    minify: isBundled,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
    nodePaths: [`${packagesFolder}/node_modules`],
    // Some dependencies of the peers are CommonJS and require Node's modules.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    tsconfigRaw: {},
    ...(isBundled ? {} : { packages: 'external' }),
  });
  return outfile;
}
