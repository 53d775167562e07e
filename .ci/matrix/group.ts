import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };

const TIME_LIMIT_MS = 120_000;

/** Checks that require the same packages. */
export interface Group {
  /** Name of the folder in `.cache` in which the packages are installed. */
  readonly name: string;
  /** The version or `npm:` alias of each package, by its name. */
  readonly packages: Readonly<Record<string, string>>;
  checks(folder: string, tarball: string): Promise<readonly Check[]>;
}

/** A row of the table. */
export interface Check {
  readonly platform: string;
  /** How the platform uses the package, in Markdown. */
  readonly use: string;
  /** Runs the check. @throws {Error} If something does not work. */
  run(): Promise<void>;
}

/** The dependencies of `drun-sdk`, for groups that install it with {@link unpack} instead of npm. */
export const dependencies: Readonly<Record<string, string>> = packageJson.dependencies;

/** Unpacks the package into `node_modules` of a folder inside the repository. */
export async function unpack(tarball: string, folder: string): Promise<void> {
  const target = `${folder}/node_modules/${packageJson.name}`;
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await promisify(execFile)('tar', ['-xzf', tarball, '--strip-components=1', '-C', target]);
  // Otherwise, bundlers would use the repository's `tsconfig.json`, whose `paths` refer to the sources.
  await writeFile(`${folder}/tsconfig.json`, '{}');
}

/**
 * Runs a program that must succeed and print nothing, because output of the library could contain a credential.
 *
 * @throws {Error} If the program fails or prints something. The message contains the output.
 */
export async function execute(
  command: string,
  args: readonly string[],
  { cwd, env, mayPrint = false }: { cwd: string; env?: NodeJS.ProcessEnv; mayPrint?: boolean },
): Promise<void> {
  const options = {
    cwd,
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1', NODE_OPTIONS: '', ...env },
    timeout: TIME_LIMIT_MS,
  };
  const { stdout, stderr } = await promisify(execFile)(command, args, options).catch(
    (error: Error & { killed?: boolean; stdout?: string }) => {
      if (error.killed) throw new Error(`still running after ${TIME_LIMIT_MS} ms`);
      throw new Error(`${error.message}\n${error.stdout}`);
    },
  );
  if (!mayPrint && stdout + stderr !== '') throw new Error(`printed ${JSON.stringify(stdout + stderr)}`);
}

/** Compiles a TypeScript module to JavaScript without bundling its imports. */
export async function writeModule(
  source: string,
  target: string,
  format: 'esm' | 'cjs' = 'esm',
): Promise<void> {
  await build({
    entryPoints: [source],
    outfile: target,
    format,
    platform: 'neutral',
    target: 'es2022',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    logLevel: 'silent',
  });
}

/** Bundles a program, with or without the packages that it imports. */
export async function bundle(
  program: string,
  { folder, packages }: { folder: string; packages: 'bundle' | 'external' },
): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: folder },
    bundle: true,
    packages,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    conditions: ['workerd', 'worker'],
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}

export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(`${folder}/${name}`, text);
}
