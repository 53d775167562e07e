/*
 * Installs the packed package into an empty project, as a user would, and runs smoke-consumer.ts there on every
 * runtime that is supported. Needs `npm run build` to have run, and npm's registry.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import packageJson from '../package.json' with { type: 'json' };
import { fetchPackages, npm } from './fetch-packages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const TIME_LIMIT_MS = 60_000;

/** Node's own packages carry their platform in the name; those of the others choose by themselves. */
const nodePlatform = process.platform === 'win32' ? 'win' : process.platform;
const nodePackage = `node-${nodePlatform === 'darwin' && process.arch === 'arm64' ? 'bin-' : ''}${nodePlatform}-${process.arch}`;

/** By the name under which they are installed. */
const versions: Record<string, string> = {
  'node-22': `npm:${nodePackage}@22.23.3`,
  'node-24': `npm:${nodePackage}@24.21.0`,
  bun: '1.4.5',
  deno: '2.9.6',
  miniflare: '4.20260730.0',
};

/** The newest behaviour that this miniflare's workerd knows of; no flag, so nothing of Node's. */
const compatibilityDate = '2026-07-01';

const { './package.json': _, ...exported } = packageJson.exports;
const subpaths = Object.keys(exported).map((subpath) => subpath.replace('.', packageJson.name));
const needNode = [
  'drun-sdk/emulator/node',
  'drun-sdk/node',
  'drun-sdk/rotation/file',
  'drun-sdk/rotation/kubernetes',
];
const needsMsw = 'drun-sdk/emulator/msw';
/** workerd resolves the optional peer that this imports on demand. */
const needsAws = 'drun-sdk/rotation/dynamodb';

function without(...left: readonly string[]): string[] {
  return subpaths.filter((subpath) => !left.includes(subpath));
}

interface Run {
  readonly name: string;
  /** @throws Error with what went wrong. */
  readonly run: (project: string) => Promise<void>;
}

const runs: Run[] = [
  ...['node-22', 'node-24'].flatMap((name) => [
    { name: `${name} import`, run: (project: string) => execute(nodeOf(name), ['main.js'], project) },
    { name: `${name} require`, run: (project: string) => execute(nodeOf(name), ['require.cjs'], project) },
  ]),
  { name: 'bun import', run: (project) => execute(binary('@oven/bun-*/bin/bun'), ['main.js'], project) },
  {
    name: `deno import, without ${needsMsw}, which reads the environment`,
    run: (project) => {
      // No permission but the socket of the emulator's server.
      const permissions = ['--no-prompt', '--allow-net=127.0.0.1'];
      const args = ['run', ...permissions, '--node-modules-dir=manual', 'main-without-msw.js'];
      return execute(binary('@deno/*/deno'), args, project);
    },
  },
  { name: 'node-22 command', run: runCommand },
  {
    name: `workerd import, without ${[...needNode, needsMsw, needsAws].join(', ')}, which need Node or a peer`,
    run: runOnWorkerd,
  },
];

const runtimes = await fetchPackages('runtimes', versions);
const project = await mkdtemp(join(tmpdir(), 'drun-sdk-smoke-'));
try {
  await installPackage(project);
  await writePrograms(project);
  console.log(`subpaths: ${subpaths.join(' ')}`);
  for (const { name, run } of runs) {
    try {
      await run(project);
      console.log(`ok    ${name}`);
    } catch (error) {
      console.log(`FAIL  ${name}: ${reasonOf(error)}`);
      process.exitCode = 1;
    }
  }
} finally {
  await rm(project, { recursive: true, force: true });
}

async function installPackage(directory: string): Promise<void> {
  await npm(['pack', '--pack-destination', directory], root);
  const [tarball] = globSync('*.tgz', { cwd: directory });
  if (!tarball) throw new Error('npm pack made no tarball');
  await writeFile(join(directory, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  // msw is an optional peer, for those who have it.
  await npm(['install', tarball, `msw@${packageJson.devDependencies.msw}`], directory);
}

/** Puts the programs into the project, as JavaScript: what is tried is the package, not who strips types. */
async function writePrograms(directory: string): Promise<void> {
  await copyFile(join(root, '.ci/smoke-consumer.ts'), join(directory, 'smoke-consumer.ts'));
  const programs = { 'main.js': subpaths, 'main-without-msw.js': without(needsMsw) };
  for (const [file, imported] of Object.entries(programs)) {
    const program = await bundle(directory, {
      program: `${importAll(imported)}
        import { consume } from './smoke-consumer.ts';
        import { serve } from 'drun-sdk/emulator/node';
        await consume(serve);`,
      packages: 'external',
    });
    await writeFile(join(directory, file), program);
  }
  await writeFile(
    join(directory, 'require.cjs'),
    `(async () => {
      for (const subpath of ${JSON.stringify(subpaths)}) {
        const required = require(subpath);
        const imported = await import(subpath);
        const names = Object.keys(imported);
        if (names.length === 0) throw new Error(subpath + ' exports nothing');
        for (const name of names) {
          if (required[name] !== imported[name]) throw new Error(subpath + ': two copies of ' + name);
        }
      }
    })();`,
  );
}

/** Starts the emulator as `npx drun-sdk` does, uses it, and ends it. */
async function runCommand(directory: string): Promise<void> {
  const path = `${dirname(nodeOf('node-22'))}${delimiter}${process.env.PATH}`;
  const program = join(directory, 'node_modules/.bin/drun-sdk');
  const child = spawn(program, ['emulator', '--port', '0', '--json'], {
    env: { ...process.env, PATH: path },
  });
  try {
    const exited = once(child, 'exit');
    const [line] = await once(createInterface({ input: child.stdout }), 'line', {
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    const { url, apiKey } = JSON.parse(line) as { url: string; apiKey: string };
    const headers = { authorization: `Bearer ${apiKey}` };
    const { status } = await fetch(`${url}/v1/models`, { headers });
    if (status !== 200) throw new Error(`it answered ${status}`);
    child.kill('SIGINT');
    const [code] = await exited;
    if (code !== 0) throw new Error(`it ended with ${code}`);
  } finally {
    child.kill('SIGKILL');
  }
}

async function runOnWorkerd(directory: string): Promise<void> {
  const script = await bundle(directory, {
    program: `${importAll(without(...needNode, needsMsw, needsAws))}
      import { consume } from './smoke-consumer.ts';
      export default {
        async fetch() {
          try {
            await consume();
            return new Response('ok');
          } catch (error) {
            return new Response(error.stack, { status: 500 });
          }
        },
      };`,
    packages: 'bundle',
  });
  const { Miniflare } = (await import(
    pathToFileURL(join(runtimes, 'node_modules/miniflare/dist/src/index.js')).href
  )) as { Miniflare: MiniflareConstructor };
  const miniflare = new Miniflare({ modules: true, script, compatibilityDate });
  try {
    const response = await miniflare.dispatchFetch('http://127.0.0.1/');
    if (response.status !== 200) throw new Error(await response.text());
  } finally {
    await miniflare.dispose();
  }
}

/** As much of miniflare as is used; it is not installed where types are checked. */
type MiniflareConstructor = new (options: {
  modules: true;
  script: string;
  compatibilityDate: string;
}) => {
  dispatchFetch: (url: string) => Promise<Response>;
  dispose: () => Promise<void>;
};

/** Imports every subpath whole, and fails at runtime for one that exports nothing. */
function importAll(specifiers: readonly string[]): string {
  const imports = specifiers.map((specifier, index) => `import * as m${index} from '${specifier}';`);
  const modules = specifiers.map((specifier, index) => `'${specifier}': m${index}`);
  return `${imports.join('\n')}
    for (const [subpath, module] of Object.entries({ ${modules.join(', ')} })) {
      if (Object.keys(module).length === 0) throw new Error(subpath + ' exports nothing');
    }`;
}

async function bundle(
  directory: string,
  { program, packages }: { program: string; packages: 'bundle' | 'external' },
): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: directory },
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

function nodeOf(name: string): string {
  return binary(`${name}/bin/node`);
}

function binary(pattern: string): string {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const [path] = globSync(`node_modules/${pattern}${suffix}`, { cwd: runtimes });
  if (!path) throw new Error(`no binary for ${process.platform} ${process.arch}: ${pattern}`);
  return join(runtimes, path);
}

/** Runs a program that must succeed and print nothing: whatever the package printed could end in a log. */
async function execute(command: string, args: readonly string[], cwd: string): Promise<void> {
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' };
  const options = { cwd, env, timeout: TIME_LIMIT_MS };
  const { stdout, stderr } = await promisify(execFile)(command, args, options).catch(
    (error: Error & { killed?: boolean }) => {
      throw error.killed ? new Error(`still running after ${TIME_LIMIT_MS} ms`) : error;
    },
  );
  if (stdout + stderr !== '') throw new Error(`printed ${JSON.stringify(stdout + stderr)}`);
}

/** The one line of a program's complaint that says what is wrong, without the code and the stack around it. */
function reasonOf(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split('\n');
  return (lines.find((line) => /^(?:\S+: )*\S*error\b.*: /i.test(line)) ?? lines[0] ?? '').trim();
}
