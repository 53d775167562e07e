import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import { npm } from '../fetch-packages.ts';
import { bundle, type Check, execute, type Group, writeFiles, writeModule } from './group.ts';

const { platform, arch } = process;
const nodePlatform = platform === 'win32' ? 'win' : platform;
const nodePackage = `node-${platform === 'darwin' && arch === 'arm64' ? 'bin-' : ''}${nodePlatform}-${arch}`;

const nodeVersions = { 'node-22': '22.23.3', 'node-24': '24.21.0', 'node-26': '26.10.0' } as const;
const bun = '1.4.5';
const deno = '2.9.6';
const miniflare = '4.20260730.0';

/** The latest date that this version of workerd supports. There is no flag that enables Node's built-in modules. */
const compatibilityDate = '2026-07-01';

const { './package.json': _, ...exported } = packageJson.exports;
const entryPoints = Object.keys(exported).map((subpath) => subpath.replace('.', packageJson.name));
const msw = 'drun-sdk/emulator/msw';
const needNode = ['emulator/node', 'node', 'rotation/file', 'rotation/kubernetes'].map(
  (name) => `drun-sdk/${name}`,
);
/** Imports an optional peer dependency on first use. workerd would resolve this import at startup. */
const dynamodb = 'drun-sdk/rotation/dynamodb';

const without = (...names: readonly string[]): string[] =>
  entryPoints.filter((name) => !names.includes(name));

/** JavaScript runtimes, with the package installed by npm. */
export const runtimes: Group = {
  name: 'runtimes',
  packages: {
    ...Object.fromEntries(
      Object.entries(nodeVersions).map(([name, version]) => [name, `npm:${nodePackage}@${version}`]),
    ),
    bun,
    deno,
    miniflare,
  },

  async checks(folder, tarball) {
    const project = await installPackage(tarball);
    const run = (pattern: string, ...args: string[]) =>
      execute(binary(folder, pattern), args, { cwd: project });
    const node = Object.entries(nodeVersions).flatMap(([name, version]): Check[] => [
      { platform: `Node ${version}`, use: '`import`', run: () => run(`${name}/bin/node`, 'main.js') },
      { platform: `Node ${version}`, use: '`require()`', run: () => run(`${name}/bin/node`, 'require.cjs') },
    ]);
    // The only permission is for the emulator's server.
    const permissions = ['--no-prompt', '--allow-net=127.0.0.1', '--node-modules-dir=manual'];
    return [
      ...node,
      {
        platform: `Node ${nodeVersions['node-22']}`,
        use: '`npx drun-sdk emulator`',
        run: () => runCommand(project, dirname(binary(folder, 'node-22/bin/node'))),
      },
      { platform: `Bun ${bun}`, use: '`import`', run: () => run('@oven/bun-*/bin/bun', 'main.js') },
      { platform: `Bun ${bun}`, use: '`require()`', run: () => run('@oven/bun-*/bin/bun', 'require.cjs') },
      {
        platform: `Deno ${deno}`,
        use: '`import` (except `emulator/msw`, which reads environment variables)',
        run: () => run('@deno/*/deno', 'run', ...permissions, 'main-without-msw.js'),
      },
      {
        platform: `workerd (miniflare ${miniflare})`,
        use: '`import` (bundled by esbuild, without the entry points that need Node or a peer dependency)',
        run: () => runOnWorkerd(project, folder),
      },
    ];
  },
};

async function installPackage(tarball: string): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), 'drun-sdk-matrix-'));
  process.once('exit', () => rmSync(project, { recursive: true, force: true }));
  await writeFiles(project, { 'package.json': JSON.stringify({ private: true, type: 'module' }) });
  await npm(['install', tarball, `msw@${packageJson.devDependencies.msw}`], project);
  await writeModule(fileURLToPath(new URL('consumer.ts', import.meta.url)), `${project}/consumer.js`);
  const main = (names: readonly string[]): string => `${importAll(names)}
    import { consume } from './consumer.js';
    import { serve } from 'drun-sdk/emulator/node';
    await consume(serve);`;
  await writeFiles(project, {
    'main.js': main(entryPoints),
    'main-without-msw.js': main(without(msw)),
    'require.cjs': `(async () => {
      for (const name of ${JSON.stringify(entryPoints)}) {
        const required = require(name);
        const imported = await import(name);
        const exports = Object.keys(imported);
        if (exports.length === 0) throw new Error(name + ' exports nothing');
        for (const key of exports) {
          if (required[key] !== imported[key]) throw new Error(name + ' has two copies of ' + key);
        }
      }
    })();`,
  });
  return project;
}

/** Returns code that imports entry points and fails if one of them exports nothing. */
function importAll(names: readonly string[]): string {
  const imports = names.map((name, index) => `import * as m${index} from '${name}';`);
  const modules = names.map((name, index) => `'${name}': m${index}`);
  return `${imports.join('\n')}
    for (const [name, module] of Object.entries({ ${modules.join(', ')} })) {
      if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing');
    }`;
}

/** Starts the emulator with its command, sends a request, and stops the emulator. */
async function runCommand(project: string, nodeFolder: string): Promise<void> {
  const env = { ...process.env, PATH: `${nodeFolder}${delimiter}${process.env.PATH}` };
  const child = spawn(`${project}/node_modules/.bin/drun-sdk`, ['emulator', '--port', '0', '--json'], {
    env,
  });
  try {
    const exited = once(child, 'exit');
    const signal = AbortSignal.timeout(60_000);
    const [line] = await once(createInterface({ input: child.stdout }), 'line', { signal });
    const { url, apiKey } = JSON.parse(line) as { url: string; apiKey: string };
    const { status } = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${apiKey}` } });
    if (status !== 200) throw new Error(`the response has status ${status}`);
    child.kill('SIGINT');
    const [code] = await exited;
    if (code !== 0) throw new Error(`the command exited with ${code}`);
  } finally {
    child.kill('SIGKILL');
  }
}

async function runOnWorkerd(project: string, folder: string): Promise<void> {
  const program = `${importAll(without(...needNode, msw, dynamodb))}
    import { consume } from './consumer.js';
    export default {
      async fetch() {
        try {
          await consume();
          return new Response('ok');
        } catch (error) {
          return new Response(error.stack, { status: 500 });
        }
      },
    };`;
  const script = await bundle(program, { folder: project, packages: 'bundle' });
  const path = `${folder}/node_modules/miniflare/dist/src/index.js`;
  const { Miniflare } = (await import(pathToFileURL(path).href)) as { Miniflare: MiniflareConstructor };
  const worker = new Miniflare({ modules: true, script, compatibilityDate });
  try {
    const response = await worker.dispatchFetch('http://127.0.0.1/');
    if (response.status !== 200) throw new Error(await response.text());
  } finally {
    await worker.dispose();
  }
}

/** The API of miniflare that is used here. Type checks run without miniflare, so it has no types there. */
type MiniflareConstructor = new (options: {
  modules: true;
  script: string;
  compatibilityDate: string;
}) => {
  dispatchFetch: (url: string) => Promise<Response>;
  dispose: () => Promise<void>;
};

/** Returns the path of an executable in the folder of a group. */
export function binary(folder: string, pattern: string): string {
  const suffix = platform === 'win32' ? '.exe' : '';
  const [path] = globSync(`node_modules/${pattern}${suffix}`, { cwd: folder });
  if (!path) throw new Error(`no binary for ${platform} ${arch}: ${pattern}`);
  return join(folder, path);
}
